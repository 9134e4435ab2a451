"""Warm-up lines for XLA ask for each of its programs."""

from __future__ import annotations

import functools

import pytest
import tensorflow as tf

import keras_attn
from keras_attn.data import ByteTokenizer, CharacterTokenizer
from keras_attn.serving.warmup import lines_of_lengths
from keras_attn.translator.compiled_search import compiled_lengths

from .conftest import make_translator

TEXTS = {
    "words": ["Hello!", "A man rides."],
    "no blanks": ["駅はどこですか。", "木"],
    "nothing": ["", "\u200b \t"],
}


@functools.cache
def translator_of(tokenizer: str, texts: str) -> keras_attn.Translator:
    """A translator that is made once; its limit may be changed."""
    characters = CharacterTokenizer.train(["".join(TEXTS[texts]) + "a"])
    return make_translator(ByteTokenizer() if tokenizer == "bytes" else characters)


@pytest.mark.parametrize("most", [3, 15, 16, 17, 63, 64, 65, 70, 128])
@pytest.mark.parametrize("texts", TEXTS)
@pytest.mark.parametrize("tokenizer", ["bytes", "characters"])
def test_each_program_has_a_line(tokenizer, texts, most) -> None:
    translator = translator_of(tokenizer, texts)
    translator.max_source_tokens = most
    lengths = compiled_lengths(most + 1)
    lines = lines_of_lengths(translator, TEXTS[texts])
    token_ids = [translator.graph.encode(tf.constant([line]))[0] for line in lines]
    programs = [next(length for length in lengths if ids.shape[1] <= length) for ids in token_ids]
    assert programs == lengths
