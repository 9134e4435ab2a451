"""`keras-attn canary`: compares a server's translations of a test set with a recorded baseline."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_attn.cli.command_parser import Command, CommandFailure, CommandParser, add_json_option
from keras_attn.cli.output import check_may_write, make_console, print_json, say
from keras_attn.cli.parallel_files import add_parallel_options, read_source_and_references
from keras_attn.cli.process import load_tensorflow
from keras_attn.system.whole_file import whole_file

if TYPE_CHECKING:
    from keras_attn.evaluation import PairedComparison

_FORMAT = 1
_DESCRIPTION = """\
Translates a fixed test set with a server (TensorFlow Serving, or `keras-attn serve`), and compares
the translations with a recorded baseline: BLEU and chrF by paired bootstrap, and the exact strings.
The exit status is 1 if a score is lower by more than chance explains, or if the server does not
answer. Run it after each deployment, and every day."""


COMMAND = Command(
    "canary",
    "compare a server's translations with a recorded baseline",
    _DESCRIPTION,
    [
        "keras-attn canary http://localhost:8501 en_de --source test.en --reference test.de "
        "--baseline canary.json --record",
        "keras-attn canary http://localhost:8501 en_de --label canary --source test.en "
        "--reference test.de --baseline canary.json",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("address", metavar="ADDRESS", help="http://HOST:8501 or grpc://HOST:8500")
    parser.add_argument("model", metavar="MODEL", help="the model's name")
    add_parallel_options(parser)
    parser.add_argument(
        "--baseline", required=True, metavar="FILE", help="the recorded translations (JSON)"
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="record the server's current translations as the baseline",
    )
    parser.add_argument("--version", type=int, metavar="N", help="the version to test")
    parser.add_argument("--label", metavar="LABEL", help="test the version with this label")
    parser.add_argument(
        "--significance",
        type=float,
        default=0.05,
        metavar="P",
        help="the largest p-value that counts as a regression (default: 0.05)",
    )
    parser.add_argument(
        "--bleu-tokenizer",
        default="13a",
        metavar="NAME",
        help="sacreBLEU's tokenizer, such as zh or ja-mecab (default: 13a)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Records or compares."""
    if not 0 < arguments.significance < 1:
        raise ValueError(
            f"`--significance` must be between 0 and 1. Received: {arguments.significance}."
        )
    sources, *references = read_source_and_references(arguments)
    if arguments.record:
        inputs = [arguments.source, *arguments.reference]
        check_may_write(arguments.baseline, "--baseline", inputs)
    baseline = None if arguments.record else _read(arguments, sources)
    load_tensorflow()
    from keras_attn.evaluation import compare_translations, find_bleu_tokenizer
    from keras_attn.serving import ServingClient, ServingError

    tokenizer = find_bleu_tokenizer(arguments.bleu_tokenizer, argument="--bleu-tokenizer")
    try:
        with (
            ServingClient(
                arguments.address, arguments.model, version=arguments.version, label=arguments.label
            ) as client,
            make_console(stderr=True).status(f"translating {len(sources):,} sentences"),
        ):
            translations = client.translate(sources)
    except ServingError as error:
        raise CommandFailure(str(error)) from error
    if baseline is None:
        _write(Path(arguments.baseline), sources, translations)
        if arguments.json:
            print_json({"baseline": arguments.baseline, "sentences": len(sources)})
        else:
            say(make_console(), f"recorded {len(sources):,} translations: {arguments.baseline}")
        return 0
    comparison = compare_translations(baseline, translations, references, tokenizer)
    is_worse = comparison.is_worse(arguments.significance)
    if arguments.json:
        print_json({**comparison.to_dict(), "is_worse": is_worse})
    else:
        _show(comparison, sources, baseline, translations, is_worse)
    return 1 if is_worse else 0


def _show(
    comparison: PairedComparison,
    sources: list[str],
    baseline: list[str],
    translations: list[str],
    is_worse: bool,
) -> None:
    console = make_console()
    for name, change in (("BLEU", comparison.bleu), ("chrF2", comparison.chrf)):
        before, after = f"{change.before:.2f}", f"{change.after:.2f}"
        say(console, f"{name}: {before} -> {after} (p = {change.p_value:.3f})")
    say(console, f"changed: {len(comparison.changed):,} of {len(sources):,} translations")
    for i in comparison.changed[:3]:
        say(console, f"  {sources[i]}")
        say(console, f"    before: {baseline[i]}")
        say(console, f"    now:    {translations[i]}")
    say(console, "a regression" if is_worse else "no regression")


def _write(path: Path, sources: list[str], translations: list[str]) -> None:
    content = {"format": _FORMAT, "sources": sources, "translations": translations}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _read(arguments: argparse.Namespace, sources: list[str]) -> list[str]:
    """Reads the translations of the baseline, which must have the same sources."""
    path = Path(arguments.baseline)
    if not path.is_file():
        raise ValueError(
            f"`--baseline` must be a file that --record has written. Received: {path}, which is "
            "missing. Run the command once with --record."
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        recorded, translations = content["sources"], content["translations"]
        is_known = content["format"] == _FORMAT
        is_list = isinstance(translations, list)
        if not is_list or [type(one) for one in translations] != [str] * len(recorded):
            raise ValueError("it does not have a translation for each source")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"`--baseline` is damaged: {path} ({error}). Record it again.") from error
    if not is_known or recorded != sources:
        raise ValueError(
            f"`--baseline` must be a recording of the lines of --source. Received: {path}, a "
            f"recording of {len(recorded):,} other lines. Record it again."
        )
    return list(translations)
