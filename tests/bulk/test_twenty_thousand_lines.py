"""The promise in full size: no line of 20,000 is lost, doubled, moved or translated otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_attn.bulk import translate_files
from keras_attn.translator import Translator

FILES, LINES_PER_FILE, SHARDS = 5, 4000, 8


@pytest.mark.slow
def test_every_line_of_20_000_is_there_once_and_as_the_translator_says(
    translator_directory: Path, translator: Translator, tmp_path: Path
) -> None:
    lines = [f"{number:x}" * (number % 3 != 0) for number in range(FILES * LINES_PER_FILE)]
    for file in range(FILES):
        content = lines[file * LINES_PER_FILE : (file + 1) * LINES_PER_FILE]
        (tmp_path / f"in.{file}").write_text("".join(f"{line}\n" for line in content))
    report = translate_files(
        translator_directory,
        [str(tmp_path / "in.*")],
        str(tmp_path / "out"),
        num_shards=SHARDS,
        line_ids=True,
        # No look into the network for Beam's newer local runner.
        options=["--runner=DirectRunner", "--prism_location=nowhere"],
    )
    shards = [path.read_text().split("\n") for path in sorted(tmp_path.glob("out-*"))]
    assert [shard.pop() for shard in shards] == [""] * SHARDS
    assert [len(shard) for shard in shards] == [2500] * SHARDS
    rows = [row.split("\t", 2) for shard in shards for row in shard]
    assert [(Path(name).name, int(number)) for name, number, _ in rows] == [
        (f"in.{file}", number) for file in range(FILES) for number in range(1, LINES_PER_FILE + 1)
    ]
    wanted = [text.replace("\n", " ").replace("\r", " ") for text in translator.translate(lines)]
    assert [text for *_, text in rows] == wanted
    assert (report.counts.lines, report.counts.empty) == (20_000, lines.count(""))
