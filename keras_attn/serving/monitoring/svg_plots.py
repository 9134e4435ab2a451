"""Small SVG plots for an HTML page."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 140, 44, 18
_TEXT = 'font-size="9"'


def draw_histograms(edges: Sequence[float], reference: Sequence[int], now: Sequence[int]) -> str:
    """Draws two histograms, each as shares of its total, one in front of the other.

    Args:
        edges: sequence of float. Bin i ends at edge i; the last bin has no end.
        reference: sequence of int. Counts; one more than edges.
        now: sequence of int. Counts of the same bins.

    Returns:
        str. An `<svg>` with the classes `reference` and `now`.

    Example:

    >>> draw_histograms((0.5,), (3, 1), (0, 2)).count("<rect")
    4
    """
    shares = [[count / max(1, sum(counts)) for count in counts] for counts in (reference, now)]
    top = max(*shares[0], *shares[1], 1e-9)
    step = (_WIDTH - _LEFT) / len(shares[0])
    parts = [_axes(f"{top:.0%}", "0%")]
    for kind, width, values in (("reference", 0.92, shares[0]), ("now", 0.5, shares[1])):
        for i, value in enumerate(values):
            height = value / top * (_HEIGHT - _BOTTOM - 4)
            x = _LEFT + (i + (1 - width) / 2) * step
            y = _HEIGHT - _BOTTOM - height
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width * step:.1f}" '
                f'height="{height:.1f}"><title>{_bin_name(edges, i)}: {value:.1%}</title></rect>'
            )
    for i in sorted({0, len(edges) // 2, len(edges) - 1}):
        parts.append(_label(_LEFT + (i + 1) * step, f"{_plain(edges[i])}"))
    return _svg(parts)


def draw_course(times: Sequence[float], values: Sequence[float | None], level: float | None) -> str:
    """Draws values over time, with a level to compare with.

    Args:
        times: sequence of float. Seconds since 1970.
        values: sequence of float or None, one for each time. None is left out.
        level: float or None.

    Returns:
        str. An `<svg>`, or "" for fewer than two values.

    Example:

    >>> draw_course([0.0, 60.0], [1.0, None], 2.0)
    ''
    """
    points = [(x, y) for x, y in zip(times, values, strict=True) if y is not None]
    if len(points) < 2:
        return ""
    heights = [y for _, y in points] + ([] if level is None else [level])
    low, high = min(heights), max(heights)
    margin = 0.05 * (high - low) or max(1e-9, 0.05 * abs(high))
    low, high = low - margin, high + margin
    first, last = points[0][0], points[-1][0]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / max(1e-9, last - first)
        return (
            _LEFT + across * (_WIDTH - _LEFT - 4),
            (_HEIGHT - _BOTTOM) * (1 - (y - low) / (high - low)),
        )

    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts = [_axes(f"{high:.3g}", f"{low:.3g}"), f'<polyline class="course" points="{path}"/>']
    if level is not None:
        _, y = place(first, level)
        parts.append(f'<line class="level" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH}" y2="{y:.1f}"/>')
    for x in (first, last):
        moment = datetime.datetime.fromtimestamp(x).isoformat(" ", "minutes")
        parts.append(_label(min(max(place(x, low)[0], _LEFT + 36), _WIDTH - 40), moment))
    return _svg(parts)


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _axes(top: str, bottom: str) -> str:
    floor = _HEIGHT - _BOTTOM
    return (
        f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{_WIDTH}" y2="{floor}"/>'
        f'<text {_TEXT} x="{_LEFT - 4}" y="9" text-anchor="end">{top}</text>'
        f'<text {_TEXT} x="{_LEFT - 4}" y="{floor}" text-anchor="end">{bottom}</text>'
    )


def _label(x: float, text: str) -> str:
    return f'<text {_TEXT} x="{x:.1f}" y="{_HEIGHT - 5}" text-anchor="middle">{text}</text>'


def _bin_name(edges: Sequence[float], i: int) -> str:
    if i == 0:
        return "0" if _plain(edges[0]) == "0" else f"below {_plain(edges[0])}"
    if i == len(edges):
        return f"{_plain(edges[-1])} and above"
    return f"{_plain(edges[i - 1])} to {_plain(edges[i])}"


def _plain(edge: float) -> str:
    # The first edge of shares is just above 0: it separates "none" from "some".
    return "0" if 0 < edge < 1e-6 else f"{edge:.3g}"
