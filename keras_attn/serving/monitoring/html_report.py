"""One HTML file about the traffic of each version, with tables and plots."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from html import escape

from keras_attn.serving.monitoring.drift import FeatureDrift
from keras_attn.serving.monitoring.features import FEATURES
from keras_attn.serving.monitoring.line_facts import LineFacts
from keras_attn.serving.monitoring.svg_plots import draw_course, draw_histograms
from keras_attn.serving.monitoring.traffic_report import VersionReport
from keras_attn.serving.monitoring.traffic_statistics import TrafficStatistics

_LEAST_SURE = 20
_STYLE = """\
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #68707a; --line: #d8dce1;
  --reference: #9aa5b1; --now: #1769aa; --alarm: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e9; --soft: #9aa2ab; --line: #3a4047;
  --reference: #66717d; --now: #6ab0f3; --alarm: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 64rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
p, figcaption, small { color: var(--soft); }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, .texts td { text-align: left; }
tr.alarm td { color: var(--alarm); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } svg { width: 100%; height: auto; } svg text { fill: var(--soft); }
.reference { fill: var(--reference); } .now { fill: var(--now); fill-opacity: .75; }
.axis { stroke: var(--line); } .course { fill: none; stroke: var(--now); stroke-width: 2; }
.level { stroke: var(--reference); stroke-dasharray: 4 4; }"""


def write_html(
    reports: Sequence[VersionReport],
    reference: TrafficStatistics,
    lines: Sequence[LineFacts],
    source: str,
) -> str:
    """Writes the report.

    Args:
        reports: sequence of `VersionReport`, as `report_traffic` makes them from `lines`.
        reference: `TrafficStatistics`. What the versions were made for.
        lines: sequence of `LineFacts`. The whole log, in order of time.
        source: str. The location of the log, which the title names.

    Returns:
        str. HTML that needs no other file and sends no request to any server.

    Example:

    >>> write_html([], TrafficStatistics(), [], "traffic.jsonl").startswith("<!doctype html>")
    True
    """
    title = f"Traffic of {escape(source)}"
    now = datetime.datetime.now().astimezone().isoformat(" ", "minutes")
    versions = [
        _version(report, reference, [one for one in lines if one.version == report.version])
        for report in reports
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{len(lines):,} lines; written {now}; the reference is {reference.lines:,} lines.</p>
{"".join(versions) or "<p>There are no lines yet.</p>"}
</body>
</html>
"""


def _version(
    report: VersionReport, reference: TrafficStatistics, lines: Sequence[LineFacts]
) -> str:
    notes = [
        f"{report.lines:,} lines, of which the newest {report.window.lines:,} are judged.",
        f"Latency: {report.latency}." if report.latency else "",
        f"Visible faults: {escape(report.faults)}." if report.faults else "No visible faults.",
    ]
    if report.less_sure_since is not None:
        since = _clock(report.less_sure_since)
        notes.append(f"<strong>The model has been less sure since {since}.</strong>")
    return f"""
<h2>{report.name.capitalize()}: {_verdict(report)}</h2>
<p>{" ".join(filter(None, notes))}</p>
<div class="wide"><table>
<thead><tr><th>feature</th><th>reference</th><th>now</th><th>PSI</th><th>alarm above</th><th>JS</th>
<th>L-inf</th><th>moved since</th></tr></thead>
<tbody>{"".join(_row(one, report) for one in report.drift)}</tbody>
</table></div>
<h3>Shares of lines: the reference in gray, the newest lines in color</h3>
<div class="plots">{"".join(_histogram(one, report, reference) for one in report.drift)}</div>
<h3>Over time</h3>
<div class="plots">{_courses(report, reference, lines)}</div>
{_texts(lines[-report.window.lines :])}"""


def _verdict(report: VersionReport) -> str:
    count = len(report.alarms)
    if count:
        return f"{count} of {len(report.drift)} features have moved"
    return "less sure than before" if report.has_moved else "nothing has moved"


def _row(one: FeatureDrift, report: VersionReport) -> str:
    since = report.since.get(one.name)
    cells = (
        escape(FEATURES[one.name].description),
        *("-" if mean is None else f"{mean:.3g}" for mean in (one.reference_mean, one.mean)),
        f"{one.population_stability_index:.3f}",
        f"{one.threshold:.3f}",
        f"{one.jensen_shannon:.3f}",
        f"{one.l_infinity:.3f}",
        "" if since is None else _clock(since),
    )
    row_class = ' class="alarm"' if one.is_alarm else ""
    return f"<tr{row_class}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _histogram(one: FeatureDrift, report: VersionReport, reference: TrafficStatistics) -> str:
    counts = (reference.counts[one.name], report.window.counts[one.name])
    picture = draw_histograms(FEATURES[one.name].edges, *counts)
    return f"<figure>{picture}<figcaption>{one.name}</figcaption></figure>\n"


def _courses(
    report: VersionReport, reference: TrafficStatistics, lines: Sequence[LineFacts]
) -> str:
    """The mean of each feature, window by window."""
    size = max(1, report.window.lines)
    starts = range(len(lines) % size, len(lines), size)
    windows = [TrafficStatistics.of(lines[start : start + size]) for start in starts]
    times = [lines[start].time for start in starts]
    figures = []
    for name in FEATURES:
        values = [window.mean(name) for window in windows]
        picture = draw_course(times, values, reference.mean(name))
        if picture:
            figures.append(f"<figure>{picture}<figcaption>{name}</figcaption></figure>\n")
    return "".join(figures) or "<p>There is one window only.</p>"


def _texts(lines: Sequence[LineFacts]) -> str:
    """The lines that the model was least sure of, if the log keeps text."""
    value_of = FEATURES["log_probability_per_token"].value
    known = [(value_of(line), line.text) for line in lines]
    least = sorted((value, text) for value, text in known if value is not None and text)
    if not least:
        return ""
    rows = "".join(
        f"<tr><td>{escape(source)}</td><td>{escape(translation)}</td><td>{value:.2f}</td></tr>\n"
        for value, (source, translation) in least[:_LEAST_SURE]
    )
    return f"""<h3>The lines that the model was least sure of</h3>
<div class="wide"><table class="texts">
<thead><tr><th>line</th><th>translation</th><th>log-probability per token</th></tr></thead>
<tbody>{rows}</tbody>
</table></div>"""


def _clock(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
