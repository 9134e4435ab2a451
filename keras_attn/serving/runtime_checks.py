"""Runs a SavedModel in a separate process, as a server does, and checks the answers."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.serving import saved_model_session
from keras_attn.serving.signature_checks import (
    are_close,
    check_signature_answer,
    signature_requests,
)
from keras_attn.serving.signatures import DEFAULT_SIGNATURE, MOST_LINES
from keras_attn.serving.verification_record import RecordedTranslation
from keras_attn.serving.verification_report import VerificationCheck
from keras_attn.serving.warmup import BATCH_SIZES, read_warmup

TIME_LIMIT_SECONDS = 900.0
NAME = "as a server runs it"
AT_ONCE = 8  # requests
WARMUP_NAME = "warm-up requests"

Request = tuple[str, dict[str, Any]]  # a signature and its inputs

# Bytes that are not UTF-8, as `saved_model_session` writes them in JSON.
NO_UTF8 = b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape")


def check_runtime(
    directory: Path,
    recorded: list[RecordedTranslation],
    signatures: Sequence[str] = (DEFAULT_SIGNATURE,),
    python: str | os.PathLike[str] = sys.executable,
    xla: bool = False,
) -> list[VerificationCheck]:
    """Runs a SavedModel as a stock server does, and compares its answers with the record.

    Args:
        directory: Path. The version directory.
        recorded: list of `RecordedTranslation`.
        signatures: sequence of str. The model's.
        python: path. The interpreter that runs it.
        xla: bool. Whether the server has XLA switched on.

    Returns:
        list of `VerificationCheck`.
    """
    try:
        warmup = read_warmup(directory)
    except ValueError as error:
        return [VerificationCheck(WARMUP_NAME, False, str(error))]
    sources = [one.source for one in recorded]
    alone = [[source] for source in sources]
    abuses: list[Any] = [sources[0], [sources], [1, 2, 3]]
    # A server that batches fills a batch up with copies of its last line.
    padded = [*sources, *[sources[-1]] * (-len(sources) % BATCH_SIZES[-1])]
    texts = [sources, padded, *alone, *abuses, [NO_UTF8], ["a"] * (MOST_LINES + 1)]
    others = signature_requests(recorded, signatures)
    requests: list[Request] = [(DEFAULT_SIGNATURE, {"text": value}) for value in texts]
    requests += others.items()
    requests += [(name, _as_text(inputs)) for name, inputs in warmup]
    at_once = [recorded[i % len(recorded)] for i in range(AT_ONCE)]
    requests += [(DEFAULT_SIGNATURE, {"text": [one.source]}) for one in at_once]
    try:
        answers = iter(_run(directory, requests, python, xla))
    except RuntimeError as error:
        return [VerificationCheck(NAME, False, str(error))]
    switched = "on" if xla else "off"
    checks = [
        VerificationCheck(NAME, True, f"loads and runs in a Session, with XLA switched {switched}"),
        _compare("all lines in one batch", recorded, [next(answers)]),
        _compare("a batch filled up", recorded, [_first_lines(next(answers), len(recorded))]),
        _compare("lines one by one", recorded, [next(answers) for _ in alone]),
        _check_refusal("text of rank 0", next(answers)),
        _check_refusal("text of rank 2", next(answers)),
        _check_refusal("numbers as text", next(answers)),
        _check_no_utf8(next(answers)),
    ]
    too_many = next(answers)
    if others:  # exports of earlier versions have no limit
        checks.append(_check_refusal("too many lines", too_many))
    checks += [check_signature_answer(name, recorded, next(answers)) for name in others]
    checks.append(_check_warmup([next(answers) for _ in warmup]))
    return [*checks, _compare(f"{AT_ONCE} requests at once", at_once, list(answers))]


def _first_lines(answer: dict[str, Any], count: int) -> dict[str, Any]:
    """The answer without the lines that filled up the batch, which a server cuts off."""
    if "outputs" not in answer:
        return answer
    return {"outputs": {name: values[:count] for name, values in answer["outputs"].items()}}


def _as_text(inputs: dict[str, np.ndarray]) -> dict[str, list[str]]:
    return {
        name: [line.decode("utf-8", "surrogateescape") for line in lines.tolist()]
        for name, lines in inputs.items()
    }


def _check_warmup(answers: list[dict[str, Any]]) -> VerificationCheck:
    """Checks that every warm-up request succeeds: a server does not load the version otherwise."""
    for answer in answers:
        if "outputs" not in answer:
            return VerificationCheck(WARMUP_NAME, False, f"one fails: {_describe(answer)}")
    detail = f"{len(answers)} succeed" if answers else "there are none: the first requests are slow"
    return VerificationCheck(WARMUP_NAME, True, detail)


def _run(
    directory: Path, requests: Sequence[Request], python: str | os.PathLike[str], xla: bool
) -> list[dict[str, Any]]:
    """Runs requests and returns their answers.

    Raises:
        RuntimeError: if the model does not load, or crashes its process.
    """
    runs = [{"signature": signature, "inputs": inputs} for signature, inputs in requests]
    request = {
        "directory": str(directory.resolve()),
        "runs": runs,
        "at_once": AT_ONCE,
        "disable_xla": not xla,
    }
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    # It runs as a file, without its directory on the path (-P), to share nothing with this package.
    command = [os.fspath(python), "-P", saved_model_session.__file__]
    try:
        finished = subprocess.run(
            command,
            input=json.dumps(request).encode(),
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
        if not are_close(score, one.score):
            detail = f"{_short(one.source)} has score {score}; the translator gave {one.score}"
            return VerificationCheck(name, False, detail)
        if not math.isinf(score):
            largest = max(largest, abs(score - one.score))
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
