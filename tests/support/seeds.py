"""Seeds for the weights of a model."""

import random


def seed_weights(seed: int) -> None:
    """Decides all weights and dropout that Keras draws from here on.

    Keras takes their seeds from Python's generator. `keras.utils.set_random_seed` gives the same
    weights, but it also seeds TensorFlow, which then forgets every function and every kernel that
    it has prepared: seconds for each translator that is used again.
    """
    random.seed(seed)
