"""Translation data sets of TensorFlow Datasets become corpora, in a direction that is known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_attn.data import CorpusError, load_tfds

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Phrases(tfds.core.GeneratorBasedBuilder):
    """A translation data set with known text."""

    code_path = None  # TFDS is to look for no files beside the code
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="de-en"),
        tfds.core.BuilderConfig(name="plain"),
    ]
    PAIRS = {"train": [("Hund", "dog"), ("Bär", "bear"), ("", "nothing")], "test": [("Ei", "egg")]}

    def _info(self):
        languages = ["de", "en"] if self.builder_config.name == "de-en" else ["de", "en", "fr"]
        return self.dataset_info_from_configs(features=tfds.features.Translation(languages))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.PAIRS}

    def _generate_examples(self, split):
        extra = {} if self.builder_config.name == "de-en" else {"fr": "chien"}
        for number, (german, english) in enumerate(self.PAIRS[split]):
            yield number, {"de": german, "en": english, **extra}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "animals"
    directory.mkdir()
    (directory / "en.train.txt").write_text("dog\nbear\n", encoding="utf-8")
    (directory / "de.train.txt").write_text("Hund\nBär\n", encoding="utf-8")
    return tfds.folder_dataset.TranslateFolder(str(directory))


def test_a_named_data_set_is_prepared_and_read_with_its_text(data_dir):
    corpus = load_tfds("phrases/de-en", data_dir=data_dir)
    assert sorted(corpus) == sorted([("Hund", "dog"), ("Bär", "bear"), ("", "nothing")])
    assert corpus.name == "phrases/de-en:train"
    assert any("empty on one side" in note for note in corpus.notes)
    assert list(load_tfds("phrases/de-en", "test", data_dir=data_dir)) == [("Ei", "egg")]
    assert len(load_tfds("phrases/de-en", "train[:2]", data_dir=data_dir)) == 2


def test_the_configuration_gives_the_direction_and_the_caller_can_turn_it(data_dir):
    turned = load_tfds("phrases/de-en", "test", source_language="en", data_dir=data_dir)
    assert list(turned) == [("egg", "Ei")]
    assert (turned.source_language, turned.target_language) == ("en", "de")
    chosen = load_tfds("phrases/plain", "test", "fr", "en", data_dir=data_dir)
    assert list(chosen) == [("chien", "egg")]


def test_an_unclear_direction_is_refused_with_the_languages(data_dir, folder):
    with pytest.raises(CorpusError, match="direction.*de, en, fr"):
        load_tfds("phrases/plain", data_dir=data_dir)
    with pytest.raises(CorpusError, match="more than two, both arguments must be given"):
        load_tfds("phrases/plain", source_language="de", data_dir=data_dir)
    with pytest.raises(CorpusError, match="two different languages"):
        load_tfds("phrases/de-en", "test", "de", "de", data_dir=data_dir)
    with pytest.raises(CorpusError, match="`target_language`.*de, en.*Received: it"):
        load_tfds("phrases/de-en", target_language="it", data_dir=data_dir)
    with pytest.raises(CorpusError, match="direction"):
        load_tfds(folder)


def test_a_folder_data_set_is_read_where_it_lies(folder):
    corpus = load_tfds(folder, source_language="en", target_language="de")
    assert list(corpus) == [("dog", "Hund"), ("bear", "Bär")]


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("wmt14_translate/de-en", ("de", "en")),
        ("ted_hrlr_translate/pt_to_en", ("pt", "en")),
        ("para_crawl/ende", ("en", "de")),
        ("opus", ("de", "en")),
    ],
)
def test_public_data_sets_load_without_a_network_from_mock_data(name, languages):
    with tfds.testing.mock_data(num_examples=5):
        corpus = load_tfds(name)
    assert len(corpus) == 5
    assert (corpus.source_language, corpus.target_language) == languages


def test_mock_text_arrives_on_its_own_side():
    def texts(self, **kwargs):
        pairs = {"de": np.array([b"Hund", b"B\xc3\xa4r"]), "en": np.array([b"dog", b"bear"])}
        return tf.data.Dataset.from_tensor_slices(pairs)

    with tfds.testing.mock_data(as_dataset_fn=texts):
        corpus = load_tfds("wmt14_translate/de-en", source_language="en")
    assert list(corpus) == [("dog", "Hund"), ("bear", "Bär")]


def test_unknown_names_list_the_nearest(data_dir):
    with pytest.raises(CorpusError, match="`name`.*wmt14_translat.*wmt14_translate"):
        load_tfds("wmt14_translat/de-en")
    with pytest.raises(CorpusError, match="Nearest configurations:.*de-en"):
        load_tfds("wmt14_translate/de-em")
    with pytest.raises(CorpusError, match="`split`.*train, test|`split`.*test, train"):
        load_tfds("phrases/de-en", "trian", data_dir=data_dir)


def test_a_data_set_without_translations_is_refused():
    with tfds.testing.mock_data(num_examples=1):
        with pytest.raises(CorpusError, match="translations.*mnist"):
            load_tfds("mnist")
        with pytest.raises(CorpusError, match="translations.*ted_multi"):
            load_tfds("ted_multi_translate")


def test_without_download_an_unprepared_data_set_says_what_to_do(tmp_path):
    with pytest.raises(CorpusError, match="download=True"):
        load_tfds("phrases/de-en", data_dir=tmp_path, download=False)


def test_a_package_that_tfds_misses_is_named_with_the_command(data_dir, monkeypatch):
    def download_and_prepare(self):
        raise ModuleNotFoundError("No module named 'conllu'", name="conllu")

    monkeypatch.setattr(Phrases, "download_and_prepare", download_and_prepare)
    with pytest.raises(CorpusError, match="installed.*phrases/de-en.*pip install conllu"):
        load_tfds("phrases/de-en", data_dir=data_dir)


def test_any_one_split_that_tfds_knows_is_read(data_dir):
    instruction = tfds.core.ReadInstruction("train", to=2, unit="abs")
    assert len(load_tfds("phrases/de-en", instruction, data_dir=data_dir)) == 2
    halves = tfds.even_splits("train", n=3)
    assert len(load_tfds("phrases/de-en", halves[0], data_dir=data_dir)) == 1


@pytest.mark.parametrize("split", [["train", "test"], None, 3])
def test_what_is_not_one_split_is_refused(data_dir, split):
    with pytest.raises(CorpusError, match="`split`"):
        load_tfds("phrases/de-en", split, data_dir=data_dir)
