"""Whatever stands in a file: every reader gives the same lines, or refuses it in one clear line."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_attn.bulk.block import Block, cut_blocks
from keras_attn.cli import translate
from keras_attn.cli.main import build_parser
from keras_attn.cli.parallel_files import read_parallel_files
from keras_attn.data import read_text_pair, read_tsv
from keras_attn.lines import read_lines

NUM_FILES, FILES_PER_TEST = 2_000, 200
PARSER = build_parser()
PIECES = [
    "dog", "Ünï", "ß", "日本語", "שלום", "👩\u200d👩\u200d👧", "e\u0301", "\u200b", "\ufeff", "𝔘𝔫",
    "\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\u2029", "\u00a0", "\t", " ", "  ", "", "\r",
    '"', "\\", "\x1b[1m", "\x7f", "\U0010ffff", "x" * 70_000, "a b " * 3_000,
]  # fmt: skip
ENCODINGS = ["utf-8"] * 12 + [
    "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
    "cp1252", "latin-1", "shift_jis", "gb18030", "utf-7",
]  # fmt: skip
LINE_ENDS = ["\n"] * 5 + ["\r\n"] * 3 + ["\r"]
QUICK_LZMA = functools.partial(lzma.compress, preset=0)  # others take 90 MB
COMPRESSIONS = [lambda content: content] * 6 + [gzip.compress, QUICK_LZMA, bz2.compress]


def any_file(choose: random.Random) -> bytes:
    """The bytes of a file as people have them, and worse."""
    ends = choose.choices(LINE_ENDS, k=2) if choose.random() < 0.3 else [choose.choice(LINE_ENDS)]
    lines = [
        "".join(choose.choices(PIECES, k=choose.choice([0, 1, 2, 5])))
        for _ in range(choose.choice([0, 1, 2, 3, 7]))
    ]
    text = "".join(line + choose.choice(ends) for line in lines)
    if choose.random() < 0.4:
        text = text.removesuffix("\n")
    content = text.encode(choose.choice(ENCODINGS), errors="replace")
    if content and choose.random() < 0.15:  # damage
        place = choose.randrange(len(content))
        damage = choose.choice([b"\0", b"\xff", b"\xe9", b"\r", b"\n", b""])
        content = content[:place] + damage + content[place + choose.choice([0, 1]) :]
    content = choose.choice(COMPRESSIONS)(content)
    if choose.random() < 0.05:
        content = content[: choose.randrange(len(content) + 1)]
    return content


def unpacked(content: bytes) -> bytes | None:
    """What is compressed in it; the bytes themselves if nothing is; None if it is damaged."""
    if content.startswith(b"\x1f\x8b"):
        decompress = gzip.decompress
    elif content.startswith(b"\xfd7zXZ\0"):
        decompress = lzma.decompress
    elif content.startswith(b"BZh9") and content[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        decompress = bz2.decompress
    else:
        return content
    try:
        return decompress(content)
    except (EOFError, OSError, ValueError, lzma.LZMAError):
        return None


def lines_of(content: bytes | None) -> list[str] | None:
    """The rule, stated once more: the lines of a file, or None if it is to be refused."""
    try:
        text = None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text is None or "\0" in text:
        return None
    text = text.removeprefix("\ufeff")
    if "\r" in text and "\n" not in text:
        return None
    *ended, last = text.split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])


class Parrot:
    """Translates every line by itself."""

    def translate_detailed(self, texts: list[str]) -> list[SimpleNamespace]:
        return [SimpleNamespace(text=text, truncated=False, score=0.0) for text in texts]


def translated(path: Path) -> list[str]:
    """What `keras-attn translate` writes, read by the rule."""
    output = path.with_suffix(".out")
    arguments = PARSER.parse_args(["translate", "--input", str(path), "--output", str(output)])
    translate.run(arguments)
    *ended, last = output.read_bytes().decode().split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])


def by_bulk(path: Path) -> list[str]:
    with open(path, "rb") as stream:
        cuts = list(cut_blocks(stream, 2, "`input`"))
    lines = []
    for number, (first_byte, num_bytes, first_line, num_lines) in enumerate(cuts):
        where = (number, str(path), path.name, first_byte, num_bytes, first_line, 0, num_lines)
        lines += [line.text for line in Block(*where, joins=False).read()]
    return lines


def refusal_of(read, *arguments) -> str:
    with pytest.raises(ValueError) as caught:
        read(*arguments)
    return str(caught.value)


@pytest.fixture(autouse=True)
def parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "open_model", lambda *_, **__: Parrot())
    monkeypatch.setattr(translate, "check_is_local", lambda _: None)
    monkeypatch.setattr(translate, "say", lambda *_: None)


def check(content: bytes, path: Path) -> None:
    """All readers of one file agree with the rule."""
    path.write_bytes(content)
    expected = lines_of(unpacked(content))
    readers = {
        "read_lines": read_lines,
        "parallel files": lambda path: read_parallel_files({"--source": [path]})[0],
        "read_text_pair": lambda path: list(read_text_pair(path, path).sources),
        "translate": translated,
    }
    if expected is None:
        for name, read in readers.items():
            message = refusal_of(read, path)
            assert "\n" not in message and "Received" in message, (name, message)
        assert not path.with_suffix(".out").exists()
    elif not expected:
        assert read_lines(path) == translated(path) == []
    else:
        assert read_lines(path) == expected
        assert readers["parallel files"](path) == expected
        assert readers["read_text_pair"](path) == expected
        assert translated(path) == [line.replace("\r", " ") for line in expected]
    if unpacked(content) is content:
        check_bulk(path, expected)


def check_bulk(path: Path, expected: list[str] | None) -> None:
    if expected is None:
        assert "Received" in refusal_of(by_bulk, path)
    else:
        assert by_bulk(path) == expected


@pytest.mark.parametrize("first", range(0, NUM_FILES, FILES_PER_TEST))
def test_generated_files(first: int, tmp_path: Path) -> None:
    accepted = 0
    for seed in range(first, first + FILES_PER_TEST):
        content = any_file(random.Random(seed))
        check(content, tmp_path / f"{seed}.txt")
        accepted += lines_of(unpacked(content)) is not None
    assert 0.4 < accepted / FILES_PER_TEST < 0.9  # both kinds are there


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\n"))))
@example(["\r"])
@example(["BZh"])
def test_lines_of_any_characters_come_back(tmp_path_factory: pytest.TempPathFactory, lines) -> None:
    path = tmp_path_factory.mktemp("any") / "lines.txt"
    path.write_bytes("".join(line + "\r\n" for line in lines).encode())
    expected = [
        line if number else line.removeprefix("\ufeff") for number, line in enumerate(lines)
    ]
    assert read_lines(path) == expected


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=60))
@example(b"\x1f\x8b")
@example(b"BZh91AY&SY")
@example(b"\xef\xbb\xbf\0")
def test_any_bytes_are_lines_or_refused(tmp_path_factory: pytest.TempPathFactory, content) -> None:
    check(content, tmp_path_factory.mktemp("any") / "bytes.txt")


def test_columns_of_any_lines_stay_in_their_rows(tmp_path: Path) -> None:
    plain = [piece for piece in PIECES if piece not in ("\t", "\r")]
    for seed in range(200):
        choose = random.Random(seed)
        cells = [["".join(choose.choices(plain, k=2)) for _ in "ab"] for _ in range(5)]
        path = tmp_path / "pairs.tsv"
        path.write_bytes("".join("\t".join(row) + "\n" for row in cells).encode())
        cells[0][0] = cells[0][0].removeprefix("\ufeff")
        assert list(read_tsv(path)) == [tuple(row) for row in cells]
