"""The projections of an attention layer as matrices side by side, laid out once for many steps.

A loop that decodes step by step makes them before it starts and hands them to every step, which
then multiplies once where the layer has three projections. The weights of the layer stay as they
are. XLA gains most: in the loop it would compute a product of one row with a kernel that it must
reshape by a naive nest of loops (measured on 2 CPU cores, one sentence, the base model, greedy: 456
ms for 32 tokens, and 160 ms with the matrices made outside).
"""

import math

from keras import ops

from keras_attn.ops.axes import leading_sizes


def fuse_projections(layer, has_own_key_value):
    """Lays out the kernels of an attention layer as one matrix into the heads and one out of them.

    Args:
        layer: built `AttentionProjections`.
        has_own_key_value: bool. Whether keys and values are made of what the queries are made of
            (self-attention); else only queries are projected.

    Returns:
        dict of `"kernel"`, (D, N), N the sizes of all heads together, `"output_kernel"`, (H * V,
        D), and unless `use_bias=False` `"bias"`, (N,), and `"output_bias"`, (D,). Empty if the
        layer is quantized: its kernels are not plain matrices.
    """
    denses = [layer.query_dense]
    if has_own_key_value:
        denses += [layer.key_dense, layer.value_dense]
    if any(dense.quantization_mode is not None for dense in (*denses, layer.output_dense)):
        return {}
    fused = {
        "kernel": ops.concatenate([_matrix(layer, dense.kernel, 1) for dense in denses], axis=1),
        "output_kernel": _matrix(layer, layer.output_dense.kernel, 2),
    }
    if layer.use_bias:
        biases = [_vector(layer, dense.bias) for dense in denses]
        fused["bias"] = ops.concatenate(biases, axis=0)
        fused["output_bias"] = _vector(layer, layer.output_dense.bias)
    return fused


def project_heads(layer, inputs, fused):
    """Queries, and keys and values if they are in the matrix: (B, T, D) -> each (B, T, H, K)."""
    columns = _multiply(inputs, fused["kernel"], fused.get("bias"))  # (B * T, N)
    groups = layer.num_key_value_heads
    shapes = [(layer.num_heads, layer.key_dim), (groups, layer.key_dim), (groups, layer.value_dim)]
    ends = [layer.num_heads * layer.key_dim, (layer.num_heads + groups) * layer.key_dim]
    parts = ops.split(columns, ends, axis=1) if columns.shape[1] > ends[0] else [columns]
    leading = leading_sizes(inputs)
    return [
        ops.reshape(part, (*leading, *shape)) for part, shape in zip(parts, shapes, strict=False)
    ]


def project_back(layer, heads, fused):
    """(B, T, H, V) -> (B, T, D)."""
    rows = ops.reshape(heads, (-1, layer.num_heads * layer.value_dim))
    outputs = _multiply(rows, fused["output_kernel"], fused.get("output_bias"))
    return ops.reshape(outputs, (*leading_sizes(heads, 2), *layer.output_dense.kernel.shape[2:]))


def _multiply(inputs, kernel, bias):
    outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    return outputs if bias is None else ops.add(outputs, bias)


def _matrix(layer, kernel, num_contracted):
    rows = math.prod(kernel.shape[:num_contracted])
    return ops.reshape(ops.cast(kernel, layer.compute_dtype), (rows, -1))


def _vector(layer, bias):
    return ops.reshape(ops.cast(bias, layer.compute_dtype), (-1,))
