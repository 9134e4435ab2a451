"""Pictures are written whole or not at all, and leave the user's matplotlib as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from keras_attn.visualization import plot_positions
from keras_attn.visualization.drawing import save_figure, token_label


def test_svg_is_well_formed_and_the_same_each_time(tmp_path: Path) -> None:
    first = plot_positions([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]], tmp_path / "first.svg")
    second = plot_positions([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]], tmp_path / "second.SVG")
    assert ElementTree.parse(first).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["map.jpg", "map", "png", "map.png.txt"])
def test_another_ending_is_refused_with_the_valid_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"`output` must end in \.png, \.svg or \.pdf. Received: "):
        plot_positions([[1.0, 0.0]], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ValueError, match="`output` must be a path that can be written"):
        plot_positions([[1.0, 0.0]], tmp_path / "file" / "map.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="`output` must be a file. Received: the directory"):
        plot_positions([[1.0, 0.0]], tmp_path / "folder.png")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_failure_keeps_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(b"old picture")

    def half_written(self: Figure, file: Path, **options: object) -> None:
        file.write_bytes(b"half")
        raise MemoryError("no room for the pixels")

    monkeypatch.setattr(Figure, "savefig", half_written)
    with pytest.raises(MemoryError):
        save_figure(Figure(), path)
    assert path.read_bytes() == b"old picture"
    assert list(tmp_path.iterdir()) == [path]


def test_huge_figures_stay_below_the_largest_size(tmp_path: Path) -> None:
    path = save_figure(Figure(figsize=(100, 2)), tmp_path / "wide.png")
    width = int.from_bytes(path.read_bytes()[16:20], "big")  # IHDR of the PNG format
    assert 1000 < width <= 8200


def test_the_users_settings_and_backend_stay(tmp_path: Path) -> None:
    program = (
        "import sys, matplotlib\n"
        "matplotlib.rcParams['axes.facecolor'] = 'black'\n"
        "matplotlib.rcParams['font.size'] = 31\n"
        "def settings():\n"
        "    values = matplotlib.rcParams\n"
        "    return {key: dict.__getitem__(values, key) for key in values}\n"
        "before = settings()\n"
        "from keras_attn.visualization import plot_positions\n"
        f"plot_positions([[1.0, 0.0]], {str(tmp_path / 'map.png')!r})\n"
        "assert settings() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_missing_matplotlib_gives_one_line_with_the_command() -> None:
    program = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "try:\n"
        "    import keras_attn.visualization\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (line,) = process.stdout.splitlines()
    assert 'pip install "keras_attn[plots]"' in line


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("▁Haus", "␣Haus"),
        ("Tür", "Tür"),
        ("\t", "\\t"),
        ("\x00", "\\x00"),
        ("a b", "a␣b"),
        ("</s>", "</s>"),
        ("x" * 24, "x" * 24),
        ("x" * 25, "x" * 23 + "…"),
    ],
)
def test_tokens_are_legible(token: str, label: str) -> None:
    assert token_label(token) == label
