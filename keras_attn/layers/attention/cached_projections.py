"""The projections of an attention layer, and those that are computed once for many steps."""

import math

from keras import ops

from keras_attn.layers.attention.attention_cache import FusedKernels, SelfCache
from keras_attn.layers.attention.attention_projections import AttentionProjections
from keras_attn.layers.attention.heads_dense import HeadsDense
from keras_attn.ops.axes import leading_sizes


class CachedProjections(AttentionProjections):
    """`AttentionProjections` that can be kept: keys and values, and kernels laid out as matrices.

    A loop that decodes step by step lays the kernels out before it starts and hands them to every
    step, which then needs one product for the layer's three projections. The weights of the layer
    stay as they are. XLA gains most: inside the loop, it would use a naive nest of loops for the
    product of one row with a kernel that it must reshape (measured on 2 CPU cores, one sentence,
    the base model, greedy: 456 ms for 32 tokens, and 160 ms with the matrices made outside).
    """

    # Computed once, before the loop

    def project_key_value(self, value, key=None):
        """Projects keys and values: the `tensors` of a `CrossCache`.

        Args:
            value: float, (B, S, D).
            key: float, (B, S, D). Defaults to `value`.

        Returns:
            dict of `"key"`, (B, H', S, K), and `"value"`, (B, H', S, V), H' = num_key_value_heads.
        """
        key = value if key is None else key
        return {
            "key": heads_first(self.key_dense(key)),
            "value": heads_first(self.value_dense(value)),
        }

    def empty_cache(self, batch_size, max_length, num_beams=None):
        """A `SelfCache` of zeros at position 0.

        Args:
            batch_size: int. Number of rows, B.
            max_length: int. Number of positions, S.
            num_beams: int. Number of hypotheses that share a row, W; a call then needs a
                `beam_mask`. Defaults to None: one, without an axis for it.

        Returns:
            `SelfCache`.
        """
        beams = () if num_beams is None else (num_beams,)
        shape = (batch_size, self.num_key_value_heads, max_length, *beams)
        tensors = {
            "key": ops.zeros((*shape, self.key_dim), self.compute_dtype),
            "value": ops.zeros((*shape, self.value_dim), self.compute_dtype),
        }
        return SelfCache(tensors, ops.convert_to_tensor(0, dtype="int32"))

    def fuse_projections(self, has_own_key_value):
        """Lays the projections out as two matrices: the `kernels` of a cache.

        Args:
            has_own_key_value: bool. Whether keys and values will be computed from the query
                (self-attention with a cache); otherwise only the query is projected.

        Returns:
            `FusedKernels`. Make it once, outside the loop that uses it. `()` if a projection is
            quantized or was replaced, such as by a wrapper that adds to it, because it is no plain
            product with its kernel, or if a subclass projects keys and values in its own way.
        """
        denses = [self.query_dense]
        if has_own_key_value:
            denses += [self.key_dense, self.value_dense]
            if type(self).project_key_value is not CachedProjections.project_key_value:
                return ()
        if not all(_is_plain(dense) for dense in (*denses, self.output_dense)):
            return ()
        kernels = [self._matrix(dense.kernel, num_contracted=1) for dense in denses]
        bias = output_bias = ()
        if self.use_bias:
            bias = ops.concatenate([self._vector(dense.bias) for dense in denses], axis=0)
            output_bias = self._vector(self.output_dense.bias)
        output_kernel = self._matrix(self.output_dense.kernel, num_contracted=2)
        return FusedKernels(ops.concatenate(kernels, axis=1), output_kernel, bias, output_bias)

    def _matrix(self, kernel, num_contracted):
        rows = math.prod(kernel.shape[:num_contracted])
        return ops.reshape(ops.cast(kernel, self.compute_dtype), (rows, -1))

    def _vector(self, bias):
        return ops.reshape(ops.cast(bias, self.compute_dtype), (-1,))

    # Computed in every call

    def _project_query(self, query, kernels=()):
        """(B, T, D) -> (B, T, H, K)."""
        if not kernels:
            return self.query_dense(query)
        return self._split_heads(query, _multiply(query, kernels.kernel, kernels.bias))[0]

    def _project_all(self, query, value, key, kernels=()):
        """Query heads, (B, T, H, K), and keys and values as `project_key_value` gives them."""
        if not kernels:
            return self.query_dense(query), self.project_key_value(value, key)
        columns = _multiply(query, kernels.kernel, kernels.bias)
        heads, keys, values = self._split_heads(query, columns)
        return heads, {"key": heads_first(keys), "value": heads_first(values)}

    def _split_heads(self, inputs, columns):
        """(B * T, N) -> query heads and, if present, those of key and value."""
        groups = self.num_key_value_heads
        shapes = [(self.num_heads, self.key_dim), (groups, self.key_dim), (groups, self.value_dim)]
        ends = [self.num_heads * self.key_dim, (self.num_heads + groups) * self.key_dim]
        parts = ops.split(columns, ends, axis=1) if columns.shape[1] > ends[0] else [columns]
        sizes = leading_sizes(inputs)
        return [
            ops.reshape(part, (*sizes, *shape)) for part, shape in zip(parts, shapes, strict=False)
        ]

    def _project_back(self, query, outputs, kernels=()):
        """Joins the heads: (B, T, H, V) -> (B, T, D)."""
        if self.use_gate:
            outputs = outputs * self.gate_dense(query)
        if not kernels:
            return self.output_dense(outputs)
        rows = ops.reshape(outputs, (-1, self.num_heads * self.value_dim))
        rows = _multiply(rows, kernels.output_kernel, kernels.output_bias)
        return ops.reshape(rows, (*leading_sizes(outputs, 2), *self.output_dense.kernel.shape[2:]))


def _is_plain(dense):
    """Whether a projection is a product with its kernel and nothing else."""
    return type(dense) is HeadsDense and dense.quantization_mode is None


def heads_first(projected):
    """(B, T, H, K) -> (B, H, T, K), and back."""
    sizes = projected.shape[1:]
    if 1 in sizes[:2] and not {0, None} & set(sizes):  # nothing to move in memory
        _, length, heads, size = projected.shape
        return ops.reshape(projected, (-1, heads, length, size))
    return ops.transpose(projected, (0, 2, 1, 3))


def _multiply(inputs, kernel, bias):
    outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    return outputs if isinstance(bias, tuple) else ops.add(outputs, bias)
