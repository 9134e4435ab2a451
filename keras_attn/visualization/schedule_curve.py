"""Learning rate schedules as curves with their peaks marked (Section 5.3, Equation 3)."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.system.argument_checks import check_integer
from keras_attn.visualization.drawing import (
    LINE_COLORS,
    Figure,
    check_output,
    drawing_style,
    save_figure,
)

Schedule = Callable[[int], Any]
_NUM_POINTS = 400


def plot_schedule(
    schedule: Schedule | Mapping[str, Schedule],
    num_steps: int,
    output: str | os.PathLike[str],
    *,
    title: str = "Learning rate schedule",
) -> Path:
    """Draws the learning rate at each training step, and writes the picture to a file.

    Args:
        schedule: Callable from a step (int, counted from 0 like an optimizer's iterations) to its
            learning rate, such as `TransformerSchedule`; or a mapping of names to several of them.
        num_steps: int. How many steps to draw, at least 2.
        output: str or path ending in .png, .svg or .pdf. Missing directories are created.
        title: str. The heading.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If `num_steps` is too small, a learning rate is not a finite number, or `output`
            is not valid.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     plot_schedule(lambda step: 0.1 / (1 + step), 50, f"{directory}/schedule.svg").name
    'schedule.svg'
    """
    check_output(output)
    return save_figure(schedule_figure(schedule, num_steps, title=title), output)


def schedule_figure(
    schedule: Schedule | Mapping[str, Schedule],
    num_steps: int,
    *,
    title: str = "Learning rate schedule",
) -> Figure:
    """Returns the figure that `plot_schedule` writes.

    Args:
        schedule: Callable from step to learning rate, or a mapping of names to such callables.
        num_steps: int. At least 2.
        title: str. The heading.

    Returns:
        `matplotlib.figure.Figure` with one axes: for each schedule its curve, then its peak.

    Raises:
        ValueError: As `plot_schedule`.

    Example:

    >>> figure = schedule_figure(lambda step: min(step, 30 - step) / 100, 31)
    >>> figure.axes[0].texts[0].get_text()
    'peak 0.15 at step 15'
    """
    num_steps = check_integer("num_steps", num_steps, minimum=2)
    schedules = schedule if isinstance(schedule, Mapping) else {"": schedule}
    if not schedules:
        raise ValueError("`schedule` must hold at least one schedule. Received: an empty mapping.")
    with drawing_style():
        figure = Figure(figsize=(8, 4.5), facecolor="white", layout="constrained")
        axes = figure.subplots()
        for number, (name, function) in enumerate(schedules.items()):
            color = LINE_COLORS[number % len(LINE_COLORS)]
            _draw_curve(axes, name, function, int(num_steps), color)
        axes.set(xlabel="training step", ylabel="learning rate", title=title)
        axes.set_xlim(0, num_steps - 1)
        lowest = min(float(np.min(np.asarray(line.get_ydata()))) for line in axes.lines)
        # Room above the highest peak for its text.
        axes.set_ylim(bottom=min(0.0, lowest), top=axes.get_ylim()[1] * 1.08)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
        axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if "" not in schedules:
            axes.legend(frameon=False)
    return figure


def _draw_curve(axes: Any, name: str, schedule: Schedule, num_steps: int, color: str) -> None:
    steps, rates = _sample(schedule, num_steps)
    peak = int(np.argmax(rates))
    text = f"peak {rates[peak]:.4g} at step {steps[peak]:,}"
    label = f"{name} ({text})" if name else "_nolegend_"
    axes.plot(steps, rates, color=color, linewidth=1.8, label=label)
    axes.plot(steps[peak], rates[peak], "o", color=color, markersize=6, label="_nolegend_")
    if name:  # texts beside the peaks would cross the other curves; the legend has them
        return
    in_right_half = steps[peak] > num_steps / 2
    axes.annotate(
        text,
        (steps[peak], rates[peak]),
        xytext=(-8 if in_right_half else 8, 5),
        textcoords="offset points",
        ha="right" if in_right_half else "left",
        va="bottom",
        fontsize=9,
        color=color,
    )


def _sample(schedule: Schedule, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Learning rates at about 400 steps; narrowing the interval finds the exact peak step."""
    steps = np.unique(np.linspace(0, num_steps - 1, _NUM_POINTS).round().astype(int))
    known = {int(step): _rate(schedule, int(step)) for step in steps}
    while True:
        ordered = sorted(known)
        peak = ordered.index(max(ordered, key=known.__getitem__))
        low, high = ordered[max(peak - 1, 0)], ordered[min(peak + 1, len(ordered) - 1)]
        inner = np.unique(np.linspace(low, high, 20).round().astype(int))
        new = [int(step) for step in inner if int(step) not in known]
        if not new:
            return np.array(ordered), np.array([known[step] for step in ordered])
        known.update((step, _rate(schedule, step)) for step in new)


def _rate(schedule: Schedule, step: int) -> float:
    rate = float(np.asarray(schedule(step)))
    if not math.isfinite(rate):
        raise ValueError(
            f"`schedule` must return finite learning rates. Received: {rate} at step {step}."
        )
    return rate
