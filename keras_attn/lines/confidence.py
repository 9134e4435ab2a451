"""How likely a translation is to be good: a calibrated probability."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_attn.lines.translation import Translation
from keras_attn.system.whole_file import whole_file

CONFIDENCE_FILE = "confidence.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Confidence:
    """The probability that a translation is good, from what the model reports about it.

    It is a logistic regression on the log-probability per token, the length, and how many tokens
    the translation has per token of its source. `keras_attn.evaluation.calibrate_confidence` fits
    it on translations whose sentence chrF is known: a good one has at least `good_chrf`.

    Args:
        weights: tuple of 4 float. For the constant and the three features.
        good_chrf: float. From 0 to 100.

    Example:

    >>> confidence = Confidence((3.0, 4.0, 0.0, 0.0))
    >>> sure = Translation("a b", "A B", ("A", "B"), -0.3, source_tokens=("a", "b", "</s>"))
    >>> round(confidence.of(sure), 2)
    0.93
    """

    weights: tuple[float, ...]
    good_chrf: float = 40.0

    def of(self, translation: Translation) -> float:
        """The probability that a translation is good.

        Args:
            translation: `Translation`, with `tokens`, `source_tokens` and `log_probability`.

        Returns:
            float. From 0 to 1; 1 for a line without tokens, whose translation is empty.
        """
        if len(translation.source_tokens) < 2:  # the end token at most
            return 1.0
        score = self.score(*_counts(translation), math.log)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))

    def score(
        self, log_probability: Any, read: Any, written: Any, log: Callable[[Any], Any]
    ) -> Any:
        """The logit of the probability, for numbers or tensors.

        Args:
            log_probability: float. Of the whole translation.
            read, written: float. Number of tokens of source and translation, with end tokens.
            log: function. The natural logarithm of such values.

        Returns:
            float, or a tensor.
        """
        values = _features(log_probability, read, written, log)
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def save(self, directory: Path) -> Path:
        """Writes it beside a translator.

        Args:
            directory: Path. The translator's directory.

        Returns:
            Path of the file.
        """
        path = directory / CONFIDENCE_FILE
        content = {"format": _FORMAT, **dataclasses.asdict(self)}
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
        return path

    @classmethod
    def find(cls, directory: Path) -> Confidence | None:
        """Reads the confidence saved beside a translator.

        Args:
            directory: Path. The translator's directory.

        Returns:
            `Confidence`, or None if the translator is not calibrated.

        Raises:
            ValueError: if the file is damaged.
        """
        path = directory / CONFIDENCE_FILE
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            weights = tuple(float(weight) for weight in content["weights"])
            if content["format"] != _FORMAT or len(weights) != len(FEATURES):
                raise ValueError("it was written by another version")
            return cls(weights, float(content["good_chrf"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged: {error}. Remove it, and calibrate again."
            ) from error


FEATURES = ("constant", "log_probability_per_token", "log_length", "length_ratio")


def features_of(translation: Translation) -> tuple[float, ...]:
    """The values that confidence is computed from, in the order of `FEATURES`.

    Args:
        translation: `Translation`.

    Returns:
        tuple of float.
    """
    return _features(*_counts(translation), math.log)


def _counts(translation: Translation) -> tuple[float, int, int]:
    """The log-probability, and the numbers of tokens read and written, with end tokens."""
    read = max(1, len(translation.source_tokens))
    return translation.log_probability, read, len(translation.tokens) + 1


def _features(
    log_probability: Any, read: Any, written: Any, log: Callable[[Any], Any]
) -> tuple[Any, ...]:
    """The features, of numbers or tensors; the counts include end tokens."""
    return 1.0, log_probability / written, log(written), abs(log(written / read))
