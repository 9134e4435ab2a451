"""Attention maps show the given weights beside the given tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg

from keras_attn.visualization import attention_figure, plot_attention

SOURCE = ["▁two", "▁dog", "s", "▁run", "</s>"]
TARGET = ["▁zwei", "▁Hunde", "▁läuf", "$t$"]
SHOWN_SOURCE = ["␣two", "␣dog", "s", "␣run", "</s>"]
SHOWN_TARGET = ["␣zwei", "␣Hunde", "␣läuf", "$t$"]


def weights(*shape: int) -> np.ndarray:
    values = np.exp(np.random.default_rng(7).normal(size=shape))
    return values / values.sum(axis=-1, keepdims=True)


def drawn(figure: Any) -> list[np.ndarray]:
    """The arrays of the panels, in order; the color bar holds no image."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def labels(ticks: Any) -> list[str]:
    return [text.get_text() for text in ticks]


def test_every_head_of_the_last_layer_has_its_panel() -> None:
    scores = weights(2, 3, 4, 5)
    figure = attention_figure(scores, SOURCE, TARGET)
    np.testing.assert_array_equal(drawn(figure), scores[-1])
    assert [axes.get_title() for axes in figure.axes[:3]] == ["head 1", "head 2", "head 3"]
    assert any("layer 2 of 2" in text.get_text() for text in figure.texts)


def test_a_chosen_layer_and_all_and_mean() -> None:
    scores = weights(2, 3, 4, 5)
    np.testing.assert_array_equal(
        drawn(attention_figure(scores, SOURCE, TARGET, layer=0)), scores[0]
    )
    figure = attention_figure(scores, SOURCE, TARGET, layer="all")
    np.testing.assert_array_equal(drawn(figure), [head for layer in scores for head in layer])
    assert figure.axes[4].get_title() == "layer 2, head 2"
    tops = [axes.get_position().y0 for axes in figure.axes[:6]]
    assert tops[0] == tops[2] > tops[3] == tops[5]  # one row of panels a layer
    (mean,) = drawn(attention_figure(scores, SOURCE, TARGET, layer="mean"))
    np.testing.assert_allclose(mean, sum(scores[i, j] for i in range(2) for j in range(3)) / 6)


def test_scores_without_layers_are_one_layer() -> None:
    scores = weights(6, 4, 5)
    np.testing.assert_array_equal(drawn(attention_figure(scores, SOURCE, TARGET)), scores)


def test_the_ticks_are_the_tokens() -> None:
    figure = attention_figure(weights(3, 4, 5), SOURCE, TARGET)
    axes = figure.axes[0]
    assert labels(axes.get_xticklabels()) == SHOWN_SOURCE
    assert labels(axes.get_yticklabels()) == SHOWN_TARGET
    assert list(axes.get_xticks()) == [0, 1, 2, 3, 4] and list(axes.get_yticks()) == [0, 1, 2, 3]
    assert not any(text.get_parse_math() for text in axes.get_yticklabels())


def test_target_rows_run_downward() -> None:
    axes = attention_figure(weights(1, 4, 5), SOURCE, TARGET).axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_all_panels_share_one_scale() -> None:
    figure = attention_figure(weights(3, 4, 5), SOURCE, TARGET)
    assert {axes.images[0].get_clim() for axes in figure.axes[:3]} == {(0, 1)}
    figure = attention_figure(weights(3, 4, 5), SOURCE, TARGET, color_limit=0.25)
    assert {axes.images[0].get_clim() for axes in figure.axes[:3]} == {(0, 0.25)}
    assert figure.axes[3].get_ylabel() == "attention weight"


@pytest.mark.parametrize(("length", "num_heads"), [(2, 1), (2, 5), (13, 8), (37, 3), (60, 8)])
def test_labels_and_panels_never_overlap(length: int, num_heads: int) -> None:
    sources = [f"▁wörd{number}" for number in range(length)]
    targets = [f"▁token{number}" for number in range(length + 3)]
    figure = attention_figure(weights(num_heads, length + 3, length), sources, targets)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    corner = figure.axes[0]
    rows = [text.get_window_extent(renderer) for text in corner.get_yticklabels()]
    for upper, lower in zip(rows, rows[1:], strict=False):
        assert upper.y0 >= lower.y1
    boxes = [axes.get_window_extent(renderer) for axes in figure.axes]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    assert min(row.x0 for row in rows) > figure.texts[2].get_window_extent(renderer).x1


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-")])
def test_files_are_what_their_ending_says(tmp_path: Path, ending: str, start: bytes) -> None:
    path = plot_attention(weights(2, 4, 5), SOURCE, TARGET, tmp_path / "new" / f"map.{ending}")
    assert path.read_bytes().startswith(start)
    assert [file.name for file in path.parent.iterdir()] == [f"map.{ending}"]


@pytest.mark.filterwarnings("error")
def test_pictures_need_no_glyph_that_the_fonts_lack(tmp_path: Path) -> None:
    tokens = ["▁Ä", "ö", "ß", "▁Привет", "\n", "\x00"]
    plot_attention(weights(2, 1, 6), tokens, ["<0x0A>"], tmp_path / "map.png")


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (weights(3, 5, 4), {}, r"one row per target token.*\(3, 5, 4\) for 4 target and 5 source"),
        (weights(4, 5), {}, r"must have shape.*\(4, 5\)"),
        (np.zeros((0, 4, 5)), {}, "none of them 0"),
        (weights(3, 4, 5) * 9, {}, "attention weights in 0..1"),
        (weights(3, 4, 5) * np.nan, {}, "attention weights in 0..1"),
        (weights(2, 3, 4, 5), {"layer": 2}, "in -2..1, for 2 layers. Received: 2"),
        (weights(2, 3, 4, 5), {"layer": "last"}, '"all" or "mean". Received: \'last\''),
        (weights(3, 4, 5), {"color_limit": 0}, r"`color_limit` must be in \(0, 1\]. Received: 0"),
    ],
)
def test_bad_scores_are_named(
    tmp_path: Path, scores: np.ndarray, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plot_attention(scores, SOURCE, TARGET, tmp_path / "map.png", **options)
    assert list(tmp_path.iterdir()) == []


def test_bad_tokens_are_named() -> None:
    with pytest.raises(ValueError, match="`source_tokens` must be a list of strings"):
        attention_figure(weights(1, 4, 5), "abcde", TARGET)
    with pytest.raises(ValueError, match="`target_tokens` must be a list of strings"):
        attention_figure(weights(1, 4, 5), SOURCE, [1, 2, 3, 4])  # type: ignore[list-item]
