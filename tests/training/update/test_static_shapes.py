"""What a TPU asks for: the whole update and the whole search compile with every shape known."""

import re

import pytest
import tensorflow as tf

from keras_attn import create_model
from keras_attn.decoding import search
from keras_attn.training import GuardedAdam, LabelSmoothedCrossEntropy, TrainingStep

V, ROWS, S, T = 29, 4, 7, 6
SIZES = {"hidden_dim": 24, "intermediate_dim": 40, "num_heads": 3, "num_layers": 1}


def make_model():
    return create_model("transformer_tiny", source_vocabulary_size=V, **SIZES)


def assert_all_shapes_are_known(function, *inputs) -> None:
    """XLA writes a dimension that is only bounded as `<=`, and an unknown one as `?`."""
    text = function.experimental_get_compiler_ir(*inputs)(stage="hlo")
    shapes = re.findall(r"\b(?:f32|s32|u32|s64|pred|bf16)\[[^\]]*\]", text)
    assert len(shapes) > 100
    assert not [shape for shape in shapes if "<=" in shape or "?" in shape]
    assert "custom-call" not in text or "DynamicDimension" not in text


@pytest.mark.slow
def test_an_update_with_accumulation_clipping_and_averages():
    model = make_model()
    model.compile(
        GuardedAdam(0.01, global_clipnorm=1.0, ema_decay=0.9), loss=LabelSmoothedCrossEntropy()
    )
    model.optimizer.build(model.trainable_variables)
    step = TrainingStep(model, num_parts=2)
    ids = tf.ones((ROWS, S), tf.int32)
    inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids[:, :T]}

    @tf.function(jit_compile=True, autograph=False)
    def update(inputs, labels):
        step((inputs, labels))
        return model.optimizer.iterations.value

    assert_all_shapes_are_known(update, inputs, ids[:, :T])
    assert int(update(inputs, ids[:, :T])) == 1


def test_a_search_with_four_beams():
    model = make_model()
    strategy = {"class_name": "BeamSearch", "config": {"num_beams": 4}}

    @tf.function(jit_compile=True, autograph=False)
    def translate(token_ids):
        return search(model.decode_step, model.start(token_ids, T, 4), strategy, T).token_ids

    token_ids = tf.ones((ROWS, S), tf.int32)
    assert_all_shapes_are_known(translate, token_ids)
    assert translate(token_ids).shape[-1] == T
