"""Every byte is a token, every text comes back, and every sequence of tokens is valid text."""

import pytest
import tensorflow as tf

from keras_attn.data import ByteTokenizer

TEXTS = ["", "a", "zwölf Bären", "👩‍👩‍👧", "שלום", "a\0b\n\r", "\ufeff\u2581", "  ", "x" * 20_000]


def test_a_token_is_a_byte_plus_four():
    expected = [[byte + 4 for byte in text.encode()] for text in TEXTS]
    token_ids = ByteTokenizer().tokenize(TEXTS)
    assert token_ids.to_list() == expected
    assert token_ids.dtype == tf.int32
    assert ByteTokenizer().vocabulary_size == 4 + 256


def test_every_text_comes_back_from_ragged_and_from_padded_ids():
    tokenizer = ByteTokenizer()
    token_ids = tokenizer.tokenize(TEXTS)
    for given in (token_ids, token_ids.to_tensor(0), tf.cast(token_ids, tf.int64)):
        assert [text.decode() for text in tokenizer.detokenize(given).numpy()] == TEXTS


def test_batches_of_one_and_of_none_work():
    tokenizer = ByteTokenizer()
    assert tokenizer.tokenize([]).to_list() == []
    assert tokenizer.tokenize([""]).to_list() == [[]]
    assert tokenizer.detokenize(tf.zeros([0, 5], tf.int32)).shape == (0,)
    assert tokenizer.detokenize(tf.zeros([3, 0], tf.int32)).numpy().tolist() == [b""] * 3


def test_bytes_that_make_no_text_become_replacement_characters():
    broken = [[byte + 4 for byte in b"a\xc3"], [byte + 4 for byte in b"\xffb\x80"]]
    texts = ByteTokenizer().detokenize(tf.ragged.constant(broken)).numpy()
    assert [text.decode("utf-8") for text in texts] == ["a\ufffd", "\ufffdb\ufffd"]


def test_unknown_tokens_show_and_other_special_tokens_do_not():
    token_ids = [[2, 0, 101, 1, 102, 0, 3, 103]]
    assert ByteTokenizer().detokenize(token_ids).numpy()[0].decode() == "a\ufffdb"


def test_people_can_read_the_pieces():
    pieces = ByteTokenizer().pieces([0, 1, 2, 3, 4, 4 + 0x20, 4 + 0x21, 4 + 0x7F, 259, 260, -1])
    assert pieces == [
        "<pad>", "<unk>", "<s>", "</s>", "<0x00>", "<0x20>", "!", "<0x7F>", "<0xFF>", "<unk>",
        "<unk>",
    ]  # fmt: skip


@pytest.mark.parametrize("length", [1, 3])
def test_it_works_inside_a_graph_that_knows_no_shapes(length):
    tokenizer = ByteTokenizer()

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string)])
    def there_and_back(texts):
        return tokenizer.detokenize(tokenizer.tokenize(texts))

    texts = ["äö"] * length
    assert [text.decode() for text in there_and_back(tf.constant(texts)).numpy()] == texts
