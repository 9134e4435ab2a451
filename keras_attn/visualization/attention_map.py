"""Attention maps: which source token each target token attends to (Figures 3-5 of the appendix)."""

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_attn.visualization.drawing import (
    Figure,
    check_output,
    drawing_style,
    label_inches,
    save_figure,
    token_label,
)

_TOLERANCE = 1e-3
_GAP_INCHES = 0.14
_TITLE_INCHES = 0.24
_WANTED_ASPECT = 1.5


def plot_attention(
    scores: Any,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    output: str | os.PathLike[str],
    *,
    layer: int | Literal["all", "mean"] = -1,
    title: str | None = None,
    color_limit: float = 1.0,
) -> Path:
    """Draws the attention of one sentence, one panel per head, and writes it to a file.

    Args:
        scores: Array (L, H, T, S) or (H, T, S) of attention weights after the softmax, such as
            `Translation.attention`.
        source_tokens: Sequence of S str, the columns: the tokens attended to.
        target_tokens: Sequence of T str, the rows: the tokens that attend.
        output: str or path ending in .png, .svg or .pdf. Missing directories are created.
        layer: int, "all" or "mean". The index of the layer to draw, as in Python (-1 is the last);
            all layers, one row of panels per layer; or the mean over all layers and heads in one
            panel.
        title: str. The heading; None names the layer.
        color_limit: float. The weight drawn in the brightest color. All panels share the scale
            0..`color_limit`; a smaller limit shows faint weights of long sentences.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If shapes and tokens do not fit, a score is not in 0..1, `layer` does not exist,
            or `output` is not valid.

    Example:

    >>> import numpy as np, tempfile
    >>> scores = np.full((2, 3, 4), 1 / 4)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     plot_attention(
    ...         scores,
    ...         ["▁a", "▁big", "▁dog", "</s>"],
    ...         ["▁ein", "▁großer", "▁Hund"],
    ...         f"{directory}/map.svg",
    ...     ).name
    'map.svg'
    """
    check_output(output)
    figure = attention_figure(
        scores, source_tokens, target_tokens, layer=layer, title=title, color_limit=color_limit
    )
    return save_figure(figure, output)


def attention_figure(
    scores: Any,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    *,
    layer: int | Literal["all", "mean"] = -1,
    title: str | None = None,
    color_limit: float = 1.0,
) -> Figure:
    """Returns the figure that `plot_attention` writes.

    Args:
        scores: Array (L, H, T, S) or (H, T, S) of attention weights.
        source_tokens: Sequence of S str.
        target_tokens: Sequence of T str.
        layer: int, "all" or "mean".
        title: str or None.
        color_limit: float in (0, 1].

    Returns:
        `matplotlib.figure.Figure`: one axes per panel, then the color bar.

    Raises:
        ValueError: As `plot_attention`.

    Example:

    >>> import numpy as np
    >>> figure = attention_figure(np.full((5, 2, 3), 1 / 3), ["a", "b", "c"], ["d", "e"])
    >>> [axes.get_title() for axes in figure.axes[:5]]
    ['head 1', 'head 2', 'head 3', 'head 4', 'head 5']
    """
    values = _check_scores(scores, source_tokens, target_tokens)
    if not 0 < color_limit <= 1:
        raise ValueError(f"`color_limit` must be in (0, 1]. Received: {color_limit}.")
    panels, names, num_columns, heading = _choose_panels(values, layer)
    columns = [token_label(token) for token in source_tokens]
    rows = [token_label(token) for token in target_tokens]
    grid = _Grid.plan(columns, rows, len(panels), num_columns)
    with drawing_style():
        return _draw(panels, names, columns, rows, grid, title or heading, color_limit)


@dataclasses.dataclass(frozen=True)
class _Grid:
    """The layout of the panels, in inches: cells of one size, labels only at outer panels."""

    num_panels: int
    num_columns: int
    font_size: float
    width: float
    height: float
    left: float
    bottom: float

    @classmethod
    def plan(
        cls, columns: list[str], rows: list[str], num_panels: int, num_columns: int | None
    ) -> "_Grid":
        longest = max(len(columns), len(rows))
        font_size = 10.0 if longest <= 12 else 9.0 if longest <= 30 else 8.0
        # A line of text needs 1.3 times its size; few tokens get larger cells than that.
        cell = max(1.3 * font_size / 72, min(0.4, 2.6 / longest))
        # A panel is at least as large as its title, such as "layer 6, head 16".
        width, height = max(cell * len(columns), 1.3), max(cell * len(rows), 0.35)
        if num_columns is None:
            num_columns = _best_columns(num_panels, width, height)
        return cls(
            num_panels=num_panels,
            num_columns=num_columns,
            font_size=font_size,
            width=width,
            height=height,
            left=label_inches(rows, font_size) + 0.4,
            bottom=label_inches(columns, font_size) + 0.4,
        )

    @property
    def num_rows(self) -> int:
        return math.ceil(self.num_panels / self.num_columns)

    @property
    def inner_width(self) -> float:
        return self.num_columns * (self.width + _GAP_INCHES) - _GAP_INCHES

    @property
    def inner_height(self) -> float:
        return self.num_rows * (self.height + _TITLE_INCHES)

    def text_size(self, larger: float) -> float:
        """Font size of text for the whole picture, in points; larger if it is wider than a page."""
        return (self.font_size + larger) * min(max(1.0, self.inner_width / 14), 2.5)

    @property
    def size(self) -> tuple[float, float]:
        return (
            self.left + self.inner_width + 0.9,
            self.bottom + self.inner_height + 0.45,
        )

    def box(self, panel: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel as fractions of the figure."""
        row, column = divmod(panel, self.num_columns)
        left = self.left + column * (self.width + _GAP_INCHES)
        bottom = self.bottom + (self.num_rows - 1 - row) * (self.height + _TITLE_INCHES)
        return self.fraction(left, bottom, self.width, self.height)

    def fraction(self, *inches: float) -> tuple[float, float, float, float]:
        width, height = self.size
        left, bottom, across, up = inches
        return left / width, bottom / height, across / width, up / height


def _best_columns(num_panels: int, width: float, height: float) -> int:
    """The number of columns whose grid is closest to a page's shape, with few empty cells."""

    def badness(num_columns: int) -> float:
        num_rows = math.ceil(num_panels / num_columns)
        across = num_columns * (width + _GAP_INCHES)
        aspect = across / (num_rows * (height + _TITLE_INCHES))
        empty = (num_rows * num_columns - num_panels) / num_panels
        return abs(math.log(aspect / _WANTED_ASPECT)) + 2 * empty

    return min(range(1, num_panels + 1), key=badness)


def _draw(
    panels: np.ndarray,
    names: list[str],
    columns: list[str],
    rows: list[str],
    grid: _Grid,
    heading: str,
    color_limit: float,
) -> Figure:
    figure = Figure(figsize=grid.size, facecolor="white")
    image = None
    for panel, (values, name) in enumerate(zip(panels, names, strict=True)):
        axes = figure.add_axes(grid.box(panel))
        image = axes.imshow(
            values, cmap="viridis", vmin=0, vmax=color_limit, aspect="auto", interpolation="none"
        )
        if name:
            axes.set_title(name, fontsize=grid.font_size, pad=3)
        axes.tick_params(length=2, labelsize=grid.font_size)
        # A dollar sign is a token here, not the start of a formula.
        axes.set_xticks(range(len(columns)), columns, rotation=90, parse_math=False)
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        is_lowest = panel + grid.num_columns >= len(panels)
        is_leftmost = panel % grid.num_columns == 0
        axes.tick_params(labelbottom=is_lowest, labelleft=is_leftmost)
        for spine in axes.spines.values():
            spine.set_linewidth(0.5)
    _draw_color_bar(figure, image, grid, has_more=bool(panels.max() > color_limit + _TOLERANCE))
    _draw_captions(figure, grid, heading)
    return figure


def _draw_color_bar(figure: Figure, image: Any, grid: _Grid, has_more: bool) -> None:
    whole = grid.inner_height - _TITLE_INCHES
    length = min(whole, max(4.0, 0.4 * whole))
    left, bottom = grid.left + grid.inner_width + 0.15, grid.bottom + (whole - length) / 2
    axes = figure.add_axes(grid.fraction(left, bottom, 0.13, length))
    bar = figure.colorbar(image, cax=axes, extend="max" if has_more else "neither")
    bar.set_label("attention weight", fontsize=grid.text_size(0))
    axes.tick_params(labelsize=grid.text_size(-1), length=2)


def _draw_captions(figure: Figure, grid: _Grid, heading: str) -> None:
    width, height = grid.size
    middle = (grid.left + grid.inner_width / 2) / width
    center = (grid.bottom + (grid.inner_height - _TITLE_INCHES) / 2) / height
    size = grid.text_size(1)
    figure.text(
        middle,
        (grid.bottom + grid.inner_height + 0.06) / height,
        heading,
        ha="center",
        va="bottom",
        fontsize=grid.text_size(3),
        parse_math=False,
    )
    figure.text(middle, 0.1 / height, "source tokens", ha="center", va="top", fontsize=size)
    figure.text(
        0.1 / width, center, "target tokens", ha="right", va="center", rotation=90, fontsize=size
    )


def _choose_panels(
    values: np.ndarray, layer: int | str
) -> tuple[np.ndarray, list[str], int | None, str]:
    """Returns the maps to draw (N, T, S), their names, the fixed number of columns, the heading."""
    num_layers, num_heads = values.shape[:2]
    heads = [f"head {head + 1}" for head in range(num_heads)]
    if layer == "mean":
        # Head 1 of one layer is unrelated to head 1 of another, so heads are averaged too.
        heading = f"Attention, mean of {num_layers} layers and {num_heads} heads"
        return values.mean(axis=(0, 1))[None], [""], 1, heading
    if layer == "all":
        names = [f"layer {number + 1}, {head}" for number in range(num_layers) for head in heads]
        panels = values.reshape(-1, *values.shape[2:])  # (L, H, T, S) -> (L*H, T, S)
        return panels, names, num_heads, f"Attention, {num_layers} layers"
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)):
        raise ValueError(
            f'`layer` must be the number of a layer, "all" or "mean". Received: {layer!r}.'
        )
    if not -num_layers <= layer < num_layers:
        raise ValueError(
            f"`layer` must be in {-num_layers}..{num_layers - 1}, for {num_layers} layers. "
            f"Received: {layer}."
        )
    number = int(layer) % num_layers
    heading = f"Attention, layer {number + 1} of {num_layers}" if num_layers > 1 else "Attention"
    return values[number], heads, None, heading


def _check_scores(
    scores: Any, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> np.ndarray:
    """Returns the scores as float array (L, H, T, S)."""
    for name, tokens in (("source_tokens", source_tokens), ("target_tokens", target_tokens)):
        if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
            raise ValueError(f"`{name}` must be a list of strings. Received: {tokens!r}.")
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 3:
        values = values[None]  # (H, T, S) -> (1, H, T, S)
    if values.ndim != 4 or 0 in values.shape:
        raise ValueError(
            "`scores` must have shape (layers, heads, target, source) or (heads, target, source), "
            f"none of them 0. Received: shape {np.shape(scores)}."
        )
    expected = (len(target_tokens), len(source_tokens))
    if values.shape[2:] != expected:
        raise ValueError(
            "`scores` must have one row per target token and one column per source token. "
            f"Received: shape {np.shape(scores)} for {expected[0]} target and {expected[1]} source "
            "tokens."
        )
    # Written so that NaN fails too.
    if not (values.min() >= -_TOLERANCE and values.max() <= 1 + _TOLERANCE):
        raise ValueError(
            "`scores` must be attention weights in 0..1, after the softmax. Received: values in "
            f"{values.min():.4g}..{values.max():.4g}."
        )
    return values
