"""What holds for every tokenizer: what it takes, where it stops, how it is saved and exported."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.data import ByteTokenizer, SentencePieceTokenizer, Tokenizer, load_tokenizer

TEXTS = ["the dog sees the cat", "a cat sees zwölf dogs", "dogs and cats"] * 5


@pytest.fixture(scope="module", params=["bytes", "subwords"])
def tokenizer(request) -> Tokenizer:
    if request.param == "bytes":
        return ByteTokenizer()
    return SentencePieceTokenizer.train(TEXTS, vocabulary_size=300)


class Echo(tf.Module):
    """A served model that does nothing but tokenize and detokenize."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokenize(self, texts):
        return {"token_ids": self.tokenizer.tokenize(texts).to_tensor()}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def detokenize(self, token_ids):
        return {"texts": self.tokenizer.detokenize(token_ids)}


def test_the_special_ids_are_the_contract(tokenizer):
    ids = (
        tokenizer.pad_token_id,
        tokenizer.unknown_token_id,
        tokenizer.start_token_id,
        tokenizer.end_token_id,
    )
    assert ids == (0, 1, 2, 3)


def test_tokenize_writes_no_special_token(tokenizer):
    for row in tokenizer.tokenize(TEXTS).to_list():
        assert min(row) > 3


def test_any_form_of_a_string_vector_is_taken(tokenizer):
    expected = tokenizer.tokenize(tf.constant(["the dog", "cat"])).to_list()
    for texts in (["the dog", "cat"], ("the dog", "cat"), [b"the dog", b"cat"]):
        assert tokenizer.tokenize(texts).to_list() == expected
    assert tokenizer.tokenize(np.array(["the dog", "cat"])).to_list() == expected
    assert tokenizer.tokenize(np.array(["the dog", "cat"], object)).to_list() == expected


@pytest.mark.parametrize(
    "texts", ["a dog", b"a dog", [["a"]], [1, 2], tf.constant("a"), tf.zeros([2]), [None], 7]
)
def test_what_is_no_vector_of_strings_is_refused(tokenizer, texts):
    with pytest.raises(ValueError, match=r"`texts` must (be a vector of|hold) strings.*Received: "):
        tokenizer.tokenize(texts)


@pytest.mark.parametrize(
    "token_ids",
    [
        [5, 6],
        [[1.5]],
        [["a"]],
        tf.constant([[1.5]]),
        tf.constant([["a"]]),
        tf.ragged.constant([[[5]], []]),
        7,
    ],
)
def test_what_is_no_matrix_of_integers_is_refused(tokenizer, token_ids):
    with pytest.raises(ValueError, match=r"`token_ids` must be a matrix .*Received: "):
        tokenizer.detokenize(token_ids)


def test_text_stops_at_the_first_end_token_and_skips_padding_and_start(tokenizer):
    dog, cat = tokenizer.tokenize(["dog", "cat"]).to_list()
    rows: list[list[int]] = [
        [2, *dog, 3, *cat, 3],
        [0, 2, 2, *dog, 0],
        [3, *dog],
        [0, 0],
        [],
    ]
    expected = [b"dog", b"dog", b"", b"", b""]
    ragged = tf.ragged.constant(rows, dtype=tf.int32)
    assert tokenizer.detokenize(rows).numpy().tolist() == expected
    assert tokenizer.detokenize(ragged).numpy().tolist() == expected
    assert tokenizer.detokenize(ragged.to_tensor(0)).numpy().tolist() == expected


def test_ids_outside_the_vocabulary_count_as_unknown(tokenizer):
    dog = tokenizer.tokenize(["dog"]).to_list()[0]
    size = tokenizer.vocabulary_size
    unknown = tokenizer.detokenize([[*dog, 1]]).numpy().tolist()
    for outside in (size, size + 999, -1, 2**31 - 1, -(2**31)):
        assert tokenizer.detokenize([[*dog, outside]]).numpy().tolist() == unknown
    assert tokenizer.pieces([size, -1]) == tokenizer.pieces([1, 1])
    wide = tf.constant([[*dog, 2**32 + 5]], tf.int64)
    assert tokenizer.detokenize(wide).numpy().tolist() == unknown


def test_random_ids_always_give_valid_text(tokenizer):
    generator = np.random.default_rng(3)
    token_ids = generator.integers(0, tokenizer.vocabulary_size, [200, 13], dtype=np.int32)
    for text in tokenizer.detokenize(token_ids).numpy():
        text.decode("utf-8")


def test_bytes_that_are_no_utf8_are_tokenized_without_a_crash(tokenizer):
    token_ids = tokenizer.tokenize([b"dog \xff\xfe", b"\xc3"])
    assert tokenizer.detokenize(token_ids).numpy()[0].decode().startswith("dog")


def test_pieces_are_one_for_each_id(tokenizer):
    token_ids = [2, *tokenizer.tokenize(["dog"]).to_list()[0], 3, 0]
    pieces = tokenizer.pieces(np.array(token_ids))
    assert len(pieces) == len(token_ids)
    assert all(isinstance(piece, str) for piece in pieces)
    assert (pieces[0], pieces[-2], pieces[-1]) == ("<s>", "</s>", "<pad>")
    assert "dog" in "".join(pieces)


def test_what_is_saved_is_loaded_as_the_same_tokenizer(tokenizer, tmp_path):
    directory = tmp_path / "new" / "tokenizer"
    tokenizer.save(directory)
    loaded = load_tokenizer(str(directory))
    assert type(loaded) is type(tokenizer)
    assert loaded.vocabulary_size == tokenizer.vocabulary_size
    assert loaded.tokenize(TEXTS).to_list() == tokenizer.tokenize(TEXTS).to_list()


def test_saving_again_replaces_the_files_and_leaves_nothing_else(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    tokenizer.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert not [name for name in names if name.endswith(".tmp")]


def test_a_failed_save_keeps_the_tokenizer_that_was_there(tokenizer, tmp_path, monkeypatch):
    tokenizer.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        tokenizer.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_saved_model_carries_its_tokenizer(tokenizer, tmp_path):
    echo = Echo(tokenizer)
    signatures = {"tokenize": echo.tokenize, "detokenize": echo.detokenize}
    tf.saved_model.save(echo, str(tmp_path / "1"), signatures=signatures)
    served = tf.saved_model.load(str(tmp_path / "1")).signatures
    expected = tokenizer.tokenize(TEXTS).to_tensor()
    token_ids = served["tokenize"](tf.constant(TEXTS))["token_ids"]
    np.testing.assert_array_equal(token_ids, expected)
    texts = served["detokenize"](token_ids)["texts"].numpy()
    assert [text.decode() for text in texts] == TEXTS
    graph = served["detokenize"].graph.as_graph_def()
    operations = {node.op for node in graph.node}
    operations |= {node.op for function in graph.library.function for node in function.node_def}
    assert not [name for name in operations if "PyFunc" in name or name.startswith("Xla")]


def test_a_directory_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(ValueError, match="`directory`.*tokenizer.json.*nowhere"):
        load_tokenizer(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="which is a file"):
        ByteTokenizer().save(tmp_path / "file")


@pytest.mark.parametrize("content", ["{", "[]", '{"class": "ByteTokenizer"}', "\x00"])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match="intact tokenizer.json"):
        load_tokenizer(tmp_path)


def test_an_unknown_class_or_format_is_named(tmp_path):
    config = {"class": "BiteTokenizer", "format": 1, "files": {}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="'BiteTokenizer'.*ByteTokenizer"):
        load_tokenizer(tmp_path)
    config.update({"class": "ByteTokenizer", "format": 2})
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="format 1.*Received: format 2"):
        load_tokenizer(tmp_path)


def test_a_missing_or_changed_model_file_is_named(tmp_path):
    SentencePieceTokenizer.train(TEXTS, vocabulary_size=290).save(tmp_path)
    model = tmp_path / "sentencepiece.model"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"intact.*sentencepiece\.model"):
        load_tokenizer(tmp_path)
    model.unlink()
    with pytest.raises(ValueError, match=r"file sentencepiece\.model"):
        load_tokenizer(tmp_path)


def test_a_file_outside_the_directory_is_never_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    directory = tmp_path / "tokenizer"
    directory.mkdir()
    config = {"class": "ByteTokenizer", "format": 1, "files": {"../secret": "0" * 64}}
    (directory / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="intact tokenizer.json"):
        load_tokenizer(directory)


def test_a_tokenizer_of_ones_own_is_loaded_by_its_class_name(tmp_path):
    class UpperCaseByteTokenizer(ByteTokenizer):
        def _tokenize_batch(self, texts):
            return super()._tokenize_batch(tf.strings.upper(texts))

    UpperCaseByteTokenizer().save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.detokenize(loaded.tokenize(["dog"])).numpy().tolist() == [b"DOG"]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int64])
def test_ids_of_any_whole_dtype_are_the_same_text(dtype):
    """260 ids: in 8 bits the size of the vocabulary would be 4."""
    token_ids = ByteTokenizer().tokenize(["hi"]).to_tensor().numpy().astype(dtype)
    assert ByteTokenizer().detokenize(token_ids).numpy().tolist() == [b"hi"]
