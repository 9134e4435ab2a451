"""Scores of given translations by forced decoding."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_attn.data import line_batches, pad_rows
from keras_attn.models import Seq2SeqModel


class TargetScorer:
    """Log-probabilities of whole targets: the model reads a whole target at once, as in training.

    Args:
        model: `Seq2SeqModel`.
        start_token_id: int. The token before the first of a target.
    """

    def __init__(self, model: Seq2SeqModel, start_token_id: int) -> None:
        self._model = model
        self._start_token_id = start_token_id
        ids = tf.TensorSpec([None, None], tf.int32)
        self._graph = tf.function(
            self._log_probabilities, input_signature=[ids, ids], autograph=False
        )

    def score(
        self, sources: Sequence[list[int]], targets: Sequence[list[int]], batch_tokens: int
    ) -> list[float]:
        """Scores targets, of any number and length.

        Args:
            sources: lists of ids, end token included.
            targets: as many lists of ids, end token included.
            batch_tokens: int. Largest number of tokens in a batch, on its longer side, padding
                included.

        Returns:
            list of float: natural logarithms. For a source with only the end token, the empty
            target is certain: 0.0. Any other target has -inf.
        """
        scores = [0.0 if len(ids) == 1 else float("-inf") for ids in targets]
        lengths = [
            max(len(source), len(target)) if len(source) > 1 else 0
            for source, target in zip(sources, targets, strict=True)
        ]
        for members, _ in line_batches(lengths, batch_tokens, self._model.max_sequence_length):
            values = self._graph(
                pad_rows([sources[i] for i in members]), pad_rows([targets[i] for i in members])
            )
            for i, value in zip(members, values.numpy().tolist(), strict=True):
                scores[i] = value
        return scores

    def _log_probabilities(
        self, encoder_token_ids: tf.Tensor, target_token_ids: tf.Tensor
    ) -> tf.Tensor:
        """(B, S), (B, T) with end tokens -> (B,)."""
        inputs = forced_inputs(encoder_token_ids, target_token_ids, self._start_token_id)
        log_probabilities = target_log_probabilities(self._model, inputs, target_token_ids)
        return tf.reduce_sum(log_probabilities, axis=1)


def forced_inputs(
    encoder_token_ids: tf.Tensor, target_token_ids: tf.Tensor, start_token_id: int
) -> dict[str, tf.Tensor]:
    """What a model reads to predict given targets, also in a graph.

    Args:
        encoder_token_ids: int32, (B, S).
        target_token_ids: int32, (B, T). End tokens included, 0 for padding.
        start_token_id: int. The token before the first of a target.

    Returns:
        dict: the sources, and the targets shifted right.
    """
    start = tf.fill([tf.shape(target_token_ids)[0], 1], start_token_id)
    shifted = tf.concat([start, target_token_ids[:, :-1]], axis=1)
    return {
        "encoder_token_ids": encoder_token_ids,
        "decoder_token_ids": tf.where(target_token_ids != 0, shifted, 0),
    }


def target_log_probabilities(
    model: Seq2SeqModel, inputs: dict[str, tf.Tensor], target_token_ids: tf.Tensor
) -> tf.Tensor:
    """The log-probability of each token of given targets, also in a graph.

    Args:
        model: `Seq2SeqModel`.
        inputs: dict. As `forced_inputs` returned it.
        target_token_ids: int32, (B, T). End tokens included, 0 for padding.

    Returns:
        float32, (B, T): natural logarithms; 0 at padding.
    """
    logits = tf.cast(model(inputs, training=False), tf.float32)  # (B, T, V)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(target_token_ids, logits)
    return tf.where(target_token_ids != 0, -losses, 0.0)
