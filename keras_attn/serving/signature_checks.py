"""Compares what the signatures beside `serving_default` say with what the translator said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_attn.serving.signatures import SIGNATURES
from keras_attn.serving.verification_record import RecordedTranslation
from keras_attn.serving.verification_report import VerificationCheck

Answer = Mapping[str, Any]

# Other lines in the batch, other padding and another number of threads change the order in which
# float32 numbers are added, and so the last digits of a score: up to about 1e-5 of it. A wrong
# weight, penalty or limit changes a score by far more than the tolerance. A half-precision model
# may use all of it.
SCORE_TOLERANCE = 1e-3


def are_close(one: float, other: float) -> bool:
    """Whether two scores are the same but for rounding. NaN is close to nothing.

    Args:
        one: float.
        other: float.

    Returns:
        bool.
    """
    if math.isinf(one) or math.isinf(other):
        return one == other
    return abs(one - other) <= SCORE_TOLERANCE * max(1.0, abs(other))


def signature_requests(
    recorded: Sequence[RecordedTranslation], signatures: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """The inputs of one request of each signature that the record can be compared with.

    Args:
        recorded: sequence of `RecordedTranslation`.
        signatures: sequence of str. Those of the model.

    Returns:
        dict: signature -> inputs.
    """
    if any(one.details is None for one in recorded):  # an earlier version made the record
        return {}
    lines = {
        "text": [one.source for one in recorded],
        "target": [one.translation for one in recorded],
    }
    return {
        name: {key: lines[key] for key in SIGNATURES[name].inputs}
        for name in _COMPARISONS
        if name in signatures
    }


def check_signature_answer(
    name: str, recorded: Sequence[RecordedTranslation], answer: Answer
) -> VerificationCheck:
    """Checks the answer to one of `signature_requests`.

    Args:
        name: str. The signature.
        recorded: sequence of `RecordedTranslation`.
        answer: dict. `outputs`, or `code` and `message`.

    Returns:
        `VerificationCheck`.
    """
    if "outputs" not in answer:
        detail = f"a request failed: status {answer['code']}, {answer['message'][:300]}"
        return VerificationCheck(name, False, " ".join(detail.split()))
    outputs = answer["outputs"]
    lengths = {key: len(values) for key, values in outputs.items()}
    if set(lengths.values()) != {len(recorded)}:
        return VerificationCheck(name, False, f"{lengths} for {len(recorded)} lines")
    for i, one in enumerate(recorded):
        row = {key: values[i] for key, values in outputs.items()}
        for fault in _COMPARISONS[name](one, row):
            return VerificationCheck(name, False, f"{one.source[:60]!r}: {fault}")
    return VerificationCheck(name, True, f"{len(recorded)} lines as the translator says")


def _compare_stats(one: RecordedTranslation, row: Answer) -> Iterator[str]:
    details = one.details or {}
    if row["translation"] != one.translation:
        yield f"gives {row['translation'][:60]!r}; the translator gave {one.translation[:60]!r}"
    if not are_close(row["log_probability"], details["log_probability"]):
        expected = details["log_probability"]
        yield f"has log-probability {row['log_probability']}; the translator gave {expected}"
    for key, tokens in (("source_tokens", "source_pieces"), ("target_tokens", "target_pieces")):
        expected = max(0, len(details[tokens]) - 1)  # without the end token
        if row[key] != expected:
            yield f"{key} is {row[key]}; the translator counted {expected}"


def _compare_n_best(one: RecordedTranslation, row: Answer) -> Iterator[str]:
    expected = (one.details or {})["n_best"]
    found = list(zip(row["translations"], row["scores"], strict=True))[: len(expected)]
    for (text, score), (other, other_score) in zip(found, expected, strict=True):
        if text != other or not are_close(score, other_score):
            yield f"has {text[:60]!r} ({score}); the translator had {other[:60]!r} ({other_score})"


def _compare_score(one: RecordedTranslation, row: Answer) -> Iterator[str]:
    expected = (one.details or {})["forced_log_probability"]
    if not are_close(row["log_probability"], expected):
        yield f"has log-probability {row['log_probability']}; the translator gave {expected}"


def _compare_attention(one: RecordedTranslation, row: Answer) -> Iterator[str]:
    details = one.details or {}
    for side in ("source", "target"):
        length = row[f"{side}_length"]
        pieces = row[f"{side}_pieces"][:length]
        if pieces != details[f"{side}_pieces"]:
            yield f"{side}_pieces are {pieces}; the translator had {details[f'{side}_pieces']}"
            return
        if any(row[f"{side}_pieces"][length:]):
            yield f"{side}_pieces has pieces beyond {side}_length"
    total = sum(row["token_log_probability"])
    if not are_close(total, details["log_probability"]):
        expected = details["log_probability"]
        yield f"tokens have log-probability {total} together; the translator gave {expected}"
    for layer in row["attention"]:
        for head in layer:
            for weights in head[: row["target_length"]]:
                if not abs(sum(weights[: row["source_length"]]) - 1) <= SCORE_TOLERANCE:
                    yield f"attention of a token is {sum(weights)} in all, not 1"
                    return


_COMPARISONS = {
    "translate_with_stats": _compare_stats,
    "n_best": _compare_n_best,
    "score": _compare_score,
    "attention": _compare_attention,
}
