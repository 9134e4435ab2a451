"""keras_attn trained under a strategy; one process of several, if `TF_CONFIG` says so."""

import time
from typing import Any

from keras_attn.cli.process import load_tensorflow, prepare_environment

prepare_environment()
load_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from serve_requests import serve_requests  # noqa: E402

import keras_attn  # noqa: E402
from keras_attn.training import get_strategy  # noqa: E402
from keras_attn.training.model_setup import compile_model  # noqa: E402
from keras_attn.training.recipe.training_recipe import TrainingRecipe  # noqa: E402

_model: Any = None
_dataset: Any = None
_exchange: Any = None


def versions() -> dict[str, str]:
    return {"keras_attn": keras_attn.__version__, "tensorflow": tf.__version__}


def prepare(strategy: str, devices: int, size: dict[str, Any], rows: int, length: int) -> int:
    """Makes the model under a strategy, and compiles its update and the exchange of gradients.

    Args:
        strategy: str. A name that `get_strategy` knows.
        devices: int. Logical CPUs of this process.
        size: dict. `vocabulary_size` and arguments of `create_model`.
        rows, length: int. The shape of a global batch on either side.

    Returns:
        int. The bytes of the gradients.
    """
    global _model, _dataset, _exchange
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, parts)
    scope = get_strategy(strategy)  # before there is any tensor
    options = {key: value for key, value in size.items() if key != "vocabulary_size"}
    with scope.scope():
        _model = keras_attn.create_model(
            "transformer_base", source_vocabulary_size=size["vocabulary_size"], **options
        )
        compile_model(_model, TrainingRecipe(max_steps=1))
    replicas = scope.num_replicas_in_sync
    shape = (rows // replicas, length)
    ids = tf.random.uniform(shape, 4, size["vocabulary_size"], "int32", seed=1)
    inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids}
    of_replica = tf.data.Dataset.from_tensors((inputs, ids, tf.ones(shape))).repeat()
    _dataset = of_replica
    if replicas > 1:
        _dataset = scope.distribute_datasets_from_function(lambda context: of_replica)
    run(1)
    shapes = [weight.shape for weight in _model.trainable_weights]

    def add_up() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", [tf.ones(one) for one in shapes])

    add_up_everywhere = tf.function(lambda: scope.run(add_up))
    _exchange = lambda: scope.experimental_local_results(add_up_everywhere()[-1])  # noqa: E731
    exchange()
    return 4 * sum(one.num_elements() for one in shapes)


def run(steps: int) -> float:
    """Seconds of a number of updates, without what it takes to begin and end a stream of data."""
    clock = _Clock()
    _model.fit(_dataset, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[clock])
    return clock.seconds


class _Clock(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seconds = -time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds += time.perf_counter()


def exchange() -> float:
    """Seconds of adding up tensors as large as the gradients, over all replicas."""
    started = time.perf_counter()
    for of_replica in _exchange():
        of_replica.numpy()
    return time.perf_counter() - started


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run, "exchange": exchange})
