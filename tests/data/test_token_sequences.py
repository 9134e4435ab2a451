"""Token ids kept flat are those of the tokenizer, each segment with its end token."""

import numpy as np

from keras_attn.data import ByteTokenizer, TokenSequences


def test_every_segment_is_its_pieces_and_the_end_token():
    texts = [f"{'x' * (number % 7)}{number}" for number in range(2500)] + [""]
    sequences = TokenSequences.encode(texts, ByteTokenizer())
    assert len(sequences) == 2501
    for number in (0, 1023, 1024, 2499, 2500):
        expected = [byte + 4 for byte in texts[number].encode()] + [3]
        assert sequences[number].tolist() == expected
    assert sequences.lengths.sum() == len(sequences.flat_token_ids)
    assert sequences.flat_token_ids.dtype == np.int32


def test_a_selection_shares_the_tokens():
    sequences = TokenSequences.encode(["a", "bc", ""], ByteTokenizer())
    chosen = sequences.select(np.array([2, 1, 1]))
    assert [chosen[number].tolist() for number in range(3)] == [[3], [102, 103, 3], [102, 103, 3]]
    assert chosen.flat_token_ids is sequences.flat_token_ids


def test_no_segments_are_no_tokens():
    assert len(TokenSequences.encode([], ByteTokenizer())) == 0
