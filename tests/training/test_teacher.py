"""A run that learns from a teacher: its tokenizers, its predictions, what is refused."""

import shutil

import numpy as np
import pytest

import keras_attn
from keras_attn.models import create_model
from keras_attn.training import Recipe, train
from keras_attn.training.recipe.training_recipe import TrainingRecipe
from keras_attn.translator import Translator, make_ensemble

WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}
SIZES = {"hidden_dim": 16, "num_layers": 1}
OTHERS = {"two": "zwo", "three": "drei", "unknown": "unbekannt"}


def make_recipe(directory, words, **training) -> Recipe:
    """Word for word; one layer, no XLA, an update as large as the corpus."""
    directory.mkdir(parents=True)
    lines = [f"{source}\t{target}\n" for source, target in words.items()]
    (directory / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return Recipe.from_table(
        {
            "data": {"kind": "tsv", "directory": str(directory), "train": "pairs.tsv"}
            | {"validation": "pairs.tsv", "max_source_tokens": 7, "max_target_tokens": 7},
            "tokenizer": {"kind": "word", "shared": False},
            "model": {"preset": "rnn_tiny", "overrides": {**SIZES, "dropout": 0.0}},
            "training": {"jit_compile": False, "num_buckets": 1, "max_steps": 2}
            | {"peak_learning_rate": 0.02, "warmup_steps": 1, "sample_sentences": 0}
            | {"label_smoothing": 0.0, **training},
        }
    )


def make_translator(words, **overrides) -> Translator:
    """A translator that knows nothing, with the tokenizers of a corpus."""
    tokenizers = [
        keras_attn.data.WordTokenizer.train(list(side)) for side in (words, words.values())
    ]
    sizes = {
        f"{side}_vocabulary_size": tokenizer.vocabulary_size
        for side, tokenizer in zip(("source", "target"), tokenizers, strict=True)
    }
    model = create_model("conv_tiny", **sizes, **SIZES, **overrides)
    return Translator(model, *tokenizers)


@pytest.fixture(scope="module", name="teacher")
def an_ensemble(tmp_path_factory):
    """A teacher on disk, which does not know one of the words of the runs."""
    directory = tmp_path_factory.mktemp("teacher") / "translator"
    make_ensemble([make_translator(OTHERS), make_translator(OTHERS)]).save(directory)
    return directory


def test_a_run_takes_tokenizers_and_predictions_of_its_teacher(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(teacher.parent)
    taught = {
        "teacher": teacher.name,
        "teacher_weight": 1.0,
        "max_steps": 60,
        "validate_every_steps": 60,
    }
    recipe = make_recipe(tmp_path / "data", {**OTHERS, "new": "neu"}, **taught)
    run = train(recipe, tmp_path / "run").run
    # With the teacher alone, the labels do not count: the model learns to predict as it does.
    learned, wanted = Translator.load(run / "translator"), Translator.load(teacher)
    for side in ("source_tokenizer", "target_tokenizer"):
        assert getattr(learned, side).is_same(getattr(wanted, side))
    found, expected = (one.score(list(OTHERS), OTHERS.values()) for one in (learned, wanted))
    np.testing.assert_allclose(found, expected, atol=0.3)
    assert max(found) < -1.0  # the labels would have taught it more

    # From another directory, the run goes on with the same teacher.
    monkeypatch.chdir(tmp_path)
    assert Recipe.from_run(run).training.teacher == str(teacher)
    assert train(None, run, resume=True).report["steps"] == 60


def test_a_resumed_run_can_go_on_without_its_teacher(teacher, tmp_path):
    shutil.copytree(teacher, tmp_path / "teacher")
    recipe = make_recipe(tmp_path / "data", OTHERS, teacher=str(tmp_path / "teacher"))
    train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "teacher")
    longer = recipe.override({"training.max_steps": 3})
    message = "`training.teacher` must be a saved translator, .*`--set training.teacher=none`"
    with pytest.raises(ValueError, match=message):
        train(longer, tmp_path / "run", resume=True)
    alone = longer.override({"training.teacher": "none"})
    assert train(alone, tmp_path / "run", resume=True).report["steps"] == 3


def test_a_teacher_that_cannot_read_the_batches_is_refused_before_anything_is_written(
    teacher, tmp_path
):
    make_translator(WORDS).save(tmp_path / "start")
    recipe = make_recipe(tmp_path / "data", WORDS, teacher=str(teacher))
    recipe = recipe.override({"model.start_from": str(tmp_path / "start")})
    message = "`training.teacher` must have the tokenizers of the run. .* another source tokenizer"
    with pytest.raises(ValueError, match=message):
        train(recipe, tmp_path / "run")

    start = {"model.start_from": str(teacher), "training.teacher": "none"}
    with pytest.raises(ValueError, match="`model.start_from` must be .* one model.* an ensemble"):
        train(recipe.override(start), tmp_path / "run")

    make_translator(WORDS, max_sequence_length=8).save(tmp_path / "short")
    long = make_recipe(tmp_path / "long", WORDS, teacher=str(tmp_path / "short"))
    long = long.override({"data.max_target_tokens": 9})
    message = "`data.max_target_tokens` must be less than the teacher's max_sequence_length, 8,"
    with pytest.raises(ValueError, match=message + ".* a teacher with 12 positions or more"):
        train(long, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_shipped_teacher_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = TrainingRecipe(max_steps=1, teacher="tatoeba_en_de")
    assert recipe.with_absolute_paths().teacher == "tatoeba_en_de"
