"""A LiteRT graph whose inputs and outputs are arrays in its own memory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class LiteRTGraph:
    """Runs a `.tflite` file with one signature; its inputs and outputs are never copied.

    If a size follows only from computed values, LiteRT may move its memory, contents and all,
    during a run. `inputs` and `outputs` are then looked up again.

    Args:
        path: Path. The file.
        num_threads: int.

    Attributes:
        names: list of str. Of the inputs.
        inputs: dict of str to array. Write to these. A new dict once LiteRT has moved them.
        outputs: dict of str to array. Results of the last `run`; a new dict whenever `inputs` is.

    Raises:
        ImportError: if LiteRT is not installed.
        ValueError: if the file is damaged.
    """

    def __init__(self, path: Path, num_threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(
                'LiteRT is not installed: pip install "keras_attn[litert]", or, without '
                "TensorFlow, pip install ai-edge-litert."
            ) from error
        try:
            self._interpreter = Interpreter(str(path), num_threads=num_threads)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is missing or damaged ({error}). Export again.") from error
        runner = self._interpreter.get_signature_runner()
        self._input_indices = _indices(runner.get_input_details())
        self._output_indices = _indices(runner.get_output_details())
        self.names = list(self._input_indices)
        # All inputs are in one block of memory: if one has not moved, none has.
        self._sentinel = next(iter(self._input_indices.values()))
        self._sentinel_address = 0
        self.inputs: dict[str, np.ndarray] = {}
        self.outputs: dict[str, np.ndarray] = {}

    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Changes the shapes of inputs. Their contents are lost; the weights keep their layout.

        Args:
            shapes: dict of str to tuple. An input that is left out keeps its shape.
        """
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._input_indices[name], shape)
        self._interpreter.allocate_tensors()
        self._find_inputs()
        self.outputs = {}

    def run(self) -> dict[str, np.ndarray]:
        """Computes and returns the outputs."""
        self._interpreter.invoke()
        has_moved = self._address(self._sentinel) != self._sentinel_address
        if has_moved:
            self._find_inputs()
        if has_moved or not self.outputs:
            indices = self._output_indices.items()
            self.outputs = {name: self._array(index) for name, index in indices}
        return self.outputs

    def _find_inputs(self) -> None:
        self.inputs = {name: self._array(index) for name, index in self._input_indices.items()}
        self._sentinel_address = self._address(self._sentinel)

    def _address(self, index: int) -> int:
        return self._interpreter.tensor(index)().ctypes.data

    def _array(self, index: int) -> np.ndarray:
        # The interpreter refuses to run while an array that it made refers to its memory. This
        # one is not such an array, and `resize` replaces it.
        array = self._interpreter.tensor(index)()
        buffer = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        return np.frombuffer(buffer, array.dtype).reshape(array.shape)


def _indices(details: Mapping[str, Any]) -> dict[str, int]:
    return {name: one["index"] for name, one in details.items()}
