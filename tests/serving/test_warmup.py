"""Warm-up lines for XLA ask for each of its programs."""

from __future__ import annotations

import pytest
import tensorflow as tf

from keras_attn.data import ByteTokenizer, CharacterTokenizer
from keras_attn.serving.warmup import lines_of_lengths
from keras_attn.translator.compiled_search import compiled_lengths

from .conftest import make_translator

TEXTS = {
    "words": ["Hello!", "A man rides."],
    "no blanks": ["駅はどこですか。", "木"],
    "nothing": ["", "\u200b \t"],
}


@pytest.mark.parametrize("most", [3, 15, 16, 17, 63, 64, 65, 70, 128])
@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("tokenizer", ["bytes", "characters"])
def test_each_program_has_a_line(tokenizer, texts, most) -> None:
    characters = CharacterTokenizer.train(["".join(texts) + "a"])
    one = ByteTokenizer() if tokenizer == "bytes" else characters
    translator = make_translator(one, max_source_tokens=most)
    lengths = compiled_lengths(most + 1)
    token_ids = [translator.graph.encode(tf.constant([line]))[0] for line in lines_of_lengths(
        translator, texts
    )]  # fmt: skip
    programs = [next(length for length in lengths if ids.shape[1] <= length) for ids in token_ids]
    assert programs == lengths
