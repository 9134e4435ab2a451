"""Which queries and keys of an attention layer meet: caches, positions, masks."""

from keras import ops

from keras_attn.layers.attention.attention_cache import CrossCache, SelfCache
from keras_attn.layers.attention.attention_masks import AttentionMasks
from keras_attn.layers.attention.cached_projections import CachedProjections, heads_first
from keras_attn.layers.position.attention_position import positions_of
from keras_attn.ops import sliding_window_mask


class AttendedPairs(CachedProjections):
    """`CachedProjections` with a cache, a position, and the mask of the pairs that may meet."""

    def _project(self, query, value, key, cache):
        """Query heads, (B, H, T, K), keys and values, (B, H', S, K), and the cache after them."""
        if isinstance(cache, CrossCache):
            return heads_first(self._project_query(query, cache.kernels)), cache.tensors, cache
        kernels = () if cache is None else cache.kernels
        heads, update = self._project_all(query, value, key, kernels)
        heads, update = self._rotate(heads_first(heads), update, cache)
        if cache is None:
            return heads, update, None
        after = cache.write(update)
        return heads, after.keys_and_values(), after

    def _rotate(self, heads, key_value, cache):
        """Turns queries and new keys by their `position`."""
        if self.position is None:
            return heads, key_value
        positions = positions_of(heads, key_value["key"], cache)
        # New keys are written where the queries are.
        of_keys = positions.key if cache is None else positions.query
        key = self.position.rotate(key_value["key"], of_keys)
        return self.position.rotate(heads, positions.query), {**key_value, "key": key}

    def _positions(self, query, key, cache=None):
        """The argument `positions` of `attend`, if the layer has a position."""
        return {} if self.position is None else {"positions": positions_of(query, key, cache)}

    def _full_heads(self, key_value):
        """Keys and values for every query head: (B, H', S, K) -> (B, H, S, K)."""
        key, value = key_value["key"], key_value["value"]
        groups = self.num_heads // self.num_key_value_heads
        if groups > 1:
            key, value = ops.repeat(key, groups, axis=1), ops.repeat(value, groups, axis=1)
        return key, value

    def _join_masks(self, query, key, masks, cache):
        """All masks as one, broadcastable to (B, H, T, S), or None."""
        query_length, key_length = ops.shape(query)[2], ops.shape(key)[2]
        if not isinstance(cache, SelfCache):
            pattern = self._pattern(query_length, key_length, masks.is_causal)
            return masks.join(query_length, key_length, pattern=pattern)
        masks = AttentionMasks(masks.query, attention=masks.attention, is_causal=True)
        if cache.is_shared:  # W hypotheses at one position
            query_length, key_length = 1, ops.shape(cache.beam_mask)[2]
        pattern = self._pattern(query_length, key_length, True, cache.position)
        is_causal_only = masks.query is None and masks.attention is None and pattern is None
        if is_causal_only and not isinstance(cache.mask, tuple):
            return cache.mask
        return cache.mask_of_beams(masks.join(query_length, key_length, cache.position, pattern))

    def _pattern(self, query_length, key_length, is_causal, start_index=0):
        """bool, (T, S): which pairs this layer allows, or None for all."""
        if self.sliding_window is None:
            return None
        return sliding_window_mask(query_length, key_length, self.sliding_window, start_index)
