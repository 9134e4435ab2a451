"""The layers that a LiteRT graph is traced from, in place of the model's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attn.edge.edge_model import MASKED
from keras_attn.layers import MultiHeadAttention
from keras_attn.layers.attention.attention_cache import CrossCache, SelfCache
from keras_attn.layers.slots import fill_slot
from keras_attn.ops.axes import leading_sizes


class HostCache(SelfCache):
    """The cache of self-attention between steps, which the program around the graph keeps.

    The graph reads the earlier positions and returns only the new one: no graph writes into a
    cache. The W hypotheses of a sentence share a cache.

    Args:
        tensors: dict of `"key"` and `"value"`, float (B, H, P * W, K), of the P earlier positions;
            after a call (R, H, K), of the new position.
        position: int scalar. The new position.
        beam_mask: float, (B, 1, W, P * W). 0 where a hypothesis may attend, else `MASKED`.
    """

    is_shared = False  # to `DecoderBlock`: each row is one hypothesis


@keras.saving.register_keras_serializable(package="keras_attn")
class LiteRTAttention(MultiHeadAttention):
    """`MultiHeadAttention` with the same weights, in the operations that XNNPACK computes fast.

    One product gives query, key and value, with the scale of the logits in its matrix. Masks are
    added, because XNNPACK has no `where`. In a step of decoding, the logit of the new position is
    computed separately from those of a `HostCache`, so that the cache is read in place. A
    `CrossCache` holds a `"mask"` among its tensors: float, (B, 1, 1, S), 0 or `MASKED`.
    """

    def call(  # type: ignore[override]
        self, query, value=None, key=None, value_mask=None, cache=None, **options
    ):
        if isinstance(cache, HostCache):
            return self._attend_to_targets(query, cache)
        if isinstance(cache, CrossCache):
            (heads,) = self._heads(query, self.query_dense)
            return self._join(query, self._weigh(heads, **cache.tensors)), cache
        # The encoder's graph reads one sentence: a mask of rank 2 is a row of its positions.
        heads, key, value = self._heads(query, self.query_dense, self.key_dense, self.value_dense)
        mask = tf.reshape(MASKED * (1.0 - tf.cast(value_mask, "float32")), (1, 1, 1, -1))
        return self._join(query, self._weigh(heads, key, value, mask))

    def project_key_value(self, value, key=None):
        """The tensors of a `CrossCache`, without the mask."""
        keys, values = self._heads(value, self.key_dense, self.value_dense)
        return {"key": keys, "value": values}

    def _attend_to_targets(self, query, cache):
        num_beams = cache.beam_mask.shape[2]
        denses = (self.query_dense, self.key_dense, self.value_dense)
        parts = [part[:, 0] for part in self._split(query, *denses)]  # (R, H, K) each
        heads, key, value = parts
        own = tf.reduce_sum(heads * key, axis=-1)  # (R, H)
        own = self._beams_inside(own[..., None], num_beams)  # (B, H, W, 1)
        logits = tf.matmul(
            self._beams_inside(heads, num_beams), cache.tensors["key"], transpose_b=True
        )
        weights = tf.nn.softmax(tf.concat([own, logits + cache.beam_mask], axis=-1))
        outputs = tf.matmul(weights[..., 1:], cache.tensors["value"])  # (B, H, W, K)
        outputs += weights[..., :1] * self._beams_inside(value, num_beams)
        after = cache._replace(tensors={"key": key, "value": value})
        return self._join(query, outputs), after

    def _weigh(self, heads, key, value, mask):
        weights = tf.nn.softmax(tf.matmul(heads, key, transpose_b=True) + mask)
        return tf.matmul(weights, value)  # (B, H, T, K)

    def _beams_inside(self, rows, num_beams):
        """(B * W, H, K) -> (B, H, W, K)."""
        size = rows.shape[-1]
        if num_beams == 1:
            return tf.reshape(rows, (-1, self.num_heads, 1, size))
        rows = tf.reshape(rows, (-1, num_beams, self.num_heads, size))
        return tf.transpose(rows, (0, 2, 1, 3))

    def _heads(self, inputs, *denses):
        """(B, T, D) -> (B, H, T, K) for each of the projections."""
        return [tf.transpose(part, (0, 2, 1, 3)) for part in self._split(inputs, *denses)]

    def _split(self, inputs, *denses):
        """(B, T, D) -> (B, T, H, K) for each of the projections, computed as one product."""
        kernel, bias = self._constants(denses, num_contracted=1)
        columns = tf.matmul(tf.reshape(inputs, (-1, inputs.shape[-1])), kernel) + bias
        sizes = leading_sizes(inputs)
        return [
            tf.reshape(part, (*sizes, self.num_heads, self.key_dim))
            for part in tf.split(columns, len(denses), axis=1)
        ]

    def _join(self, query, outputs):
        """(B, H, T, K) -> (B, T, D)."""
        rows = tf.reshape(tf.transpose(outputs, (0, 2, 1, 3)), (-1, self.num_heads * self.key_dim))
        kernel, bias = self._constants((self.output_dense,), num_contracted=2)
        return tf.reshape(tf.matmul(rows, kernel) + bias, (*leading_sizes(query), kernel.shape[1]))

    def _constants(self, denses, num_contracted):
        """Kernels side by side as one matrix, and their biases: constants of the graph."""
        with tf.init_scope():
            kernels, biases = [], []
            for dense in denses:
                scale = self.key_dim**-0.5 if dense is self.query_dense else 1.0
                kernel = self._matrix(dense.kernel, num_contracted)
                bias = tf.zeros(kernel.shape[1]) if dense.bias is None else self._vector(dense.bias)
                kernels.append(scale * kernel)
                biases.append(scale * bias)
            matrix, vector = np.concatenate(kernels, axis=1), np.concatenate(biases)
        return tf.constant(matrix), tf.constant(vector)


@keras.saving.register_keras_serializable(package="keras_attn")
class PositionTable(keras.layers.Layer):
    """The vectors that another position layer adds, looked up in a table.

    Args:
        position: slot. The other layer.
        longest: int. Number of positions in the table.
    """

    def __init__(self, position, longest, **kwargs):
        super().__init__(**kwargs)
        self.position: Any = fill_slot("position", position, name="position")
        self.longest = longest

    def build(self, input_shape=None):
        if not self.position.built:
            self.position.build(input_shape)
        self.built = True

    def call(self, inputs, start_index=0):
        with tf.init_scope():
            nothing = np.zeros((1, self.longest, inputs.shape[-1]), "float32")
            table = np.asarray(self.position(nothing)[0])
        # Padding may stand beyond the table. It is masked, so any vector will do.
        positions = tf.minimum(start_index + tf.range(tf.shape(inputs)[1]), self.longest - 1)
        return inputs + tf.gather(tf.constant(table), positions)[None]

    def get_config(self):
        position = keras.saving.serialize_keras_object(self.position)
        return {**super().get_config(), "position": position, "longest": self.longest}
