"""A SavedModel version, as TensorFlow Serving would load it, with the methods of a `Translator`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizers' operations)

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.translation import Translation, TranslationReport
from keras_attn.serving.row_translation import Row, to_translation
from keras_attn.serving.signatures import (
    DEFAULT_SIGNATURE,
    MOST_BYTES_A_LINE,
    STATISTICS_SIGNATURE,
)

BATCH_LINES = 64


def rows_of(signature: Callable[..., dict[str, tf.Tensor]], texts: Sequence[str]) -> list[Row]:
    """Calls a signature for lines; lines of similar length share a batch, to save padding.

    Args:
        signature: function of `text`, as `tf.saved_model.load` returns it.
        texts: sequence of str. Of a line that is longer than a server takes, only the beginning
            is translated, and `truncated` says so.

    Returns:
        list of dict, one for each text: the outputs by name, as numbers, bools and lists;
        `translation` as str.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: dict[int, Row] = {}
    for first in range(0, len(order), BATCH_LINES):
        members = order[first : first + BATCH_LINES]
        lines = [_cut(texts[i]) for i in members]
        outputs = signature(text=tf.constant(lines))
        columns = {name: value.numpy().tolist() for name, value in outputs.items()}
        columns["translation"] = [one.decode("utf-8", "replace") for one in columns["translation"]]
        for position, i in enumerate(members):
            rows[i] = {name: values[position] for name, values in columns.items()}
            if len(lines[position]) < len(texts[i]) and "truncated" in columns:
                rows[i]["truncated"] = True
    return [rows[i] for i in range(len(texts))]


def _cut(text: str) -> str:
    """As many characters as fit into the bytes that a signature accepts."""
    if len(text) * 4 <= MOST_BYTES_A_LINE:
        return text
    return text.encode("utf-8", "replace")[:MOST_BYTES_A_LINE].decode("utf-8", "ignore")


class SavedModelTranslator:
    """Translates lines with the signature that a server would run.

    Args:
        directory: Path. The version directory, with `saved_model.pb`.

    Raises:
        ValueError: if it cannot be loaded, or does not have the signature that `keras-attn export`
            writes.

    Attributes:
        report: `TranslationReport`. The counts of the last call. Its `truncated` is None for an
            export of an earlier version, which does not report it.
    """

    def __init__(self, directory: Path) -> None:
        try:
            self._model = tf.saved_model.load(str(directory))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                "`RUN` must be a complete SavedModel. "
                f"Received: {directory}, which cannot be loaded ({reason})."
            ) from error
        signature = self._model.signatures.get(DEFAULT_SIGNATURE)
        outputs = set() if signature is None else set(signature.structured_outputs)
        if "translation" not in outputs:
            raise ValueError(
                f"`RUN` must have the signature {DEFAULT_SIGNATURE} with the output `translation`, "
                f"as `keras-attn export` writes it. Received: {directory}, outputs "
                f"{sorted(outputs)}."
            )
        # An export of an earlier version has only the default signature.
        self._signature = self._model.signatures.get(STATISTICS_SIGNATURE, signature)
        self._tells_truncated = "truncated" in outputs
        self.report = self._make_report([])

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates lines, keeping their order.

        Args:
            texts: sequence of str.

        Returns:
            list of str, one for each text.
        """
        return [translation.text for translation in self.translate_detailed(texts)]

    def translate_detailed(self, texts: Sequence[str]) -> list[Translation]:
        """Translates lines. Fields that the signature lacks keep their defaults, or are None.

        Args:
            texts: sequence of str.

        Returns:
            list of `Translation`: `source`, `text`, `score`, `log_probability`, `truncated` and
            `confidence`.
        """
        lines = check_texts("texts", texts)
        translations = list(map(to_translation, lines, rows_of(self._signature, lines)))
        self.report = self._make_report(translations)
        return translations

    def _make_report(self, translations: list[Translation]) -> TranslationReport:
        truncated = sum(bool(one.truncated) for one in translations)
        return TranslationReport(
            lines=len(translations),
            empty=sum(not one.source.strip() for one in translations),
            truncated=truncated if self._tells_truncated else None,
        )
