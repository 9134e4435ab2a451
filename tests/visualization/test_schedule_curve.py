"""Schedule curves pass through the schedule's values, and mark its peak to the step."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_attn.visualization import plot_schedule, schedule_figure


def paper(step: int, hidden_dim: int = 512, warmup_steps: int = 4000) -> float:
    """Equation 3, its first step being number 1."""
    number = step + 1
    return hidden_dim**-0.5 * min(number**-0.5, number * warmup_steps**-1.5)


def test_the_curve_is_the_schedule() -> None:
    (axes,) = schedule_figure(paper, 100_000).axes
    steps, rates = axes.lines[0].get_data()
    assert steps[0] == 0 and steps[-1] == 99_999 and len(steps) >= 400
    np.testing.assert_allclose(rates, [paper(int(step)) for step in steps], rtol=1e-12)


def test_the_peak_is_found_to_the_step() -> None:
    (axes,) = schedule_figure(paper, 100_000).axes
    (step,), (rate,) = axes.lines[1].get_data()
    assert step == 3999
    assert rate == pytest.approx((512 * 4000) ** -0.5)
    assert axes.texts[0].get_text() == "peak 0.0006988 at step 3,999"


def test_several_schedules_are_named_with_their_peaks() -> None:
    schedules = {"base": paper, "long": lambda step: paper(step, 256, 8000)}
    (axes,) = schedule_figure(schedules, 20_000).axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["base (peak 0.0006988 at step 3,999)", "long (peak 0.0006988 at step 7,999)"]


def test_a_keras_schedule_is_accepted(tmp_path: Path) -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([6, 9], [0.1, 0.5, 0.25])
    (axes,) = schedule_figure(schedule, 13).axes
    expected = [0.1] * 7 + [0.5] * 3 + [0.25] * 3  # a boundary belongs to the piece before it
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    path = plot_schedule(schedule, 13, tmp_path / "schedule.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_bad_schedules_are_named() -> None:
    with pytest.raises(ValueError, match="`num_steps` must be an integer of at least 2.*1"):
        schedule_figure(paper, 1)
    with pytest.raises(ValueError, match="at least one schedule"):
        schedule_figure({}, 10)
    with pytest.raises(ValueError, match="finite learning rates. Received: inf at step 3"):
        schedule_figure(lambda step: float("inf") if step == 3 else 0.1, 10)
