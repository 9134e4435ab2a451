"""keras_attn trained by `model.fit`, compiled as `keras-attn train` compiles it."""

import gc
import time
from typing import Any

from keras_attn.cli.process import load_tensorflow, prepare_environment

prepare_environment()
load_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras_fit_train import fitted_steps, make_dataset  # noqa: E402
from serve_requests import serve_requests  # noqa: E402

import keras_attn  # noqa: E402
from keras_attn.training.model_setup import compile_model  # noqa: E402
from keras_attn.training.recipe.training_recipe import TrainingRecipe  # noqa: E402

_model: Any = None
_dataset: Any = None


def versions() -> dict[str, str]:
    return {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }


def prepare(
    size: dict[str, Any],
    label_smoothing: float,
    sources: list[list[list[int]]],
    targets: list[list[list[int]]],
) -> dict[str, Any]:
    """Makes the model and trains the first steps, which compiles them for batches of this shape.

    Args:
        size: dict. `vocabulary_size` and arguments of `create_model`.
        label_smoothing: float.
        sources: int (batches, B, S). Encoder inputs.
        targets: int (batches, B, T). Labels.

    Returns:
        dict. The number of parameters, and whether XLA compiled the step.
    """
    global _model, _dataset
    _model = _dataset = None
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(1)
    _dataset = make_dataset(sources, targets)
    options = {key: value for key, value in size.items() if key != "vocabulary_size"}
    _model = keras_attn.create_model(
        "transformer_base", source_vocabulary_size=size["vocabulary_size"], **options
    )
    recipe = TrainingRecipe(max_steps=1, label_smoothing=label_smoothing)
    compile_model(_model, recipe)
    run(1)
    return {"parameters": _model.count_params(), "jit_compile": _model.jit_compile}


def run(steps: int) -> dict[str, float]:
    """Seconds of a number of training steps, and the last loss."""
    return fitted_steps(_model, _dataset, steps)


def matrix_product_peak(width: int, repeat: int) -> float:
    """Floating-point operations per second of the best float32 product of two (width, width)."""
    a, b = tf.random.uniform((width, width)), tf.random.uniform((width, width))
    best = float("inf")
    for _ in range(repeat):
        started = time.perf_counter()
        tf.linalg.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - started)
    return 2 * width**3 / best


if __name__ == "__main__":
    serve_requests(
        {
            "versions": versions,
            "prepare": prepare,
            "run": run,
            "matrix_product_peak": matrix_product_peak,
        }
    )
