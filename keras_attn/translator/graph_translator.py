"""The whole path in a graph: tokens, encoder and caches, search, text."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_attn.data import Tokenizer
from keras_attn.decoding import SearchResult, SearchStrategy, search, with_all_hypotheses
from keras_attn.lines.confidence import Confidence
from keras_attn.models import Seq2SeqModel
from keras_attn.translator.clean_text import clean_text
from keras_attn.translator.compiled_search import CompiledSearch
from keras_attn.translator.graph_confidence import graph_confidence
from keras_attn.translator.in_place_caches import in_place_caches
from keras_attn.translator.load_time_constants import LoadTimeConstants, load_time_constants
from keras_attn.translator.target_scorer import forced_inputs, target_log_probabilities

Outputs = dict[str, tf.Tensor]


class GraphTranslator:
    """Translates string tensors with TensorFlow operations alone: what an exported model runs.

    Every output has the lines of the batch as its first axis (B). An empty line gives an empty
    translation with score 0.

    Args:
        model: `Seq2SeqModel`.
        source_tokenizer: `Tokenizer`.
        target_tokenizer: `Tokenizer`.
        decoding: search strategy.
        max_source_tokens: int. Longer sources are truncated to this many tokens.
        max_extra_tokens: int. A translation has at most this many tokens more than its source.
        confidence: `Confidence`, or None for a model that is not calibrated.
    """

    def __init__(
        self,
        model: Seq2SeqModel,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        decoding: SearchStrategy,
        max_source_tokens: int,
        max_extra_tokens: int,
        confidence: Confidence | None = None,
    ) -> None:
        self.constants: LoadTimeConstants | None = None
        self._model = model
        self._source_tokenizer = source_tokenizer
        self._target_tokenizer = target_tokenizer
        self._decoding = decoding
        self._max_extra_tokens = max_extra_tokens
        self._confidence = confidence
        self.source_limit = self.limit_length(max_source_tokens + 1) - 1
        self._shared_search = self._make_shared_search()

    def _make_shared_search(self) -> Callable[[tf.Tensor], SearchResult]:
        """One function for all outputs that need a search, so an exported graph holds it once."""
        ids = tf.TensorSpec([None, None], tf.int32)
        return tf.function(self.search, input_signature=[ids], autograph=False)

    def prepared(self) -> GraphTranslator:
        """A copy for a SavedModel: what a search computes from the weights is computed at loading.

        Returns:
            `GraphTranslator`. Whatever saves it must track its `constants`.
        """
        other = copy.copy(self)
        other.constants = load_time_constants(self._model, self._decoding.num_beams)
        other._shared_search = other._make_shared_search()
        return other

    def compiled(self, batch_sizes: Sequence[int]) -> GraphTranslator:
        """A copy with a search that XLA compiles, for servers that have XLA switched on.

        Args:
            batch_sizes: sequence of int, ascending. The numbers of lines that are compiled; see
                `CompiledSearch`.

        Returns:
            `GraphTranslator`.
        """
        other = copy.copy(self)
        other._shared_search = CompiledSearch(self.search, batch_sizes, self.source_limit + 1)
        return other

    def translate(self, texts: tf.Tensor) -> Outputs:
        """Translates lines; returns translations, scores and counts of tokens.

        Args:
            texts: string, (B,). UTF-8.

        Returns:
            dict, each (B,), of the best hypothesis: `translation` string; `score` and
            `log_probability` float32; `truncated` bool, whether a limit truncated the line or its
            translation; `source_tokens`, `target_tokens` and `unknown_tokens` int32: how many
            tokens were read and written, end tokens not counted, and how many of those read are not
            in the vocabulary; `confidence` float32, if the model is calibrated.
        """
        token_ids, cut = self.encode(texts)  # (B, S), (B,)
        result = self._shared_search(token_ids)
        empty = _count_tokens(token_ids) == 0
        best = result.token_ids[:, 0]
        unknown = tf.cast(token_ids == self._source_tokenizer.unknown_token_id, tf.int32)
        outputs = {
            "translation": tf.where(empty, "", self._target_tokenizer.detokenize(best)),
            "score": tf.where(empty, 0.0, result.scores[:, 0]),
            "log_probability": tf.where(empty, 0.0, result.log_probabilities[:, 0]),
            "truncated": cut | (result.truncated[:, 0] & ~empty),
            "source_tokens": _count_tokens(token_ids),
            # A search that found nothing, since logits are NaN, has not even an end token.
            "target_tokens": tf.where(empty, 0, tf.maximum(_count_tokens(best), 0)),
            "unknown_tokens": tf.reduce_sum(unknown, axis=1),
        }
        if self._confidence is not None:
            names = ("log_probability", "source_tokens", "target_tokens")
            counts = (outputs[name] for name in names)
            outputs["confidence"] = graph_confidence(self._confidence, *counts)
        return outputs

    def n_best(self, texts: tf.Tensor) -> Outputs:
        """Translates lines in several ways.

        Args:
            texts: string, (B,). UTF-8.

        Returns:
            dict, each (B, W), best first, W being the number of beams: `translations` string,
            `scores` float32. A hypothesis that the search did not find is "", with the lowest
            float32 as its score.
        """
        token_ids, _ = self.encode(texts)
        result = self.search(token_ids, with_all_hypotheses(self._decoding))
        batch, num_beams, length = tf.unstack(tf.shape(result.token_ids))
        flat = tf.reshape(result.token_ids, (batch * num_beams, length))  # (B*W, T)
        translations = tf.reshape(self._target_tokenizer.detokenize(flat), (batch, num_beams))
        empty = (_count_tokens(token_ids) == 0)[:, tf.newaxis]
        # The only hypothesis of an empty line is the empty one.
        first = tf.range(num_beams)[tf.newaxis, :] == 0
        return {
            "translations": tf.where(empty, "", translations),
            "scores": tf.where(empty & first, 0.0, result.scores),
        }

    def score(self, texts: tf.Tensor, targets: tf.Tensor) -> Outputs:
        """Scores given translations by forced decoding.

        Args:
            texts: string, (B,). UTF-8.
            targets: string, (B,).

        Returns:
            dict: `log_probability` float32 (B,), natural logarithms, end token included. For an
            empty line, the empty target is certain: 0. Any other target has minus infinity.
        """
        token_ids, _ = self.encode(texts)
        pieces = self._target_tokenizer.tokenize(targets)
        target_ids = _with_end(pieces, self._target_tokenizer).to_tensor()
        inputs = self._forced_inputs(token_ids, target_ids)
        log_probabilities = target_log_probabilities(self._model, inputs, target_ids)
        certain = tf.where(_count_tokens(target_ids) == 0, 0.0, -float("inf"))
        empty = _count_tokens(token_ids) == 0
        return {"log_probability": tf.where(empty, certain, tf.reduce_sum(log_probabilities, 1))}

    def attention(self, texts: tf.Tensor) -> Outputs:
        """Translates lines and tells where the decoder looked and how sure it was of each token.

        S and T are the longest source and translation of the batch, end tokens included; positions
        beyond the two lengths of a line hold "" and 0.

        Args:
            texts: string, (B,). UTF-8.

        Returns:
            dict: `translation` string (B,); `source_pieces` string (B, S); `target_pieces` string
            (B, T); `source_length` and `target_length` int32 (B,); `token_log_probability` float32
            (B, T); `attention` float32 (B, layers, heads, T, S): the cross-attention.
        """
        token_ids, _ = self.encode(texts)
        empty = _count_tokens(token_ids) == 0
        best = self._shared_search(token_ids).token_ids[:, 0]
        best = tf.where(empty[:, tf.newaxis], 0, best)
        target_lengths = tf.math.count_nonzero(best, axis=1, dtype=tf.int32)
        best = best[:, : tf.maximum(1, tf.reduce_max(target_lengths))]  # (B, T)
        source_lengths = tf.where(empty, 0, _count_tokens(token_ids) + 1)
        inputs = self._forced_inputs(token_ids, best)
        weights = tf.cast(self._model.attention_scores(inputs)["cross"], tf.float32)
        real = (best != 0)[:, tf.newaxis, tf.newaxis, :, tf.newaxis]
        return {
            "translation": self._target_tokenizer.detokenize(best),
            "source_pieces": tf.where(
                empty[:, tf.newaxis], "", _pieces(self._source_tokenizer, token_ids)
            ),
            "target_pieces": _pieces(self._target_tokenizer, best),
            "source_length": source_lengths,
            "target_length": target_lengths,
            "token_log_probability": target_log_probabilities(self._model, inputs, best),
            "attention": tf.where(real, weights, 0.0),
        }

    def encode(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Source ids with the end token, (B, S), and which lines were cut, (B,)."""
        pieces = self.source_pieces(texts)
        cut = pieces.row_lengths() > self.source_limit
        pieces = pieces[:, : self.source_limit]
        token_ids = _with_end(pieces, self._source_tokenizer).to_tensor()
        missing = tf.maximum(0, 1 - tf.shape(token_ids)[1])  # a batch without lines has no columns
        return tf.pad(token_ids, [[0, 0], [0, missing]]), cut

    def source_pieces(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Source ids of lines (B,), not cut and without end tokens: (B, None)."""
        return self._source_tokenizer.tokenize(clean_text(texts))

    def search(
        self, encoder_token_ids: tf.Tensor, decoding: SearchStrategy | None = None
    ) -> SearchResult:
        """Searches for the best hypotheses of (B, S) source ids."""
        decoding = decoding or self._decoding
        length = encoder_token_ids.shape[1] or tf.shape(encoder_token_ids)[1]
        max_length = self.limit_length(length + self._max_extra_tokens)
        # A row without a source token (an empty line, or padding) ends at once.
        source_lengths = _count_tokens(encoder_token_ids)
        limits = tf.where(source_lengths > 0, source_lengths + 1 + self._max_extra_tokens, 1)
        start = self._model.start(encoder_token_ids, max_length, decoding.num_beams)
        if self.constants is not None:
            start = {**start, "constants": self.constants.read()}
        with in_place_caches(start) as state:
            return search(
                self._model.decode_step,
                state,
                decoding,
                max_length,
                length_limits=tf.minimum(limits, max_length),
                start_token_id=self._target_tokenizer.start_token_id,
                end_token_id=self._target_tokenizer.end_token_id,
            )

    def limit_length(self, length: Any) -> Any:
        """The length, limited to the number of positions that the model has."""
        limit = self._model.max_sequence_length
        if limit is None:
            return length
        return tf.minimum(length, limit) if tf.is_tensor(length) else min(length, limit)

    def _forced_inputs(self, token_ids: tf.Tensor, target_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return forced_inputs(token_ids, target_ids, self._target_tokenizer.start_token_id)


def _with_end(pieces: tf.RaggedTensor, tokenizer: Tokenizer) -> tf.RaggedTensor:
    return tf.concat([pieces, tf.fill([pieces.nrows(), 1], tokenizer.end_token_id)], axis=1)


def _count_tokens(token_ids: tf.Tensor) -> tf.Tensor:
    """Tokens of each row, the end token not counted: (B, S) -> (B,)."""
    return tf.math.count_nonzero(token_ids, axis=1, dtype=tf.int32) - 1


def _pieces(tokenizer: Tokenizer, token_ids: tf.Tensor) -> tf.Tensor:
    """Ids as readable strings; padding is ""."""
    pieces = ["", *tokenizer.pieces(range(1, tokenizer.vocabulary_size))]
    known = tf.where(token_ids < len(pieces), token_ids, tokenizer.unknown_token_id)
    return tf.gather(tf.constant(pieces), known)
