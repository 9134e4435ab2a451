"""A small model and a batch with padding, for updates that are also made by hand."""

import keras
import numpy as np
import tensorflow as tf

from keras_attn import create_model
from keras_attn.training import LabelSmoothedCrossEntropy

V, ROWS, S, T = 11, 4, 5, 6
RATE = 0.5


def make_model(dropout: float = 0.0) -> keras.Model:
    """A Transformer compiled with plain gradient descent; always with the same weights."""
    keras.utils.set_random_seed(1)
    model = create_model(
        "transformer_tiny",
        source_vocabulary_size=V,
        dropout=dropout,
        hidden_dim=24,
        intermediate_dim=40,
        num_heads=3,
        num_layers=1,
    )
    model.compile(keras.optimizers.SGD(RATE), LabelSmoothedCrossEntropy(0.1), jit_compile=False)
    return model


def make_batch() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs and labels; one row is nothing but padding."""
    random = np.random.default_rng(5)
    real = np.arange(T) < np.array([6, 1, 3, 0])[:, None]
    targets = np.where(real, random.integers(4, V, (ROWS, T)), 0).astype("int32")
    inputs = {
        "encoder_token_ids": random.integers(4, V, (ROWS, S)).astype("int32"),
        "decoder_token_ids": np.where(real, np.roll(targets, 1, axis=1), 0).astype("int32"),
    }
    return inputs, targets


def logits_and_weights() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two predictions of a batch, and the weights of its tokens; one row is padding."""
    generator = np.random.default_rng(3)
    first, second = generator.normal(0, 3, (2, ROWS, T, V)).astype("float32")
    weights = generator.uniform(0, 1, (ROWS, T)).astype("float32")
    weights[1] = 0.0
    return first, second, weights


def descended(model: keras.Model, tape: tf.GradientTape, loss: tf.Tensor) -> list[np.ndarray]:
    """The weights after one step down the gradient of a loss."""
    gradients = tape.gradient(loss, [one.value for one in model.trainable_variables])
    return [
        one.numpy() - RATE * tf.convert_to_tensor(gradient).numpy()
        for one, gradient in zip(model.trainable_variables, gradients, strict=True)
    ]
