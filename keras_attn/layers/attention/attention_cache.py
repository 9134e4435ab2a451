"""What attention remembers while a target is decoded step by step."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from keras_attn.ops import causal_mask, write_cache

Tensor = Any


class FusedKernels(NamedTuple):
    """The projections of an attention layer as two matrices, made once for many steps.

    Args:
        kernel: float, (D, N). Into the heads: of the query, or of query, key and value side by
            side; N is the size of all these heads together.
        output_kernel: float, (H * V, D). Out of the heads.
        bias: float, (N,); `()` if the layer has no biases.
        output_bias: float, (D,), or `()`.
    """

    kernel: Tensor
    output_kernel: Tensor
    bias: Tensor = ()
    output_bias: Tensor = ()


class SelfCache(NamedTuple):
    """Keys and values of the positions decoded so far: the `cache` of causal self-attention.

    A call computes the keys and values of its own positions, writes them at `position`, attends to
    everything up to there, and returns the cache for the next call.

    The W hypotheses of a sentence may write into one cache, side by side. Then a call has one
    position of each of them, (B, W, D), and `beam_mask` tells whose keys each may attend to. So no
    keys and values are moved when hypotheses change their order.

    Args:
        tensors: nest of tensors, as `empty_cache` makes it. Of `MultiHeadAttention`: a dict of
            `"key"`, (B, H', S, K), and `"value"`, (B, H', S, V), with H' = `num_key_value_heads`;
            (B, H', S, W, K) and (B, H', S, W, V) if W hypotheses share it.
        position: int scalar. Where the first position of the next call is written.
        beam_mask: bool, (B, W, S, W), from `keras_attn.ops.beam_mask`. Defaults to `()`: one
            hypothesis has the cache. (A TensorFlow loop can carry `()`, but not None.)
        kernels: `FusedKernels`, from `fuse_projections`. Defaults to `()`: the layer's weights.
        mask: bool, broadcastable to (B, H, T, S), or (B, H, W, S * W) if W hypotheses share it.
            What the positions of the next call may attend to, from `mask_of_step`, if many
            layers are at the same position. Defaults to `()`: each call makes its own.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> layer.build((3, 5, 8))
    >>> cache = layer.empty_cache(batch_size=3, max_length=5)
    >>> for _ in range(2):
    ...     output, cache = layer(keras.ops.ones((3, 1, 8)), cache=cache)
    >>> output.shape, int(cache.position)
    (TensorShape([3, 1, 8]), 2)
    """

    tensors: Any
    position: Tensor
    beam_mask: Tensor = ()
    kernels: Any = ()
    mask: Tensor = ()

    @property
    def is_shared(self) -> bool:
        """Whether W hypotheses write into the cache, side by side."""
        return not isinstance(self.beam_mask, tuple)

    def write(self, update: dict[str, Tensor]) -> "SelfCache":
        """Writes keys and values, each (B, H', T, K), at `position`, and moves on by T.

        The mask belongs to the position that is written, so the returned cache has none. With a
        `beam_mask`, T is the W hypotheses at one position.
        """
        length = ops.shape(update["key"])[2]
        if self.is_shared:
            length = 1
            update = {name: rows[:, :, None] for name, rows in update.items()}  # (B, H', 1, W, K)
        tensors = {
            name: write_cache(cache, update[name], self.position)
            for name, cache in self.tensors.items()
        }
        return self._replace(tensors=tensors, position=self.position + length, mask=())

    def keys_and_values(self) -> dict[str, Tensor]:
        """All keys and values, (B, H', S, K) and (B, H', S, V); if shared, S * W of them."""
        if not self.is_shared:
            return self.tensors
        merged = {}
        for name, rows in self.tensors.items():
            batch_size, num_heads, length, num_beams, size = ops.shape(rows)
            merged[name] = ops.reshape(rows, (batch_size, num_heads, length * num_beams, size))
        return merged

    def mask_of_step(self, num_positions: Tensor = 1) -> Tensor:
        """What new positions of each hypothesis may attend to: a `mask` for every layer.

        Args:
            num_positions: int. Number of new positions, T; 1 where W hypotheses share the cache.
        """
        if self.is_shared:  # a history says nothing of positions to come
            length = ops.shape(self.beam_mask)[2]
        else:
            length = ops.shape(self.tensors["key"])[2]
        return self.mask_of_beams(causal_mask(num_positions, length, self.position))

    def mask_of_beams(self, mask: Tensor) -> Tensor:
        """A mask of positions, (..., S), as a mask of each hypothesis' keys: (B, 1, W, S * W)."""
        if not self.is_shared:
            return mask
        mask = ops.logical_and(mask[..., None], self.beam_mask[:, None])  # (B, 1, W, S, W)
        batch_size, num_heads, num_beams, length, _ = ops.shape(mask)
        return ops.reshape(mask, (batch_size, num_heads, num_beams, length * num_beams))

    def scores_of_positions(self, scores: Tensor) -> Tensor:
        """Weights of shared keys, (B, H, W, S * W), as weights of positions, (B, H, W, S)."""
        if not self.is_shared:
            return scores
        _, num_beams, length, _ = ops.shape(self.beam_mask)
        batch_size, num_heads = ops.shape(scores)[:2]
        scores = ops.reshape(scores, (batch_size, num_heads, num_beams, length, num_beams))
        return ops.sum(scores, axis=-1)  # all but one of the W are zero


class CrossCache(NamedTuple):
    """Keys and values of the encoder's output: the `cache` of cross-attention; it never changes.

    Args:
        tensors: nest of tensors, as `project_key_value` makes it. Of `MultiHeadAttention`: a dict
            of `"key"`, (B, H', S, K), and `"value"`, (B, H', S, V).
        kernels: `FusedKernels`, from `fuse_projections`. Defaults to `()`: the layer's weights.

    Example:
    >>> layer = keras_attn.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> query, value = keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))
    >>> layer.build(query.shape, value.shape)
    >>> output, cache = layer(query, cache=CrossCache(layer.project_key_value(value)))
    >>> output.shape
    TensorShape([3, 5, 8])
    """

    tensors: Any
    kernels: Any = ()


@dataclass(frozen=True)
class BlockStep:
    """What a block remembers between steps: the `step` of `CausalBlock` and `DecoderBlock`.

    Args:
        self_cache: `SelfCache`, from `empty_cache`. None attends only to the inputs of the call.
        cross_cache: `CrossCache`, from `project_encoder_sequence`. It may have fewer rows than the
            inputs: W adjacent rows, the hypotheses of a sentence, then share one.
        num_beams: int. Hypotheses of a sentence, W. Defaults to None: inferred from the shapes.
    """

    self_cache: SelfCache | None = None
    cross_cache: CrossCache | None = None
    num_beams: int | None = None


@dataclass(frozen=True)
class DecodingStep:
    """What a decoder remembers between steps: the `step` of `CausalDecoder` and `Decoder`.

    Args:
        position: int scalar. Position of the first of the new tokens.
        blocks: list of `BlockStep`, one per block.
        output_kernel: float, (D, V). The matrix of the logits, laid out once for many steps.
            Defaults to None: the layer's own.
    """

    position: Tensor
    blocks: list[BlockStep]
    output_kernel: Tensor | None = None
