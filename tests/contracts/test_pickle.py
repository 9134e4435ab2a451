"""What a program hands to other processes (by multiprocessing, Beam or Ray) pickles and copies."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_attn
from keras_attn.data import ByteTokenizer, Corpus, SentencePieceTokenizer
from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling
from keras_attn.training import Recipe
from tests.support.translators import save_small_translator

LINES = ["the dog sees the cat", "", "zwölf Bären"]
SUBWORDS = SentencePieceTokenizer.train(LINES * 9, vocabulary_size=290)
COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "copy": copy.deepcopy}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), SUBWORDS], ids=["bytes", "subwords"])
def test_a_tokenizer(tokenizer: Any, make_copy: Any) -> None:
    again = make_copy(tokenizer)
    assert again is not tokenizer
    token_ids = again.tokenize(LINES)
    assert token_ids.to_list() == tokenizer.tokenize(LINES).to_list()
    assert again.detokenize(token_ids).numpy().tolist() == [line.encode() for line in LINES]


@pytest.mark.slow
def test_a_subword_tokenizer_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.pickle").write_bytes(pickle.dumps(SUBWORDS))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).tokenize(sys.argv[2:]))"
    command = [sys.executable, "-c", code, str(tmp_path / "tokenizer.pickle"), *LINES]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.stdout.strip() == str(SUBWORDS.tokenize(LINES)), finished.stderr


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_a_translator(make_copy: Any, tmp_path: Path) -> None:
    translator = keras_attn.Translator.load(save_small_translator(tmp_path / "translator"))
    again = make_copy(translator)
    assert again.translate(LINES) == translator.translate(LINES)
    assert again.target_tokenizer is again.source_tokenizer
    for left, right in zip(again.model.get_weights(), translator.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "value",
    [
        Corpus(LINES, LINES),
        GreedySearch(),
        BeamSearch(num_beams=3),
        RandomSampling(seed=5),
        Recipe.named("phrasebook_tiny"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values(value: Any, make_copy: Any) -> None:
    again = make_copy(value)
    if isinstance(value, (Corpus, Recipe)):
        assert again == value
    else:
        assert again.get_config() == value.get_config()
