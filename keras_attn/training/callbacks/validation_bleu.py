"""BLEU of the validation sentences, translated by the model in training."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_attn.evaluation import corpus_scores
from keras_attn.training.workers import Workers


class ValidationBleu(keras.callbacks.Callback):
    """Adds `val_bleu` and `val_chrf` to the logs of every validation; callbacks after it see them.

    Args:
        translate: callable. Texts to translations, as `Translator.translate` of the model.
        sources: sequence of str. The validation sentences.
        references: sequence of reference streams, each as long as `sources`.
        workers: Workers or None. Those that train together; the chief translates for all.
        bleu_tokenizer: str or None. sacreBLEU's; None for its default.

    Attributes:
        signature: str. sacreBLEU's signature of the last BLEU; "" before the first.
        translations: list of str. The last translations.
    """

    def __init__(
        self,
        translate: Callable[[list[str]], list[str]],
        sources: Sequence[str],
        references: Sequence[Sequence[str | None]],
        workers: Workers | None = None,
        bleu_tokenizer: str | None = None,
    ) -> None:
        super().__init__()
        self._translate = translate
        self._sources = list(sources)
        self._references = references
        self._workers = workers or Workers()
        self._bleu_tokenizer = bleu_tokenizer
        self.signature = ""
        self.translations: list[str] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Translates and scores."""
        bleu = chrf = 0.0
        if self._workers.is_chief:
            self.translations = list(self._translate(self._sources))
            scores = corpus_scores(
                self.translations, self._references, bleu_tokenizer=self._bleu_tokenizer
            )
            self.signature = scores.signatures["bleu"]
            bleu, chrf = scores.bleu, scores.chrf
        bleu, chrf = self._workers.from_chief(bleu), self._workers.from_chief(chrf)
        if logs is not None:
            logs["val_bleu"], logs["val_chrf"] = bleu, chrf
