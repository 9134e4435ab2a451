"""train and demo: what they ask of the training room, what they print, what they never touch."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import keras_attn
from keras_attn.cli.main import build_parser, main
from keras_attn.cli.new import read_corpus
from keras_attn.serving import ExportError, VerificationCheck, VerificationReport
from keras_attn.training import NonFiniteLossError, TrainingResult


class FakeTraining:
    """Stands for `train`: notes what it was asked and leaves a run."""

    def __init__(self, translator: keras_attn.Translator) -> None:
        self.translator = translator
        self.calls: list[tuple[Any, str, bool]] = []
        self.error: Exception | None = None

    def __call__(
        self,
        recipe: Any,
        output: Any,
        resume: bool = False,
        console: Any = None,
        accept_changed_data: bool = False,
    ) -> TrainingResult:
        self.accept_changed_data = accept_changed_data
        self.calls.append((recipe, str(output), resume))
        console.print("training ...")
        if self.error is not None:
            raise self.error
        Path(output).mkdir(parents=True)
        (Path(output) / "run.json").write_text("{}", encoding="utf-8")
        test = {"bleu": 31.25, "chrf": 55.5, "sentences": 1000, "signatures": {"bleu": "nrefs:1"}}
        return TrainingResult(
            Path(output), self.translator, [], 12, 3.5, 100.0, {"test": test, "was_cut": False}
        )


@pytest.fixture(scope="module")
def translator(saved_translator: Path) -> keras_attn.Translator:
    """What every training results in."""
    return keras_attn.Translator.load(saved_translator)


@pytest.fixture
def training(
    translator: keras_attn.Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeTraining:
    """The training room, and an empty working directory."""
    fake = FakeTraining(translator)
    monkeypatch.setattr("keras_attn.training.train", fake)
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws no attention map, which takes a second."""
    monkeypatch.setattr("keras_attn.cli.demo.draw_attention", lambda *_: None)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> list[VerificationReport]:
    """The serving room: each export is the next version; its report may be replaced."""
    reports = [VerificationReport(Path("x"), (VerificationCheck("files", True, "complete"),))]

    def export(translator: Any, directory: str) -> Path:
        version = Path(directory, str(len(list(Path(directory).glob("*"))) + 1))
        version.mkdir(parents=True)
        return version

    monkeypatch.setattr("keras_attn.serving.export_saved_model", export)
    monkeypatch.setattr("keras_attn.serving.verify_saved_model", lambda version: reports[-1])
    return reports


def test_train_passes_recipe_and_settings(
    training: FakeTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "phrasebook_tiny", "--output", "runs/a", "--set", "training.max_steps=7"]
    assert main([*command, "--set", "model.overrides.num_layers = 3"]) == 0
    ((recipe, output, resume),) = training.calls
    assert (recipe.name, output, resume) == ("phrasebook_tiny", "runs/a", False)
    assert recipe.training.max_steps == 7
    assert recipe.model.overrides["num_layers"] == 3
    captured = capsys.readouterr()
    assert "training ..." in captured.err
    assert "test BLEU 31.2" in captured.out and "translate runs/a" in captured.out


def test_train_prints_its_report_as_json(
    training: FakeTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "phrasebook_tiny", "--output", "runs/a", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["run"], report["test"]["bleu"]) == ("runs/a", 31.25)


def test_a_run_is_resumed_with_its_own_recipe(training: FakeTraining) -> None:
    assert main(["train", "--output", "runs/a", "--resume"]) == 0
    assert training.calls == [(None, "runs/a", True)]


def test_a_run_is_resumed_with_its_own_recipe_changed(training: FakeTraining) -> None:
    recipe = keras_attn.training.Recipe.named("phrasebook_tiny")
    Path("a").mkdir()
    recipe.override({"training.seed": "41"}).to_toml("a/recipe.toml")
    training.error = ValueError("stop here")
    command = ["train", "--output", "a", "--resume", "--accept-changed-data"]
    assert main([*command, "--set", "training.max_steps=9"]) == 2
    assert training.accept_changed_data
    ((resumed, _, _),) = training.calls
    assert (resumed.training.seed, resumed.training.max_steps) == (41, 9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["phrasebook_tinny"], "'phrasebook_tiny'"),
        (["nowhere.toml"], "nowhere.toml"),
        ([], "`RECIPE`"),
        (["phrasebook_tiny", "--set", "training.max_step=3"], "training.max_steps"),
        (["phrasebook_tiny", "--set", "training.max_steps=many"], "training.max_steps"),
        (["phrasebook_tiny", "--set", "decoding.class_name"], "SECTION.FIELD=VALUE"),
    ],
)
def test_a_wrong_recipe_is_one_line_and_no_directory(
    arguments: list[str],
    words: str,
    training: FakeTraining,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        status: Any = main(["train", *arguments, "--output", "runs/a"])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
    assert training.calls == [] and not Path("runs").exists()


def test_a_preset_that_does_not_exist_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", "phrasebook_tiny", "--output", "runs/a", "--set"]
    assert main([*command, "model.preset=transformer_tinny"]) == 2
    assert "transformer_tiny" in capsys.readouterr().err.splitlines()[-1]
    assert not Path("runs").exists()


def test_an_output_that_holds_something_else_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    assert main(["train", "phrasebook_tiny", "--output", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", [["train", "phrasebook_tiny", "--output", "a"], ["demo"]])
def test_a_loss_that_is_no_number_is_a_failure(
    command: list[str], training: FakeTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    training.error = NonFiniteLossError(5, float("nan"))
    assert main(command) == 1
    assert "step 5" in capsys.readouterr().err.splitlines()[-1]


def test_the_demo_ends_with_one_json_object(
    training: FakeTraining,
    serving: list[VerificationReport],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--json"]) == 0
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    result = json.loads(line)
    assert (result["bleu"], result["chrf"], result["sentences"]) == (31.25, 55.5, 1000)
    assert (result["run"], result["saved_model"]) == (
        "runs/phrasebook",
        "saved_models/phrasebook/1",
    )
    assert result["verified"] is True and result["seconds"] > 0
    if result["attention_map"] is not None:
        assert Path(result["attention_map"]).read_bytes().startswith(b"\x89PNG")
    assert training.calls[0][0].name == "phrasebook_tiny"
    references = keras_attn.data.phrasebook("test", 8).targets
    shown = " ".join(captured.err.replace("│", " ").split())
    assert all(reference.split()[0] in shown for reference in references)


@pytest.mark.usefixtures("picture")
def test_a_demo_is_finished_where_the_output_knows_ascii_only_or_is_closed(
    training: FakeTraining,
    serving: list[VerificationReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["demo"]) == 0
    assert b"translate saved_models/phrasebook/1" in raw.getvalue()
    assert b"\\x" in raw.getvalue()  # an umlaut
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["demo"]) == 0
    assert Path("saved_models/phrasebook/2").is_dir()
    sys.stdout.close()


@pytest.mark.usefixtures("picture")
def test_a_second_demo_keeps_the_first_and_says_so(
    training: FakeTraining,
    serving: list[VerificationReport],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo"]) == 0
    capsys.readouterr()
    first = sorted(Path("runs/phrasebook").iterdir())
    for number in (2, 3):
        assert main(["demo"]) == 0
        printed = capsys.readouterr().out
        assert f"this run goes to runs/phrasebook-{number}" in printed
        assert f"translate saved_models/phrasebook/{number}" in printed
    assert sorted(Path("runs/phrasebook").iterdir()) == first


@pytest.mark.usefixtures("picture")
def test_a_demo_takes_an_empty_directory_and_settings(
    training: FakeTraining, serving: list[VerificationReport]
) -> None:
    options = ["--output", "mine", "--saved-model", "served", "--set", "training.max_steps=5"]
    assert main(["demo", *options]) == 0
    ((recipe, output, _),) = training.calls
    assert (recipe.training.max_steps, output) == (5, "mine")
    assert Path("served/1").is_dir()


@pytest.mark.usefixtures("picture")
def test_the_commands_that_the_demo_shows_parse(
    training: FakeTraining,
    serving: list[VerificationReport],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("keras_attn.cli.demo.program", lambda: "keras-attn")
    assert main(["demo", "--output", "my runs/it's"]) == 0
    shown = capsys.readouterr().out.split("now try:\n")[1].splitlines()
    assert len(shown) == 3
    for line in shown:
        words = shlex.split(line)
        build_parser().parse_args(words[words.index("keras-attn") + 1 :])
    assert shlex.split(shown[0])[-1] == "my runs/it's"


@pytest.mark.usefixtures("picture")
def test_a_demo_whose_model_fails_its_verification_fails(
    training: FakeTraining,
    serving: list[VerificationReport],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serving.append(VerificationReport(Path("x"), (VerificationCheck("files", False, "missing"),)))
    assert main(["demo", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verified"] is False

    def export(translator: Any, directory: str) -> Path:
        raise ExportError("refused")

    monkeypatch.setattr("keras_attn.serving.export_saved_model", export)
    assert main(["demo", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["saved_model"] is None
    assert "refused" in captured.err


def test_the_demo_keeps_its_own_data(
    training: FakeTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--set", "data.test=none"]) == 2
    assert "keras-attn train" in capsys.readouterr().err
    assert training.calls == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "1"], "`--minutes` must be given with --source and --target"),
        (["--languages", "en", "de"], "`--languages` must be given with --source and --target"),
        (["--tflops", "3"], "`--tflops` must be given with --dry-run"),
        (["--devices", "2"], "`--devices` must be given with --dry-run"),
    ],
)
def test_an_option_without_effect_is_refused(
    options: list[str],
    message: str,
    training: FakeTraining,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "phrasebook_tiny", "--output", "run", *options]) == 2
    assert message in capsys.readouterr().err and training.calls == []


def test_workers_share_one_recipe_of_a_corpus(
    training: FakeTraining, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    workers: list[tuple[list[str], int]] = []

    def make_recipe(arguments: Any, path: str) -> Any:
        made.append(path)
        return types.SimpleNamespace(lines=lambda: ["a recipe"])

    def run_local_workers(command: list[str], count: int) -> int:
        workers.append((command, count))
        return 0

    monkeypatch.setattr("keras_attn.cli.train.make_recipe", make_recipe)
    monkeypatch.setattr("keras_attn.cli.local_workers.run_local_workers", run_local_workers)
    monkeypatch.setenv("KERAS_ATTN_NEW_RECIPE", "")  # is given back after the test
    command = ["train", "--source", "a.en", "--target", "a.de", "--output", "run"]
    assert main([*command, "--workers", "2"]) == 0
    assert made == ["run.toml"] and [count for _, count in workers] == [2]
    # What a worker then does: it finds the recipe of its parent.
    assert os.environ["KERAS_ATTN_NEW_RECIPE"] == "run.toml"
    monkeypatch.setenv("KERAS_ATTN_NEW_RECIPE", "phrasebook_tiny")
    monkeypatch.setenv("KERAS_ATTN_WORKER", "1")
    assert main([*command, "--workers", "2"]) == 0
    assert made == ["run.toml"] and training.calls[0][0].name == "phrasebook_tiny"


def test_a_run_of_a_corpus_makes_its_parents_and_never_takes_anothers_place(
    training: FakeTraining, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []

    def make_recipe(arguments: Any, path: str) -> Any:
        made.append(path)
        assert Path(path).parent.is_dir()
        return types.SimpleNamespace(lines=lambda: ["a recipe"])

    monkeypatch.setattr("keras_attn.cli.train.make_recipe", make_recipe)
    monkeypatch.setattr("keras_attn.cli.train._recipe", lambda arguments: None)
    command = ["train", "--source", "a.en", "--target", "a.de", "--output", "deep/runs/x"]
    assert main(command) == 0
    Path("deep/runs/x/thesis.txt").touch()
    Path("deep/runs/x/run.json").unlink()
    assert main(command) == 2
    assert "holds something else" in capsys.readouterr().err.splitlines()[-1]
    assert made == ["deep/runs/x.toml"]


def test_a_recipe_of_an_interrupted_start_is_named_with_the_command_that_goes_on(
    training: FakeTraining, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first checkpoint one is told to start again with the same command."""
    monkeypatch.setattr("keras_attn.cli.train.make_recipe", lambda *_: pytest.fail("made again"))
    Path("run.toml").write_text("a recipe", encoding="utf-8")
    command = ["train", "--source", "a.en", "--target", "a.de", "--output", "run"]
    assert main(command) == 2
    assert "train run.toml --output run`" in capsys.readouterr().err
    assert Path("run.toml").read_text(encoding="utf-8") == "a recipe" and training.calls == []


def test_a_corpus_is_not_given_to_several_machines(
    training: FakeTraining, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    command = ["train", "--source", "a.en", "--target", "a.de", "--output", "run"]
    assert main(command) == 2
    assert "Run `keras-attn new` there" in capsys.readouterr().err and training.calls == []


def test_the_language_of_a_compressed_file_is_before_its_suffix(tmp_path: Path) -> None:
    for name in ("a.en.gz", "a.zh.gz"):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.write("one line\n")
    arguments = argparse.Namespace(
        source=str(tmp_path / "a.en.gz"), target=str(tmp_path / "a.zh.gz"),
        tsv=None, tfds=None, languages=None, columns=None,
    )  # fmt: skip
    corpus = read_corpus(arguments)
    assert (corpus.source_language, corpus.target_language) == ("en", "zh")


def test_the_columns_of_a_file_with_more_than_two_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tatoeba's exports have numbers and authors beside the sentences."""
    path = tmp_path / "pairs.tsv"
    path.write_text("1\ta dog\t77\tein Hund\tCC-BY\n", encoding="utf-8")

    def read(*options: str) -> keras_attn.data.Corpus:
        command = ["new", "my.toml", "--tsv", str(path), *options]
        return read_corpus(build_parser().parse_args(command))

    assert list(read("--columns", "2", "4")) == [("a dog", "ein Hund")]
    assert list(read("--columns", "4", "2")) == [("ein Hund", "a dog")]
    assert list(read()) == [("1", "a dog")]
    for columns, message in [
        (("0", "2"), "`--columns` must be two different numbers, counted from 1. Received: 0 2"),
        (("2", "2"), "`--columns` must be two different numbers, counted from 1. Received: 2 2"),
        (("2", "9"), "at least 9 columns, .* where line 1 has 5"),
    ]:
        with pytest.raises(ValueError, match=message):
            read("--columns", *columns)
    assert main(["new", "my.toml", "--source", "a", "--target", "b", "--columns", "1", "2"]) == 2
    assert "`--columns` must be given with --tsv." in capsys.readouterr().err
    assert main(["train", "phrasebook_tiny", "--output", "x", "--columns", "1", "2"]) == 2
    assert "data.source_column=1; recipes count columns from 0" in capsys.readouterr().err
