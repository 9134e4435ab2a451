"""keras_attn learns from given batches, compiled as `keras-attn train` compiles it."""

import gc
import math
import time
from typing import Any

from keras_attn.cli.process import load_tensorflow, prepare_environment

prepare_environment()
load_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from learning_batches import decoder_inputs, read_batches  # noqa: E402
from serve_requests import serve_requests  # noqa: E402

import keras_attn  # noqa: E402
from keras_attn.decoding import GreedySearch, search  # noqa: E402
from keras_attn.training.model_setup import compile_model  # noqa: E402
from keras_attn.training.recipe.training_recipe import TrainingRecipe  # noqa: E402

_learner: Any = None


class Learner:
    """A model, and the batches that it has not seen yet."""

    def __init__(
        self,
        size: dict[str, Any],
        options: dict[str, Any],
        training: dict[str, Any],
        batches: str,
        validation: str,
        seed: int,
    ) -> None:
        keras.utils.set_random_seed(seed)
        self.batches, self.validation = read_batches(batches), read_batches(validation)
        sizes = {key: value for key, value in size.items() if key != "vocabulary_size"}
        self.model = keras_attn.create_model(
            "transformer_base",
            source_vocabulary_size=size["vocabulary_size"],
            **{**sizes, **options},
        )
        compile_model(self.model, TrainingRecipe(max_steps=1, **training))
        self.steps = 0

    def learn(self, steps: int) -> list[float]:
        """Makes updates; returns their losses."""
        batches = self.batches[self.steps : self.steps + steps]
        ids = tf.TensorSpec((None, None), tf.int32)
        inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids}
        dataset = tf.data.Dataset.from_generator(
            lambda: (_as_keras(*batch) for batch in batches),
            output_signature=(inputs, ids, tf.TensorSpec((None, None), tf.float32)),
        )
        losses = LossesOfUpdates()
        self.steps += steps
        self.model.fit(
            dataset.prefetch(tf.data.AUTOTUNE),
            steps_per_epoch=steps,
            callbacks=[losses],
            shuffle=False,
            verbose=0,
        )
        return losses.losses


class LossesOfUpdates(keras.callbacks.Callback):
    """The loss of each update; Keras gives means over an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.losses.append(float((logs or {})["loss"]))


def _as_keras(source: np.ndarray, target: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    inputs = {"encoder_token_ids": source, "decoder_token_ids": decoder_inputs(target)}
    return inputs, target, (target != 0).astype("float32")


def versions() -> dict[str, str]:
    return {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }


def prepare(**arguments: Any) -> dict[str, Any]:
    """Makes a new model.

    `weights_to` is a file to write its initial weights to, or None. With `nudge`, each weight is
    the next larger float32 number, which shows what rounding alone does.
    """
    global _learner
    _learner = None
    keras.backend.clear_session()
    gc.collect()
    weights_to, nudge = arguments.pop("weights_to", None), arguments.pop("nudge", False)
    _learner = Learner(**arguments)
    if weights_to is not None:
        weights = {one.path.split("/", 1)[1]: one.numpy() for one in _learner.model.weights}
        np.savez(weights_to, **weights)
    if nudge:
        nudged = [np.nextafter(one, np.float32(np.inf)) for one in _learner.model.get_weights()]
        _learner.model.set_weights(nudged)
    return {"parameters": _learner.model.count_params()}


def learn(steps: int) -> dict[str, Any]:
    """Losses of a number of updates, and the seconds that they took, compilation included."""
    started = time.perf_counter()
    losses = _learner.learn(steps)
    return {"losses": losses, "seconds": time.perf_counter() - started}


def validate() -> dict[str, float]:
    """The mean negative log-likelihood of the validation tokens."""
    total = count = 0.0
    for source, target in _learner.validation:
        inputs, labels, _ = _as_keras(source, target)
        logits = _learner.model(inputs, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        real = tf.cast(labels != 0, tf.float32)
        total += float(tf.reduce_sum(losses * real))
        count += float(tf.reduce_sum(real))
    return {"loss": total / count, "perplexity": math.exp(total / count)}


def translate(max_extra_tokens: int) -> list[list[int]]:
    """Greedy translations of the validation sources, as token ids."""
    translations: list[list[int]] = []
    for source, _ in _learner.validation:
        max_length = source.shape[1] + max_extra_tokens
        state = _learner.model.start(tf.constant(source), max_length, 1)
        result = search(_learner.model.decode_step, state, GreedySearch(), max_length)
        translations += result.token_ids[:, 0].numpy().tolist()
    return translations


if __name__ == "__main__":
    serve_requests(
        {
            "versions": versions,
            "prepare": prepare,
            "learn": learn,
            "validate": validate,
            "translate": translate,
        }
    )
