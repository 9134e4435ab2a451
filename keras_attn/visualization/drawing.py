"""Shared by all pictures: the guarded import of matplotlib, the style and the file writing."""

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

try:
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        'Pictures need matplotlib; install it with: pip install "keras_attn[plots]"'
    ) from error

from keras_attn.system.whole_file import whole_file

ENDINGS = ("png", "svg", "pdf")

# The palette of Okabe and Ito (2008), which people with any color vision can tell apart.
BLUE, ORANGE, GREEN, PURPLE, SKY, GRAY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#595959",
)
LINE_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, GRAY)

# DejaVu Sans comes with matplotlib and covers Latin, Greek and Cyrillic. The others, if installed,
# are used for the scripts that it lacks.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
)
_LARGEST_PIXELS = 8000
_LARGEST_LABEL = 24


@contextlib.contextmanager
def drawing_style() -> Iterator[None]:
    """Draws with matplotlib's defaults and our fonts, then restores the user's settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        installed = {font.name for font in font_manager.fontManager.ttflist}
        matplotlib.rcParams["font.family"] = [font for font in _FONTS if font in installed]
        # Equal data give equal files: without this setting, SVG identifiers are random.
        matplotlib.rcParams["svg.hashsalt"] = "keras_attn"
        yield


def check_output(output: str | os.PathLike[str]) -> Path:
    """Returns `output` as a path after checking that a picture can be written there.

    Args:
        output: str or path. The file to write; its ending chooses the format.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: If the ending is not png, svg or pdf, or `output` is a directory.

    Example:

    >>> check_output("map.png").name
    'map.png'
    """
    path = Path(output)
    if path.suffix.lower().lstrip(".") not in ENDINGS:
        raise ValueError(
            "`output` must end in .png, .svg or .pdf. "
            f"Received: {os.fspath(output)!r}. Name it, for example, {path.stem or 'picture'}.png."
        )
    if path.is_dir():
        raise ValueError(f"`output` must be a file. Received: the directory {os.fspath(output)!r}.")
    return path


def save_figure(figure: Figure, output: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Writes a figure to a file, whole or not at all.

    The figure is written to a temporary file beside `output`, which is then renamed. Missing
    directories are created. No window is opened, and the program's matplotlib backend is not
    changed.

    Args:
        figure: `matplotlib.figure.Figure`.
        output: str or path ending in .png, .svg or .pdf.
        dpi: int. Pixels per inch of a PNG; fewer if a side would exceed 8000 pixels.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If `output` is not valid or cannot be written.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_figure(Figure(figsize=(2, 1)), f"{directory}/pictures/empty.png").name
    'empty.png'
    """
    path = check_output(output)
    ending = path.suffix.lower().lstrip(".")
    dpi = min(dpi, int(_LARGEST_PIXELS / max(figure.get_size_inches())))
    dates: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, drawing_style():
            figure.savefig(
                temporary,
                format=ending,
                dpi=dpi,
                bbox_inches="tight",
                pad_inches=0.12,
                metadata=dates.get(ending),
            )
    except OSError as error:
        raise ValueError(
            "`output` must be a path that can be written. Received: "
            f"{os.fspath(output)!r} ({error.strerror})."
        ) from error
    return path


def token_label(token: str) -> str:
    """Returns the label of a token, with visible word-start mark, blanks and control characters.

    SentencePiece's mark U+2581 becomes an open box, which all fonts draw alike and which does not
    occur in ordinary text. Very long tokens are cut and end with an ellipsis.

    Args:
        token: str.

    Returns:
        str.

    Example:

    >>> token_label("\u2581Haus"), token_label("\\n")
    ('␣Haus', '\\\\n')
    """
    text = token.replace("\u2581", "␣").replace(" ", "␣")
    text = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
    return text if len(text) <= _LARGEST_LABEL else text[: _LARGEST_LABEL - 1] + "…"


def label_inches(labels: list[str], font_size: float) -> float:
    """Estimates the length of the longest label in inches, when drawn in `font_size` points.

    Args:
        labels: List of str, at least one.
        font_size: float. Points.

    Returns:
        float.

    Example:

    >>> label_inches(["Haus"], 9.0) < label_inches(["Haustür"], 9.0) < 1.0
    True
    """
    widths = [
        sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in label)
        for label in labels
    ]
    return max(widths) * font_size / 72
