"""Doubtful translations reach a person, and the corrections a recipe."""

from __future__ import annotations

import json

import pytest

from keras_attn.cli.main import main
from keras_attn.data import read_tsv_files
from keras_attn.translator import Confidence, Translator
from tests.support.translators import save_small_translator

LINES = ["one line", "", "another, longer line"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return save_small_translator(tmp_path_factory.mktemp("small") / "translator")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in LINES))
    return ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]


def test_doubtful_translations_are_queued_and_come_back_as_pairs(
    directory, files, tmp_path, capsys
) -> None:
    Confidence((0.0, 5.0, 0.0, 0.0)).save(directory)  # an untrained model is sure of nothing
    queue = tmp_path / "queue.jsonl"
    options = ["--review-below", "0.4", "--review-file", str(queue)]
    assert main(["translate", str(directory), *files, *options]) == 0
    assert "2 doubtful translations" in capsys.readouterr().err
    records = [json.loads(line) for line in queue.read_text().splitlines()]
    assert [one["source"] for one in records] == ["one line", "another, longer line"]
    expected = Translator.load(directory).translate_detailed(LINES)
    assert [one["translation"] for one in records] == [expected[0].text, expected[2].text]
    assert records[0]["confidence"] == round(expected[0].confidence, 3) < 0.4
    records[1]["correction"] = " eine andere Zeile "
    queue.write_text("".join(json.dumps(one) + "\n" for one in records))
    corrections = tmp_path / "corrections.tsv"
    assert main(["review", str(queue), "--output", str(corrections)]) == 0
    pairs = read_tsv_files([corrections])
    assert (list(pairs.sources), list(pairs.targets)) == (
        ["another, longer line"],
        ["eine andere Zeile"],
    )


def test_a_queue_may_have_line_separators_and_tabs_without_a_correction(tmp_path) -> None:
    records = [
        {"source": "one\u2028line", "correction": "eine"},
        {"source": "a\tb", "correction": ""},
    ]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    (tmp_path / "queue").write_text(text, encoding="utf-8")
    assert main(["review", str(tmp_path / "queue"), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == "one\u2028line\teine\n"


def test_a_sure_model_queues_nothing(directory, files, tmp_path) -> None:
    Confidence((9.0, 0.0, 0.0, 0.0)).save(directory)
    queue = tmp_path / "queue.jsonl"
    options = ["--review-below", "0.4", "--review-file", str(queue)]
    assert main(["translate", str(directory), *files, *options]) == 0
    assert queue.read_text() == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--review-below", "0.4"], "must be given together"),
        (["--review-file", "queue"], "must be given together"),
        (["--review-below", "2", "--review-file", "queue"], "above 0 and at most 1"),
        (
            ["--review-below", "0.4", "--review-file", "queue", "--split-sentences", "en"],
            "without --split-sentences",
        ),
        (
            ["--review-below", "0.4", "--review-file", "queue", "--engine", "beam"],
            "left out with `--engine beam`",
        ),
    ],
)
def test_wrong_options(directory, files, options, message, capsys) -> None:
    assert main(["translate", str(directory), *files, *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Line 1 of"),
        ("[]", "must be a line of a review queue"),
        ('{"source": "a\\tb", "correction": "c"}', "no tab or line end"),
        ('{"source": "a\\ud800", "correction": "c"}', "Line 1 of"),
    ],
)
def test_wrong_queues(line, message, tmp_path, capsys) -> None:
    (tmp_path / "queue").write_text(line + "\n")
    assert main(["review", str(tmp_path / "queue"), "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_calibrate_writes_beside_the_translator(directory, tmp_path, capsys) -> None:
    sources = [f"line {i}" for i in range(12)]
    translator = Translator.load(directory)
    # Half of the references are what it says anyway.
    said = translator.translate(sources)
    targets = [text if i % 4 < 2 else "zzzz qqqq" for i, text in enumerate(said)]
    for name, lines in (("source", sources), ("target", targets)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    paths = ["--source", str(tmp_path / "source"), "--reference", str(tmp_path / "target")]
    assert main(["calibrate", str(directory), *paths, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sentences"] == 6 and 0 <= report["expected_calibration_error"] <= 1
    assert len(Confidence.find(directory).weights) == 4
    assert main(["calibrate", str(directory), *paths, "--good-chrf", "nan"]) == 2
    assert "`--good-chrf` must be above 0 and at most 100" in capsys.readouterr().err
    assert main(["calibrate", *paths]) == 2
    assert "the models that ship are calibrated already" in capsys.readouterr().err


def test_a_queue_is_never_its_own_output(tmp_path, capsys) -> None:
    queue = tmp_path / "queue"
    queue.write_text('{"source": "a", "correction": ""}\n')
    assert main(["review", str(queue), "--output", str(queue)]) == 2
    assert "`--output` must not be a file of another argument" in capsys.readouterr().err
    assert queue.read_text() == '{"source": "a", "correction": ""}\n'


@pytest.mark.parametrize("name", ["in", "out"])
def test_doubtful_translations_are_not_written_into_other_files(
    name, directory, files, tmp_path, capsys
) -> None:
    before = (tmp_path / "in").read_text()
    options = ["--review-below", "0.4", "--review-file", str(tmp_path / name)]
    assert main(["translate", str(directory), *files, *options]) == 2
    assert "`--review-file` must not be a file of another argument" in capsys.readouterr().err
    assert (tmp_path / "in").read_text() == before and not (tmp_path / "out").exists()
