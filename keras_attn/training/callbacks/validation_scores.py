"""Scores of the validation sentences, translated by the model during training."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_attn.evaluation import SupportsTranslate, evaluate
from keras_attn.training.replicas.workers import Workers

_NAMES = ("val_bleu", "val_chrf", "val_line_error_rate", "val_token_error_rate")


class ValidationScores(keras.callbacks.Callback):
    """Adds BLEU, chrF and error rates to the logs of every validation, for the callbacks after it.

    The logs get `val_bleu`, `val_chrf`, `val_line_error_rate`, `val_token_error_rate`, and
    `val_truncated`: how many translations the translator's limits truncated, if it counts them.
    Early in training that may be nearly all.

    Args:
        translator: object with `translate(texts) -> list[str]`, such as a `Translator`.
        sources: sequence of str. The validation sentences.
        references: sequence of reference streams, each as long as `sources`.
        workers: Workers or None. The workers that train together; the chief translates for all.
        bleu_tokenizer: str or None. sacreBLEU's tokenizer; None for its default.

    Attributes:
        signature: str. sacreBLEU's signature of the last BLEU; "" before the first.
        translations: list of str. The last translations.
    """

    def __init__(
        self,
        translator: SupportsTranslate,
        sources: Sequence[str],
        references: Sequence[Sequence[str | None]],
        workers: Workers | None = None,
        bleu_tokenizer: str | None = None,
    ) -> None:
        super().__init__()
        self._translator = translator
        self._sources = list(sources)
        self._references = references
        self._workers = workers or Workers()
        self._bleu_tokenizer = bleu_tokenizer
        self.signature = ""
        self.translations: list[str] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Translates and scores."""
        values = dict.fromkeys(_NAMES, 0.0) | {"val_truncated": -1.0}
        if self._workers.is_chief:
            report = evaluate(
                self._translator,
                self._sources,
                self._references,
                bleu_tokenizer=self._bleu_tokenizer,
            )
            self.translations = list(report.translations)
            self.signature = report.scores.signatures["bleu"]
            scores = report.scores.to_dict()
            values |= {name: scores[name.removeprefix("val_")] for name in _NAMES}
            if report.truncated is not None:
                values["val_truncated"] = float(report.truncated)
        for name, value in values.items():
            value = self._workers.from_chief(value)
            if logs is not None and value >= 0.0:
                logs[name] = value
