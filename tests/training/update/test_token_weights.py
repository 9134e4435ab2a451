"""Weights of sentences and of tokens, also one after the other in one model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn import create_model
from keras_attn.training import LabelSmoothedCrossEntropy, Perplexity, TrainingStep
from keras_attn.training.update.token_weights import token_weights

LABELS = np.array([[4, 5, 0, 0], [6, 7, 8, 0], [4, 4, 5, 6], [9, 0, 0, 0]], "int32")
OF_ROWS = np.array([0.5, 2.0, 1.0, 0.25], "float32")
OF_TOKENS = np.linspace(0.1, 1.6, LABELS.size, dtype="float32").reshape(LABELS.shape)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_rank_may_be_known_only_when_the_graph_runs(jit_compile):
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec(None, tf.float32)]
    weigh = tf.function(token_weights, signature, jit_compile=jit_compile)
    for given, spread in [(OF_ROWS, OF_ROWS[:, None]), (OF_TOKENS, OF_TOKENS)]:
        weights = weigh(LABELS, given)
        np.testing.assert_array_equal(weights, (LABELS != 0) * spread)
    assert weigh.get_concrete_function().output_shapes.rank == 2


@pytest.mark.parametrize("num_parts", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_fit_takes_weights_of_rows_and_then_of_tokens(num_parts):
    sizes = {"hidden_dim": 8, "intermediate_dim": 8, "num_heads": 2, "num_layers": 1}
    model = create_model("transformer_tiny", source_vocabulary_size=11, dropout=0.0, **sizes)
    model.compile(
        keras.optimizers.SGD(0.0),
        LabelSmoothedCrossEntropy(0.0),
        weighted_metrics=[Perplexity()],
        jit_compile=False,
    )
    if num_parts is not None:
        model.training_step = TrainingStep(model, num_parts)
    inputs = {"encoder_token_ids": LABELS, "decoder_token_ids": np.roll(LABELS, 1, axis=1)}
    losses = keras.ops.sparse_categorical_crossentropy(LABELS, model(inputs), from_logits=True)
    for given in (OF_ROWS, OF_TOKENS, OF_ROWS):
        weights = (LABELS != 0) * given.reshape(len(LABELS), -1)
        expected = (losses * weights).numpy().sum() / weights.sum()
        history = model.fit(inputs, LABELS, batch_size=4, sample_weight=given, verbose=0).history
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
        assert history["perplexity"][0] == pytest.approx(np.exp(expected), rel=1e-5)
