"""Multi-head attention (Vaswani et al., 2017, Section 3.2.2)."""

import keras
from keras import ops

from keras_attn.ops import causal_mask
from keras_attn.ops import combine_masks
from keras_attn.ops import scaled_dot_product_attention
from keras_attn.ops import sliding_window_mask
from keras_attn.ops import write_cache
from keras_attn.ops.axes import merge_axes
from keras_attn.ops.axes import restore_axes


@keras.saving.register_keras_serializable(package="keras_attn")
class MultiHeadAttention(keras.layers.Layer):
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
    TensorFlow has no such kernel.

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

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        num_key_value_heads=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = key_dim if value_dim is None else value_dim
        self.dropout = dropout
        self.use_bias = use_bias
        # `output_shape` itself is a property of keras.layers.Layer.
        self.output_dims = _as_tuple(output_shape)
        self.attention_axes = _as_tuple(attention_axes)
        self.sliding_window = sliding_window
        self.flash_attention = flash_attention
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.projection_activity_regularizer = keras.regularizers.get(activity_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.use_gate = use_gate
        self.seed = seed
        self.num_key_value_heads = num_heads if num_key_value_heads is None else num_key_value_heads
        self.supports_masking = True
        self._check_arguments()

    def _check_arguments(self):
        for name in ("num_heads", "key_dim", "value_dim", "num_key_value_heads", "sliding_window"):
            value = getattr(self, name)
            if name == "sliding_window" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value}.")
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                "`num_key_value_heads` must divide `num_heads`. Received: "
                f"num_key_value_heads={self.num_key_value_heads}, num_heads={self.num_heads}."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={self.dropout}.")
        if self.flash_attention:
            raise ValueError(
                "`flash_attention` must be None or False: TensorFlow has no such kernel. "
                f"Received: flash_attention={self.flash_attention}."
            )

    # Weights

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = query_shape if value_shape is None else value_shape
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                "`value` and `key` must agree in all axes but the last. Received: "
                f"value_shape={tuple(value_shape)}, key_shape={tuple(key_shape)}."
            )
        heads, groups = self.num_heads, self.num_key_value_heads
        self.query_dense = self._project("query", query_shape[-1], heads, self.key_dim)
        self.key_dense = self._project("key", key_shape[-1], groups, self.key_dim)
        if self.use_gate:
            self.gate_dense = self._project(
                "gate", query_shape[-1], heads, self.value_dim, activation="sigmoid"
            )
        self.value_dense = self._project("value", value_shape[-1], groups, self.value_dim)
        output_dims = self.output_dims or (query_shape[-1],)
        letters = "efgh"[: len(output_dims)]
        self.output_dense = keras.layers.EinsumDense(
            f"abcd,cd{letters}->ab{letters}",
            output_shape=(None, *output_dims),
            bias_axes=letters if self.use_bias else None,
            name="attention_output",
            **self._projection_arguments(),
        )
        self.output_dense.build((None, None, heads, self.value_dim))
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.built = True

    def _project(self, name, input_dim, num_heads, head_dim, activation=None):
        dense = keras.layers.EinsumDense(
            "abc,cde->abde",
            output_shape=(None, num_heads, head_dim),
            bias_axes="de" if self.use_bias else None,
            activation=activation,
            name=name,
            **self._projection_arguments(),
        )
        dense.build((None, None, input_dim))
        # The masks act in `attend`; without this the projections would warn that they drop them.
        dense.supports_masking = True
        return dense

    def _projection_arguments(self):
        # Initializers are cloned: one instance would draw the same numbers for every kernel.
        return {
            "kernel_initializer": self.kernel_initializer.clone(),
            "bias_initializer": self.bias_initializer.clone(),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "activity_regularizer": self.projection_activity_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
            "dtype": self.dtype_policy,
        }

    # Caches

    def project_key_value(self, value, key=None):
        """Projects keys and values once, for `call(..., cache=...)` without an update index.

        Args:
            value: float, (B, S, D).
            key: float, (B, S, D). Defaults to `value`.

        Returns:
            dict of `"key"`, (B, H', S, K), and `"value"`, (B, H', S, V), H' = num_key_value_heads.
        """
        key = value if key is None else key
        return {
            "key": _heads_first(self.key_dense(key)),
            "value": _heads_first(self.value_dense(value)),
        }

    def empty_cache(self, batch_size, max_length):
        """A cache of zeros for `max_length` positions, for `call(..., cache_update_index=...)`.

        Args:
            batch_size: int. Number of rows, B.
            max_length: int. Number of positions, S.

        Returns:
            dict of `"key"`, (B, H', S, K), and `"value"`, (B, H', S, V), H' = num_key_value_heads.
        """
        shape = (batch_size, self.num_key_value_heads, max_length)
        return {
            "key": ops.zeros((*shape, self.key_dim), self.compute_dtype),
            "value": ops.zeros((*shape, self.value_dim), self.compute_dtype),
        }

    # Computation

    def attend(self, query, key, value, attention_mask=None, training=None):
        """Equation 1 on projected heads. The hook to override.

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
    ):
        is_shared = cache is not None and cache_update_index is None
        if value is None and not is_shared:
            value, value_mask = query, query_mask if value_mask is None else value_mask
        axes = self._attended_axes(query)
        if axes is not None:
            masks = (query_mask, value_mask, key_mask, attention_mask)
            return self._call_over_axes(
                query, value, key, masks, axes, return_attention_scores, training, use_causal_mask
            )
        start_index = 0
        if cache is None:
            key_value = self.project_key_value(value, key)
        elif cache_update_index is None:
            key_value = cache
        else:
            update = self.project_key_value(value, key)
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
        outputs, scores = self._attend_from(query, key_value, mask, is_shared, training)
        results = [outputs]
        if return_attention_scores:
            results.append(ops.cast(scores, self.compute_dtype))
        if cache is not None:
            results.append(key_value)
        return tuple(results) if len(results) > 1 else outputs

    def _attend_from(self, query, key_value, mask, is_shared, training):
        """Projects the query, attends, projects back: (B, T, D) -> (B, T, D), (B, H, T, S)."""
        heads = self.query_dense(query)  # (B, T, H, K)
        batch_size, length = ops.shape(heads)[0], ops.shape(heads)[1]
        folds = is_shared and (
            heads.shape[0] is None or heads.shape[0] != key_value["key"].shape[0]
        )
        if folds:
            # W adjacent query rows share one row of keys: they become W * T query positions of
            # it, so that keys and values are never copied for each beam.
            rows = ops.shape(key_value["key"])[0]
            heads = ops.reshape(heads, (rows, -1, self.num_heads, self.key_dim))  # (B/W, W*T, H, K)
        groups = self.num_heads // self.num_key_value_heads
        key, value = key_value["key"], key_value["value"]
        if groups > 1:
            key, value = ops.repeat(key, groups, axis=1), ops.repeat(value, groups, axis=1)
        outputs, scores = self.attend(_heads_first(heads), key, value, mask, training)
        outputs = ops.transpose(outputs, (0, 2, 1, 3))  # (B, T, H, V)
        if folds:
            key_length = ops.shape(scores)[3]
            outputs = ops.reshape(outputs, (batch_size, length, self.num_heads, self.value_dim))
            scores = ops.reshape(scores, (rows, self.num_heads, -1, length, key_length))
            scores = ops.transpose(scores, (0, 2, 1, 3, 4))  # (B/W, W, H, T, S)
            scores = ops.reshape(scores, (batch_size, self.num_heads, length, key_length))
        if self.use_gate:
            outputs = outputs * self.gate_dense(query)
        return self.output_dense(outputs), scores

    def _combined_mask(self, query_length, key_length, masks, use_causal_mask, start_index):
        """All masks as one, broadcastable to (B, H, T, S), or None."""
        query_mask, value_mask, key_mask, attention_mask = masks
        window = causal = None
        if attention_mask is not None and len(attention_mask.shape) == 3:
            attention_mask = attention_mask[:, None]  # (B, 1, T, S)
        if use_causal_mask:
            causal = causal_mask(query_length, key_length, start_index)
        if self.sliding_window is not None:
            window = sliding_window_mask(
                query_length, key_length, self.sliding_window, start_index
            )
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
        if attention_mask is not None:
            attention_mask = ops.reshape(attention_mask, (-1, query_length, key_length))
        key_value = self.project_key_value(value, key)
        mask = self._combined_mask(
            query_length, key_length, (*sequence_masks, attention_mask), use_causal_mask, 0
        )
        outputs, scores = self._attend_from(query, key_value, mask, False, training)
        outputs = restore_axes(outputs, axes, query_sizes)
        if not return_attention_scores:
            return outputs
        batch_sizes = [size for axis, size in enumerate(query_sizes) if axis not in axes]
        attended = [query_sizes[axis] for axis in axes] + [value_sizes[axis] for axis in axes]
        scores = ops.reshape(scores, (*batch_sizes, self.num_heads, *attended))
        return outputs, ops.cast(scores, self.compute_dtype)

    # Keras' symbolic world

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        return (*query_shape[:-1], *(self.output_dims or (query_shape[-1],)))

    def compute_output_spec(self, query, value=None, key=None, **call_arguments):
        shape = self.compute_output_shape(query.shape)
        outputs = keras.KerasTensor(shape, dtype=self.compute_dtype)
        results = [outputs]
        cache = call_arguments.get("cache")
        if call_arguments.get("return_attention_scores"):
            axes = self._attended_axes(query) or (1,)
            keys = query if value is None else value
            sources = [keys.shape[axis] for axis in axes]
            if cache is not None:
                sources = [cache["key"].shape[2]]
            batch_shape = [query.shape[a] for a in range(len(query.shape) - 1) if a not in axes]
            targets = [query.shape[axis] for axis in axes]
            scores_shape = (*batch_shape, self.num_heads, *targets, *sources)
            results.append(keras.KerasTensor(scores_shape, dtype=self.compute_dtype))
        if cache is not None:
            results.append(
                {key: keras.KerasTensor(x.shape, self.compute_dtype) for key, x in cache.items()}
            )
        return tuple(results) if len(results) > 1 else outputs

    def get_config(self):
        config = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self.output_dims,
            "attention_axes": self.attention_axes,
            "sliding_window": self.sliding_window,
            "flash_attention": self.flash_attention,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(
                self.projection_activity_regularizer
            ),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "use_gate": self.use_gate,
            "seed": self.seed,
            "num_key_value_heads": self.num_key_value_heads,
        }
        return {**super().get_config(), **config}


def _as_tuple(dims):
    """None, an int or a sequence of ints as a tuple (or None)."""
    if dims is None:
        return None
    return (dims,) if isinstance(dims, int) else tuple(dims)


def _heads_first(projected):
    return ops.transpose(projected, (0, 2, 1, 3))  # (B, T, H, K) -> (B, H, T, K)
