"""score, evaluate, average, export, verify, plot, recipes: what they read, print and leave."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import keras_attn
from keras_attn.cli import evaluate
from keras_attn.cli.main import main
from keras_attn.interop import LiteRTMismatchError
from keras_attn.serving import ExportError, VerificationCheck, VerificationReport

_LOADED: dict[tuple[Path, int | None], keras_attn.Translator] = {}


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads each translator once for all tests, so that its graphs are traced once."""
    load = keras_attn.Translator.load

    def load_once(directory: Path, num_beams: int | None = None) -> keras_attn.Translator:
        key = Path(directory).resolve(), num_beams
        if key not in _LOADED:
            _LOADED[key] = load(directory, num_beams)
        return _LOADED[key]

    monkeypatch.setattr(keras_attn.Translator, "load", load_once)


def write(path: Path, *lines: str) -> str:
    """Writes lines and returns the path as it is typed."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def only_line(text: str) -> str:
    """The one line of a text that must have one."""
    assert text.count("\n") == 1, text
    return text.strip()


def test_score_prints_the_log_probability_of_each_line(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources, targets = ["Hi!", "", "Good day"], ["Ho!", "", "Guten Tag"]
    source = write(tmp_path / "a.en", *sources)
    target = write(tmp_path / "a.de", *targets)
    translator = keras_attn.Translator.load(run_directory / "translator")
    expected = translator.score(sources, targets)
    command = ["score", str(run_directory), "--source", source, "--target", target]
    assert main(command) == 0
    printed = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == pytest.approx(expected, abs=1e-5)
    assert main([*command, "--json"]) == 0
    values = json.loads(only_line(capsys.readouterr().out))
    assert values["log_probabilities"] == pytest.approx(expected)
    assert values["sum"] == pytest.approx(sum(expected))


def test_score_counts_sources_that_are_empty_or_truncated(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "a", "more than the 20 tokens of the model", "Hi!", "")
    target = write(tmp_path / "b", "x", "y", "")
    command = ["score", str(run_directory), "--source", source, "--target", target]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 3
    error = only_line(captured.err)
    assert error == "3 lines, 1 empty, 1 truncated (1 too long to be read whole)"
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    values = json.loads(only_line(captured.out))
    assert (values["truncated"], values["empty"]) == (1, 1)
    assert captured.err == ""


def test_json_has_null_where_a_number_is_infinite(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write(tmp_path / "a", ""), write(tmp_path / "b", "x")
    command = ["score", str(run_directory), "--source", source, "--target", target, "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["log_probabilities"] == [None]


def test_evaluate_prints_the_scores_and_writes_the_translations(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ["a b", "c d e"]
    source = write(tmp_path / "s", *sources)
    one, two = write(tmp_path / "r1", "x y", "z"), write(tmp_path / "r2", "x", "")
    output = tmp_path / "out"
    command = ["evaluate", str(run_directory), "--source", source, "--reference", one]
    command += ["--reference", two, "--output", str(output), "--tokenized-bleu"]
    assert main([*command, "--json"]) == 0
    values = json.loads(only_line(capsys.readouterr().out))
    assert (values["sentences"], values["references"]) == (2, 2)
    assert values["bleu_compound_split"] is not None and "chrf" in values["signatures"]
    translator = keras_attn.Translator.load(run_directory / "translator")
    expected = [
        text.replace("\n", " ").replace("\r", " ") for text in translator.translate(sources)
    ]
    assert output.read_bytes().decode().split("\n")[:-1] == expected
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("BLEU = ")


@pytest.mark.parametrize("name", ["s", "r", "link"])
def test_evaluate_never_overwrites_what_it_reads(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, reference = write(tmp_path / "s", "a"), write(tmp_path / "r", "b")
    (tmp_path / "link").symlink_to(tmp_path / "r")
    command = ["evaluate", str(tmp_path), "--source", source, "--reference", reference]
    assert main([*command, "--output", str(tmp_path / name)]) == 2
    assert "`--output` must not be a file of another argument" in only_line(capsys.readouterr().err)
    assert (tmp_path / "s").read_text() + (tmp_path / "r").read_text() == "a\nb\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_scores_are_printed_though_the_translations_cannot_be_written(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "s", "a b")
    command = ["evaluate", str(run_directory), "--source", file, "--reference", file]
    assert main([*command, "--output", "/dev/full", "--json"]) == 1
    captured = capsys.readouterr()
    assert "bleu" in json.loads(only_line(captured.out))
    assert only_line(captured.err).endswith("error: No space left on device: /dev/full")


@pytest.mark.parametrize("option", ["--bleu-tokenizer", "--tokenize"])
def test_evaluate_takes_a_tokenizer_for_bleu(
    option: str, run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "s", "两只狗在公园里奔跑。")
    command = ["evaluate", str(run_directory), "--source", file, "--reference", file]
    assert main([*command, option, "char", "--json"]) == 0
    values = json.loads(only_line(capsys.readouterr().out))
    assert "tok:char" in values["signatures"]["bleu"]
    assert not any("BLEU" in note for note in values["notes"])
    assert main(command) == 0
    assert "note: BLEU means nothing here" in capsys.readouterr().out
    assert main([*command, option, "chr"]) == 2
    error = only_line(capsys.readouterr().err)
    assert "`--bleu-tokenizer`" in error and "Nearest names: char" in error


def test_evaluate_takes_the_language_of_the_references(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "s", "两只狗在公园里奔跑。")
    command = ["evaluate", str(run_directory), "--source", file, "--reference", file, "--json"]
    assert main([*command, "--target-language", "zh"]) == 0
    assert "tok:zh" in json.loads(capsys.readouterr().out)["signatures"]["bleu"]
    assert main([*command, "--target-language", "zh", "--bleu-tokenizer", "char"]) == 0
    assert "tok:char" in json.loads(capsys.readouterr().out)["signatures"]["bleu"]


@pytest.mark.parametrize("command", ["score", "evaluate"])
@pytest.mark.parametrize(
    ("second", "words"),
    [
        (b"one\ntwo\n", "a.de with 2"),
        (b"one\n\xff\nthree\n", "line 2"),
        (None, "a.de"),
    ],
)
def test_files_that_do_not_belong_together_are_one_line(
    command: str,
    second: bytes | None,
    words: str,
    run_directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, other = write(tmp_path / "a.en", "1", "2", "3"), tmp_path / "a.de"
    if second is not None:
        other.write_bytes(second)
    option = "--target" if command == "score" else "--reference"
    assert main([command, str(run_directory), "--source", source, option, str(other)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in only_line(captured.err)


def test_average_puts_the_mean_into_the_translator(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Any, ...]] = []

    def average(run: Path, **which: Any) -> Path:
        calls.append(("average", run, which))
        return run / "mean.weights.h5"

    monkeypatch.setattr("keras_attn.training.average_checkpoints", average)
    monkeypatch.setattr(
        "keras_attn.training.rewrite_translator", lambda *paths: calls.append(paths)
    )
    assert main(["average", str(run_directory), "--last", "3", "--json"]) == 0
    mean = run_directory / "mean.weights.h5"
    which = {"last": 3, "best": None, "steps": None}
    assert calls == [("average", run_directory, which), (run_directory, mean)]
    values = json.loads(only_line(capsys.readouterr().out))
    assert values["weights"] == str(mean)


def test_average_of_what_is_no_run_writes_nothing(
    saved_translator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(saved_translator.rglob("*"))
    assert main(["average", str(saved_translator)]) == 2
    assert "no run.json" in only_line(capsys.readouterr().err)
    assert sorted(saved_translator.rglob("*")) == before


def test_average_of_a_run_that_has_moving_averages_is_refused(
    run_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = keras_attn.training.Recipe.named("phrasebook_tiny")
    recipe.override({"training.ema_decay": "0.9"}).to_toml(run_directory / "recipe.toml")
    assert main(["average", str(run_directory), "--last", "1"]) == 2
    assert "`RUN` must be a run without `training.ema_decay`" in only_line(capsys.readouterr().err)


def test_average_of_a_run_without_checkpoints_is_one_line(
    run_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["average", str(run_directory)]) == 2
    assert "checkpoints" in only_line(capsys.readouterr().err)


def test_export_says_where_the_version_is(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Any] = []

    def export(translator: Any, directory: str, **options: Any) -> Path:
        given.extend((type(translator).__name__, directory, options))
        return Path(directory, "7")

    monkeypatch.setattr("keras_attn.serving.export_saved_model", export)
    assert main(["export", str(run_directory), "models/x", "--json"]) == 0
    values = json.loads(only_line(capsys.readouterr().out))
    options = {"reference_texts": None, "model_card": None, "xla": False}
    assert given == ["Translator", "models/x", options]
    assert (values["saved_model"], values["version"]) == ("models/x/7", 7)


def test_an_export_that_failed_is_status_1(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def export(translator: Any, directory: str, **options: Any) -> Path:
        raise ExportError("The export failed its verification.")

    monkeypatch.setattr("keras_attn.serving.export_saved_model", export)
    assert main(["export", str(run_directory), "models/x"]) == 1
    assert "failed its verification" in only_line(capsys.readouterr().err)


def test_a_litert_export_that_translates_otherwise_is_status_1(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def export(translator: Any, directory: str, **options: Any) -> Path:
        raise LiteRTMismatchError("The export must translate as the translator does.")

    monkeypatch.setattr("keras_attn.interop.export_litert", export)
    assert main(["export", str(run_directory), "out", "--format", "litert"]) == 1
    message = only_line(capsys.readouterr().err)
    assert message.startswith("keras-attn export: error: The export must translate")


@pytest.mark.parametrize("passed", [True, False])
def test_verify_has_status_1_if_a_check_failed(
    passed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = VerificationCheck("files", passed, "looked at")
    report = VerificationReport(Path("models/x/1"), (check,))
    monkeypatch.setattr("keras_attn.serving.verify_saved_model", lambda *_: report)
    assert main(["verify", "models/x/1", "--json"]) == (0 if passed else 1)
    assert json.loads(only_line(capsys.readouterr().out))["passed"] is passed
    assert main(["verify", "models/x/1"]) == (0 if passed else 1)
    assert "files: looked at" in capsys.readouterr().out


def test_verify_of_what_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "models/nowhere/1"]) == 2
    assert "models/nowhere/1" in only_line(capsys.readouterr().err)


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    recipes = json.loads(only_line(capsys.readouterr().out))
    names = [recipe["name"] for recipe in recipes]
    assert names == [info.name for info in keras_attn.training.list_recipes()]
    assert all(recipe["cost"] and recipe["expected_score"] for recipe in recipes)
    assert main(["recipes"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in names if name not in printed] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["positions", "--hidden-dim", "6", "--length", "5"],
        ["schedule", "--hidden-dim", "6", "--warmup-steps", "5", "--steps", "11"],
        ["history", "RUN"],
        ["attention", "RUN", "Hi $x!", "--layer", "0"],
        ["attention", "RUN", "Hi!", "--layer", "mean"],
    ],
)
def test_every_picture_is_drawn(
    arguments: list[str],
    run_directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    write(run_directory / "history.jsonl", '{"step": 1, "loss": 2.5}', '{"step": 2, "loss": 2}')
    picture = tmp_path / "picture.svg"
    words = [str(run_directory) if word == "RUN" else word for word in arguments]
    assert main(["plot", *words, "--output", str(picture)]) == 0
    assert picture.read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert capsys.readouterr().out.endswith(f"picture: {picture}\n")


@pytest.mark.parametrize(
    ("arguments", "output", "words"),
    [
        (["positions"], "map.txt", "map.png"),
        (["attention", "nowhere", "Hi!"], "map.gif", "`output`"),
        (["attention", "nowhere", "Hi!"], "map.png", "nowhere"),
        (["attention", "RUN", " "], "map.png", "SENTENCE"),
        (["attention", "RUN", "Hi!", "--layer", "5"], "map.png", "`layer`"),
        (["history", "RUN"], "map.png", "history.jsonl"),
    ],
)
def test_a_picture_that_cannot_be_is_one_line(
    arguments: list[str],
    output: str,
    words: str,
    run_directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    given = [str(run_directory) if word == "RUN" else word for word in arguments]
    assert main(["plot", *given, "--output", str(tmp_path / output)]) == 2
    assert words in only_line(capsys.readouterr().err)
    assert not (tmp_path / output).exists()


def test_a_picture_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("keras_attn.visualization")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", "positions", "--output", str(tmp_path / "map.png")]) == 1
    assert 'pip install "keras_attn[plots]"' in only_line(capsys.readouterr().err)


def test_a_warning_of_ours_is_one_line(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    write(run_directory / "history.jsonl", '{"step": 1, "loss": 2.5}', "{")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        command = ["plot", "history", str(run_directory), "--output", str(tmp_path / "a.png")]
        assert main(command) == 0
    assert only_line(capsys.readouterr().err).startswith("keras-attn plot: warning: ")


def test_evaluate_scores_tsv_files_and_their_mean(
    saved_translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    class Spelled:
        """Spells a word; the tag is left out."""

        def translate(self, texts: list[str]) -> list[str]:
            return [" ".join(text.rsplit("> ", 1)[-1]) for text in texts]

    monkeypatch.setattr(evaluate, "open_model", lambda location, beams, **_: Spelled())
    files = [
        write(tmp_path / "aa.tsv", "ab\ta b", "cd\tc d", "cd\tc e"),
        write(tmp_path / "bb.tsv", "<\t<", "xyz\tx y", "q\tq", "r\tt"),
    ]
    command = ["evaluate", str(saved_translator), "--tsv", *files, "--tag-sources"]
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rates = {name: scores["line_error_rate"] for name, scores in result["files"].items()}
    assert rates == {"aa": 0.0, "bb": 50.0}  # one source of aa.tsv has two references
    assert result["files"]["bb"]["token_error_rate"] == 40.0  # 2 edits, 5 reference tokens
    assert result["mean"]["line_error_rate"] == 25.0
    assert main(command) == 0
    table = capsys.readouterr().out
    assert "mean" in table and "25.00" in table
    swapped = write(tmp_path / "cc.tsv", "1	a b	x	ab", "2	c e	x	cd")
    command = ["evaluate", str(saved_translator), "--json", "--tsv", swapped]
    assert main([*command, "--columns", "4", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["line_error_rate"] == 50.0
    assert main([*command, "--columns", "4", "5"]) == 2
    assert "at least 5 columns" in only_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "`--source` and `--reference`, or `--tsv`, must be given"),
        (["--source", "a"], "`--source` and `--reference`, or `--tsv`, must be given"),
        (["--tsv", "a.tsv", "--source", "a"], "`--tsv` must be given without"),
        (["--source", "a", "--reference", "b", "--tag-sources"], "`--tag-sources` must be given"),
        (["--source", "a", "--reference", "b", "--columns", "1", "2"], "must be given with --tsv"),
        (["--tsv", "a.tsv", "--columns", "1", "1"], "`--columns` must be two different numbers"),
        (["--tsv", "a.tsv"], "`RUN` must exist. Received: somewhere."),
    ],
)
def test_evaluate_wants_one_test_set(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "somewhere", *options]) == 2
    assert words in only_line(capsys.readouterr().err)


def test_tsv_files_of_one_name_are_both_scored(
    saved_translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    files = [
        write(tmp_path / "a" / "fre.tsv", "ab\ta b"),
        write(tmp_path / "b" / "fre.tsv", "<\t<", "xyz\tx y", "q\tq", "r\tt"),
    ]
    command = ["evaluate", str(saved_translator), "--json", "--tsv"]
    assert main([*command, *files]) == 0
    found = json.loads(capsys.readouterr().out)["files"]
    assert {name: one["sentences"] for name, one in found.items()} == dict(
        zip(files, (1, 4), strict=True)
    )
    assert main([*command, files[0], files[0]]) == 2
    assert "`--tsv` must name every file once" in only_line(capsys.readouterr().err)
