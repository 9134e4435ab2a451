"""Learning curves show what a run recorded, and tell what they had to skip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_attn.visualization import history_figure, plot_history, read_history

RECORDS: list[dict[str, Any]] = [
    {"step": 10, "loss": 7.25, "learning_rate": 1e-4, "seconds": 3.5},
    {"step": 20, "loss": 6.5, "val_loss": 6.75, "bleu": 1.5, "learning_rate": 2e-4},
    {"step": 30, "loss": 5.75, "learning_rate": 3e-4, "note": "resumed"},
    {"step": 40, "loss": 5.25, "val_loss": 5.5, "bleu": 9.25, "learning_rate": 4e-4},
    {"step": 50, "val_loss": 5.75, "bleu": 8.0},
]


def curves(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    found = {}
    for line in axes.lines:
        label = line.get_label()
        if not label.startswith("_"):
            places, values = line.get_data()
            found[label] = (list(places), list(values))
    return found


def test_every_key_is_drawn_at_the_steps_that_have_it() -> None:
    losses, bleu, rate = history_figure(RECORDS).axes
    assert curves(losses) == {
        "training": ([10, 20, 30, 40], [7.25, 6.5, 5.75, 5.25]),
        "validation (best 5.5 at 40)": ([20, 40, 50], [6.75, 5.5, 5.75]),
    }
    assert curves(bleu) == {"BLEU (best 9.25 at 40)": ([20, 40, 50], [1.5, 9.25, 8.0])}
    assert curves(rate) == {"learning rate": ([10, 20, 30, 40], [1e-4, 2e-4, 3e-4, 4e-4])}
    assert rate.get_xlabel() == "training step"


def test_panels_without_data_are_left_out() -> None:
    figure = history_figure([{"step": 1, "bleu": 3.0}, {"step": 2, "bleu": 4.0}])
    assert [axes.get_ylabel() for axes in figure.axes] == ["BLEU (0 to 100)"]


def test_epochs_serve_where_there_are_no_steps() -> None:
    (axes,) = history_figure([{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.5}]).axes
    assert axes.get_xlabel() == "epoch"
    assert curves(axes) == {"training": ([1, 2], [3.0, 2.5])}


def test_the_later_record_of_a_repeated_step_counts() -> None:
    records = [{"step": step, "loss": loss} for step, loss in ((1, 9), (2, 8), (3, 7), (2, 6.5))]
    (axes,) = history_figure(records).axes
    assert curves(axes) == {"training": ([1, 2, 3], [9, 6.5, 7])}


def test_a_damaged_last_line_is_skipped_and_reported(tmp_path: Path) -> None:
    lines = [json.dumps(record) for record in RECORDS]
    (tmp_path / "history.jsonl").write_text("\n".join(lines) + '\n{"step": 60, "lo')
    records, notes = read_history(tmp_path)
    assert records == RECORDS
    assert notes == ["line 6 of history.jsonl is damaged and was skipped"]
    with pytest.warns(UserWarning, match="line 6 of history.jsonl is damaged"):
        path = plot_history(tmp_path / "history.jsonl", tmp_path / "history.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    figure = history_figure(tmp_path)
    assert "line 6 of history.jsonl is damaged" in figure.get_supxlabel()
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [10, 20, 30, 40])


def test_bytes_that_are_not_text_cost_only_their_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2}\n\xff\x00\n[3]\n\n{"step": 2, "loss": 1}\n')
    records, notes = read_history(path)
    assert [record["step"] for record in records] == [1, 2]
    assert [note.split(" of ")[0] for note in notes] == ["line 2", "line 3"]


def test_values_that_are_no_finite_numbers_are_skipped_and_reported(tmp_path: Path) -> None:
    records = [*RECORDS, {"step": 60, "loss": float("nan")}, {"step": 70, "loss": "high"}, {}]
    with pytest.warns(UserWarning, match="without `step`: 1; .*`loss`.* finite numbers: 2"):
        plot_history(records, tmp_path / "history.svg")
    assert curves(history_figure(records).axes[0])["training"][0] == [10, 20, 30, 40]


@pytest.mark.filterwarnings("error")
def test_a_whole_history_gives_no_warning(tmp_path: Path) -> None:
    plot_history(RECORDS, tmp_path / "history.pdf")


def test_bad_histories_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent.*\(No such file"):
        history_figure(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="at least one JSON object"):
        history_figure(tmp_path / "empty.jsonl")
    with pytest.raises(ValueError, match="numbers under one of loss, .*1 records with speed, step"):
        history_figure([{"step": 1, "speed": 4.0}])
    with pytest.raises(ValueError, match="records with `step` or `epoch`. Received: 1 records"):
        history_figure([{"loss": 1.0}])
    with pytest.raises(ValueError, match="`step` or `epoch`. Received: 0 records"):
        history_figure([])
    with pytest.raises(ValueError, match="sequence of records. Received: int at index 0"):
        history_figure([3])  # type: ignore[list-item]


def test_losses_between_validations_are_drawn_where_there_are_any():
    records = [
        {"step": 20, "recent_loss": 7.0},
        {"step": 40, "recent_loss": 6.0},
        {"step": 50, "loss": 6.5, "val_loss": 5.5},
        {"step": 60, "recent_loss": 5.0},
    ]
    (losses,) = history_figure(records).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in losses.get_lines()}
    assert drawn["training"] == [7.0, 6.0, 5.0]
