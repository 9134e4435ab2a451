"""The index keeps the last checkpoints and the best, and survives what a crash leaves."""

import json

import pytest

from keras_attn.training.run.checkpoint_index import CheckpointIndex


def add(index: CheckpointIndex, step: int, **metrics: float) -> None:
    index.directory.mkdir(exist_ok=True)
    index.path_of_step(step).write_bytes(b"weights")
    index.add(step, metrics)


def files(index: CheckpointIndex) -> list[str]:
    return sorted(path.name for path in index.directory.iterdir())


def test_the_last_ones_and_the_best_are_kept_and_the_rest_deleted(tmp_path):
    index = CheckpointIndex(tmp_path / "checkpoints", keep=2, monitor="val_loss")
    for step, loss in [(10, 3.0), (20, 1.0), (30, 2.0), (40, 2.5), (50, 2.4)]:
        add(index, step, val_loss=loss)
    assert files(index) == [
        "checkpoints.json",
        "step-00000020.weights.h5",
        "step-00000040.weights.h5",
        "step-00000050.weights.h5",
    ]
    again = CheckpointIndex(tmp_path / "checkpoints", monitor="val_loss")
    assert [one.step for one in again.checkpoints] == [20, 40, 50]
    assert again.best.step == 20 and again.latest.step == 50
    assert again.best.metrics == {"val_loss": 1.0}
    contents = json.loads((tmp_path / "checkpoints" / "checkpoints.json").read_text())
    assert contents["best_step"] == 20 and contents["format_version"] == 1


def test_higher_may_be_better_and_the_later_of_equals_wins(tmp_path):
    index = CheckpointIndex(tmp_path / "c", keep=5, monitor="val_bleu", higher_is_better=True)
    for step, bleu in [(10, 7.0), (20, 9.0), (30, 9.0), (40, 8.0)]:
        add(index, step, val_bleu=bleu)
    add(index, 50)  # saved at an interrupt, without a validation
    assert index.best.step == 30


def test_a_checkpoint_whose_file_is_gone_is_not_listed(tmp_path):
    index = CheckpointIndex(tmp_path / "c")
    add(index, 10, val_loss=1.0)
    add(index, 20, val_loss=1.0)
    index.path_of_step(20).unlink()
    assert CheckpointIndex(tmp_path / "c").latest.step == 10


def test_a_step_that_is_written_again_replaces_what_came_after_it(tmp_path):
    index = CheckpointIndex(tmp_path / "c")
    for step in (10, 20, 30):
        add(index, step, val_loss=1.0)
    add(index, 20, val_loss=2.0)
    assert [one.step for one in index.checkpoints] == [10, 20]
    assert not index.path_of_step(30).exists() and index.path_of_step(20).exists()


def test_of_those_saved_between_validations_the_last_is_kept_until_there_is_a_later_one(tmp_path):
    index = CheckpointIndex(tmp_path / "c", keep=2, monitor="val_loss")
    add(index, 10, val_loss=1.0)
    add(index, 12)
    add(index, 14)
    assert [one.step for one in index.checkpoints] == [10, 14]
    add(index, 20, val_loss=2.0)
    add(index, 22)
    add(index, 30, val_loss=3.0)
    assert [one.step for one in index.checkpoints] == [10, 20, 30]  # the best, and the last two
    assert len(files(index)) == 4


def test_damage_of_a_file_is_seen_and_the_file_kept_aside(tmp_path):
    index = CheckpointIndex(tmp_path / "c")
    add(index, 10, val_loss=1.0)
    add(index, 20, val_loss=1.0)
    assert index.latest.is_whole()
    path = index.path_of_step(20)
    path.write_bytes(b"weighty")  # as long as before
    latest = CheckpointIndex(tmp_path / "c").latest
    assert not latest.is_whole()
    index.set_aside(index.latest)
    assert CheckpointIndex(tmp_path / "c").latest.step == 10
    assert path.with_name(f"damaged.{path.name}").read_bytes() == b"weighty"


@pytest.mark.parametrize("contents", ["{", '{"checkpoints": 3}', "[]", None])
def test_without_an_index_the_files_are_the_list(tmp_path, contents):
    index = CheckpointIndex(tmp_path / "c")
    add(index, 10, val_loss=1.0)
    add(index, 20, val_loss=1.0)
    name = tmp_path / "c" / "checkpoints.json"
    name.unlink()
    if contents is not None:
        name.write_text(contents)
    index = CheckpointIndex(tmp_path / "c", keep=3)
    assert [one.step for one in index.checkpoints] == [10, 20]
    add(index, 30, val_loss=1.0)  # each may have been validated, so none is deleted
    assert [one.step for one in CheckpointIndex(tmp_path / "c").checkpoints] == [10, 20, 30]
    assert len(list((tmp_path / "c").glob("*.h5"))) == 3


def test_what_a_kill_left_is_deleted_and_nothing_else(tmp_path):
    index = CheckpointIndex(tmp_path / "c")
    add(index, 10, val_loss=1.0)
    for name in (".partial.7.step-00000020.weights.h5", ".partial.7.checkpoints.json"):
        (tmp_path / "c" / name).write_text("half")
    index.path_of_step(30).write_text("renamed, and not yet in the index")
    for name in ("average.weights.h5", "damaged.step-00000005.weights.h5", "notes.txt"):
        (tmp_path / "c" / name).write_text("mine")
    index.tidy()
    assert files(index) == [
        "average.weights.h5",
        "checkpoints.json",
        "damaged.step-00000005.weights.h5",
        "notes.txt",
        "step-00000010.weights.h5",
    ]


def test_a_listed_file_that_is_about_to_be_replaced_is_not_taken_for_damaged(tmp_path):
    index = CheckpointIndex(tmp_path / "c")
    add(index, 10)
    index.expect(10, {"val_loss": 1.0})
    index.path_of_step(10).write_bytes(b"other sums of metrics")  # and then a kill
    latest = CheckpointIndex(tmp_path / "c").latest
    assert latest.is_whole() and latest.metrics == {"val_loss": 1.0}
    index.expect(20, {})  # no entry, and no file yet
    assert [one.step for one in CheckpointIndex(tmp_path / "c").checkpoints] == [10]
