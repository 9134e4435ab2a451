"""Shows translations of a few sentences during training."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_attn.lines.json_records import append_records, drop_records_after
from keras_attn.training.callbacks.step_counter import StepCounter
from keras_attn.translator import Translation


class SampleTranslations(keras.callbacks.Callback):
    """Translates the same few sentences after every validation; shows and stores the results.

    Args:
        translate: callable. From texts to `Translation`s, such as `translate_detailed` of the
            model's `Translator`.
        sources: sequence of str. The sentences.
        references: sequence of str. Their references.
        path: path. The file. Every validation appends one JSON object per sentence.
        steps: StepCounter. The step counter of the run.
        show: callable. Takes a line of text to show; by default nothing is shown.
    """

    def __init__(
        self,
        translate: Callable[[list[str]], Sequence[Translation]],
        sources: Sequence[str],
        references: Sequence[str],
        path: str | os.PathLike,
        steps: StepCounter,
        show: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__()
        self._translate = translate
        self._sources = list(sources)
        self._references = list(references)
        self._path = Path(path)
        self._steps = steps
        self._show = show

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Drops the lines of later steps, which are made again."""
        drop_records_after(self._path, self._steps.step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Translates, shows and appends."""
        translations = self._translate(self._sources)
        lines = []
        for source, reference, translation in zip(
            self._sources, self._references, translations, strict=True
        ):
            lines.append(
                {
                    "step": self._steps.step,
                    "source": source,
                    "reference": reference,
                    "translation": translation.text,
                    "truncated": translation.truncated,
                }
            )
            note = "  (truncated)" if translation.truncated else ""
            self._show(f"  {source}  ->  {translation.text}{note}")
        append_records(self._path, lines)
