"""Multi-head attention (Vaswani et al., 2017, Section 3.2.2)."""

import keras
from keras import ops

from keras_attn.layers.attended_axes import AttendedAxes, attended_axes
from keras_attn.layers.attention_cache import CrossCache, SelfCache
from keras_attn.layers.cached_projections import CachedProjections, heads_first
from keras_attn.layers.keras_names import KerasNames
from keras_attn.ops import (
    causal_mask,
    combine_masks,
    scaled_dot_product_attention,
    sliding_window_mask,
)


@keras.saving.register_keras_serializable(package="keras_attn")
class MultiHeadAttention(KerasNames, CachedProjections):
    """Attends from every query position to every key position, in `num_heads` subspaces.

        head_h = softmax(Q W_h^Q (K W_h^K)^T / sqrt(key_dim)) V W_h^V            (Eq. 1)
        output = sum over heads of head_h W_h^O                                  (Fig. 2, right)

    A drop-in for `keras.layers.MultiHeadAttention`: same arguments, same call, same weights by
    name, shape and order, so `set_weights(theirs.get_weights())` works. It adds grouped and
    multi-query heads (`num_key_value_heads`), a `cache` for decoding step by step, and hooks for
    subclasses. The result does not depend on the options: it is the same with and without scores,
    and with and without a cache.

    Departures from the paper: the projections have biases, as in Keras (`use_bias=False` removes
    them).

    Departures from Keras: a query row that may attend to nothing is always zero before the output
    projection. A given `query_mask` is honored. `flash_attention=True` is refused, because
    TensorFlow has no such kernel. Kernels start with the variance of the matrices that they are;
    Keras takes them for convolutions, and draws them several times too small.

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
        projection_gain: float. Factor on the initial kernels of query, key and value. With
            `sqrt(1/2)`, as in PyTorch and fairseq, a small post-norm model learns much faster at
            first. Defaults to `1.0`, Keras and Tensor2Tensor.
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
        cache: `SelfCache`, from `empty_cache`: the keys and values of this call are written into
            it, no position attends beyond its own, and `value_mask` and `key_mask` are not used. Or
            `CrossCache`: its keys and values stand for `value` and `key`.

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

        In a step of decoding, S counts the positions of a cache; the mask allows those up to the
        query's own. A layer that overrides this never meets keys of several hypotheses in one row
        (see `can_share_cache`). In cross-attention, T may count the positions of all hypotheses of
        a sentence.

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

        Not if `attend` is overridden: what it does may depend on the position of a key, and in a
        shared cache the keys of all hypotheses stand side by side.
        """
        is_overridden = type(self).attend is not MultiHeadAttention.attend
        return not is_overridden and not self._overrides_keras_hook

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
    ):
        if value is None and not isinstance(cache, CrossCache):
            value, value_mask = query, query_mask if value_mask is None else value_mask
        axes = self._check_inputs(query, value, key, cache)
        if axes is not None:
            query, value, key = axes.merge(query), axes.merge(value), axes.merge(key)
            query_mask, value_mask, key_mask = (
                axes.merge(mask, num_trailing=0) for mask in (query_mask, value_mask, key_mask)
            )
            attention_mask = axes.merge_mask(attention_mask)
        masks = (query_mask, value_mask, key_mask, attention_mask)
        heads, key_value, new_cache = self._project(query, value, key, cache)
        mask = self._combine_masks(heads, key_value, masks, use_causal_mask, cache)
        outputs, scores = self._attend(heads, key_value, mask, training)
        kernels = () if cache is None else cache.kernels
        outputs = self._project_back(query, outputs, kernels)  # (B, T, D)
        if axes is not None:
            outputs, scores = axes.restore(outputs), axes.restore_scores(scores)
        results = [outputs]
        if return_attention_scores:
            if isinstance(cache, SelfCache):
                scores = cache.scores_of_positions(scores)
            results.append(ops.cast(scores, self.compute_dtype))
        if cache is not None:
            results.append(new_cache)
        return tuple(results) if len(results) > 1 else outputs

    def _check_inputs(self, query, value, key, cache):
        """Raises ValueError unless the inputs fit together; returns the `AttendedAxes`, or None."""
        if isinstance(cache, CrossCache) and self.sliding_window is not None:
            raise ValueError(
                "`sliding_window` must be None for a `CrossCache`: the query has no position among "
                f"its keys. Received: sliding_window={self.sliding_window}."
            )
        if not (cache is None or isinstance(cache, (SelfCache, CrossCache))):
            raise ValueError(
                "`cache` must be a `SelfCache`, from `empty_cache`, or a `CrossCache`. "
                f"Received: {type(cache).__name__}."
            )
        if value is not None:
            self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
            self._check_rows(query.shape, value.shape)
        axes = attended_axes(len(query.shape), self.attention_axes)
        if axes is None:
            return None
        if cache is not None:
            raise ValueError(
                "`cache` needs inputs of shape (B, T, D). "
                f"Received: shape={tuple(query.shape)}, attention_axes={self.attention_axes}."
            )
        return AttendedAxes(axes, query, value)

    def _project(self, query, value, key, cache):
        """Query heads, (B, T, H, K), keys and values, (B, H', S, K), and the cache after them."""
        if cache is None:
            return *self._project_all(query, value, key), None
        if isinstance(cache, CrossCache):
            return self._project_query(query, cache.kernels), cache.tensors, cache
        heads, update = self._project_all(query, value, key, cache.kernels)
        after = cache.write(update)
        return heads, after.keys_and_values(), after

    def _attend(self, heads, key_value, mask, training):
        """Attends: queries (B, T, H, K) -> values (B, T, H, V) and weights (B, H, T, S)."""
        key, value = key_value["key"], key_value["value"]
        groups = self.num_heads // self.num_key_value_heads
        if groups > 1:
            key, value = ops.repeat(key, groups, axis=1), ops.repeat(value, groups, axis=1)
        attend = self._attend_by_keras_hook if self._overrides_keras_hook else self.attend
        outputs, scores = attend(heads_first(heads), key, value, mask, training)
        return heads_first(outputs), scores

    def _combine_masks(self, heads, key_value, masks, use_causal_mask, cache):
        """All masks as one, broadcastable to (B, H, T, S), or None."""
        query_mask, value_mask, key_mask, attention_mask = masks
        is_all = query_mask is None and attention_mask is None and self.sliding_window is None
        if is_all and isinstance(cache, SelfCache) and not isinstance(cache.mask, tuple):
            return cache.mask
        query_length, key_length = ops.shape(heads)[1], ops.shape(key_value["key"])[2]
        start_index = 0
        if isinstance(cache, SelfCache):
            value_mask, key_mask, use_causal_mask = None, None, True
            start_index = cache.position
            if cache.is_shared:  # W hypotheses at one position
                query_length, key_length = 1, ops.shape(cache.beam_mask)[2]
        window = causal = None
        if attention_mask is not None and len(attention_mask.shape) == 3:
            attention_mask = attention_mask[:, None]  # (B, 1, T, S)
        if use_causal_mask:
            causal = causal_mask(query_length, key_length, start_index)
        if self.sliding_window is not None:
            window = sliding_window_mask(query_length, key_length, self.sliding_window, start_index)
        mask = combine_masks(
            None if query_mask is None else query_mask[:, None, :, None],
            None if value_mask is None else value_mask[:, None, None, :],
            None if key_mask is None else key_mask[:, None, None, :],
            attention_mask,
            causal,
            window,
        )
        return cache.mask_of_beams(mask) if isinstance(cache, SelfCache) else mask

    # Keras' symbolic world

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        self._check_shapes(query_shape, value_shape, key_shape)
        return (*query_shape[:-1], *(self.output_dims or (query_shape[-1],)))

    def compute_output_spec(self, *args, **kwargs):
        # With scores and caches there are several outputs, so `call` is traced instead.
        return keras.Operation.compute_output_spec(self, *args, **kwargs)
