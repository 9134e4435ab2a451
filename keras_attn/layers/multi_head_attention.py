"""Multi-head attention (Vaswani et al., 2017, Section 3.2.2)."""

import keras
from keras import ops

from keras_attn.layers.attention_projections import AttentionProjections, heads_first
from keras_attn.layers.fused_projections import fuse_projections, project_back, project_heads
from keras_attn.layers.keras_names import KerasNames
from keras_attn.ops import (
    causal_mask,
    combine_masks,
    scaled_dot_product_attention,
    sliding_window_mask,
    write_cache,
)
from keras_attn.ops.axes import leading_sizes, merge_axes, restore_axes


@keras.saving.register_keras_serializable(package="keras_attn")
class MultiHeadAttention(KerasNames, AttentionProjections):
    """Attends from every query position to every key position, in `num_heads` subspaces.

        head_h = softmax(Q W_h^Q (K W_h^K)^T / sqrt(key_dim)) V W_h^V            (Eq. 1)
        output = sum over heads of head_h W_h^O                                  (Fig. 2, right)

    A drop-in for `keras.layers.MultiHeadAttention`: same arguments, same call, same weights by
    name, shape and order, so `set_weights(theirs.get_weights())` works. It adds grouped and
    multi-query heads (`num_key_value_heads`), a `cache` for decoding step by step, and hooks for
    subclasses. One semantics holds whatever the options: dropout on or off, scores asked or not,
    cached or not give the same result.

    Departures from the paper: the projections have biases, as in Keras (`use_bias=False` removes
    them). Departures from Keras: a query row that may attend to nothing is zero before the output
    projection, always; a given `query_mask` is honored; `flash_attention=True` is refused, because
    TensorFlow has no such kernel; kernels start with the variance of the matrices that they stand
    for, where Keras takes them for convolutions and draws them several times too small.

    Hooks for subclasses: `attend` is the whole of Eq. 1 on projected heads; override it (and
    `build` to add weights) to try another attention. Cache, masks and projections stay as they are.

    Masking: True = may attend. `attention_mask` and the Keras masks of query, value and key are
    combined. The Keras mask of the query passes through.

    Args:
        num_heads: int. Number of heads, H.
        key_dim: int. Size of each head for query and key, K (`d_k`).
        value_dim: int. Size of each head for value. Defaults to `key_dim`.
        dropout: float in [0, 1). Rate applied to the attention weights. Defaults to `0.0`.
        use_bias: bool. Defaults to `True`.
        output_shape: int or tuple. Last axes of the output. Defaults to the query's last axis.
        attention_axes: int or tuple. Axes that attend. Defaults to all but first and last.
        sliding_window: int. Attend only to keys fewer than so many positions away.
        flash_attention: None or False.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint: as in Keras.
        use_gate: bool. Multiply the heads by a sigmoid gate computed from the query.
        seed: int. Seed of the dropout.
        num_key_value_heads: int. Number of heads of key and value; divides `num_heads`: 1 is
            multi-query attention, fewer than `num_heads` is grouped-query attention.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        query: float, (B, T, D).
        value: float, (B, S, D). Defaults to `query`: self-attention.
        key: float, (B, S, D). Defaults to `value`.
        query_mask: bool, (B, T). value_mask, key_mask: bool, (B, S).
        attention_mask: bool, (T, S), (B, T, S) or (B, H, T, S), or broadcastable.
        return_attention_scores: bool. Return the weights after the softmax, before dropout, too.
        training: bool. Whether dropout acts.
        use_causal_mask: bool. No position attends to a later one.
        cache: what `project_key_value` or `empty_cache` returned. Without `cache_update_index` it
            stands for key and value, and the query may have W rows for each of its rows (the
            beams of a sentence, adjacent) as long as the mask is the same for all positions.
        cache_update_index: int scalar. The keys and values of this call are written there, and no
            position attends beyond its own. `value_mask` and `key_mask` are not used then.
        num_beams: int. How many rows of the query share a row of a cache without an update index.
            Defaults to None: found from the shapes.
        fused_projections: what `fuse_projections` returned, for a query of a few positions in a
            loop; with a cache.
        beam_mask: bool, (B, W, S, W), from `keras_attn.ops.beam_mask`; with a cache from
            `empty_cache(B, S, num_beams=W)` and an update index. The query has W rows for each row
            of the cache, one position each, and each attends to its own past.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` then also (B, H, T, S); with a cache
        then also the cache. A tuple if more than one.

    Raises:
        ValueError: if an argument is out of range.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> layer(keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.2.2.
        - [Shazeer, 2019](https://arxiv.org/abs/1911.02150), multi-query attention.
        - [Ainslie et al., 2023](https://arxiv.org/abs/2305.13245), grouped-query attention.
    """

    def attend(self, query, key, value, attention_mask=None, training=None):
        """Equation 1 on projected heads. The hook to override.

        In a step of decoding, S has the places of a cache, of which the mask allows those up to the
        query's own. A layer that overrides this never meets the keys of several hypotheses (see
        `can_share_cache`); in cross-attention, T has the hypotheses that share a sentence's keys.

        Args:
            query: float, (B, H, T, K).
            key: float, (B, H, S, K).
            value: float, (B, H, S, V).
            attention_mask: bool, broadcastable to (B, H, T, S), or None. True = may attend.
            training: bool. Whether dropout acts.

        Returns:
            The attended values, (B, H, T, V), and the attention weights, (B, H, T, S).
        """
        return scaled_dot_product_attention(
            query,
            key,
            value,
            attention_mask,
            dropout=lambda weights: self.dropout_layer(weights, training=training),
        )

    @property
    def can_share_cache(self):
        """bool. Whether W hypotheses may share a cache, told apart by a `beam_mask`.

        Not if `attend` is overridden: what it does may depend on the place of a key, and in a
        shared cache the keys of all hypotheses stand side by side.
        """
        is_overridden = type(self).attend is not MultiHeadAttention.attend
        return not is_overridden and not self._overrides_keras_hook

    def fuse_projections(self, has_own_key_value):
        """Lays the projections out as two matrices, for `call(..., fused_projections=...)`.

        Args:
            has_own_key_value: bool. Whether keys and values will be made of the query
                (self-attention with a cache); else the query only is projected.

        Returns:
            dict of tensors: to be made once, outside the loop that uses it. Empty if the layer
            projects keys and values in a way of its own.
        """
        projects_plainly = type(self).project_key_value is MultiHeadAttention.project_key_value
        if has_own_key_value and not projects_plainly:
            return {}
        return fuse_projections(self, has_own_key_value)

    def call(
        self,
        query,
        value=None,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
        cache=None,
        cache_update_index=None,
        beam_mask=None,
        num_beams=None,
        fused_projections=None,
    ):
        is_shared = cache is not None and cache_update_index is None
        if is_shared and self.sliding_window is not None:
            raise ValueError(
                "`sliding_window` must be None for a `cache` without `cache_update_index`: the "
                f"query has no position. Received: sliding_window={self.sliding_window}."
            )
        if value is None and not is_shared:
            value, value_mask = query, query_mask if value_mask is None else value_mask
        if value is not None:
            self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
        if not is_shared:
            self._check_rows(query.shape, value.shape)
        axes = self._attended_axes(query)
        if axes is not None:
            if cache is not None:
                raise ValueError(
                    "`cache` needs inputs of shape (B, T, D). "
                    f"Received: shape={tuple(query.shape)}, attention_axes={self.attention_axes}."
                )
            masks = (query_mask, value_mask, key_mask, attention_mask)
            return self._call_over_axes(
                query, value, key, masks, axes, return_attention_scores, training, use_causal_mask
            )
        start_index = 0
        own = heads = None
        if fused_projections:
            heads, *own = project_heads(self, query, fused_projections)
        if cache is None:
            key_value = self.project_key_value(value, key)
        elif cache_update_index is None:
            key_value = cache
        else:
            if own:
                update = {"key": heads_first(own[0]), "value": heads_first(own[1])}
            else:
                update = self.project_key_value(value, key)
            if beam_mask is not None:
                update = {name: _share_row(update[name], beam_mask) for name in update}
            key_value = {
                name: write_cache(cache[name], update[name], cache_update_index) for name in cache
            }
            value_mask = key_mask = None
            use_causal_mask, start_index = True, cache_update_index
        mask = self._combined_mask(
            ops.shape(query)[1],
            ops.shape(key_value["key"])[2],
            (query_mask, value_mask, key_mask, attention_mask),
            use_causal_mask,
            start_index,
        )
        heads = self.query_dense(query) if heads is None else heads  # (B, T, H, K)
        if beam_mask is not None:
            num_beams = beam_mask.shape[3]
        elif not is_shared or _have_equal_rows(heads, key_value["key"]):
            num_beams = 1
        outputs, scores = self._attend_from(heads, key_value, mask, num_beams, training, beam_mask)
        results = [self._project_back(query, outputs, fused_projections)]
        if return_attention_scores:
            results.append(ops.cast(scores, self.compute_dtype))
        if cache is not None:
            results.append(key_value)
        return tuple(results) if len(results) > 1 else results[0]

    def _project_back(self, query, outputs, fused_projections=None):
        """Joins the heads: (B, T, H, V) -> (B, T, D)."""
        if self.use_gate:
            outputs = outputs * self.gate_dense(query)
        if fused_projections:
            return project_back(self, outputs, fused_projections)
        return self.output_dense(outputs)

    def _attend_from(self, heads, key_value, mask, num_beams, training, beam_mask=None):
        """Attends: queries (B, T, H, K) -> values (B, T, H, V) and weights (B, H, T, S)."""
        batch_size, length = leading_sizes(heads, 2)
        key, value = key_value["key"], key_value["value"]
        if num_beams != 1:
            # W adjacent query rows share one row of keys: they become W * T query positions of
            # it, so that keys and values are never copied for each beam.
            is_known = num_beams is not None and heads.shape[1] is not None
            sizes = (-1, num_beams * heads.shape[1]) if is_known else (ops.shape(key)[0], -1)
            heads = ops.reshape(heads, (*sizes, self.num_heads, self.key_dim))  # (B/W, W*T, H, K)
        if beam_mask is not None:
            key, value, mask = _lay_out_beams(key, value, mask, beam_mask)
        groups = self.num_heads // self.num_key_value_heads
        if groups > 1:
            key, value = ops.repeat(key, groups, axis=1), ops.repeat(value, groups, axis=1)
        attend = self._attend_by_keras_hook if self._overrides_keras_hook else self.attend
        outputs, scores = attend(heads_first(heads), key, value, mask, training)
        outputs = ops.transpose(outputs, (0, 2, 1, 3))  # (B, T, H, V)
        if num_beams != 1:
            outputs = ops.reshape(outputs, (batch_size, length, self.num_heads, self.value_dim))
            num_keys = 1 if beam_mask is None else num_beams
            scores = _scores_of_rows(scores, ops.shape(outputs)[1], num_keys)
        return outputs, scores

    def _combined_mask(self, query_length, key_length, masks, use_causal_mask, start_index):
        """All masks as one, broadcastable to (B, H, T, S), or None."""
        query_mask, value_mask, key_mask, attention_mask = masks
        window = causal = None
        if attention_mask is not None and len(attention_mask.shape) == 3:
            attention_mask = attention_mask[:, None]  # (B, 1, T, S)
        if use_causal_mask:
            causal = causal_mask(query_length, key_length, start_index)
        if self.sliding_window is not None:
            window = sliding_window_mask(query_length, key_length, self.sliding_window, start_index)
        return combine_masks(
            None if query_mask is None else query_mask[:, None, :, None],
            None if value_mask is None else value_mask[:, None, None, :],
            None if key_mask is None else key_mask[:, None, None, :],
            attention_mask,
            causal,
            window,
        )

    # Attention over other axes than the second of three

    def _attended_axes(self, query):
        """The attended axes, or None in the ordinary case of (B, T, D)."""
        rank = len(query.shape)
        axes = self.attention_axes or tuple(range(1, rank - 1))
        axes = tuple(axis if axis >= 0 else rank + axis for axis in axes)
        return None if rank == 3 and axes == (1,) else axes

    def _call_over_axes(
        self, query, value, key, masks, axes, return_attention_scores, training, use_causal_mask
    ):
        """Lays the attended axes out as one, attends, and lays the results out as they were."""
        query_sizes, value_sizes = ops.shape(query)[:-1], ops.shape(value)[:-1]
        *sequence_masks, attention_mask = masks
        sequence_masks = [
            None if mask is None else merge_axes(mask, axes, num_trailing=0)
            for mask in sequence_masks
        ]
        query, value = merge_axes(query, axes), merge_axes(value, axes)
        key = None if key is None else merge_axes(key, axes)
        query_length, key_length = ops.shape(query)[1], ops.shape(value)[1]
        batch_sizes = [size for axis, size in enumerate(query_sizes) if axis not in axes]
        if attention_mask is not None:
            # (B, T, S) is the same for the other batch axes, as in Keras: (B, 1, ..., T, S).
            given = list(ops.shape(attention_mask))[: len(attention_mask.shape) - 2 * len(axes)]
            given += [1] * (len(batch_sizes) - len(given))
            attention_mask = ops.reshape(attention_mask, (*given, query_length, key_length))
            attention_mask = ops.broadcast_to(
                attention_mask, (*batch_sizes, query_length, key_length)
            )
            attention_mask = ops.reshape(attention_mask, (-1, query_length, key_length))
        key_value = self.project_key_value(value, key)
        mask = self._combined_mask(
            query_length, key_length, (*sequence_masks, attention_mask), use_causal_mask, 0
        )
        heads = self.query_dense(query)
        outputs, scores = self._attend_from(heads, key_value, mask, 1, training)
        outputs = self._project_back(query, outputs)
        outputs = restore_axes(outputs, axes, query_sizes)
        if not return_attention_scores:
            return outputs
        attended = [query_sizes[axis] for axis in axes] + [value_sizes[axis] for axis in axes]
        scores = ops.reshape(scores, (*batch_sizes, self.num_heads, *attended))
        return outputs, ops.cast(scores, self.compute_dtype)

    # Keras' symbolic world

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        self._check_shapes(query_shape, value_shape, key_shape)
        return (*query_shape[:-1], *(self.output_dims or (query_shape[-1],)))

    def compute_output_spec(self, *args, **kwargs):
        # Scores and caches make more outputs than one shape can tell: `call` is traced instead.
        return keras.Operation.compute_output_spec(self, *args, **kwargs)


def _have_equal_rows(heads, key):
    """Whether it is known that every query row has a row of keys of its own."""
    return heads.shape[0] is not None and heads.shape[0] == key.shape[0]


def _share_row(update, beam_mask):
    """What W hypotheses computed at one position, in a row: (R, H, 1, K) -> (B, H, 1, W, K)."""
    num_heads, size = update.shape[1], update.shape[3]
    update = ops.reshape(update, (-1, beam_mask.shape[3], num_heads, size))  # (B, W, H, K)
    return ops.transpose(update, (0, 2, 1, 3))[:, :, None]


def _lay_out_beams(key, value, mask, beam_mask):
    """Positions and beams as one axis of keys: (B, H, S, W, K) -> (B, H, S*W, K), and the mask."""
    batch_size, num_heads, length, num_beams, _ = ops.shape(key)
    shape = (batch_size, num_heads, length * num_beams)
    # (1, S), the same for all hypotheses, and (B, W, S, W) -> (B, 1, W, S*W)
    mask = ops.logical_and(ops.reshape(mask, (1, 1, -1, 1)), beam_mask)
    mask = ops.reshape(mask, (batch_size, 1, num_beams, length * num_beams))
    return (
        ops.reshape(key, (*shape, key.shape[4])),
        ops.reshape(value, (*shape, value.shape[4])),
        mask,
    )


def _scores_of_rows(scores, length, keys_per_position):
    """Weights of shared rows of keys, (B/W, H, W*T, S*W'), as those of each row, (B, H, T, S)."""
    rows, num_heads, _, num_keys = ops.shape(scores)
    if keys_per_position > 1:  # of the W' keys at a position, a hypothesis attends to its own
        num_keys = num_keys // keys_per_position
        scores = ops.reshape(scores, (rows, num_heads, -1, num_keys, keys_per_position))
        scores = ops.sum(scores, axis=-1)
    scores = ops.reshape(scores, (rows, num_heads, -1, length, num_keys))
    scores = ops.transpose(scores, (0, 2, 1, 3, 4))  # (B/W, W, H, T, S)
    return ops.reshape(scores, (-1, num_heads, length, num_keys))
