"""The average of checkpoints is their element-wise mean, and loads into the model."""

import h5py
import keras
import numpy as np
import pytest

from keras_attn.training.run.average_checkpoints import average_checkpoints
from keras_attn.training.run.checkpoint_index import CheckpointIndex


def make_model(width: int = 3, compiled: bool = False) -> keras.Model:
    """An embedding that is used twice, as a tied one, dropout with its seed, and an optimizer."""
    inputs = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(7, width)
    hidden = keras.layers.Dropout(0.1, seed=1)(embedding(inputs))
    outputs = keras.layers.Dense(5)(hidden) + keras.layers.Dense(5)(embedding(inputs))
    model = keras.Model(inputs, outputs)
    if compiled:
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
    return model


def save_checkpoints(directory, count: int, bleu=None) -> list[list[np.ndarray]]:
    model, random = make_model(compiled=True), np.random.default_rng(0)
    options = {"monitor": "val_bleu", "higher_is_better": True} if bleu else {}
    index = CheckpointIndex(directory / "checkpoints", keep=9, **options)
    index.directory.mkdir()
    saved = []
    for step in range(1, count + 1):
        model.set_weights([random.normal(size=one.shape) for one in model.get_weights()])
        model.save_weights(index.path_of_step(step))
        index.add(step, {"val_bleu": bleu[step - 1]} if bleu else {"val_loss": 1.0})
        saved.append(model.get_weights())
    return saved


def test_the_average_of_a_run_is_the_mean_of_its_last_checkpoints(tmp_path):
    saved = save_checkpoints(tmp_path, 4)
    path = average_checkpoints(tmp_path, last=3)
    assert path == tmp_path / "checkpoints" / "average.weights.h5"
    model = make_model()
    model.load_weights(path)
    for ours, *theirs in zip(model.get_weights(), *saved[1:], strict=True):
        np.testing.assert_allclose(ours, np.mean(np.float64(theirs), axis=0), rtol=1e-6)
    with h5py.File(path) as file:
        assert "optimizer" not in file
    assert not list(tmp_path.rglob("*partial*"))


@pytest.mark.parametrize(
    ("which", "places"),
    [({"best": 2}, [1, 3]), ({"best": 1}, [3]), ({"steps": [1, 3]}, [0, 2])],
)
def test_the_best_and_certain_updates_can_be_taken_instead(tmp_path, which, places):
    saved = save_checkpoints(tmp_path, 4, bleu=[7.0, 9.0, 8.0, 9.0])
    model = make_model()
    model.load_weights(average_checkpoints(tmp_path, **which))
    expected = [saved[place] for place in places]
    for ours, *theirs in zip(model.get_weights(), *expected, strict=True):
        np.testing.assert_allclose(ours, np.mean(np.float64(theirs), axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"best": 5}, "`best` must be at most .* best=5, checkpoints=4"),
        ({"steps": [1, 9]}, "`steps` must be steps that have a checkpoint: 1, 2, 3, 4"),
        ({"steps": [1], "best": 1}, "`best` and `steps` must not be given together"),
    ],
)
def test_a_choice_that_there_is_not_is_refused(tmp_path, which, message):
    save_checkpoints(tmp_path, 4, bleu=[7.0, 9.0, 8.0, 9.0])
    with pytest.raises(ValueError, match=message):
        average_checkpoints(tmp_path, **which)


def test_given_paths_are_averaged_into_a_given_file(tmp_path):
    saved = save_checkpoints(tmp_path, 2)
    paths = sorted((tmp_path / "checkpoints").glob("*.h5"))
    output = average_checkpoints(paths, last=2, output=tmp_path / "mean.weights.h5")
    assert output == tmp_path / "mean.weights.h5"
    model = make_model()
    model.load_weights(output)
    np.testing.assert_allclose(model.get_weights()[0], (saved[0][0] + saved[1][0]) / 2, rtol=1e-6)


def test_many_equal_checkpoints_average_to_exactly_themselves(tmp_path):
    save_checkpoints(tmp_path, 1)
    (path,) = (tmp_path / "checkpoints").glob("*.h5")
    output = average_checkpoints([path] * 7, last=7, output=tmp_path / "mean.weights.h5")
    with h5py.File(path) as first, h5py.File(output) as second:
        names = []
        second.visititems(lambda name, item: names.append(name))
        for name in names:
            if isinstance(first[name], h5py.Dataset):
                np.testing.assert_array_equal(first[name][()], second[name][()])
    assert any("dense" in name for name in names)


@pytest.mark.parametrize(
    ("last", "message"), [(3, "`last` must be at most.*checkpoints=2"), (0, "`last` must be at l")]
)
def test_more_checkpoints_than_there_are_are_refused(last, message, tmp_path):
    save_checkpoints(tmp_path, 2)
    with pytest.raises(ValueError, match=message):
        average_checkpoints(tmp_path, last=last)


def test_a_directory_without_checkpoints_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`run` must be a directory that training wrote"):
        average_checkpoints(tmp_path)
    (tmp_path / "text.weights.h5").write_text("nothing")
    with pytest.raises(ValueError, match="text.weights.h5"):
        average_checkpoints([tmp_path / "text.weights.h5"], last=1)


def test_checkpoints_of_different_models_are_refused_and_leave_no_file(tmp_path):
    make_model(3).save_weights(tmp_path / "a.weights.h5")
    make_model(4).save_weights(tmp_path / "b.weights.h5")
    with pytest.raises(ValueError, match=r"one model.*\(3, 5\) in a.* and \(4, 5\) in b"):
        average_checkpoints([tmp_path / "a.weights.h5", tmp_path / "b.weights.h5"], last=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.weights.h5", "b.weights.h5"]
