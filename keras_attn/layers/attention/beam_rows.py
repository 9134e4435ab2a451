"""Hypotheses of a sentence as positions of one row, where they attend to what they share."""

from typing import Any

from keras import ops

from keras_attn.ops.axes import leading_sizes

Tensor = Any


class BeamRows:
    """Joins the W adjacent rows of a sentence for an attention layer, and splits its results.

    So keys and values that the hypotheses of a sentence share are never copied for each of them,
    and an attention layer need not know about hypotheses: it sees W times as many positions.

    Args:
        hidden: float, (R, T, D). The rows of all hypotheses, R = B * W.
        num_beams: int. Hypotheses of a sentence, W; 1 changes nothing, None means unknown.
        num_sentences: int. Number of sentences, B; only used where W or T are unknown.

    Example:
    >>> beams = BeamRows(keras.ops.ones((6, 1, 4)), num_beams=3)
    >>> joined = beams.join(keras.ops.ones((6, 1, 4)))
    >>> joined.shape, beams.split(joined).shape
    (TensorShape([2, 3, 4]), TensorShape([6, 1, 4]))
    """

    def __init__(self, hidden: Tensor, num_beams: int | None, num_sentences: Any = None) -> None:
        self._hidden = hidden
        self._is_joined = num_beams != 1
        length = hidden.shape[1]
        is_known = num_beams is not None and length is not None
        self._joined_sizes = (-1, num_beams * length) if is_known else (num_sentences, -1)

    def join(self, hidden: Tensor) -> Tensor:
        """(R, T, D) -> (B, W * T, D)."""
        if not self._is_joined:
            return hidden
        return ops.reshape(hidden, (*self._joined_sizes, hidden.shape[-1]))

    def split(self, outputs: Tensor) -> Tensor:
        """(B, W * T, D) -> (R, T, D)."""
        if not self._is_joined:
            return outputs
        return ops.reshape(outputs, (*leading_sizes(self._hidden), outputs.shape[-1]))

    def split_scores(self, scores: Tensor) -> Tensor:
        """Attention weights, (B, H, W * T, S) -> (R, H, T, S)."""
        if not self._is_joined:
            return scores
        rows, num_heads, _, num_keys = ops.shape(scores)
        length = ops.shape(self._hidden)[1]
        scores = ops.reshape(scores, (rows, num_heads, -1, length, num_keys))
        scores = ops.transpose(scores, (0, 2, 1, 3, 4))  # (B, W, H, T, S)
        return ops.reshape(scores, (-1, num_heads, length, num_keys))
