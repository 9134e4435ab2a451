"""Multi-head attention (Vaswani et al., 2017, Section 3.2.2)."""

import functools
import inspect

import keras
from keras import ops

from keras_attn.layers.attention.attended_axes import AttendedAxes, attended_axes
from keras_attn.layers.attention.attended_pairs import AttendedPairs
from keras_attn.layers.attention.attention_cache import CrossCache, SelfCache
from keras_attn.layers.attention.attention_masks import AttentionMasks
from keras_attn.layers.attention.cached_projections import heads_first
from keras_attn.layers.attention.keras_names import KerasNames
from keras_attn.layers.plain_config import plain_config
from keras_attn.ops import attention_logits, masked_softmax
from keras_attn.ops.attention_products import weighted_values
from keras_attn.ops.chunked_attention import chunked_attention

LONG_SEQUENCE = 2048
# Equation 1 and its parts, which a subclass may override.
_HOOKS_OF_EQUATION_1 = ("attend", "attention_logits", "attention_weights", "weigh_values")
# What a subclass may override that the chunks of a long sequence would not know of.
_HOOKS = (*_HOOKS_OF_EQUATION_1, "_compute_attention", "_pattern")


@keras.saving.register_keras_serializable(package="keras_attn")
class MultiHeadAttention(KerasNames, AttendedPairs):
    """Attends from every query position to every key position, in `num_heads` subspaces.

        head_h = softmax(Q W_h^Q (K W_h^K)^T / sqrt(key_dim)) V W_h^V            (Eq. 1)
        output = sum over heads of head_h W_h^O                                  (Fig. 2, right)

    A drop-in replacement for `keras.layers.MultiHeadAttention`. It has the same arguments, the same
    call, and the same weights by name, shape and order, so `set_weights(theirs.get_weights())`
    works. It adds grouped and multi-query heads (`num_key_value_heads`), a `cache` for decoding
    step by step, and hooks for subclasses. The result is the same with and without scores, and with
    and without a cache.

    Departures from the paper: the projections have biases, as in Keras (`use_bias=False` removes
    them).

    Departures from Keras: a query row that may attend to nothing is always zero before the output
    projection. A given `query_mask` is honored. `flash_attention=True` is refused, because
    TensorFlow has no such kernel.

    Hooks for subclasses: `attend` computes all of Eq. 1 on projected heads. Override it (and
    `build`, to add weights) to try another attention. Cache, masks and projections do not change.
    `attention_logits`, `attention_weights` and `weigh_values` are smaller hooks for parts of it. A
    class that overrides one of them may set `treats_keys_alike` (see `can_share_cache`).

    A sequence of `LONG_SEQUENCE` tokens or more, if its length is known, is attended to in chunks:
    memory then grows linearly with the length. The result is the same. There are no chunks with
    scores, dropout in training, an `attention_mask`, a bias of positions or a hook, which need all
    weights at once.

    Masking: True = may attend. `attention_mask` and the Keras masks of query, value and key are
    combined. The Keras mask of the query passes through.

    Args:
        num_heads: int. Number of heads, H.
        key_dim: int. Size of each head for query and key, K (`d_k`).
        value_dim: int. Size of each head for value. Defaults to `key_dim`.
        dropout: float in [0, 1). Rate applied to the attention weights. Defaults to `0.0`.
        use_bias: bool. Defaults to `True`.
        output_shape: int or tuple. Last axes of the output. Defaults to the query's last axis.
        attention_axes: int or tuple. Axes that attend. Defaults to all but the first and last.
        sliding_window: int. Attend only to keys fewer than this many positions away.
        flash_attention: None or False.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint: as in Keras.
        use_gate: bool. Multiply the heads by a sigmoid gate computed from the query.
        seed: int. Seed of the dropout.
        num_key_value_heads: int. Number of heads of key and value; divides `num_heads`: 1 is
            multi-query attention, fewer than `num_heads` is grouped-query attention.
        projection_gain: float. Factor on the initial kernels of query, key and value. With
            `sqrt(1/2)`, as in PyTorch and fairseq, a small post-norm model learns much faster at
            first. Defaults to `1.0`, as in Keras and Tensor2Tensor.
        position: `AttentionPosition`, or its config. Positions that act inside attention, such
            as a `RotaryEmbedding`. Queries and keys are then positions 0, 1, ... of one sequence.
            Defaults to None.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        query: float, (B, T, D).
        value: float, (B, S, D). Defaults to `query`: self-attention.
        key: float, (B, S, D). Defaults to `value`.
        query_mask: bool, (B, T). value_mask, key_mask: bool, (B, S).
        attention_mask: bool, (T, S), (B, T, S) or (B, H, T, S), or broadcastable.
        return_attention_scores: bool. Also return the weights after the softmax, before dropout.
        training: bool. Whether dropout acts.
        use_causal_mask: bool. No position attends to a later one.
        cache: `SelfCache`, from `empty_cache`: the keys and values of this call are written into
            it, no position attends beyond its own, and `value_mask` and `key_mask` are not used. Or
            `CrossCache`: its keys and values replace `value` and `key`.

    Returns:
        float, (B, T, D); with `return_attention_scores=True` also (B, H, T, S); with a cache also
        the cache. A tuple if there are several.

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

    supports_causal_mask = True  # whether it can be the self-attention of a decoder
    treats_keys_alike = True  # whether the hooks that this very class defines do

    def attend(self, query, key, value, attention_mask=None, training=None, positions=None):
        """Equation 1 on projected heads. The hook to override.

        In a step of decoding, S counts the positions of a cache; the mask allows those up to the
        query's own. A layer that overrides this never sees keys of several hypotheses in one row,
        unless it says so (see `can_share_cache`). In cross-attention, T may count the positions of
        all hypotheses of a sentence. Layers that cut a sequence into blocks have an axis for them
        before T and S.

        Args:
            query: float, (B, H, T, K).
            key: float, (B, H, S, K).
            value: float, (B, H, S, V).
            attention_mask: bool, broadcastable to (B, H, T, S), or None. True = may attend.
            training: bool. Whether dropout acts.
            positions: `Positions` of queries and keys, only if the layer has a `position`.

        Returns:
            The attended values, (B, H, T, V), and the attention weights, (B, H, T, S).
        """
        logits = self.attention_logits(query, key, positions)
        weights = self.attention_weights(logits, attention_mask)
        kept = self.dropout_layer(weights, training=training)
        return self.weigh_values(kept, value, positions), weights

    def attention_logits(self, query, key, positions=None):
        """How well each query fits each key, `Q K^T / sqrt(K)` and the bias of their positions.

        A smaller hook, like the next one: call `super()` in an override, so that several changes
        can be combined.

        Returns:
            float32, (B, H, T, S).
        """
        logits = attention_logits(query, key)
        bias = None if self.position is None else self.position.bias(query, positions)
        return logits if bias is None else logits + bias

    def attention_weights(self, logits, attention_mask=None):
        """The softmax over the keys: logits, (B, H, T, S) -> float32 weights of that shape."""
        return masked_softmax(logits, attention_mask)

    def weigh_values(self, weights, value, positions=None):
        """Weights, (B, H, T, S), times values, (B, H, S, V), in the dtype of the values."""
        weights = ops.cast(weights, value.dtype)
        outputs = weighted_values(weights, value)
        moved = None if self.position is None else self.position.values(weights, positions)
        return outputs if moved is None else outputs + moved

    @property
    def takes_step_mask(self):
        """bool. Whether this layer uses a `SelfCache.mask` made once for all layers of a step."""
        return type(self).call is MultiHeadAttention.call

    @property
    def can_share_cache(self):
        """bool. Whether W hypotheses may share a cache, told apart by a `beam_mask`.

        In a shared cache the keys of all hypotheses are side by side: what a hook does must depend
        neither on the position of a key nor on their number. A class that overrides a hook says so
        by `treats_keys_alike = True` in its own body.
        """
        if self._overrides_keras_hook:
            return False
        return all(
            vars(_class_that_defines(type(self), hook)).get("treats_keys_alike", False)
            for hook in _HOOKS_OF_EQUATION_1
        )

    def cross_attention(self, name):
        """A layer like this one, without its weights, for attention to another sequence.

        Positions of two different sequences have no distance, so what depends on distances
        (`position`, `sliding_window`) is left out.

        Args:
            name: str. The name of the new layer.

        Returns:
            An attention layer.
        """
        return self._without_distances(type(self), self.get_config(), name)

    def _dense_cross_attention(self, name):
        """As `cross_attention`, but a `MultiHeadAttention`, whatever this layer is."""
        return self._without_distances(
            MultiHeadAttention, MultiHeadAttention.get_config(self), name
        )

    def _without_distances(self, layer_class, config, name):
        # With the same seed, both would drop the same elements.
        seed = None if self.seed is None else self.seed + 1
        changes = {"name": name, "seed": seed, "position": None, "sliding_window": None}
        return layer_class.from_config({**plain_config(config), **changes})

    def __call__(self, query, *args, **kwargs):
        # Of one tensor alone, Keras does not hand over the mask.
        is_alone = not args and kwargs.get("value") is None and _takes_value(type(self).call)
        if is_alone and not isinstance(kwargs.get("cache"), CrossCache):
            kwargs["value"] = query
            if kwargs.get("query_mask") is not None and kwargs.get("value_mask") is None:
                kwargs["value_mask"] = kwargs["query_mask"]
        return super().__call__(query, *args, **kwargs)

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
        masks = AttentionMasks(query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        heads, key_value, new_cache = self._project(query, value, key, cache)
        outputs, scores = self._attend(
            heads, key_value, masks, cache, training, return_attention_scores
        )
        outputs = self._project_back(query, heads_first(outputs), getattr(cache, "kernels", ()))
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
        for name in ("sliding_window", "position"):
            if isinstance(cache, CrossCache) and getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` must be None for a `CrossCache`: the query has no position among "
                    f"its keys. Received: {name}={getattr(self, name)}."
                )
        if not (cache is None or isinstance(cache, (SelfCache, CrossCache))):
            raise ValueError(
                "`cache` must be a `SelfCache`, from `empty_cache`, or a `CrossCache`. "
                f"Received: {type(cache).__name__}."
            )
        if value is not None:
            self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
        axes = attended_axes(len(query.shape), self.attention_axes)
        if value is not None and (axes is None or 0 not in axes):
            self._check_rows(query.shape, value.shape)
        if axes is None:
            return None
        if cache is not None:
            raise ValueError(
                "`cache` needs inputs of shape (B, T, D). "
                f"Received: shape={tuple(query.shape)}, attention_axes={self.attention_axes}."
            )
        return AttendedAxes(axes, query, value)

    def _attend(self, query, key_value, masks, cache, training, needs_scores):
        """Attends: queries (B, H, T, K) -> values (B, H, T, V) and weights (B, H, T, S).

        The hook for layers that never look at all pairs. The weights may be None unless they are
        needed.
        """
        key, value = self._full_heads(key_value)
        if cache is None and not needs_scores and self._is_long(query, key, masks, training):
            outputs = chunked_attention(query, key, value, masks.of_keys, masks.is_causal)
            return masks.keep_queries(outputs), None
        mask = self._join_masks(query, key, masks, cache)
        attend = self._attend_by_keras_hook if self._overrides_keras_hook else self.attend
        return attend(query, key, value, mask, training, **self._positions(query, key, cache))

    def _is_long(self, query, key, masks, training):
        """Whether the weights would be too large to keep, and nothing needs them."""
        is_equation_1 = all(
            getattr(type(self), hook) is getattr(MultiHeadAttention, hook) for hook in _HOOKS
        )
        # A `call` of a subclass may leave `training` to Keras.
        may_drop = training or (training is None and type(self).call is not MultiHeadAttention.call)
        return (
            all(isinstance(heads.shape[2], int) for heads in (query, key))
            and key.shape[2] >= LONG_SEQUENCE
            and 0 not in (query.shape[0], query.shape[2])
            and is_equation_1
            and (self.position is None or not self.position.has_bias)
            and not (self.dropout and may_drop)
            and self.sliding_window is None
            and masks.attention is None
        )

    # Keras' symbolic calls

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        self._check_shapes(query_shape, value_shape, key_shape)
        return (*query_shape[:-1], *(self.output_dims or (query_shape[-1],)))


@functools.cache
def _takes_value(call):
    """Whether `call`, which a subclass may have written, has an argument `value`."""
    return "value" in inspect.signature(call).parameters


def _class_that_defines(layer_class, name):
    """The class whose body defines a method that another inherits."""
    return next(one for one in layer_class.__mro__ if name in vars(one))
