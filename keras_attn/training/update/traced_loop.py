"""The loops in a graph: their bodies, their iterations, and the tensors they collect."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

_LOOPS = ("While", "StatelessWhile")


@dataclasses.dataclass(frozen=True)
class TracedLoop:
    """A `tf.while_loop` of a traced function.

    Args:
        body: `FuncGraph`. The graph of one iteration.
        iterations: int. The largest number of iterations; 1 if the loop does not state it.

    Example:

    >>> def double(x):
    ...     return tf.while_loop(lambda x: True, lambda x: (2 * x,), (x,), maximum_iterations=5)
    >>> graph = tf.function(double).get_concrete_function(tf.TensorSpec((), tf.int32)).graph
    >>> [loop.iterations for loop in TracedLoop.of(graph.get_operations()).values()]
    [5]
    """

    body: Any
    iterations: int

    @classmethod
    def of(cls, operations: Iterable[tf.Operation]) -> dict[tf.Operation, TracedLoop]:
        """The loops among operations.

        Args:
            operations: iterable of `tf.Operation`, of a traced function whose shapes are known.

        Returns:
            dict of `TracedLoop` by operation.
        """
        return {one: cls._of_operation(one) for one in operations if one.type in _LOOPS}

    @classmethod
    def _of_operation(cls, operation: tf.Operation) -> TracedLoop:
        graph: Any = operation.graph
        body = graph._get_function(operation.get_attr("body").name).graph
        # Its inputs are the iteration number, the largest one, and the loop variables.
        with tf.compat.v1.Session(graph=graph) as session:
            return cls(body, max(1, int(session.run(operation.inputs[1]))))

    def collected(self, index: int) -> tf.Tensor | None:
        """The tensor that each iteration adds to a result of the loop, if that result is a list.

        Args:
            index: int. The index of the result.

        Returns:
            Tensor of the body, or None if the result is not such a list.
        """
        writer = self.body.outputs[index].op
        is_list = writer.type in ("TensorListPushBack", "TensorListSetItem")
        return writer.inputs[-1] if is_list else None
