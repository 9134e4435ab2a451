"""Text to text: model, tokenizers and search together, as they are saved and served."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn import decoding
from keras_attn.data import Tokenizer
from keras_attn.data.line_batches import token_lists
from keras_attn.lines import check_texts
from keras_attn.lines.best_translation import best_translation
from keras_attn.lines.confidence import Confidence
from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.models import Seq2SeqModel
from keras_attn.pretrained import locate
from keras_attn.system.argument_checks import check_integer
from keras_attn.translator.batch_search import BatchSearch
from keras_attn.translator.graph_translator import GraphTranslator
from keras_attn.translator.hypothesis import Hypothesis, read_hypotheses
from keras_attn.translator.target_scorer import TargetScorer
from keras_attn.translator.translator_files import read_translator, write_translator

__all__ = ["Translation", "TranslationReport", "Translator"]

# Compiling takes seconds; for fewer lines than this, the plain graph is faster.
LINES_WORTH_COMPILING = 128


class Translator(tf.Module):
    """Translates lines of text with a model, its tokenizers and a search strategy.

    `translate_tensor` does all of it in a graph: tokens, encoder and caches, search, text. Exported
    models run it. `translate` does the same for lines of any number and length.

    Args:
        model: `Seq2SeqModel`.
        source_tokenizer: `Tokenizer`.
        target_tokenizer: `Tokenizer`. Defaults to `source_tokenizer`: one vocabulary.
        decoding: search strategy, its name or config. Defaults to the paper's `BeamSearch()`: 4
            beams, length penalty 0.6 (Section 6.1).
        max_source_tokens: int. Longer sources are truncated to this many tokens, and reported.
        max_extra_tokens: int. A translation has at most this many tokens more than its source.
            Defaults to the paper's 50 (Section 6.1).
        batch_tokens: int. Source tokens, padding included, that are translated at once.
        jit_compile: bool or `"auto"`. Compile the search with XLA; `"auto"` does so for many lines.
        confidence: `Confidence`, or None for a model that is not calibrated.

    Attributes:
        model, source_tokenizer, target_tokenizer, decoding, max_source_tokens, max_extra_tokens,
            batch_tokens, jit_compile, confidence: as given. A new value takes effect at the next
            call.
        report: `TranslationReport`. What happened to the lines of the last call: how many were
            empty, how many truncated.

    Raises:
        ValueError: if tokenizers and model disagree about the vocabulary.

    Example:
    >>> tokenizer = keras_attn.data.ByteTokenizer()
    >>> model = keras_attn.create_model(
    ...     "transformer_tiny", source_vocabulary_size=tokenizer.vocabulary_size)
    >>> translator = keras_attn.Translator(model, tokenizer, max_extra_tokens=1)
    >>> len(translator.translate(["Hello!", ""]))
    2
    """

    def __init__(
        self,
        model: Seq2SeqModel,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer | None = None,
        decoding: Any = None,
        max_source_tokens: int = 128,
        max_extra_tokens: int = 50,
        batch_tokens: int = 2048,
        jit_compile: bool | str = "auto",
        confidence: Confidence | None = None,
    ) -> None:
        super().__init__(name="translator")
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer or source_tokenizer
        self.decoding = _strategy(decoding)
        self.max_source_tokens = max_source_tokens
        self.max_extra_tokens = max_extra_tokens
        self.batch_tokens = batch_tokens
        self.jit_compile = jit_compile
        self.confidence = confidence
        self.report = TranslationReport()
        self._traced_settings: tuple[Any, ...] = ()
        self._prepare()

    def _prepare(self) -> None:
        """Checks the settings, and makes the graphs again if one of their settings changed."""
        self._check()
        settings = (
            id(self.model),
            id(self.source_tokenizer),
            id(self.target_tokenizer),
            id(self.decoding),
            repr(self.decoding),  # it may have been changed itself
            self.max_source_tokens,
            self.max_extra_tokens,
            self.confidence,
        )
        if settings == self._traced_settings:
            return
        ids = tf.TensorSpec([None, None], tf.int32)
        self._graph = GraphTranslator(
            self.model,
            self.source_tokenizer,
            self.target_tokenizer,
            self.decoding,
            self.max_source_tokens,
            self.max_extra_tokens,
            self.confidence,
        )
        self._batch_search = BatchSearch(self._graph.search)
        # In graphs, because a tokenizer's many small operations take milliseconds one by one.
        self._tokenize = tf.function(
            self._graph.source_pieces,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )
        self._detokenize = tf.function(
            self.target_tokenizer.detokenize, input_signature=[ids], autograph=False
        )
        self._scorer = TargetScorer(self.model, self.target_tokenizer.start_token_id)
        self._traced_settings = settings

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies the arguments; the graphs are made again."""
        is_shared = self.target_tokenizer is self.source_tokenizer
        return type(self), (
            self.model,
            self.source_tokenizer,
            None if is_shared else self.target_tokenizer,
            self.decoding,
            self.max_source_tokens,
            self.max_extra_tokens,
            self.batch_tokens,
            self.jit_compile,
            *([] if self.confidence is None else [self.confidence]),
        )

    def _check(self) -> None:
        self.decoding = _strategy(self.decoding)
        for side, tokenizer in (
            ("source", self.source_tokenizer),
            ("target", self.target_tokenizer),
        ):
            size = getattr(self.model, f"{side}_vocabulary_size")
            if tokenizer.vocabulary_size > size:
                raise ValueError(
                    f"`{side}_tokenizer` must not know more tokens than the model. Received: "
                    f"{tokenizer.vocabulary_size} tokens, model.{side}_vocabulary_size={size}. "
                    "Does this tokenizer belong to this model?"
                )
        for name, least in (("max_source_tokens", 1), ("max_extra_tokens", 0), ("batch_tokens", 1)):
            setattr(self, name, check_integer(name, getattr(self, name), minimum=least))
        if self.jit_compile not in (True, False, "auto"):
            raise ValueError(
                "`jit_compile` must be True, False or 'auto'. "
                f"Received: jit_compile={self.jit_compile!r}."
            )

    # In a graph

    @property
    def graph(self) -> GraphTranslator:
        """The whole path in a graph: lines, n-best, scores and attention of string tensors."""
        self._prepare()
        return self._graph

    def translate_tensor(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Translates a string tensor, also inside a graph. An exported model runs this.

        Args:
            texts: string, (B,). UTF-8.

        Returns:
            dict, each (B,): `translation`, `score`, `log_probability`, `truncated` and counts of
            tokens, as `GraphTranslator.translate` describes them. An empty line gives an empty
            line.
        """
        return self.graph.translate(texts)

    # Lines of text

    def translate(self, texts: Iterable[str]) -> list[str]:
        """Translates lines; returns one translation per line, in the same order.

        Args:
            texts: strings. An empty line gives an empty line. Of a longer line, only the first
                `max_source_tokens` tokens are translated, and `report` counts it.

        Returns:
            list of str.

        Raises:
            ValueError: if `texts` is one string instead of a sequence of them.
        """
        return [translation.text for translation in self.translate_detailed(texts)]

    def translate_detailed(
        self, texts: Iterable[str], attention: bool = False
    ) -> list[Translation]:
        """Translates lines, with tokens, scores, confidence and the other hypotheses of each.

        Args:
            texts: strings.
            attention: bool. Whether to also return the cross-attention of each translation.

        Returns:
            list of `Translation`, in the order of `texts`.
        """
        texts = check_texts("texts", texts)
        self._prepare()
        sources, cut = self._tokenize_lines(texts)
        certain = None if self.confidence is None else 1.0
        translations = [Translation(text, "", confidence=certain) for text in texts]
        compiled = self.jit_compile is True or (
            self.jit_compile == "auto" and len(texts) >= LINES_WORTH_COMPILING
        )
        longest = self.model.max_sequence_length
        batches = self._batch_search.run(sources, self.batch_tokens, longest, compiled)
        with contextlib.closing(batches):  # an error here also ends the searches in other threads
            for members, result in batches:
                read = read_hypotheses(result, self.target_tokenizer, self._detokenize)
                for i, hypotheses, ids in zip(members, read, result.token_ids, strict=True):
                    weights = self._attention(sources[i], ids[0]) if attention else None
                    best = self._translation(texts[i], sources[i], cut[i], hypotheses)
                    translations[i] = dataclasses.replace(best, attention=weights)
        self.report = TranslationReport(
            lines=len(texts),
            empty=sum(len(ids) == 1 for ids in sources),
            truncated=sum(bool(translation.truncated) for translation in translations),
            truncated_sources=sum(cut),
        )
        return translations

    def score(self, sources: Iterable[str], targets: Iterable[str]) -> list[float]:
        """Scores given translations by forced decoding.

        Args:
            sources: strings. Of a longer one, only the first `max_source_tokens` tokens are read,
                as in `translate`, and `report` counts it.
            targets: as many strings; each is scored whole.

        Returns:
            list of float: natural logarithm of the probability of each target, end token included.
            For an empty source, the empty target is certain: 0.0. Any other target has -inf.

        Raises:
            ValueError: if there are not as many targets as sources.
        """
        sources, targets = check_texts("sources", sources), check_texts("targets", targets)
        self._prepare()
        if len(sources) != len(targets):
            raise ValueError(
                "`sources` and `targets` must have the same length. "
                f"Received: {len(sources)} sources, {len(targets)} targets."
            )
        source_ids, cut = self._tokenize_lines(sources)
        end = self.target_tokenizer.end_token_id
        target_ids = [[*ids, end] for ids in token_lists(self.target_tokenizer, targets)]
        longest = max((len(ids) for ids in target_ids), default=0)
        limit = self._graph.limit_length(longest)
        if longest > limit:
            raise ValueError(
                f"`targets` must have at most {limit} tokens, the number of "
                f"positions of the model. Received: a target of {longest} tokens. Split it."
            )
        scores = self._scorer.score(source_ids, target_ids, self.batch_tokens)
        self.report = TranslationReport(
            lines=len(sources),
            empty=sum(len(ids) == 1 for ids in source_ids),
            truncated=sum(cut),
            truncated_sources=sum(cut),
        )
        return scores

    # Batches

    def _tokenize_lines(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        """Source ids of every line, end token included, and which lines were cut."""
        limit, end = self._graph.source_limit, self.source_tokenizer.end_token_id
        pieces = self._tokenize(tf.constant(texts, tf.string)).to_list() if texts else []
        return [[*ids[:limit], end] for ids in pieces], [len(ids) > limit for ids in pieces]

    # Results

    def _translation(
        self, source: str, source_ids: list[int], cut: bool, best_first: list[Hypothesis]
    ) -> Translation:
        source_tokens = tuple(self.source_tokenizer.pieces(source_ids))
        hypotheses = [
            Translation(
                source=source,
                source_tokens=source_tokens,
                **hypothesis._replace(truncated=hypothesis.truncated or cut)._asdict(),
            )
            for hypothesis in best_first
        ]
        return best_translation(source, hypotheses, self.confidence)

    def _attention(self, source_ids: list[int], target_ids: np.ndarray) -> np.ndarray:
        """Cross-attention of one source and its translation, (T,) ids: (L, H, T, S)."""
        length = np.count_nonzero(target_ids)  # end token included
        decoder_ids = [self.target_tokenizer.start_token_id, *target_ids[: length - 1].tolist()]
        scores = self.model.attention_scores(
            {
                "encoder_token_ids": tf.constant([source_ids]),
                "decoder_token_ids": tf.constant([decoder_ids]),
            }
        )
        return np.asarray(scores["cross"][0], "float32")

    # Files

    def save(self, directory: str | Path, weights: str = "float32") -> None:
        """Writes model, tokenizers and settings to a directory, all or nothing.

        Args:
            directory: path. An existing translator is replaced once the new one is complete. Other
                files in the directory stay, except `litert`, an export of the old translator.
            weights: str. How the weights are stored: `"float32"`, `"float16"` (half the size) or
                `"int8"` (a quarter). A compact translator also computes in float32.

        Raises:
            ValueError: if the directory exists and holds something else.
        """
        self._check()
        write_translator(
            Path(directory),
            model=self.model,
            source_tokenizer=self.source_tokenizer,
            target_tokenizer=self.target_tokenizer,
            settings={
                "decoding": decoding.serialize(self.decoding),
                "max_source_tokens": self.max_source_tokens,
                "max_extra_tokens": self.max_extra_tokens,
                "batch_tokens": self.batch_tokens,
                "jit_compile": self.jit_compile,
            },
            weights=weights,
            confidence=self.confidence,
        )

    @classmethod
    def load(
        cls,
        directory: str | Path,
        num_beams: int | None = None,
        jit_compile: bool | str | None = None,
    ) -> Translator:
        """Reads a translator that `save` wrote.

        Args:
            directory: path, or the name of a shipped model (`keras_attn.pretrained`). If the
                model has layers of your own, import them first.
            num_beams: int. Beam search with this many beams. Defaults to None: the search as saved.
            jit_compile: bool or `"auto"`. Defaults to None: as saved.

        Returns:
            `Translator`.

        Raises:
            ValueError: if the directory is missing, incomplete or of another version.
        """
        arguments = read_translator(locate(directory))
        if num_beams is not None:
            saved = decoding.get(arguments["decoding"])
            arguments["decoding"] = decoding.with_num_beams(saved, num_beams)
        if jit_compile is not None:
            arguments["jit_compile"] = jit_compile
        return cls(**arguments)


def _strategy(identifier: Any) -> Any:
    return decoding.get("beam" if identifier is None else identifier)
