"""Learning curves of a training run: losses, BLEU and learning rate at each step."""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attn.visualization.drawing import (
    BLUE,
    GRAY,
    GREEN,
    LINE_COLORS,
    ORANGE,
    Figure,
    check_output,
    drawing_style,
    save_figure,
)
from keras_attn.visualization.read_history import read_history

History = str | os.PathLike[str] | Sequence[Mapping[str, Any]]
_PANELS = (
    ("loss (nats per token)", (("loss", "training", BLUE), ("val_loss", "validation", ORANGE))),
    (
        "BLEU (0 to 100)",
        (("bleu", "BLEU", GREEN), ("val_bleu", "BLEU, validation", LINE_COLORS[3])),
    ),
    ("learning rate", (("learning_rate", "learning rate", GRAY),)),
)
_BEST = {"val_loss": min, "bleu": max, "val_bleu": max}
_FEW_POINTS = 40


@dataclasses.dataclass(frozen=True)
class _Curve:
    key: str
    label: str
    color: str
    points: dict[float, float]


def plot_history(
    history: History, output: str | os.PathLike[str], *, title: str = "Learning curves"
) -> Path:
    """Draws losses, BLEU and learning rate of a run, one panel each, and writes them to a file.

    Values that a run did not record are left out. Damaged lines and values that are not finite
    numbers are skipped. A warning and a note at the bottom of the picture report them.

    Args:
        history: Path of a `history.jsonl` or of a run directory, or a sequence of records. A record
            is a mapping with `step` (or `epoch`) and any of `recent_loss`, `loss`, `val_loss`,
            `bleu`, `val_bleu`, `learning_rate`. If a step occurs twice, as after `--resume`, the
            later record is used.
        output: str or path ending in .png, .svg or .pdf. Missing directories are created.
        title: str. The heading.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there is nothing to draw, the history cannot be read, or `output` is not
            valid.

    Example:

    >>> import tempfile
    >>> records = [{"step": 10, "loss": 6.9}, {"step": 20, "loss": 5.1, "bleu": 3.2}]
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     plot_history(records, f"{directory}/history.svg").name
    'history.svg'
    """
    check_output(output)
    records, notes = _records(history)
    figure, found = _history_figure(records, notes, title)
    if found:
        warnings.warn("; ".join(found), UserWarning, stacklevel=2)
    return save_figure(figure, output)


def history_figure(history: History, *, title: str = "Learning curves") -> Figure:
    """Returns the figure that `plot_history` writes.

    Args:
        history: Path, or sequence of records.
        title: str. The heading.

    Returns:
        `matplotlib.figure.Figure`: one axes per panel. Panels without data are left out.

    Raises:
        ValueError: As `plot_history`.

    Example:

    >>> figure = history_figure([{"step": 10, "loss": 6.9}, {"step": 20, "loss": 5.1}])
    >>> figure.axes[0].get_ylabel(), len(figure.axes)
    ('loss (nats per token)', 1)
    """
    records, notes = _records(history)
    return _history_figure(records, notes, title)[0]


def _records(history: History) -> tuple[list[Mapping[str, Any]], list[str]]:
    if isinstance(history, (str, os.PathLike)):
        records, notes = read_history(history)
        return list(records), notes
    given = list(history)
    for index, record in enumerate(given):
        if not isinstance(record, Mapping):
            raise ValueError(
                "`history` must be a path or a sequence of records. Received: "
                f"{type(record).__name__} at index {index}."
            )
    return given, []


def _history_figure(
    records: list[Mapping[str, Any]], notes: list[str], title: str
) -> tuple[Figure, list[str]]:
    axis, notes = _axis(records, list(notes))
    if any("recent_loss" in record for record in records):  # finer than the mean at a validation
        records = [{**record, "loss": record.get("recent_loss")} for record in records]
    panels = []
    for label, keys in _PANELS:
        curves = [_curve(records, axis, *key, notes=notes) for key in keys]
        if any(curve.points for curve in curves):
            panels.append((label, [curve for curve in curves if curve.points]))
    if not panels:
        known = [key for _, keys in _PANELS for key, _, _ in keys]
        seen = sorted({str(key) for record in records for key in record})
        raise ValueError(
            f"`history` must hold numbers under one of {', '.join(known)}. Received: "
            f"{len(records)} records with {', '.join(seen) or 'no keys'}."
        )
    with drawing_style():
        return _draw(panels, axis, notes, title), notes


def _axis(records: list[Mapping[str, Any]], notes: list[str]) -> tuple[str, list[str]]:
    """The key of the x-axis: `step`, or `epoch` if no record has a step."""
    for axis in ("step", "epoch"):
        missing = sum(_number(record.get(axis)) is None for record in records)
        if missing < len(records):
            if missing:
                notes.append(f"skipped records without `{axis}`: {missing}")
            return axis, notes
    raise ValueError(
        f"`history` must hold records with `step` or `epoch`. Received: {len(records)} records, "
        "none of which has one."
    )


def _curve(
    records: list[Mapping[str, Any]],
    axis: str,
    key: str,
    label: str,
    color: str,
    notes: list[str],
) -> _Curve:
    points: dict[float, float] = {}
    num_bad = 0
    for record in records:
        position = _number(record.get(axis))
        if position is None or record.get(key) is None:
            continue
        value = _number(record[key])
        if value is None:
            num_bad += 1
        else:
            points[position] = value
    if num_bad:
        notes.append(f"skipped values of `{key}` that are not finite numbers: {num_bad}")
    return _Curve(key, label, color, dict(sorted(points.items())))


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, str)) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _draw(
    panels: list[tuple[str, list[_Curve]]], axis: str, notes: list[str], title: str
) -> Figure:
    heights = [1.0 if label == "learning rate" else 2.0 for label, _ in panels]
    size = (8.5, 1.2 + 1.5 * sum(heights))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    every = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes, (label, curves) in zip(every[:, 0], panels, strict=True):
        for curve in curves:
            _draw_curve(axes, curve)
        axes.set_ylabel(label)
        axes.margins(y=0.12)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if label == "learning rate":
            axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
            axes.set_ylim(bottom=0)
        else:
            axes.legend(frameon=False, fontsize=9)
    lowest = every[-1, 0]
    lowest.set_xlabel("training step" if axis == "step" else "epoch")
    lowest.xaxis.get_major_locator().set_params(integer=True)
    lowest.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.align_ylabels()
    figure.suptitle(title, fontsize=13)
    if notes:
        figure.supxlabel("Note: " + "\n".join(notes), fontsize=8, color=GRAY)
    return figure


def _draw_curve(axes: Any, curve: _Curve) -> None:
    steps, values = list(curve.points), list(curve.points.values())
    marker = "o" if len(values) <= _FEW_POINTS else ""
    label = curve.label
    if curve.key in _BEST:
        best = _BEST[curve.key](values)
        step = steps[values.index(best)]
        label += f" (best {best:.4g} at {step:,.0f})"
        axes.plot(step, best, "*", color=curve.color, markersize=13, zorder=3, label="_nolegend_")
    axes.plot(
        steps,
        values,
        marker=marker,
        markersize=3.5,
        color=curve.color,
        linewidth=1.5,
        label=label,
    )
