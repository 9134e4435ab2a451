"""A model in a small file: its weights rounded to float16, or to 8 bits."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attn.models import Seq2SeqModel

COMPACT_DTYPES = ("float16", "int8")
_LARGEST = 127
_LARGEST_HALF = float(np.finfo(np.float16).max)


def write_compact_model(model: Seq2SeqModel, path: Path, dtype: str) -> None:
    """Writes configuration and rounded weights to one compressed file.

    With `"int8"`, a weight of two axes or more becomes 8-bit integers, times one float32 for each
    index of its longest axis, such as a row of an embedding or a unit of a dense layer. All other
    weights become float16. What LoRA has learned is added to the kernels, as in a `.keras` file.

        w ≈ scale q,   scale = max |w| / 127,   q = round(w / scale)

    Args:
        model: `Seq2SeqModel`. Built.
        path: Path. The `.npz` file.
        dtype: str. `"float16"` or `"int8"`.

    Raises:
        ValueError: if a weight is too large for float16, or the model is quantized.
    """
    arrays: dict[str, Any] = {}
    for i, (weight, value) in enumerate(_merged_weights(model)):
        if dtype == "int8" and value.ndim >= 2:
            quantized, scale = quantize(value)
            arrays[f"weight_{i}"], arrays[f"scale_{i}"] = quantized, scale
        else:
            arrays[f"weight_{i}"] = _half(value, weight.path)
    config = json.dumps(keras.saving.serialize_keras_object(model))
    np.savez_compressed(path, config=np.frombuffer(config.encode(), np.uint8), **arrays)


def read_compact_model(path: Path) -> Seq2SeqModel:
    """Reads the model that `write_compact_model` wrote; it computes in float32 as before.

    Args:
        path: Path. The `.npz` file.

    Returns:
        `Seq2SeqModel`, built.

    Raises:
        ValueError: if the file is damaged.
    """
    arrays = _read_arrays(path)
    try:
        config = json.loads(arrays["config"].tobytes())
        model: Any = keras.saving.deserialize_keras_object(config)
        if not model.built:
            model.build()
        # A layer with LoRA starts with an adaptation of zero.
        for i, weight in enumerate(_weights_without_lora(model)):
            weight.assign(_read_weight(arrays, i))
    except (ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return model


def _merged_weights(model: Seq2SeqModel) -> list[tuple[keras.Variable, np.ndarray]]:
    """The weights without those of LoRA, and their values, to which LoRA's are added."""
    weights = _weights_without_lora(model)
    values: dict[int, Any] = {id(weight): weight for weight in weights}
    for layer in model._flatten_layers():
        if getattr(layer, "quantization_mode", None) is not None:
            raise ValueError(
                "`weights` must be 'float32' for a model that is quantized already. "
                f"Received: {layer.path} in {layer.quantization_mode}."
            )
        if getattr(layer, "lora_enabled", False):
            merged: dict[str, Any] = {}
            layer.save_own_variables(merged)
            kept = [weight for weight in layer.weights if id(weight) in values]
            values |= {id(one): value for one, value in zip(kept, merged.values(), strict=True)}
    return [
        (weight, keras.ops.convert_to_numpy(values[id(weight)]).astype("float32"))
        for weight in weights
    ]


def _weights_without_lora(model: Seq2SeqModel) -> list[keras.Variable]:
    added = {
        id(weight)
        for layer in model._flatten_layers()
        if getattr(layer, "lora_enabled", False)
        for weight in layer.weights
        if weight.name.startswith("lora_")
    }
    return [weight for weight in model.weights if id(weight) not in added]


def _half(value: np.ndarray, name: str) -> np.ndarray:
    largest = np.abs(value[np.isfinite(value)]).max(initial=0.0)
    if largest > _LARGEST_HALF:
        raise ValueError(
            f"`weights` must be 'float32' for a model with numbers above {_LARGEST_HALF:,.0f}, the "
            f"largest of float16. Received: {largest:,.0f} in {name}."
        )
    return value.astype("float16")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    # zipfile raises RuntimeError for kinds of zip files that it does not know.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"`{path}` must be a complete compact model. Received: a file that cannot be read "
        f"({error}). Save the translator again."
    )


def quantize(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns 8-bit integers, and the factor for each index of the longest axis.

    Args:
        value: float array of two axes or more.

    Returns:
        int8 array of the same shape, and a float32 array that broadcasts against it.

    Example:

    >>> quantized, scale = quantize(np.array([[1.27, -1.0], [0.0, 0.0], [2.54, 0.02]]))
    >>> quantized.tolist()
    [[127, -100], [0, 0], [127, 1]]
    """
    longest = int(np.argmax(value.shape))
    others = tuple(axis for axis in range(value.ndim) if axis != longest)
    largest = np.abs(value).max(axis=others, keepdims=True)
    scale = np.where(largest > 0.0, largest / _LARGEST, 1.0).astype("float32")
    return np.round(value / scale).astype("int8"), scale


def _read_weight(arrays: Any, index: int) -> np.ndarray:
    weight = arrays[f"weight_{index}"].astype("float32")
    return weight * arrays[f"scale_{index}"] if f"scale_{index}" in arrays else weight
