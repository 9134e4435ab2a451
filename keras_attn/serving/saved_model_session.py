"""A SavedModel as a stock TensorFlow Serving runs it: TensorFlow's C++ loader, a Session, no XLA.

TensorFlow Serving loads a model with the C++ function `LoadSavedModel` into a Session. The
TensorFlow wheel exports the same loader in its C API (`TF_LoadSessionFromSavedModel` of
`libtensorflow_cc.so.2`, Linux), which this file calls through `ctypes`. A stock server also
switches XLA off when it starts. This affects a whole process, so this file is meant to run in a
separate process. It needs only TensorFlow and TensorFlow Text, nothing from this package:

    python -P keras_attn/serving/saved_model_session.py < request.json > response.json

The request is `{"directory": ..., "runs": [{"signature": ..., "inputs": {name: nested lists}},
...], "at_once": 8}`, with str for strings (an empty list is a list of strings). The last `at_once`
runs are made at the same time, each in its own thread. The response is `{"runs": [...]}` with
`{"outputs": {name: nested lists}}` or `{"code": ..., "message": ...}` for each run. If the model
did not load, the response is only `{"code": ..., "message": ...}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers its operations, which a stock server has linked)
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

LIBRARY_NAME = "libtensorflow_cc.so.2"
DISABLE_XLA = "_ZN10tensorflow21DisableXlaCompilationEv"  # tensorflow::DisableXlaCompilation()

# Status codes (absl::StatusCode), as servers report them.
INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED = 3, 5, 9, 12

_LONGEST_TIMEOUT = 24 * 3600 * 1000  # milliseconds

# TF_STRING of the C API, and the bytes that one TF_TString takes in a tensor.
STRING_TYPE, STRING_BYTES = 7, 24


_P, _INT, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_SIZE, _TEXT = ctypes.c_size_t, ctypes.c_char_p


class Output(ctypes.Structure):
    """`TF_Output`: one result of an operation."""

    _fields_ = [("operation", _P), ("index", _INT)]


class Buffer(ctypes.Structure):
    """`TF_Buffer`: bytes with their length."""

    _fields_ = [("data", _P), ("length", _SIZE), ("deallocator", _P)]


_OUTPUTS, _TENSORS = ctypes.POINTER(Output), ctypes.POINTER(_P)

# Every function of the C API that is used: (result, arguments), as in tensorflow/c/c_api.h,
# tf_tensor.h and tf_tstring.h.
PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (_P, []),
    "TF_DeleteStatus": (None, [_P]),
    "TF_GetCode": (_INT, [_P]),
    "TF_Message": (_TEXT, [_P]),
    "TF_NewGraph": (_P, []),
    "TF_DeleteGraph": (None, [_P]),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_NewBufferFromString": (ctypes.POINTER(Buffer), [_TEXT, _SIZE]),
    "TF_DeleteBuffer": (None, [ctypes.POINTER(Buffer)]),
    "TF_NewSessionOptions": (_P, []),
    "TF_DeleteSessionOptions": (None, [_P]),
    "TF_LoadSessionFromSavedModel": (
        _P,
        [_P, _P, _TEXT, ctypes.POINTER(_TEXT), _INT, _P, ctypes.POINTER(Buffer), _P],
    ),
    "TF_CloseSession": (None, [_P, _P]),
    "TF_DeleteSession": (None, [_P, _P]),
    "TF_GraphOperationByName": (_P, [_P, _TEXT]),
    "TF_SessionRun": (
        None,
        [_P, _P, _OUTPUTS, _TENSORS, _INT, _OUTPUTS, _TENSORS, _INT, _P, _INT, _P, _P],
    ),
    "TF_AllocateTensor": (_P, [_INT, ctypes.POINTER(_I64), _INT, _SIZE]),
    "TF_DeleteTensor": (None, [_P]),
    "TF_TensorType": (_INT, [_P]),
    "TF_TensorData": (_P, [_P]),
    "TF_NumDims": (_INT, [_P]),
    "TF_Dim": (_I64, [_P, _INT]),
    "TF_StringInit": (None, [_P]),
    "TF_StringCopy": (None, [_P, _TEXT, _SIZE]),
    "TF_StringDealloc": (None, [_P]),
    "TF_StringGetDataPointer": (_P, [_P]),
    "TF_StringGetSize": (_SIZE, [_P]),
}


class SessionError(RuntimeError):
    """The error that a server would return instead of a result.

    Args:
        code: int. Status code, the same as gRPC's.
        message: str.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class SavedModelSession:
    """A SavedModel in a Session of TensorFlow's C++ runtime. Use it in a `with` statement.

    Args:
        directory: path. The version directory: the one with `saved_model.pb`.
        disable_xla: bool. Whether to switch XLA off for the rest of the process, as a stock server
            does.

    Raises:
        SessionError: if the model does not load, or this TensorFlow lacks a function.
    """

    def __init__(self, directory: str | os.PathLike[str], disable_xla: bool = True) -> None:
        self._session = self._graph = self._status = None
        self._c = _load_library(Path(tf.__file__).parent / LIBRARY_NAME)
        if disable_xla:
            _find(self._c, DISABLE_XLA)()
        self._status = self._c.TF_NewStatus()
        self._graph = self._c.TF_NewGraph()
        try:
            meta_graph = meta_graph_pb2.MetaGraphDef.FromString(self._load(directory))
        except Exception:
            self.close()
            raise
        self.signatures = dict(meta_graph.signature_def)

    def _load(self, directory: str | os.PathLike[str]) -> bytes:
        """Loads graph and variables, and returns the serialized MetaGraph."""
        options, meta_graph = self._c.TF_NewSessionOptions(), self._c.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        try:
            self._session = self._c.TF_LoadSessionFromSavedModel(
                options,
                None,
                os.fsencode(directory),
                tags,
                1,
                self._graph,
                meta_graph,
                self._status,
            )
            self._check(self._status)
            return ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        finally:
            self._c.TF_DeleteBuffer(meta_graph)
            self._c.TF_DeleteSessionOptions(options)

    def run(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature, as a Predict request does. Several threads may do so at once.

        Args:
            signature: str. Its name, such as `"serving_default"`.
            inputs: mapping of input names to arrays; arrays of bytes objects for strings.
            outputs: sequence of str. Names of the outputs to compute. All if None.
            timeout: float. Seconds after which the session gives up. Never if None.

        Returns:
            dict of output names to arrays; strings are arrays of bytes objects.

        Raises:
            SessionError: if the server would answer with an error.
        """
        if signature not in self.signatures:
            raise SessionError(
                FAILED_PRECONDITION,
                f"`signature` must be one of {sorted(self.signatures)}. Received: {signature!r}.",
            )
        definition = self.signatures[signature]
        if set(inputs) != set(definition.inputs):
            raise SessionError(
                INVALID_ARGUMENT,
                f"`inputs` must be {sorted(definition.inputs)}. Received: {sorted(inputs)}.",
            )
        names = sorted(definition.outputs if outputs is None else outputs)
        fed = [self._output(definition.inputs[name].name) for name in inputs]
        fetched = [self._output(definition.outputs[name].name) for name in names]
        tensors: list[int] = []
        results = (_P * len(names))()
        status = self._c.TF_NewStatus()  # its own: another thread may run at the same time
        options = self._run_options(timeout)
        try:
            for value in inputs.values():
                tensors.append(self._tensor(np.asarray(value)))
            self._c.TF_SessionRun(
                *(self._session, options),
                *((Output * len(fed))(*fed), (_P * len(fed))(*tensors), len(fed)),
                *((Output * len(fetched))(*fetched), results, len(fetched)),
                *(None, 0, None, status),
            )
            self._check(status)
            return {name: self._array(tensor) for name, tensor in zip(names, results, strict=True)}
        finally:
            for tensor in tensors:
                self._free_input(tensor)
            for result in filter(None, results):
                self._c.TF_DeleteTensor(result)
            self._c.TF_DeleteStatus(status)
            if options is not None:
                self._c.TF_DeleteBuffer(options)

    def close(self) -> None:
        """Frees the session; calling it again does nothing."""
        if self._session:
            self._c.TF_CloseSession(self._session, self._status)
            self._c.TF_DeleteSession(self._session, self._status)
        if self._graph:
            self._c.TF_DeleteGraph(self._graph)
        if self._status:
            self._c.TF_DeleteStatus(self._status)
        self._session = self._graph = self._status = None

    def __enter__(self) -> SavedModelSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, status: Any) -> None:
        code = self._c.TF_GetCode(status)
        if code:
            raise SessionError(code, self._c.TF_Message(status).decode("utf-8", "replace"))

    def _run_options(self, timeout: float | None) -> Any:
        """A buffer with the options of a run, or None."""
        if timeout is None:
            return None
        milliseconds = max(1, min(int(timeout * 1000), _LONGEST_TIMEOUT))
        options = config_pb2.RunOptions(timeout_in_ms=milliseconds).SerializeToString()
        return self._c.TF_NewBufferFromString(options, len(options))

    def _output(self, tensor_name: str) -> Output:
        """Finds a tensor such as `serving_default_text:0` in the graph."""
        name, _, index = tensor_name.rpartition(":")
        operation = self._c.TF_GraphOperationByName(self._graph, name.encode()) if name else None
        if not operation:
            raise SessionError(NOT_FOUND, f"The graph has no tensor {tensor_name!r}.")
        return Output(operation, int(index))

    def _tensor(self, array: np.ndarray) -> int:
        """Makes a tensor from an array; objects are strings."""
        is_text = array.dtype == object
        kind = STRING_TYPE if is_text else tf.dtypes.as_dtype(array.dtype).as_datatype_enum
        size = STRING_BYTES * array.size if is_text else array.nbytes
        shape = (_I64 * max(array.ndim, 1))(*array.shape)
        tensor = self._c.TF_AllocateTensor(kind, shape, array.ndim, size)
        data = self._c.TF_TensorData(tensor)
        if is_text:
            for i, value in enumerate(array.ravel()):
                self._c.TF_StringInit(data + i * STRING_BYTES)
                self._c.TF_StringCopy(data + i * STRING_BYTES, value, len(value))
        elif size:
            ctypes.memmove(data, array.tobytes(), size)
        return tensor

    def _free_input(self, tensor: int) -> None:
        """Frees a tensor that `_tensor` made; the session has copied its strings."""
        if self._c.TF_TensorType(tensor) == STRING_TYPE:
            data = self._c.TF_TensorData(tensor)
            for i in range(int(np.prod(self._shape(tensor), dtype=np.int64))):
                self._c.TF_StringDealloc(data + i * STRING_BYTES)
        self._c.TF_DeleteTensor(tensor)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor)))

    def _array(self, tensor: int) -> np.ndarray:
        """Copies a tensor into an array."""
        shape = self._shape(tensor)
        size = int(np.prod(shape, dtype=np.int64))
        kind, data = self._c.TF_TensorType(tensor), self._c.TF_TensorData(tensor)
        if kind != STRING_TYPE:
            dtype = np.dtype(tf.dtypes.as_dtype(kind).as_numpy_dtype)
            content = ctypes.string_at(data, size * dtype.itemsize) if size else b""
            return np.frombuffer(content, dtype).reshape(shape)
        array = np.empty(size, object)
        for i in range(size):
            string = data + i * STRING_BYTES
            length = self._c.TF_StringGetSize(string)
            array[i] = ctypes.string_at(self._c.TF_StringGetDataPointer(string), length)
        return array.reshape(shape)


def _load_library(path: Path) -> ctypes.CDLL:
    """Loads TensorFlow's library and declares the functions that are used."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise SessionError(
            UNIMPLEMENTED,
            f"TensorFlow's C++ library {LIBRARY_NAME} cannot be loaded: {error}. Verify on Linux "
            "with TensorFlow from its wheel.",
        ) from error
    for name, (result, arguments) in PROTOTYPES.items():
        function = _find(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _find(library: ctypes.CDLL, name: str) -> Any:
    try:
        return getattr(library, name)
    except AttributeError:
        raise SessionError(
            UNIMPLEMENTED,
            f"This build of TensorFlow has no function {name} in {LIBRARY_NAME}. Verify with the "
            "TensorFlow version that this package is tested with.",
        ) from None


def _to_array(value: Any) -> np.ndarray:
    """Converts JSON to float32, int32 or bytes (a lone surrogate is a byte that is not UTF-8)."""
    array = np.asarray(value)
    if array.size and array.dtype.kind in "fi":
        return array.astype({"f": np.float32, "i": np.int32}[array.dtype.kind])
    encoded = np.empty(array.shape, object)
    encoded.ravel()[:] = [
        str(text).encode("utf-8", "surrogateescape") for text in np.ravel(np.asarray(value, object))
    ]
    return encoded


def _to_json(array: np.ndarray) -> Any:
    if array.dtype == object:
        decoded = np.empty(array.shape, object)
        decoded.ravel()[:] = [text.decode("utf-8", "surrogateescape") for text in array.ravel()]
        return decoded.tolist()
    return array.tolist()


def _answer(session: SavedModelSession, run: Mapping[str, Any]) -> dict[str, Any]:
    try:
        inputs = {name: _to_array(value) for name, value in run["inputs"].items()}
        outputs = session.run(run["signature"], inputs)
    except SessionError as error:
        return {"code": error.code, "message": str(error)}
    return {"outputs": {name: _to_json(array) for name, array in outputs.items()}}


def main() -> int:
    """Reads a request from standard input and writes the response to standard output.

    Returns:
        int. Exit status: 0 if the model loaded, else 1.
    """
    request = json.load(sys.stdin)
    try:
        disable_xla = request.get("disable_xla", True)
        with SavedModelSession(request["directory"], disable_xla) as session:
            first = len(request["runs"]) - request.get("at_once", 0)
            answers = [_answer(session, run) for run in request["runs"][:first]]
            with ThreadPoolExecutor(max(1, request.get("at_once", 0))) as pool:
                last = request["runs"][first:]
                answers += pool.map(lambda run: _answer(session, run), last)
            response: dict[str, Any] = {"runs": answers}
    except SessionError as error:
        response = {"code": error.code, "message": str(error)}
    json.dump(response, sys.stdout)
    return 0 if "runs" in response else 1


if __name__ == "__main__":
    sys.exit(main())
