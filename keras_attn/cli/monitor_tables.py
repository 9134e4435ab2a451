"""What `keras-attn monitor` shows on a terminal."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

if TYPE_CHECKING:
    from keras_attn.serving.monitoring import ServerCounts, VersionReport


def show_traffic(reports: list[VersionReport], damaged: int) -> Group:
    """A table for each version in a log.

    Args:
        reports: list of `VersionReport`.
        damaged: int. Lines of the log that were skipped.

    Returns:
        rich Group.
    """
    parts: list[Table | str] = [_traffic(one) for one in reports] or ["no lines yet"]
    if damaged:
        parts.append(f"{damaged:,} damaged lines were skipped")
    return Group(*parts)


def show_server(counts: list[ServerCounts]) -> Group:
    """A table of the models for which a server has answered requests.

    Args:
        counts: list of `ServerCounts`.

    Returns:
        rich Group.
    """
    if not counts:
        return Group("no requests yet")
    is_first = all(math.isnan(one.seconds) for one in counts)
    table = Table(
        title="since the server started" if is_first else "since the reading before",
        caption="\n".join(filter(None, map(_failures, counts))),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("model", overflow="fold")
    for heading in ("requests", "a second", "failed", "p50", "p95", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in counts:
        table.add_row(
            one.model,
            f"{sum(one.requests.values()):,.0f}",
            _or_dash(one.requests_per_second, "{:.1f}"),
            _or_dash(one.failed, "{:.1%}"),
            *(_or_dash(1000 * one.percentile(percent), "{:.0f} ms") for percent in (50, 95, 99)),
            style="bold red" if one.failed > 0 else "",
        )
    return Group(table)


def _failures(counts: ServerCounts) -> str:
    found = [
        f"{count:,.0f} {name}" for name, count in counts.requests.items() if count and name != "OK"
    ]
    return f"{counts.model}: {', '.join(found)}" if found else ""


def _traffic(report: VersionReport) -> Table:
    notes = [report.latency, f"faults: {report.faults}" if report.faults else ""]
    if report.less_sure_since is not None:
        notes.append(f"has been less sure since {_clock(report.less_sure_since)}")
    table = Table(
        title=f"{report.name}: {report.lines:,} lines, of which the newest {report.window.lines:,}",
        caption="; ".join(filter(None, notes)),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    for heading in ("", "was", "now", "PSI", "alarm", "JS", "L-inf", "since"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for one in report.drift:
        table.add_row(
            one.name,
            _number(one.reference_mean),
            _number(one.mean),
            f"{one.population_stability_index:.2f}",
            f"{one.threshold:.2f}",
            f"{one.jensen_shannon:.2f}",
            f"{one.l_infinity:.2f}",
            _clock(report.since[one.name]) if one.name in report.since else "",
            style="bold red" if one.is_alarm else "",
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _or_dash(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


def _clock(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%m-%d %H:%M")
