"""Pictures of position encodings: the values, and the similarity of positions (Section 3.5)."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_attn.visualization.drawing import Figure, check_output, drawing_style, save_figure


def plot_positions(
    encoding: Any, output: str | os.PathLike[str], *, title: str = "Position encoding"
) -> Path:
    """Draws a table of position encodings and the similarity of positions to a file.

    The left panel is the table itself. The right panel is the cosine of the angle between the
    encodings of every pair of positions. For the sinusoids of Section 3.5 it depends only on their
    distance, so each diagonal has one color.

    Args:
        encoding: Array (T, D): the encoding of each position.
        output: str or path ending in .png, .svg or .pdf. Missing directories are created.
        title: str. The heading.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If `encoding` is not a table of finite numbers, or `output` is not valid.

    Example:

    >>> import numpy as np, tempfile
    >>> angles = np.arange(20)[:, None] / 10 ** np.arange(4)
    >>> encoding = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     plot_positions(encoding, f"{directory}/positions.svg").name
    'positions.svg'
    """
    check_output(output)
    return save_figure(position_figure(encoding, title=title), output)


def position_figure(encoding: Any, *, title: str = "Position encoding") -> Figure:
    """Returns the figure that `plot_positions` writes.

    Args:
        encoding: Array (T, D).
        title: str. The heading.

    Returns:
        `matplotlib.figure.Figure`: axes of the encoding, of the similarity, then two color bars.

    Raises:
        ValueError: If `encoding` is not a table of finite numbers.

    Example:

    >>> figure = position_figure([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    >>> figure.axes[0].get_ylabel()
    'position (tokens)'
    """
    values = np.asarray(encoding, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            "`encoding` must have shape (positions, dimensions), neither of them 0. Received: "
            f"shape {np.shape(encoding)}."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "`encoding` must hold finite numbers. Received: "
            f"{np.count_nonzero(~np.isfinite(values))} that are not."
        )
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    units = values / np.where(norms > 0, norms, 1)  # a row of zeros gets similarity 0
    limit = max(np.abs(values).max(), 1e-12)
    with drawing_style():
        figure = Figure(figsize=(11, 4.8), facecolor="white", layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        # Signed values: blue, white at zero, red. Color-blind people can tell blue and red apart.
        options = {"cmap": "RdBu_r", "aspect": "auto", "interpolation": "nearest"}
        shown = left.imshow(values, vmin=-limit, vmax=limit, **options)
        left.set(xlabel="dimension", ylabel="position (tokens)", title="encoding")
        figure.colorbar(shown, ax=left, label="value", pad=0.02)
        shown = right.imshow(units @ units.T, vmin=-1, vmax=1, **options)
        right.set(
            xlabel="position (tokens)", ylabel="position (tokens)", title="similarity of positions"
        )
        figure.colorbar(shown, ax=right, label="cosine", pad=0.02)
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(title, fontsize=13)
    return figure
