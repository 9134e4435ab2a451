"""Checks a SavedModel without running it: its files, signature and operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from keras_attn.serving.signatures import DEFAULT_SIGNATURE, SIGNATURES
from keras_attn.serving.verification_report import VerificationCheck

# A server cannot run Python, and no request may write to its log or access its files.
DENIED_OPERATIONS = {
    "EagerPyFunc": "runs Python",
    "PyFunc": "runs Python",
    "PyFuncStateless": "runs Python",
    "Print": "prints",
    "PrintV2": "prints",
    "ReadFile": "reads files",
    "WriteFile": "writes files",
}
# A stock server switches XLA off: a model that needs XLA loads, but fails at the first request.
DENIED_PREFIX = "Xla"
XLA_FLAG = "--xla_cpu_compilation_enabled"
COMPILED_ATTRIBUTE = "_XlaMustCompile"  # left by tf.function(jit_compile=True)
# Operations with a namespace come from libraries; a stock server links only this one.
LINKED_NAMESPACE = "TFText"
# The operations that releases of TensorFlow Serving know, from scripts/list_operations.py.
_OPERATIONS = Path(__file__).parent / "operations"

_SHARD = re.compile(r"variables\.data-\d{5}-of-(\d{5})")
_LARGEST_VERSION = 2**63 - 1


def is_version_name(name: str) -> bool:
    """Whether a server takes a directory of this name for a version.

    Args:
        name: str.

    Returns:
        bool.

    Example:
    >>> [is_version_name(name) for name in ("7", "v7", ".export-7")]
    [True, False, False]
    """
    return re.fullmatch("[0-9]+", name) is not None and int(name) <= _LARGEST_VERSION


def check_name(directory: Path, published: bool) -> VerificationCheck:
    """Checks that the name of the directory is that of a version.

    Args:
        directory: Path. The version directory.
        published: bool. False while it still has a temporary name.

    Returns:
        `VerificationCheck`.
    """
    name = directory.resolve().name
    if not published:
        return VerificationCheck("version name", True, "temporary, until it is published")
    if is_version_name(name):
        return VerificationCheck("version name", True, f"version {int(name)}")
    detail = f"a server ignores {name!r}: the name must be an integer. Rename the directory"
    return VerificationCheck("version name", False, detail)


def check_files(directory: Path) -> VerificationCheck:
    """Checks that graph and variables are complete.

    A server loads a SavedModel without variables, but fails at the first request.

    Args:
        directory: Path. The version directory.

    Returns:
        `VerificationCheck`.
    """
    variables = directory / "variables"
    shards = sorted(variables.glob("variables.data-*")) if variables.is_dir() else []
    counts = {int(match[1]) for path in shards if (match := _SHARD.fullmatch(path.name))}
    count = max(counts, default=1)
    expected = ["saved_model.pb", "variables/variables.index"]
    expected += [f"variables/variables.data-{i:05d}-of-{count:05d}" for i in range(count)]
    missing = [name for name in expected if not (directory / name).is_file()]
    empty = [name for name in expected if name not in missing and not _size(directory / name)]
    if missing or empty:
        faults = [f"{name} is missing" for name in missing] + [f"{name} is empty" for name in empty]
        return VerificationCheck("files", False, f"{', '.join(faults)}. Export the model again")
    size = sum(_size(path) for path in directory.rglob("*") if path.is_file())
    return VerificationCheck("files", True, f"complete, {size:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size


def read_saved_model(directory: Path) -> saved_model_pb2.SavedModel:
    """Reads `saved_model.pb`.

    Args:
        directory: Path. The version directory.

    Returns:
        SavedModel protocol buffer.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        return saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise ValueError(
            f"saved_model.pb cannot be read ({error}). Export the model again."
        ) from error


def check_tags(saved_model: saved_model_pb2.SavedModel) -> VerificationCheck:
    """Checks that there is exactly one graph, with the tag that servers look for.

    Args:
        saved_model: SavedModel protocol buffer.

    Returns:
        `VerificationCheck`.
    """
    tags = [sorted(meta_graph.meta_info_def.tags) for meta_graph in saved_model.meta_graphs]
    if tags == [["serve"]]:
        return VerificationCheck("tags", True, "one graph, tagged 'serve'")
    detail = f"there must be one graph, tagged 'serve'. Received: {tags}"
    return VerificationCheck("tags", False, detail)


def check_signatures(meta_graph: meta_graph_pb2.MetaGraphDef) -> VerificationCheck:
    """Checks the names, types and shapes that clients and the server's batching rely on.

    Args:
        meta_graph: MetaGraphDef protocol buffer.

    Returns:
        `VerificationCheck`.
    """
    found = {k: v for k, v in meta_graph.signature_def.items() if not k.startswith("__")}
    if DEFAULT_SIGNATURE not in found:
        detail = f"there is no {DEFAULT_SIGNATURE!r}. Received: {sorted(found)}"
        return VerificationCheck("signatures", False, detail)
    faults = []
    for name, one in found.items():
        if name in SIGNATURES:
            known = SIGNATURES[name]
            faults += [f"{name}: {fault}" for fault in _type_faults(one.inputs, known.inputs)]
            outputs = _type_faults(one.outputs, known.outputs, known.optional)
            faults += [f"{name}: {fault}" for fault in outputs]
        for alias, tensor in [*one.inputs.items(), *one.outputs.items()]:
            fault = _batch_fault(tensor)
            faults += [f"{name}: {alias!r} {fault}"] if fault else []
    if faults:
        return VerificationCheck("signatures", False, "; ".join(faults))
    return VerificationCheck("signatures", True, ", ".join(sorted(found)))


def _type_faults(
    tensors: Mapping[str, meta_graph_pb2.TensorInfo],
    expected: Mapping[str, tf.TensorSpec],
    optional: tuple[str, ...] = (),
) -> Iterator[str]:
    needed = [name for name in expected if name not in optional]
    if not set(needed) <= set(tensors) <= set(expected):
        yield f"must have {', '.join(map(repr, needed))}, and has {sorted(tensors)}"
    for name in set(tensors) & set(expected):
        dtype, spec = tf.dtypes.as_dtype(tensors[name].dtype), expected[name]
        if dtype != spec.dtype:
            yield f"{name!r} must be {spec.dtype.name}, and is {dtype.name}"
        shape = tensors[name].tensor_shape
        if not shape.unknown_rank and len(shape.dim) != spec.shape.rank:
            yield f"{name!r} must have {spec.shape.rank} axes, and has {len(shape.dim)}"


def _batch_fault(tensor: meta_graph_pb2.TensorInfo) -> str:
    """Why a server cannot feed, fetch or batch a tensor; empty if it can."""
    if tensor.WhichOneof("encoding") != "name" or not tensor.name:
        return "is not a plain tensor (ragged or sparse)"
    shape = tensor.tensor_shape
    if shape.unknown_rank or not shape.dim:
        return "must have a batch axis, and is a scalar or of unknown rank"
    if shape.dim[0].size != -1:
        return f"must take any number of lines, and takes {shape.dim[0].size}"
    return ""


def check_operations(
    meta_graph: meta_graph_pb2.MetaGraphDef, xla: bool = False
) -> VerificationCheck:
    """Checks that graph and function library hold nothing that a server refuses.

    Args:
        meta_graph: MetaGraphDef protocol buffer.
        xla: bool. Whether the server has XLA switched on; a stock server does not.

    Returns:
        `VerificationCheck`.
    """
    nodes = list(_nodes(meta_graph))
    faults = {fault for node in nodes if (fault := _operation_fault(node))}
    compiled = [
        one.signature.name
        for one in meta_graph.graph_def.library.function
        if one.attr[COMPILED_ATTRIBUTE].b
    ]
    compiled += [node.name for node in nodes if node.attr[COMPILED_ATTRIBUTE].b]
    if compiled and not xla:
        faults.add(
            f"{compiled[0]} (and {len(compiled) - 1} more) must be compiled by XLA, which a server "
            f"switches off unless it is started with {XLA_FLAG}: verify it with --xla"
        )
    if faults:
        detail = f"{'; '.join(sorted(faults))}. A stock server cannot run it"
        return VerificationCheck("operations", False, detail)
    kinds = len({node.op for node in nodes})
    detail = f"{len(nodes):,} of {kinds} kinds, none denied"
    if compiled:
        detail += f"; only for a server that is started with {XLA_FLAG}"
    return VerificationCheck("operations", True, detail)


def check_server_versions(meta_graph: meta_graph_pb2.MetaGraphDef) -> VerificationCheck:
    """Checks which released servers know all operations; the newest one must.

    Args:
        meta_graph: MetaGraphDef protocol buffer.

    Returns:
        `VerificationCheck`.
    """
    used = {node.op for node in _nodes(meta_graph)}
    used -= {function.signature.name for function in meta_graph.graph_def.library.function}
    unknown = {}
    for path in sorted(_OPERATIONS.glob("*.txt"), key=lambda one: one.stem, reverse=True):
        known = set(path.read_text(encoding="utf-8").splitlines())
        unknown[path.stem] = sorted(used - known)
    details = [
        f"{version} does not know {', '.join(names)}"
        if names
        else f"{version} knows all operations"
        for version, names in unknown.items()
    ]
    newest = next(iter(unknown))
    return VerificationCheck("server versions", not unknown[newest], "; ".join(details))


def _nodes(meta_graph: meta_graph_pb2.MetaGraphDef) -> Iterator[node_def_pb2.NodeDef]:
    yield from meta_graph.graph_def.node
    for function in meta_graph.graph_def.library.function:
        yield from function.node_def


def _operation_fault(node: node_def_pb2.NodeDef) -> str:
    if node.op in DENIED_OPERATIONS:
        return f"operation {node.op} {DENIED_OPERATIONS[node.op]}"
    if node.op.startswith(DENIED_PREFIX):
        return f"operation {node.op} needs XLA, which a server switches off"
    namespace, separator, _ = node.op.rpartition(">")
    if separator and namespace != LINKED_NAMESPACE:
        return f"operation {node.op} comes from a library that a server does not link"
    return ""
