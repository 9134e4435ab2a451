"""What a training leaves behind."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_attn.translator import Translator


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The outcome of `train`.

    Args:
        run: Path. The directory of the run, which holds all of this.
        translator: Translator. With the final weights (averaged, or the best).
        history: list of dict. One entry a validation, as in `history.jsonl`.
        steps: int. Updates made, over all sessions.
        seconds: float. Wall-clock seconds of this session, from start to finish.
        target_tokens_per_second: float. Real target tokens per second of this session's training
            steps, compilation included; 0 if it made none.
        report: dict. The contents of `report.json`: validation and test scores with their
            signatures, speed with and without compilation, what was filtered.

    Example:

    >>> [field.name for field in dataclasses.fields(TrainingResult)][:3]
    ['run', 'translator', 'history']
    """

    run: Path
    translator: Translator
    history: list[dict[str, Any]]
    steps: int
    seconds: float
    target_tokens_per_second: float
    report: dict[str, Any]
