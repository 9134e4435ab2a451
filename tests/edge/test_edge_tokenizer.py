"""Tokenizers without TensorFlow say what those of the graph say."""

import json

import pytest
import tensorflow as tf

from keras_attn.data import (
    ByteTokenizer,
    CharacterTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordTokenizer,
)
from keras_attn.edge.edge_tokenizer import load_edge_tokenizer
from keras_attn.translator.clean_text import clean_text

TEXTS = [
    "",
    "   ",
    "The dog sees the cat.",
    "two  blanks\tand a tab\n",
    "Größe, naïve, ﬁne, ½, Ｆｕｌｌ",
    "e\u0301te\u0301 한국어 日本語",
    "🎉 emoji \u200d joined",
    "nul \0 escape \x1b[0m",
    "no\u00a0break\u2003space\u3000ideographic",
    "<fr> tagged <de>",
    "▁ \u2581 \ufffd",
    "ALL CAPS 12,345.67",
]
IDS = [[], [3], [4, 5, 6], [2, 0, 5, 1, 3, 7], [10**6, 5], [1], [0, 0]]


WORDS = ["the dog sees the cat", "the cat sees the dog", "naïve 日本語"] * 9
TOKENIZERS = {
    "sentencepiece": lambda: SentencePieceTokenizer.train(WORDS, 300),
    "no bytes": lambda: SentencePieceTokenizer.train(WORDS, 40, byte_fallback=False),
    "byte": ByteTokenizer,
    "character": lambda: CharacterTokenizer.train([*TEXTS[2:6], "<fr>"], symbols=["<fr>"]),
    "decomposed": lambda: CharacterTokenizer.train(TEXTS[2:6], decompose=True),
    "word": lambda: WordTokenizer.train(TEXTS),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_ids_texts_and_pieces_are_equal(tmp_path, kind):
    tokenizer = TOKENIZERS[kind]()
    tokenizer.save(tmp_path)
    edge = load_edge_tokenizer(tmp_path)
    assert edge.vocabulary_size == tokenizer.vocabulary_size
    wanted = tokenizer.tokenize(clean_text(tf.constant(TEXTS))).to_list()
    assert [edge.tokenize(text) for text in TEXTS] == wanted
    ids = IDS + wanted + [list(range(tokenizer.vocabulary_size))[4:200]]
    texts = tokenizer.detokenize(ids).numpy()
    assert [edge.detokenize(row) for row in ids] == [text.decode() for text in texts]
    assert [edge.pieces(row) for row in ids] == [tokenizer.pieces(row) for row in ids]


def test_a_damaged_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not hold a complete tokenizer"):
        load_edge_tokenizer(tmp_path)
    WordTokenizer(["a"]).save(tmp_path)
    (tmp_path / "vocabulary.json").write_text("{}")
    with pytest.raises(ValueError, match=r"vocabulary\.json is damaged"):
        load_edge_tokenizer(tmp_path)


def test_a_class_of_a_users_own_is_refused(tmp_path):
    class MyTokenizer(ByteTokenizer):
        pass

    try:
        MyTokenizer().save(tmp_path)
        with pytest.raises(ValueError, match="MyTokenizer"):
            load_edge_tokenizer(tmp_path)
    finally:
        del Tokenizer._classes["MyTokenizer"]


def test_no_name_leads_out_of_the_directory(tmp_path):
    (tmp_path / "secret").write_text("secret")
    directory = tmp_path / "tokenizer"
    WordTokenizer(["a"]).save(directory)
    config = json.loads((directory / "tokenizer.json").read_text())
    config["files"] = {"../secret": "0"}
    (directory / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="not hold a complete tokenizer"):
        load_edge_tokenizer(directory)
