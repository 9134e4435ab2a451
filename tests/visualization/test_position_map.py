"""Position maps show the table, and the cosine between positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_attn.visualization import plot_positions, position_figure


def test_the_table_is_drawn_with_a_scale_around_zero() -> None:
    encoding = np.random.default_rng(3).normal(size=(7, 4))
    image = position_figure(encoding).axes[0].images[0]
    np.testing.assert_array_equal(np.asarray(image.get_array()), encoding)
    assert image.get_clim() == (-np.abs(encoding).max(), np.abs(encoding).max())


def test_the_likeness_of_sinusoids_depends_on_the_distance_alone() -> None:
    angles = np.arange(9)[:, None] / 10000 ** (np.arange(3) / 3)
    figure = position_figure(np.concatenate([np.sin(angles), np.cos(angles)], axis=1))
    likeness = np.asarray(figure.axes[1].images[0].get_array())
    for distance in range(9):
        # sin a sin b + cos a cos b = cos(a - b), averaged over the three frequencies
        expected = np.cos(distance / 10000 ** (np.arange(3) / 3)).mean()
        np.testing.assert_allclose(np.diagonal(likeness, distance), expected, atol=1e-12)


def test_a_position_of_zeros_is_like_nothing() -> None:
    figure = position_figure([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), [[0, 0], [0, 1]])


def test_bad_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(positions, dimensions\).*shape \(1, 2, 3\)"):
        plot_positions(np.zeros((1, 2, 3)), tmp_path / "map.png")
    with pytest.raises(ValueError, match="finite numbers. Received: 2 that are not"):
        plot_positions([[np.nan, 1.0, np.inf]], tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []
