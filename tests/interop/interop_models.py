"""Random models, and parts of a user's own, for the tests of both converters."""

import keras
import numpy as np

from keras_attn.layers import FeedForward, MultiHeadAttention, SinusoidalPositionEncoding
from keras_attn.models import Transformer

SIZES = {"hidden_dim": 12, "intermediate_dim": 17, "num_heads": 3, "num_layers": 2}
SIZES |= {"num_decoder_layers": 3, "source_vocabulary_size": 23}  # more than the tokenizer's 21


@keras.saving.register_keras_serializable(package="tests")
class AnotherAttention(MultiHeadAttention):
    """A variant of a user's own."""


@keras.saving.register_keras_serializable(package="tests")
class AnotherPosition(SinusoidalPositionEncoding):
    """A variant of a user's own."""


@keras.saving.register_keras_serializable(package="tests")
class AnotherFeedForward(FeedForward):
    """A variant of a user's own."""


class AnotherTransformer(Transformer):
    """A variant of a user's own."""


def make_model(seed=0, **overrides):
    model = Transformer(**{**SIZES, **overrides})
    model.build()
    randomize(model, seed)
    return model


def randomize(model, seed):
    """Random numbers everywhere: gains of 1 and biases of 0 could be lost without a trace."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        values = random.normal(size=weight.shape)
        path = weight.path
        if "position" in path:
            values *= 0.8
        elif path.endswith(("embeddings", "output_projection/kernel")):
            values *= 0.2
            rows = values if path.endswith("embeddings") else values.T
            rows[[0, 2]] *= 0.01  # never produced by our search, so not probable for theirs either
            rows[3, :3] += random.choice([-0.6, 0.6], size=3)  # that hypotheses end now and then
        elif path.endswith(("gamma", "scale")):
            values = 1 + 0.3 * values
        elif path.endswith("bias") or values.ndim == 1:
            values *= 0.3
        else:
            values *= 0.8 / np.prod(weight.shape[: 2 if "output" in path else 1]) ** 0.5
        weight.assign(values)
