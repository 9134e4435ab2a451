"""Tensors that a SavedModel computes from its weights when it is loaded, once for all requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_attn.models import Seq2SeqModel


class LoadTimeConstants(tf.Module):
    """What `Seq2SeqModel.start` calls "constants", computed when a SavedModel is loaded.

    A search lays weights out as matrices before its first step. For one short sentence that takes
    a good part of the time: transposing an embedding of 8,000 tokens by 128 takes 4 of 27 ms. A
    server has to do it only once. The tensors take memory, but no space in the file.

    Args:
        compute: function without arguments. Returns a nest of tensors that depend on variables
            alone.
    """

    def __init__(self, compute: Callable[[], Any]) -> None:
        super().__init__(name="load_time_constants")
        traced = tf.compat.v1.wrap_function(compute, [])
        self._structure = traced.structured_outputs
        # Without the rest of `start`, above all the encoder.
        self._values = traced.prune([], tf.nest.flatten(self._structure))
        self.weights = list(self._values.variables)
        # The first one initializes all, so that the loader optimizes and runs `compute` once.
        self.tensors = [
            _Constant(tf.TensorSpec(spec.shape, spec.dtype), None if i else self._assign)
            for i, spec in enumerate(self._values.outputs)
        ]

    def _assign(self) -> None:
        for constant, value in zip(self.tensors, self._values(), strict=True):
            tf.raw_ops.AssignVariableOp(resource=constant.resource_handle, value=value)

    def read(self) -> Any:
        """The nest of tensors, in the graph that is being traced."""
        return tf.nest.pack_sequence_as(self._structure, [one.read() for one in self.tensors])


def load_time_constants(model: Seq2SeqModel, num_beams: int) -> LoadTimeConstants | None:
    """The constants of a model's searches; None if it has none.

    Args:
        model: `Seq2SeqModel`.
        num_beams: int. Hypotheses of a sentence.
    """

    def compute() -> Any:
        # Any number of rows, as in a server's graph.
        ids = tf.raw_ops.PlaceholderWithDefault(input=[[1]], shape=[None, None])
        return model.start(ids, 1, num_beams).get("constants", ())

    constants = LoadTimeConstants(compute)
    return constants if constants.tensors else None


class _Constant(tf.saved_model.experimental.TrackableResource):
    """One tensor: a variable that no checkpoint holds and the loader initializes.

    It lives as long as its session. `tf.saved_model.load` keeps it until the process ends, because
    a program may hold only a signature: the object that would destroy the tensor is gone by then.
    """

    def __init__(self, spec: tf.TensorSpec, assign: Callable[[], None] | None) -> None:
        super().__init__()
        self._spec, self._assign = spec, assign
        # Models in one process must not share it.
        self._shared_name = f"load_time_constant_{uuid.uuid4()}"
        _ = self.resource_handle  # made here, not in the graph of a signature

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(
            dtype=self._spec.dtype, shape=self._spec.shape, shared_name=self._shared_name
        )

    def _initialize(self) -> None:
        if self._assign is not None:
            self._assign()

    def read(self) -> tf.Tensor:
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=self._spec.dtype)
        return tf.ensure_shape(value, self._spec.shape)
