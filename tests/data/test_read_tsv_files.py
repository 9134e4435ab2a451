"""Several TSV files as one corpus, each source tagged with its file's name if asked."""

import pytest

from keras_attn.data import read_tsv_files
from keras_attn.training.load_corpora import load_corpora
from keras_attn.training.recipe.data_recipe import DataRecipe


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "b.tsv").write_text("x\ty\n u\tv\n", encoding="utf-8")
    (tmp_path / "a.tsv").write_text("p\tq\n", encoding="utf-8")
    (tmp_path / "dev" / "a.tsv").write_text("k\tl\n", encoding="utf-8")
    return tmp_path


def test_files_are_read_in_the_order_given(directory):
    corpus = read_tsv_files([directory / "b.tsv", directory / "a.tsv"])
    assert list(corpus) == [("x", "y"), (" u", "v"), ("p", "q")]
    assert corpus.name == "b+a"
    assert any(note.startswith("b: ") for note in corpus.notes)


def test_tags_are_the_names_of_the_files(directory):
    corpus = read_tsv_files([directory / "a.tsv", directory / "b.tsv"], 1, 0, tag_sources=True)
    assert list(corpus)[:2] == [("<a> q", "p"), ("<b> y", "x")]


def test_a_recipe_may_name_a_pattern(directory):
    recipe = DataRecipe(
        kind="tsv",
        directory=str(directory),
        train="*.tsv",
        validation="dev/a.tsv",
        tag_sources=True,
    )
    corpora = load_corpora(recipe)
    assert corpora.train.sources == ("<a> p", "<b> x", "<b>  u")
    assert corpora.validation.sources == ("<a> k",)


def test_a_pattern_without_files_and_no_file_are_refused(directory):
    recipe = DataRecipe(
        kind="tsv", directory=str(directory), train="test/*.tsv", validation="dev/a.tsv"
    )
    with pytest.raises(ValueError, match=r"must match at least one file. Received: 'test/\*.tsv'"):
        load_corpora(recipe)
    with pytest.raises(ValueError, match="`paths` must name at least one file"):
        read_tsv_files([])
