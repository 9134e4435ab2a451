"""The same Transformer from stock Keras layers, trained by `model.fit` as Keras sets it up.

The output is tied by the stock layer `ReversibleEmbedding`. `fitted_steps` and `make_dataset` are
also what the engine of keras_attn runs: both sides have the same batches and the same clock.
"""

import gc
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from serve_requests import serve_requests

START_TOKEN_ID = 2
# The first step of each `fit` pays for the new iterator.
LEFT_OUT_STEPS = 1

_model: Any = None
_dataset: Any = None


class StepClock(keras.callbacks.Callback):
    """Notes when each step ended, in seconds, and its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.loss = float("nan")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Reading the loss waits for the step to be done.
        self.loss = float((logs or {})["loss"])
        self.ends.append(time.perf_counter())


def make_dataset(sources: list[list[list[int]]], targets: list[list[list[int]]]) -> tf.data.Dataset:
    """Endless batches, each in the form that `keras_attn.data.training_pipeline` yields.

    Args:
        sources: int (batches, B, S). Encoder inputs.
        targets: int (batches, B, T). Labels; decoder inputs are the same one step later.

    Returns:
        tf.data.Dataset of ({"encoder_token_ids": (B, S), "decoder_token_ids": (B, T)},
        labels (B, T), sample_weight (B, T)).
    """
    labels = np.array(targets, np.int32)
    decoder_token_ids = np.roll(labels, 1, axis=-1)
    decoder_token_ids[..., 0] = START_TOKEN_ID
    inputs = {
        "encoder_token_ids": np.array(sources, np.int32),
        "decoder_token_ids": decoder_token_ids,
    }
    weights = (labels != 0).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((inputs, labels, weights))
    return batches.repeat().prefetch(tf.data.AUTOTUNE)


def fitted_steps(model: keras.Model, dataset: tf.data.Dataset, steps: int) -> dict[str, float]:
    """Seconds of a number of training steps, and the last loss."""
    clock = StepClock()
    model.fit(
        dataset,
        steps_per_epoch=LEFT_OUT_STEPS + steps,
        callbacks=[clock],
        shuffle=False,
        verbose=0,
    )
    return {"seconds": clock.ends[-1] - clock.ends[LEFT_OUT_STEPS - 1], "loss": clock.loss}


def stock_transformer(
    vocabulary_size: int,
    num_layers: int,
    hidden_dim: int,
    intermediate_dim: int,
    num_heads: int,
    dropout: float,
    length: int,
) -> keras.Model:
    """Post-norm, a Functional model: token ids (B, S) and (B, T) -> logits (B, T, V)."""
    layers = keras.layers
    spread = keras.initializers.RandomNormal(stddev=hidden_dim**-0.5)
    embedding = layers.ReversibleEmbedding(
        vocabulary_size, hidden_dim, embeddings_initializer=spread
    )
    positions = sinusoids(length, hidden_dim)

    def embed(token_ids: Any) -> Any:
        return layers.Dropout(dropout)(embedding(token_ids) * hidden_dim**0.5 + positions)

    def add_and_normalize(x: Any, y: Any) -> Any:
        return layers.LayerNormalization()(layers.Add()([x, layers.Dropout(dropout)(y)]))

    def attend(x: Any, memory: Any, mask: Any, is_causal: bool = False) -> Any:
        attention = layers.MultiHeadAttention(num_heads, hidden_dim // num_heads)
        y = attention(x, memory, attention_mask=mask, use_causal_mask=is_causal)
        return add_and_normalize(x, y)

    def feed_forward(x: Any) -> Any:
        y = layers.Dense(intermediate_dim, activation="relu")(x)
        return add_and_normalize(x, layers.Dense(hidden_dim)(y))

    source = keras.Input((length,), dtype="int32", name="encoder_token_ids")
    target = keras.Input((length,), dtype="int32", name="decoder_token_ids")
    # True where a token is real, (B, 1, S): for all queries of a row. Padding follows a target, so
    # the causal mask already hides it.
    source_mask = keras.ops.not_equal(source, 0)[:, None, :]
    encoded = embed(source)
    for _ in range(num_layers):
        encoded = feed_forward(attend(encoded, encoded, source_mask))
    decoded = embed(target)
    for _ in range(num_layers):
        decoded = attend(decoded, decoded, None, is_causal=True)
        decoded = feed_forward(attend(decoded, encoded, source_mask))
    logits = embedding(decoded, reverse=True)
    return keras.Model({"encoder_token_ids": source, "decoder_token_ids": target}, logits)


def sinusoids(length: int, hidden_dim: int) -> np.ndarray:
    """Sines in even places, cosines in odd ones: float32 (T, D)."""
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, hidden_dim, 2) / hidden_dim)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (T, D / 2, 2)
    return table.reshape(length, hidden_dim).astype(np.float32)


def smoothed_loss(label_smoothing: float, vocabulary_size: int) -> Any:
    """Keras smooths only dense labels, so they are made from the token ids here."""
    dense_loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing, reduction="none"
    )

    def loss(labels: Any, logits: Any) -> Any:
        return dense_loss(keras.ops.one_hot(labels, vocabulary_size), logits)

    return loss


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "tensorflow": tf.__version__}


def prepare(
    size: dict[str, Any],
    label_smoothing: float,
    sources: list[list[list[int]]],
    targets: list[list[list[int]]],
) -> dict[str, Any]:
    """Makes the model for batches of this shape and trains the first steps."""
    global _model, _dataset
    _model = _dataset = None
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(1)
    _dataset = make_dataset(sources, targets)
    _model = stock_transformer(length=len(targets[0][0]), **size)
    _model.compile(
        optimizer=keras.optimizers.Adam(1e-4, beta_1=0.9, beta_2=0.98, epsilon=1e-9),
        loss=smoothed_loss(label_smoothing, size["vocabulary_size"]),
    )
    run(1)
    return {"parameters": _model.count_params(), "jit_compile": _model.jit_compile}


def run(steps: int) -> dict[str, float]:
    return fitted_steps(_model, _dataset, steps)


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run})
