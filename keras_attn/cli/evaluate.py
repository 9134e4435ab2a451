"""`keras-attn evaluate`: BLEU, chrF, TER and error rates of a test set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_attn.cli.command_parser import (
    Command,
    CommandParser,
    add_beams_option,
    add_json_option,
)
from keras_attn.cli.model_location import (
    RUN_HELP,
    add_run_argument,
    find_recipe,
    open_model,
)
from keras_attn.cli.output import check_may_write, make_console, open_output, print_json, say
from keras_attn.cli.parallel_files import read_source_and_references
from keras_attn.cli.process import load_tensorflow
from keras_attn.cli.tsv_columns import add_columns_option, chosen_columns
from keras_attn.pretrained import locate

if TYPE_CHECKING:
    from keras_attn.training import Recipe

_DESCRIPTION = """\
Translates a test set and scores the translations. The scores are BLEU, chrF and TER by sacreBLEU,
with their signatures, and the shares of lines, tokens and characters that are wrong. For words and
their phones, the shares of lines and tokens are WER and PER. With several reference files, an empty
line means that the file has no reference for that sentence. --tsv takes files with sources and
references in two columns, scores each file, and prints the mean over the files. A source that
occurs twice has two references.

BLEU counts words, which its tokenizer defines. The default of most languages (13a) gives 0 for
Chinese, Japanese, Thai and other scripts without spaces between words."""


COMMAND = Command(
    "evaluate",
    "translate a test set and score it by BLEU, chrF and TER",
    _DESCRIPTION,
    [
        "keras-attn evaluate runs/phrasebook --source test.en --reference test.de --json",
        "keras-attn evaluate runs/first --source test.en --reference a.de --reference b.de",
        "keras-attn evaluate saved_models/en_zh/1 --source test.en --reference test.zh "
        "--tokenize zh",
        "keras-attn evaluate runs/g2p --tsv dev/*.tsv --tag-sources",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    add_run_argument(parser, RUN_HELP)
    parser.add_argument("--source", metavar="FILE", help="one sentence per line")
    parser.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="FILE",
        help="reference translations, aligned by line; may be repeated",
    )
    parser.add_argument(
        "--tsv",
        nargs="+",
        default=[],
        metavar="FILE",
        help="instead of --source and --reference: two columns, separated by a tab",
    )
    add_columns_option(parser)
    parser.add_argument(
        "--tag-sources",
        action="store_true",
        help="with --tsv: put the name of each file before its sources, as in '<fre> abby'",
    )
    add_beams_option(parser)
    parser.add_argument(
        "--confidence", action="store_true", help="add 95%% intervals by bootstrap resampling"
    )
    parser.add_argument(
        "--tokenized-bleu",
        action="store_true",
        help="also compute the kinds of BLEU that papers report: tokenized by Moses, lower-cased, "
        "and with compounds split (extra `moses`)",
    )
    parser.add_argument(
        "--bleu-tokenizer",
        "--tokenize",
        metavar="NAME",
        help="sacreBLEU's tokenizer: 13a, zh, ja-mecab, ko-mecab, char, intl, none, flores200 ... "
        "(default: that of the target language)",
    )
    parser.add_argument(
        "--target-language",
        metavar="CODE",
        help="the language of the references, such as de; it sets BLEU's tokenizer and the rules "
        "of --tokenized-bleu (default: that of the run; unknown for a model without a run)",
    )
    parser.add_argument("--output", metavar="FILE", help="also write the translations to FILE")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates a model."""
    columns = chosen_columns(arguments)
    _check_files(arguments)
    if arguments.tsv:
        return _evaluate_tsv_files(arguments, columns)
    check_may_write(arguments.output, inputs=[arguments.source, *arguments.reference])
    if arguments.output == "-":
        raise ValueError(
            "`--output` must be a file: the scores go to standard output. Received: '-'."
        )
    sources, *references = read_source_and_references(arguments)
    load_tensorflow()
    from keras_attn.evaluation import evaluate

    options = _score_options(arguments)
    model = open_model(arguments.run_path, arguments.beams)
    with make_console(stderr=True).status(f"translating {len(sources):,} sentences"):
        report = evaluate(model, sources, references, confidence=arguments.confidence, **options)
    failure: OSError | None = None
    if arguments.output is not None:
        try:
            _write_lines(arguments.output, report.translations)
        except OSError as error:  # the scores are still printed
            failure = error
    if arguments.json:
        print_json(report.to_dict(translations=False))
    else:
        console = make_console()
        for line in report.lines():
            say(console, line)
    if failure is not None:
        raise failure
    return 0


def _check_files(arguments: argparse.Namespace) -> None:
    """Raises ValueError unless the options name one test set."""
    pair = [arguments.source is not None, bool(arguments.reference)]
    if arguments.tag_sources and not arguments.tsv:
        raise ValueError("`--tag-sources` must be given with --tsv. Received: without.")
    if arguments.tsv and (any(pair) or arguments.output or arguments.confidence):
        raise ValueError(
            "`--tsv` must be given without --source, --reference, --output and --confidence. "
            "Received: both."
        )
    if not arguments.tsv and not all(pair):
        raise ValueError("`--source` and `--reference`, or `--tsv`, must be given.")


def _evaluate_tsv_files(arguments: argparse.Namespace, columns: tuple[int, int]) -> int:
    load_tensorflow()
    from keras_attn.cli.tsv_table import as_table, score_tsv_files

    options = _score_options(arguments)
    model = open_model(arguments.run_path, arguments.beams)
    with make_console(stderr=True).status(f"translating {len(arguments.tsv)} files"):
        result = score_tsv_files(model, arguments.tsv, columns, arguments.tag_sources, **options)
    if arguments.json:
        print_json(result)
    else:
        make_console().print(as_table(result))
    return 0


def _score_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `corpus_scores`, from the command line and the recipe of the run."""
    from keras_attn.evaluation import find_bleu_tokenizer

    language, tokenizer = arguments.target_language or "", arguments.bleu_tokenizer
    recipe = _recipe_of_run(arguments.run_path)
    if recipe is not None:
        tokenizer = tokenizer or recipe.training.bleu_tokenizer
        language = language or recipe.data.target_language
    return {
        "bleu_tokenizer": find_bleu_tokenizer(tokenizer, language, "--bleu-tokenizer"),
        "target_language": language,
        "tokenized": arguments.tokenized_bleu,
    }


def _recipe_of_run(location: str) -> Recipe | None:
    """The recipe of the model's run; None for a model without a run, or for no model."""
    if not locate(location).is_dir():
        return None  # `open_model` says what is wrong
    try:
        return find_recipe(location)
    except ValueError as error:  # the model can still be evaluated
        say(
            make_console(stderr=True),
            f"BLEU's tokenizer is 13a, because the recipe of the run is damaged: {error}",
        )
        return None


def _write_lines(path: str, lines: Sequence[str]) -> None:
    with open_output(path) as stream:
        for line in lines:
            stream.write(line.replace("\n", " ").replace("\r", " ").encode() + b"\n")
