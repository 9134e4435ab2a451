"""What one update costs: operations and memory, counted in the graph of the model."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from keras_attn.models import Seq2SeqModel
from keras_attn.training.update.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from keras_attn.training.update.traced_loop import TracedLoop

# Where the operation has its kernel, (..., inputs, outputs), and the outputs or their gradient.
_CONVOLUTIONS = {
    "Conv2D": (("inputs", 1), ("outputs", 0)),
    "Conv2DBackpropInput": (("inputs", 1), ("inputs", 2)),
    "Conv2DBackpropFilter": (("outputs", 0), ("inputs", 2)),
}
Loops = dict[tf.Operation, TracedLoop]


@dataclasses.dataclass(frozen=True)
class UpdateCost:
    """What one update costs, forward and backward, whatever the model is.

    Args:
        flops: int. Floating-point operations of all matrix products and convolutions; a
            multiply-add is two. The rest, such as softmax and normalization, is small beside them.
            The first step of a recurrent layer counts twice, as it is traced.
        forward_flops: int. Those of the forward pass.
        saved_bytes: int. Memory of what the forward pass keeps for the backward pass. XLA keeps
            less: it computes cheap values again.

    Example:

    >>> from keras_attn import create_model
    >>> model = create_model("transformer_tiny", source_vocabulary_size=100, num_layers=1)
    >>> update_cost(model, rows=2, length=8).flops > 6 * 2 * 8 * 100 * 128   # more than the output
    True
    """

    flops: int
    forward_flops: int
    saved_bytes: int


def update_cost(model: Seq2SeqModel, rows: int, length: int) -> UpdateCost:
    """Traces an update with a batch of one shape, without running it, and counts its cost.

    Args:
        model: Seq2SeqModel. Built.
        rows: int. The rows of the batch.
        length: int. Its length, on both sides.

    Returns:
        UpdateCost.

    Raises:
        ValueError: if the shapes do not fit the model.
    """
    loss = LabelSmoothedCrossEntropy()
    first_backward: list[int] = []

    def gradients(token_ids: tf.Tensor) -> Any:
        weights = [weight.value for weight in model.trainable_variables]
        with tf.GradientTape() as tape:
            inputs = {"encoder_token_ids": token_ids, "decoder_token_ids": token_ids}
            value = loss(token_ids, model(inputs, training=True))
        first_backward.append(len(tf.compat.v1.get_default_graph().get_operations()))
        return tape.gradient(value, weights)

    function = tf.function(gradients, autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((rows, length), tf.int32)).graph
    operations = graph.get_operations()
    loops = TracedLoop.of(operations)
    # Tracing may run twice, if the first run makes variables. The last run counts.
    forward, backward = operations[: first_backward[-1]], operations[first_backward[-1] :]
    made = {tensor.ref() for operation in forward for tensor in operation.outputs}
    kept = {
        tensor.ref()
        for operation in backward
        for tensor in operation.inputs
        if tensor.ref() in made and tensor.op.type not in ("ReadVariableOp", "Const")
    }
    return UpdateCost(
        flops=_flops(operations, loops),
        forward_flops=_flops(forward, TracedLoop.of(forward)),
        saved_bytes=sum(_size(one.deref(), loops) for one in kept),
    )


def _flops(operations: list[tf.Operation], loops: Loops) -> int:
    """The operations of all products; those of a loop count once per iteration."""
    flops = sum(map(_product_flops, operations))
    for loop in loops.values():
        inner = loop.body.get_operations()
        flops += loop.iterations * _flops(inner, TracedLoop.of(inner))
    return flops


def _product_flops(operation: tf.Operation) -> int:
    """Twice the multiply-adds of a matrix product or a convolution; 0 for other operations."""
    if operation.type == "Einsum":
        equation = operation.get_attr("equation").decode()
        sizes: dict[str, int] = {}
        for term, tensor in zip(equation.split("->")[0].split(","), operation.inputs, strict=True):
            sizes |= dict(zip(_labels(term, tensor.shape.rank), tensor.shape, strict=True))
        return 2 * math.prod(sizes.values())
    if operation.type in ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        name = "transpose_a" if operation.type == "MatMul" else "adj_x"
        left = operation.inputs[0].shape.as_list()
        inner = left[-2] if operation.get_attr(name) else left[-1]
        return 2 * inner * math.prod(operation.outputs[0].shape.as_list())
    if operation.type in _CONVOLUTIONS:
        kernel, outputs = (getattr(operation, kind)[i] for kind, i in _CONVOLUTIONS[operation.type])
        # Each output is the sum of as many products as one output channel has weights.
        return 2 * math.prod(outputs.shape.as_list()) * math.prod(kernel.shape.as_list()[:-1])
    return 0


def _labels(term: str, rank: int) -> list[str]:
    """The labels of a term of an einsum; "..." stands for as many axes as the others leave."""
    if "..." not in term:
        return list(term)
    before, after = term.split("...")
    # The axes of "..." are named from the right, because they are aligned there.
    missing = rank - len(before) - len(after)
    return [*before, *(f"...{i}" for i in range(missing, 0, -1)), *after]


def _size(tensor: tf.Tensor, loops: Loops) -> int:
    loop = loops.get(tensor.op)
    collected = None if loop is None else loop.collected(tensor.value_index)
    if loop is not None and collected is not None:
        return loop.iterations * _size(collected, {})
    return int(tensor.dtype.size * math.prod(size or 0 for size in tensor.shape.as_list()))
