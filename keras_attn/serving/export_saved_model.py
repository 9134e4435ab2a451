"""Exports a translator as a SavedModel, strings to strings, for unmodified TensorFlow Serving."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from keras_attn.decoding import RandomSampling
from keras_attn.lines.check_texts import check_texts
from keras_attn.serving.model_card import write_model_card
from keras_attn.serving.monitoring.reference_statistics import write_reference
from keras_attn.serving.signatures import (
    MOST_BYTES_A_LINE,
    MOST_LINES,
    signature_functions,
)
from keras_attn.serving.single_threaded_loops import run_loops_in_one_thread
from keras_attn.serving.verification_record import describe_translator, write_record
from keras_attn.serving.verification_report import VerificationReport
from keras_attn.serving.verify_saved_model import check_saved_model
from keras_attn.serving.version_directories import (
    check_model_directory,
    publish,
    temporary_version,
)
from keras_attn.serving.warmup import BATCH_SIZES, lines_of_lengths, write_warmup
from keras_attn.translator import Translator

# Lines of mixed lengths, so that padding matters when they are translated together, and odd lines
# that users send: empty, only blanks, emoji, other scripts, control characters, far too long.
DEFAULT_VERIFICATION_TEXTS: tuple[str, ...] = (
    "Hello!",
    "A man is riding a bicycle.",
    "Two young children are playing with a red ball in the garden behind the house.",
    "I do not know where the station is, but the woman at the window can surely tell us.",
    "The price rose by 3.5 % to $1,299.00 on 24 December 2016 (see p. 17).",
    "",
    "   \t ",
    "a",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u00e9 na\u00efve \ufb01ve",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u4e16\u754c! \u0645\u0631\u062d\u0628\u0627",
    '<s> </s> <pad> <unk> & "quoted" \\n \u0000 \u2581',
    "the same word " * 100,
    "Does it rain?",  # the last one fills batches up
)


class ExportError(ValueError):
    """The translator could not be exported; no version was published and no file was left.

    Args:
        message: str. Why, and what to do.
        report: `VerificationReport` of the SavedModel that was written and refused, or None if
            none was written.
    """

    def __init__(self, message: str, report: VerificationReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def export_saved_model(
    translator: Translator,
    directory: str | os.PathLike[str],
    verification_texts: Sequence[str] | None = None,
    reference_texts: Sequence[str] | None = None,
    model_card: str | None = None,
    xla: bool = False,
) -> Path:
    """Writes a translator as the next version of a model; a failed export leaves no files.

    Tokenizers and search are inside the graph, in plain TensorFlow and TensorFlow Text operations.
    A stock TensorFlow Serving has both, and runs with XLA switched off. All signatures take `text`,
    string (batch,), and the first axis of all outputs is the batch:

        serving_default       `translation`; `score`, the value that the search ranks by (for beam
                              search the log-probability after the length penalty); `truncated`,
                              whether a limit truncated the line or its translation
        translate_with_stats  the same, with `log_probability`, counts of tokens and, for a
                              calibrated model, `confidence`
        n_best                `translations` and `scores` of all beams, best first: (batch, beams)
        score                 `log_probability` of a given `target`, the second input
        attention             cross-attention, with the pieces and how likely each was

    `keras_attn/serving/signatures.py` lists types and axes. Control characters and bytes that are
    not UTF-8 count as blanks. A request of more than 1,024 lines, or with a line of more than
    65,536 bytes, is refused.

    The version is written under a temporary name in `directory`, verified there (see
    `verify_saved_model`), and then renamed to the next integer, so that a server that watches the
    directory never sees an incomplete model. Existing versions are never changed.

    Args:
        translator: `Translator`. With beam or greedy search, or another strategy whose choice for a
            line does not depend on the other lines of a batch.
        directory: path. The model's directory, `NAME` in `saved_models/NAME/1`; created if missing.
        verification_texts: sequence of str, or None. Source lines that the export is verified with,
            now and later: it records their translations. Use lines like those of your users, at
            most 1,024 of at most 65,536 bytes.
            Defaults to 13 built-in lines.
        reference_texts: sequence of str, or None. Lines like those that the model is made for, but
            not from its training text; 1,000 or more. Their statistics are written beside the
            export, and `keras-attn monitor` compares the server's traffic with them.
        model_card: str or None. Markdown that says what the model was trained on, what it is for,
            how well it does and where it fails. `assets.extra/model_card.md` contains this and
            facts about the export.
        xla: bool. Whether XLA compiles the search, for 1, 8 and 32 lines of a few lengths. Only a
            server that is started with `--xla_cpu_compilation_enabled` can run it. Loading takes as
            long as the compilation; the search is then faster.

    Returns:
        Path of the new version directory.

    Raises:
        ValueError: if an argument is invalid.
        ExportError: a `ValueError`, if the graph cannot be written or the verification failed.

    Example:
    >>> export_saved_model("a translator", "models/en_de")
    Traceback (most recent call last):
    ...
    ValueError: `translator` must be a Translator. Received: str.
    """
    directory = Path(directory)
    _check_translator(translator, xla)
    texts = _check_texts(verification_texts)
    references = _check_references(reference_texts)
    check_model_directory(directory)
    with temporary_version(directory) as temporary:
        record = {**describe_translator(translator, texts), "xla": xla}
        signatures = _write_graph(translator, temporary, xla)
        write_record(temporary, record)
        targets = [one["translation"] for one in record["verification"]]
        lines = lines_of_lengths(translator, texts) if xla else []
        write_warmup(temporary, signatures, texts, targets, lines)
        write_model_card(temporary, record, signatures, model_card)
        if references is not None:
            write_reference(temporary, references)
        report = check_saved_model(temporary, published=False, xla=xla)
        if not report.passed:
            faults = "; ".join(f"{check.name}: {check.detail}" for check in report.failures)
            raise ExportError(
                f"The export failed its verification, and nothing was published. {faults}.", report
            )
        return publish(temporary, directory)


def _check_translator(translator: Translator, xla: bool) -> None:
    if not isinstance(translator, Translator):
        raise ValueError(
            f"`translator` must be a Translator. Received: {type(translator).__name__}."
        )
    if isinstance(translator.decoding, RandomSampling):
        raise ValueError(
            "`translator` must not sample: the result for a line would depend on its position in a "
            "server's batch and could not be verified. "
            f"Received: {translator.decoding!r}. Use BeamSearch or GreedySearch."
        )
    if xla and _own_translation(translator) is not None:
        raise ValueError(
            "`xla` must be False for a translator with a `translate_tensor` of its own. Received: "
            f"{type(translator).__name__}."
        )


def _own_translation(translator: Translator) -> Callable[..., dict[str, tf.Tensor]] | None:
    """The `translate_tensor` of a subclass, or None."""
    is_own = type(translator).translate_tensor is not Translator.translate_tensor
    return translator.translate_tensor if is_own else None


def _check_texts(texts: Sequence[str] | None) -> list[str]:
    if texts is None:
        return list(DEFAULT_VERIFICATION_TEXTS)
    is_usable = not isinstance(texts, (str, bytes)) and all(isinstance(text, str) for text in texts)
    if not is_usable or not len(texts):
        raise ValueError(
            "`verification_texts` must be a non-empty sequence of str, or None for the built-in "
            f"lines. Received: {type(texts).__name__}, {str(texts)[:60]!r}."
        )
    longest = max(len(text.encode("utf-8", "replace")) for text in texts)
    if len(texts) > MOST_LINES or longest > MOST_BYTES_A_LINE:
        raise ValueError(
            f"`verification_texts` must be at most {MOST_LINES:,} lines of at most "
            f"{MOST_BYTES_A_LINE:,} bytes, as in a request. Received: {len(texts):,} lines, the "
            f"longest of {longest:,} bytes."
        )
    return list(texts)


def _check_references(texts: Sequence[str] | None) -> list[str] | None:
    if texts is None:
        return None
    lines = check_texts("reference_texts", texts)
    if not lines:
        raise ValueError(
            "`reference_texts` must hold a line, or be None for no statistics. Received: no lines."
        )
    return lines


def _write_graph(translator: Translator, directory: Path, xla: bool) -> list[str]:
    """Traces the translator and writes the SavedModel; returns the names of its signatures."""
    try:
        graph = translator.graph.prepared()
        if xla:
            graph = graph.compiled(BATCH_SIZES)
        functions = signature_functions(graph, _own_translation(translator))
        # Save only what the graph reads. The translator itself would add its functions, even
        # compiled ones. TensorFlow saves the attributes of this module.
        tracked = tf.Module(name="exported_translator")
        variables = [one for function in functions.values() for one in function.variables]
        tracked.weights = list({id(one): one for one in variables}.values())
        tracked.source_tokenizer = translator.source_tokenizer
        tracked.target_tokenizer = translator.target_tokenizer
        tracked.constants = graph.constants
        tf.saved_model.save(tracked, str(directory), signatures=functions)
        if not xla:
            run_loops_in_one_thread(directory)
        return list(functions)
    except OSError:
        raise  # such as a full disk, which is not a fault of the graph
    except Exception as error:
        raise ExportError(
            f"The translator's graph cannot be written as a SavedModel: {error}"
        ) from error
