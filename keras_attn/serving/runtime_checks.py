"""Runs a SavedModel in a separate process, as a server does, and checks the answers."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_attn.serving import saved_model_session
from keras_attn.serving.static_checks import SIGNATURE_NAME
from keras_attn.serving.verification_record import RecordedTranslation
from keras_attn.serving.verification_report import VerificationCheck

# Other lines in the batch, other padding and another number of threads change the order in which
# float32 numbers are added, and so the last digits of a score: up to about 1e-5 of it. A wrong
# weight, penalty or limit changes a score by far more than the tolerance. A half-precision model
# may use all of it.
SCORE_TOLERANCE = 1e-3
TIME_LIMIT_SECONDS = 900.0
NAME = "as a server runs it"

# Bytes that are not UTF-8, as `saved_model_session` writes them in JSON.
NO_UTF8 = b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape")


def check_runtime(directory: Path, recorded: list[RecordedTranslation]) -> list[VerificationCheck]:
    """Runs a SavedModel as a stock server does, and compares its answers with the record.

    Args:
        directory: Path. The version directory.
        recorded: list of `RecordedTranslation`.

    Returns:
        list of `VerificationCheck`.
    """
    sources = [one.source for one in recorded]
    alone = [[source] for source in sources]
    abuses: list[Any] = [sources[0], [sources], [1, 2, 3]]
    try:
        answers = _run(directory, [sources, *alone, *abuses, [NO_UTF8]])
    except RuntimeError as error:
        return [VerificationCheck(NAME, False, str(error))]
    together, one_by_one = answers[0], answers[1 : 1 + len(alone)]
    scalar, matrix, numbers, no_utf8 = answers[1 + len(alone) :]
    return [
        VerificationCheck(NAME, True, "loads and runs in a Session, with XLA switched off"),
        _compare("all lines in one batch", recorded, [together]),
        _compare("lines one by one", recorded, one_by_one),
        _check_refusal("text of rank 0", scalar),
        _check_refusal("text of rank 2", matrix),
        _check_refusal("numbers as text", numbers),
        _check_no_utf8(no_utf8),
    ]


def _run(directory: Path, texts: list[Any]) -> list[dict[str, Any]]:
    """The answers to requests with these values of `text`.

    Raises:
        RuntimeError: if the model does not load, or crashes its process.
    """
    runs = [{"signature": SIGNATURE_NAME, "inputs": {"text": value}} for value in texts]
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    # It runs as a file, without its directory on the path (-P), to share nothing with this package.
    command = [sys.executable, "-P", saved_model_session.__file__]
    try:
        finished = subprocess.run(
            command,
            input=json.dumps({"directory": str(directory.resolve()), "runs": runs}).encode(),
            capture_output=True,
            env=environment,
            timeout=TIME_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer after {TIME_LIMIT_SECONDS:.0f} seconds") from None
    if finished.returncode < 0:
        name = signal.Signals(-finished.returncode).name
        raise RuntimeError(f"the process was ended by {name}: {_last_line(finished.stderr)}")
    try:
        response = json.loads(finished.stdout)
    except ValueError:
        raise RuntimeError(f"the process failed: {_last_line(finished.stderr)}") from None
    if "runs" not in response:
        raise RuntimeError(f"it does not load: {_describe(response)}")
    return response["runs"]


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def _describe(answer: dict[str, Any]) -> str:
    """An error in one line."""
    message = " ".join(str(answer["message"]).split())
    return f"status {answer['code']}, {message[:300]}"


def _compare(
    name: str, recorded: list[RecordedTranslation], answers: list[dict[str, Any]]
) -> VerificationCheck:
    """Checks that translations equal the recorded ones, and that scores are close to them."""
    translations: list[str] = []
    scores: list[float] = []
    for answer in answers:
        if "outputs" not in answer:
            return VerificationCheck(name, False, f"a request failed: {_describe(answer)}")
        translations += answer["outputs"]["translation"]
        scores += answer["outputs"]["score"]
    if not len(translations) == len(scores) == len(recorded):
        counts = f"{len(translations)} translations and {len(scores)} scores"
        return VerificationCheck(name, False, f"{counts} for {len(recorded)} lines")
    largest = 0.0
    for one, translation, score in zip(recorded, translations, scores, strict=True):
        if translation != one.translation:
            detail = (
                f"{_short(one.source)} gives {_short(translation)}; "
                f"the translator gave {_short(one.translation)}"
            )
            return VerificationCheck(name, False, detail)
        # Not `>`: NaN must not pass.
        difference = abs(score - one.score) / max(1.0, abs(one.score))
        if not difference <= SCORE_TOLERANCE and not (math.isinf(score) and score == one.score):
            detail = f"{_short(one.source)} has score {score}; the translator gave {one.score}"
            return VerificationCheck(name, False, detail)
        largest = max(largest, difference)
    detail = f"{len(recorded)} translations equal, scores within {largest:.1e}"
    return VerificationCheck(name, True, detail)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _check_refusal(name: str, answer: dict[str, Any]) -> VerificationCheck:
    """Checks that a wrong request is refused as a client error."""
    if "outputs" in answer:
        return VerificationCheck(name, False, "was translated instead of refused")
    if answer["code"] == saved_model_session.INVALID_ARGUMENT:
        return VerificationCheck(name, True, "refused with INVALID_ARGUMENT")
    detail = f"must be refused with INVALID_ARGUMENT (3). Received: {_describe(answer)}"
    return VerificationCheck(name, False, detail)


def _check_no_utf8(answer: dict[str, Any]) -> VerificationCheck:
    """Checks that bytes that are not UTF-8 give UTF-8: a server's JSON is invalid otherwise."""
    name = "bytes that are not UTF-8"
    if "outputs" not in answer:
        is_refused = answer["code"] == saved_model_session.INVALID_ARGUMENT
        return VerificationCheck(name, is_refused, f"give {_describe(answer)}")
    translation = answer["outputs"]["translation"][0]
    is_text = not any("\ud800" <= character <= "\udfff" for character in translation)
    detail = "give valid UTF-8" if is_text else f"give invalid UTF-8: {translation!r:.60}"
    return VerificationCheck(name, is_text, detail)
