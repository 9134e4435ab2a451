"""The whole model learns what it must: reversing sequences that it has never seen."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attn
from keras_attn.decoding import BeamSearch, GreedySearch, search
from keras_attn.training import LabelSmoothedCrossEntropy, TransformerSchedule

START, END = 2, 3
SYMBOLS = np.arange(4, 14)
LONGEST = 8


def sequences(generator, count):
    """Sources, decoder inputs and labels of 3 to 8 random symbols."""
    encoder = np.zeros((count, LONGEST + 1), "int32")
    labels = np.zeros((count, LONGEST + 1), "int32")
    for row, length in enumerate(generator.integers(3, LONGEST + 1, count)):
        symbols = generator.choice(SYMBOLS, length)
        encoder[row, : length + 1] = [*symbols, END]
        labels[row, : length + 1] = [*symbols[::-1], END]
    decoder = np.concatenate([np.full((count, 1), START), labels[:, :-1]], 1).astype("int32")
    decoder[:, 1:][labels[:, :-1] == END] = 0
    return {"encoder_token_ids": encoder, "decoder_token_ids": decoder}, labels


@pytest.mark.slow
def test_a_small_transformer_learns_to_reverse():
    generator = np.random.default_rng(1)
    inputs, labels = sequences(generator, 12_800)
    tests, expected = sequences(generator, 400)
    seen = {row.tobytes() for row in inputs["encoder_token_ids"]}
    unseen = [row.tobytes() not in seen for row in tests["encoder_token_ids"]]
    assert np.mean(unseen) > 0.7  # what is tested was not learned by heart

    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=14,
        hidden_dim=48,
        intermediate_dim=96,
        num_layers=2,
        dropout=0.0,
    )
    optimizer = keras.optimizers.Adam(
        TransformerSchedule(48, warmup_steps=400, scale=0.5), beta_2=0.98, epsilon=1e-9
    )
    model.compile(optimizer, LabelSmoothedCrossEntropy(0.1), jit_compile=True)
    model.fit(inputs, labels, batch_size=64, epochs=11, verbose=0)

    for strategy in (GreedySearch(), BeamSearch(num_beams=3)):
        run = tf.function(
            lambda ids, strategy=strategy: search(
                model.decode_step, model.start(ids, LONGEST + 3), strategy, LONGEST + 3
            ),
            jit_compile=True,
        )
        found = run(tf.constant(tests["encoder_token_ids"])).token_ids[:, 0, : LONGEST + 1]
        right = np.all(np.asarray(found) == expected, axis=1)[unseen]
        assert right.mean() >= 0.99
