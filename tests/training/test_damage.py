"""Full disks, damaged files and changed data cost neither a checkpoint nor an unclear error."""

import contextlib
import errno
import io
import json
import resource
import shutil
from pathlib import Path

import keras
import pytest
from rich.console import Console

from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.checkpoint_file import CheckpointError
from keras_attn.training.run.checkpoint_index import CheckpointIndex
from keras_attn.training.trainer import train
from tests.support.checkpoints import arrays, assert_same_checkpoint, steps_in
from tests.support.digits import digits_recipe, write_digits
from tests.support.reused_models import reused_models


@pytest.fixture(scope="module", autouse=True)
def graphs_are_traced_once():
    with reused_models():
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where the corpus and the runs of all tests lie, for each of them to copy."""
    directory = tmp_path_factory.mktemp("home")
    write_digits(directory / "corpus")
    return directory


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return digits_recipe(
        Path("corpus"), dropout=0.1, global_batch_tokens=512, num_buckets=1, max_steps=6,
        validate_every_steps=2, keep_checkpoints=9,
    )  # fmt: skip


@pytest.fixture(scope="module")
def straight(home, recipe) -> Path:
    """A run from start to end; to look at only."""
    with contextlib.chdir(home):
        return train(recipe, home / "straight", progress=False).run


@pytest.fixture(scope="module")
def begun(home, recipe) -> Path:
    """A run that has made two of its updates."""
    with contextlib.chdir(home):
        return train(recipe.override({"training.max_steps": "2"}), home / "run", progress=False).run


@pytest.fixture(autouse=True)
def own_corpus(home, tmp_path, monkeypatch) -> None:
    shutil.copytree(home / "corpus", tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)


class Before(keras.callbacks.Callback):
    """Does something before an update."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action = step, action

    def on_train_batch_begin(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            self.action()


def damage(path) -> None:
    contents = bytearray(path.read_bytes())
    middle = len(contents) // 2
    contents[middle : middle + 64] = bytes(64 * [0xA5])
    path.write_bytes(contents)


@pytest.mark.slow
def test_the_newest_readable_checkpoint_is_used_and_the_damaged_one_is_named(
    recipe, straight, tmp_path
):
    run = tmp_path / "run"
    train(recipe.override({"training.max_steps": "4"}), run, progress=False)
    damage(run / "checkpoints" / "step-00000004.weights.h5")
    output = io.StringIO()
    train(recipe, run, resume=True, console=Console(file=output, width=200))
    assert "step-00000004.weights.h5 is damaged" in output.getvalue()
    assert "resuming at step 2" in output.getvalue()
    assert_same_checkpoint(run, straight, step=6)
    assert (run / "checkpoints" / "damaged.step-00000004.weights.h5").is_file()


def test_a_run_whose_only_checkpoint_is_cut_short_says_so(recipe, begun, tmp_path):
    run = shutil.copytree(begun, tmp_path / "run")
    path = run / "checkpoints" / "step-00000002.weights.h5"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        ValueError, match="step-00000002.* must be an intact checkpoint.*the only one"
    ):
        train(recipe, run, resume=True, progress=False)
    assert path.is_file()


def test_a_disk_that_fills_while_a_checkpoint_is_written_leaves_the_last_one(
    recipe, straight, tmp_path
):
    """A limit on the size of files: the system refuses to write on, as where a disk is full."""
    run = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    fill = Before(3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard)))
    try:
        with pytest.raises(CheckpointError, match="step-00000004.* could not be written.*intact"):
            train(recipe, run, progress=False, callbacks=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert steps_in(run) == [2]
    assert not list((run / "checkpoints").glob(".partial*"))
    arrays(run / "checkpoints" / "step-00000002.weights.h5")
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    train(recipe, run, resume=True, progress=False)
    assert_same_checkpoint(run, straight, step=6)


def test_a_directory_that_became_read_only_is_named(recipe, tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    change = Before(3, lambda: monkeypatch.setattr("keras_attn.system.whole_file._sync", refuse))
    with pytest.raises(CheckpointError, match="could not be written .Read-only file system"):
        train(recipe, tmp_path / "run", progress=False, callbacks=[change])
    assert steps_in(tmp_path / "run") == [2]


@pytest.mark.parametrize("where", ["inside a line", "between two lines"])
def test_a_recipe_that_was_cut_short_is_named_and_nothing_is_touched(
    recipe, begun, tmp_path, where
):
    """Between two lines what is left is a valid recipe: of another training."""
    run = shutil.copytree(begun, tmp_path / "run")
    text = (run / "recipe.toml").read_text()
    cut = text.index("max_steps") + (3 if where == "inside a line" else len("max_steps = 2\n"))
    (run / "recipe.toml").write_text(text[:cut])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for named in (None, recipe):
        with pytest.raises(ValueError, match=r"recipe.toml"):
            train(named, run, resume=True, progress=False)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_other_pairs_than_at_the_start_are_refused_unless_accepted(recipe, begun, tmp_path):
    run, file = shutil.copytree(begun, tmp_path / "run"), tmp_path / "corpus" / "train.de"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[1:], lines[0]]))  # as many, as long: other pairs
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="the train pairs have changed.*--accept-changed-data"):
        train(recipe, run, resume=True, progress=False)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    result = train(recipe, run, resume=True, progress=False, accept_changed_data=True)
    assert result.steps == 6


def test_scores_on_other_validation_pairs_are_not_compared(recipe, begun, tmp_path):
    run = shutil.copytree(begun, tmp_path / "run")
    index = CheckpointIndex(run / "checkpoints")
    index.add(2, {"val_perplexity": 1.0}, index.latest.crc32)  # easier pairs than the new ones
    shutil.copy(tmp_path / "corpus" / "train.en", tmp_path / "corpus" / "val.en")
    shutil.copy(tmp_path / "corpus" / "train.de", tmp_path / "corpus" / "val.de")
    recipe = recipe.override(
        {"training.early_stopping_patience": 1, "training.peak_learning_rate": 1e-9}
    )
    output = io.StringIO()
    result = train(
        recipe, run, resume=True, console=Console(file=output, width=200), accept_changed_data=True
    )
    assert "the validation pairs have changed: earlier scores do not count" in output.getvalue()
    best = CheckpointIndex(run / "checkpoints").best
    assert best.metrics["val_perplexity"] > 1.5
    assert best.metrics["val_perplexity"] == pytest.approx(
        result.report["validation"]["perplexity"], rel=1e-5
    )
    # The validation at step 2 was made again, on the new pairs; so two could be compared.
    assert [line["step"] for line in result.history] == [2, 4, 6]
    assert ["loss" in line for line in result.history] == [False, True, True]  # it was not kept


def test_a_corpus_that_is_gone_is_named_and_nothing_is_touched(recipe, begun, tmp_path):
    run = shutil.copytree(begun, tmp_path / "run")
    shutil.rmtree(tmp_path / "corpus")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="`data.directory` must be a directory that exists"):
        train(recipe, run, resume=True, progress=False)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_goes_on_from_another_working_directory(begun, straight, tmp_path, monkeypatch):
    run = shutil.copytree(begun, tmp_path / "moved" / "run")
    monkeypatch.chdir(tmp_path / "moved")
    train(None, run, resume=True, progress=False, console=None)  # to the step that it was begun for
    recipe = Recipe.from_run(run).override({"training.max_steps": "6"})
    train(recipe, "run", resume=True, progress=False)
    assert_same_checkpoint(run, straight, step=6)


def test_a_run_goes_on_where_its_files_have_other_names_and_lie_elsewhere(
    recipe, begun, straight, tmp_path
):
    run = shutil.copytree(begun, tmp_path / "run")
    corpus = shutil.move(tmp_path / "corpus", tmp_path / "texts")
    for file in list(Path(corpus).glob("train.*")):
        file.rename(file.with_name(f"learn{file.suffix}"))
    places = {
        "data.directory": str(corpus),
        "data.train": '["learn.en", "learn.de"]',
        "data.test": "none",
    }
    train(recipe.override(places), run, resume=True, progress=False)
    assert_same_checkpoint(run, straight, step=6)
