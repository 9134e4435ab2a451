"""`keras-attn monitor`: what has gone through a model that is served, and what has moved."""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table

from keras_attn.cli.command_parser import (
    Command,
    CommandParser,
    add_json_option,
    positive_integer,
)
from keras_attn.cli.output import make_console, print_json
from keras_attn.cli.process import load_tensorflow

if TYPE_CHECKING:
    from keras_attn.serving.monitoring import TrafficStatistics, VersionReport

_DESCRIPTION = """\
Reads the log that `ServingClient(traffic_log=...)` writes, and compares the newest lines of each
version with what the model was made for: the reference statistics beside its export. It says what
has moved, by how much, and since when. The exit status is 1 if something has."""


COMMAND = Command(
    "monitor",
    "say what has gone through a served model, and what has moved",
    _DESCRIPTION,
    [
        "keras-attn monitor traffic.jsonl --reference saved_models/tatoeba_en_de/1",
        "keras-attn monitor traffic.jsonl --reference saved_models/tatoeba_en_de/1 --follow 10",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("log", metavar="LOG", help="the file of `traffic_log`")
    parser.add_argument(
        "--reference",
        required=True,
        metavar="PATH",
        help="SavedModel version with reference statistics, or their file",
    )
    parser.add_argument(
        "--window",
        type=positive_integer,
        default=200,
        metavar="N",
        help="how many of the newest lines are judged (default: 200)",
    )
    parser.add_argument(
        "--follow",
        type=positive_integer,
        metavar="SECONDS",
        help="show the table again every so many seconds, until interrupted",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Reports on a log."""
    if arguments.follow and arguments.json:
        raise ValueError("`--follow` must be given without --json. Received: both.")
    load_tensorflow()
    from keras_attn.serving.monitoring.reference_statistics import read_reference

    reference = read_reference(Path(arguments.reference))
    reports, damaged = _read(arguments, reference)
    if arguments.json:
        print_json({"versions": [one.to_dict() for one in reports], "damaged_lines": damaged})
    elif arguments.follow:
        _follow(arguments, reference)
    else:
        make_console().print(_picture(reports, damaged))
    return 1 if any(one.has_moved for one in reports) else 0


def _read(
    arguments: argparse.Namespace, reference: TrafficStatistics
) -> tuple[list[VersionReport], int]:
    from keras_attn.serving.monitoring import read_traffic, report_traffic

    lines, damaged = read_traffic(arguments.log)
    return report_traffic(lines, reference, arguments.window), damaged


def _follow(arguments: argparse.Namespace, reference: TrafficStatistics) -> None:
    with Live(console=make_console(), auto_refresh=False) as live:
        while True:
            live.update(_picture(*_read(arguments, reference)), refresh=True)
            time.sleep(arguments.follow)


def _picture(reports: list[VersionReport], damaged: int) -> Group:
    parts: list[Table | str] = [_table(one) for one in reports] or ["no lines yet"]
    if damaged:
        parts.append(f"{damaged:,} damaged lines were skipped")
    return Group(*parts)


def _table(report: VersionReport) -> Table:
    name = "unknown version" if report.version is None else f"version {report.version}"
    faults = ", ".join(f"{count} {fault}" for fault, count in report.window.faults.most_common())
    latency = ", ".join(f"p{p} {value * 1000:.0f} ms" for p, value in report.seconds.items())
    table = Table(
        title=f"{name}: {report.lines:,} lines, of which the newest {report.window.lines:,}",
        caption="; ".join(
            part
            for part in (
                latency,
                f"faults: {faults}" if faults else "",
                f"less sure since {_clock(report.less_sure_since)}"
                if report.less_sure_since is not None
                else "",
            )
            if part
        ),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("", "reference", "now", "PSI", "alarm above", "JS", "L-inf", "moved since"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in report.drift:
        table.add_row(
            one.name,
            _number(one.reference_mean),
            _number(one.mean),
            f"{one.population_stability_index:.3f}",
            f"{one.threshold:.3f}",
            f"{one.jensen_shannon:.3f}",
            f"{one.l_infinity:.3f}",
            _clock(report.since[one.name]) if one.name in report.since else "",
            style="bold red" if one.is_alarm else "",
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _clock(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
