"""`keras-attn monitor`: reports the traffic of a served model, and its drift."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Group
from rich.live import Live

from keras_attn.cli.command_parser import (
    Command,
    CommandFailure,
    CommandParser,
    add_json_option,
    positive_integer,
)
from keras_attn.cli.monitor_tables import show_server, show_traffic
from keras_attn.cli.output import check_may_write, make_console, print_json, say
from keras_attn.cli.process import load_tensorflow
from keras_attn.system.whole_file import whole_file

if TYPE_CHECKING:
    from keras_attn.serving.monitoring import (
        MonitorMetrics,
        ServerCountsReader,
        TrafficStatistics,
        VersionReport,
    )

_DESCRIPTION = """\
Reads the log that `ServingClient(traffic_log=...)` writes, and compares the newest lines of each
version with the reference statistics beside its export, which describe the text that the model is
made for. The command says what has moved, by how much, and since when. The exit status is 1 if
something has moved.

With a server's address, `http://HOST:8501`, the command reads the Prometheus metrics, and shows how
many requests each model has answered, how fast, and how many failed."""


COMMAND = Command(
    "monitor",
    "report a served model's traffic and its drift",
    _DESCRIPTION,
    [
        "keras-attn monitor traffic.jsonl --reference saved_models/tatoeba_en_de/1",
        "keras-attn monitor traffic.jsonl --reference saved_models/tatoeba_en_de/1 --html r.html",
        "keras-attn monitor http://localhost:8501 --follow 10",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "source", metavar="LOG_OR_URL", help="the file of `traffic_log`, or a server's address"
    )
    parser.add_argument(
        "--reference",
        metavar="PATH",
        help="for a log: a SavedModel version with reference statistics, or the file of them",
    )
    parser.add_argument(
        "--window",
        type=positive_integer,
        default=200,
        metavar="N",
        help="how many of the newest lines to examine (default: 200)",
    )
    parser.add_argument(
        "--follow",
        type=positive_integer,
        metavar="SECONDS",
        help="read again every SECONDS seconds, until interrupted",
    )
    parser.add_argument("--html", metavar="FILE", help="for a log: write one page with plots")
    parser.add_argument(
        "--metrics-port",
        type=positive_integer,
        metavar="PORT",
        help="with --follow: serve the findings as Prometheus metrics on this machine",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Reports on a log or a server."""
    is_server = arguments.source.startswith(("http://", "https://"))
    _check_options(arguments, is_server)
    load_tensorflow()
    return _watch_server(arguments) if is_server else _watch_log(arguments)


def _check_options(arguments: argparse.Namespace, is_server: bool) -> None:
    if arguments.follow and arguments.json:
        raise ValueError("`--follow` must be given without --json. Received: both.")
    port = arguments.metrics_port
    if port and not arguments.follow:
        raise ValueError("`--metrics-port` must be given with --follow. Received: without.")
    if port and port > 65535:
        raise ValueError(f"`--metrics-port` must be at most 65535. Received: {port}.")
    only_for_logs = ("reference", "html", "metrics_port")
    if is_server and (given := [name for name in only_for_logs if getattr(arguments, name)]):
        name = given[0].replace("_", "-")
        raise ValueError(f"`--{name}` must be given with a log. Received: {arguments.source}.")
    if not is_server and not arguments.reference:
        raise ValueError("`--reference` must be given with a log. Received: none.")
    check_may_write(arguments.html, "--html", inputs=[arguments.source, arguments.reference])


def _watch_server(arguments: argparse.Namespace) -> int:
    from keras_attn.serving.monitoring import ServerCountsReader

    reader = ServerCountsReader(arguments.source)
    if arguments.follow:
        _follow(lambda: _server_or_failure(reader), arguments.follow)
    try:
        counts = reader.read()
    except OSError as error:
        raise CommandFailure(str(error)) from error
    if arguments.json:
        print_json({"models": [one.to_dict() for one in counts]})
    else:
        make_console().print(show_server(counts))
    return 0


def _server_or_failure(reader: ServerCountsReader) -> Group:
    """The counts of the server, or the error if it does not answer."""
    try:
        return show_server(reader.read())
    except (OSError, ValueError) as error:  # a proxy in front of it may answer instead
        return Group(str(error))


def _watch_log(arguments: argparse.Namespace) -> int:
    from keras_attn.serving.monitoring.reference_statistics import read_reference

    reference = read_reference(Path(arguments.reference))
    if arguments.follow:
        with contextlib.ExitStack() as stack:
            metrics = _open_metrics(arguments, stack)
            _follow(lambda: show_traffic(*_report(arguments, reference, metrics)), arguments.follow)
    reports, damaged = _report(arguments, reference)
    if arguments.json:
        print_json({"versions": [one.to_dict() for one in reports], "damaged_lines": damaged})
    else:
        make_console().print(show_traffic(reports, damaged))
        if arguments.html:
            say(make_console(stderr=True), f"report: {arguments.html}")
    return 1 if any(one.has_moved for one in reports) else 0


def _report(
    arguments: argparse.Namespace,
    reference: TrafficStatistics,
    metrics: MonitorMetrics | None = None,
) -> tuple[list[VersionReport], int]:
    """Reports on the log; updates the metrics and writes the HTML page if they are asked for."""
    from keras_attn.serving.monitoring import read_traffic, report_traffic, write_html

    lines, damaged = read_traffic(arguments.source)
    reports = report_traffic(lines, reference, arguments.window)
    if metrics is not None:
        metrics.update(reports)
    if arguments.html:
        with whole_file(Path(arguments.html)) as temporary:
            page = write_html(reports, reference, lines, Path(arguments.source).name)
            temporary.write_text(page, encoding="utf-8")
    return reports, damaged


def _open_metrics(
    arguments: argparse.Namespace, stack: contextlib.ExitStack
) -> MonitorMetrics | None:
    if not arguments.metrics_port:
        return None
    from keras_attn.serving.monitoring import MonitorMetrics

    metrics = MonitorMetrics(arguments.metrics_port)
    stack.callback(metrics.close)
    url = f"http://127.0.0.1:{metrics.port}/metrics"
    say(make_console(stderr=True), f"metrics: {url}")
    return metrics


def _follow(picture: Callable[[], Group], seconds: int) -> NoReturn:
    """Shows a new picture every `seconds` seconds, until interrupted."""
    console = make_console()
    while not console.is_terminal or console.is_dumb_terminal:  # there `Live` shows nothing
        console.print(picture())
        time.sleep(seconds)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(picture(), refresh=True)
            time.sleep(seconds)
