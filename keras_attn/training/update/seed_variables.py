"""The random state of a model."""

import keras


def seed_variables(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of the seed generators of a model's layers, each `[seed, count of calls]`.

    Keras does not save them with the weights.

    Args:
        model: keras.Model. Built.

    Returns:
        list of Variable.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.1, seed=7)])
    >>> [variable.numpy().tolist() for variable in seed_variables(model)]
    [[7, 0]]
    """
    saved = {id(weight) for weight in model.weights}
    return [one for one in model.non_trainable_variables if id(one) not in saved]
