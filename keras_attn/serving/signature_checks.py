"""Compares the answers of all signatures but `serving_default` with the translator's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_attn.serving.signatures import SIGNATURES
from keras_attn.serving.verification_record import RecordedTranslation
from keras_attn.serving.verification_report import VerificationCheck

Answer = Mapping[str, Any]

# The other lines of the batch, the padding and the number of threads change the order in which
# float32 numbers are added, and so the last digits of a score: up to about 1e-5 of it. A wrong
# weight, penalty or limit changes a score by far more than the tolerance. A half-precision model
# may need all of the tolerance.
SCORE_TOLERANCE = 1e-3


def are_close(one: float, other: float) -> bool:
    """Whether two scores are equal except for rounding. NaN is close to nothing.

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
    """The inputs of one request for each signature that can be compared with the record.

    Args:
        recorded: sequence of `RecordedTranslation`.
        signatures: sequence of str. The model's signatures.

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
        expected = {"translation": one.translation, **(one.details or {})}
        for fault in _COMPARISONS[name](expected, row):
            return VerificationCheck(name, False, f"{one.source[:60]!r}: {fault}")
    return VerificationCheck(name, True, f"{len(recorded)} lines match the translator")


def _compare_stats(expected: Answer, row: Answer) -> Iterator[str]:
    given, value = expected["translation"], expected["log_probability"]
    if row["translation"] != given:
        yield f"gives {row['translation'][:60]!r}; the translator gave {given[:60]!r}"
    if not are_close(row["log_probability"], value):
        yield f"has log-probability {row['log_probability']}; the translator gave {value}"
    sure = expected.get("confidence")
    if sure is not None and not are_close(row.get("confidence", math.nan), sure):
        yield f"has confidence {row.get('confidence')}; the translator gave {sure}"
    for key, tokens in (("source_tokens", "source_pieces"), ("target_tokens", "target_pieces")):
        count = max(0, len(expected[tokens]) - 1)  # without the end token
        if row[key] != count:
            yield f"{key} is {row[key]}; the translator counted {count}"


def _compare_n_best(expected: Answer, row: Answer) -> Iterator[str]:
    n_best = expected["n_best"]
    found = list(zip(row["translations"], row["scores"], strict=True))[: len(n_best)]
    for (text, score), (other, other_score) in zip(found, n_best, strict=True):
        if text != other or not are_close(score, other_score):
            yield f"has {text[:60]!r} ({score}); the translator had {other[:60]!r} ({other_score})"


def _compare_score(expected: Answer, row: Answer) -> Iterator[str]:
    value = expected["forced_log_probability"]
    if not are_close(row["log_probability"], value):
        yield f"has log-probability {row['log_probability']}; the translator gave {value}"


def _compare_attention(expected: Answer, row: Answer) -> Iterator[str]:
    for side in ("source", "target"):
        length = row[f"{side}_length"]
        pieces = row[f"{side}_pieces"][:length]
        if pieces != expected[f"{side}_pieces"]:
            yield f"{side}_pieces are {pieces}; the translator had {expected[f'{side}_pieces']}"
            return
        if any(row[f"{side}_pieces"][length:]):
            yield f"{side}_pieces has pieces beyond {side}_length"
    total, value = sum(row["token_log_probability"]), expected["log_probability"]
    if not are_close(total, value):
        yield f"tokens have log-probability {total} together; the translator gave {value}"
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
