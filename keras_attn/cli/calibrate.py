"""`keras-attn calibrate`: fits the probability that a translation is good."""

from __future__ import annotations

import argparse

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.model_location import add_run_argument, find_translator, open_translator
from keras_attn.cli.output import check_may_write, make_console, print_json, say
from keras_attn.cli.parallel_files import add_parallel_options, read_source_and_references
from keras_attn.lines.confidence import CONFIDENCE_FILE
from keras_attn.pretrained import find_pretrained, list_pretrained

_DESCRIPTION = """\
Translates text that has reference translations and that the model was not trained on, and fits the
probability that a translation is good, which means a sentence chrF of at least 40. The result is
written beside the translator, for `keras-attn translate --review-below`. To test the fit, the
command fits one half of the lines and tests on the other half. The saved fit uses all lines."""


COMMAND = Command(
    "calibrate",
    "fit the probability that a translation is good",
    _DESCRIPTION,
    ["keras-attn calibrate runs/en_de --source validation.en --reference validation.de"],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser)
    add_parallel_options(parser)
    parser.add_argument(
        "--good-chrf",
        type=float,
        default=40.0,
        metavar="CHRF",
        help="the lowest sentence chrF of a good translation (default: 40)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Calibrates."""
    if not 0 < arguments.good_chrf <= 100:
        raise ValueError(
            f"`--good-chrf` must be above 0 and at most 100. Received: {arguments.good_chrf}."
        )
    sources, *references = read_source_and_references(arguments)
    directory = find_translator(arguments.run_path)
    if directory in map(find_pretrained, list_pretrained()):
        raise ValueError(
            "`RUN` must be a run or a saved translator of your own: the models that ship are "
            f"calibrated already. Received: {arguments.run_path}."
        )
    check_may_write(str(directory / CONFIDENCE_FILE), "RUN")
    translator = open_translator(arguments.run_path)
    from keras_attn.evaluation import calibrate_confidence, evaluate_confidence

    with make_console(stderr=True).status("translating"):
        translations = translator.translate_detailed(sources)
    fitted, held_out = slice(0, None, 2), slice(1, None, 2)
    half = calibrate_confidence(
        translations[fitted], [stream[fitted] for stream in references], arguments.good_chrf
    )
    report = evaluate_confidence(
        half, translations[held_out], [stream[held_out] for stream in references]
    )
    path = calibrate_confidence(translations, references, arguments.good_chrf).save(directory)
    if arguments.json:
        print_json({"confidence": path, **report.to_dict()})
        return 0
    console = make_console()
    say(console, f"good translations: {report.good:.1%} of {report.sentences:,} held out")
    say(console, f"expected calibration error: {report.expected_calibration_error:.3f}")
    share = f"{report.bad_in_least_sure:.0%}"
    say(console, f"the least sure 20% contain {share} of the bad translations")
    say(console, f"wrote {path}")
    return 0
