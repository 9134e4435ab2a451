"""Attention in chunks: the same numbers, values and gradients, in less memory."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import ALiBiBias, MultiHeadAttention
from keras_attn.layers.attention import multi_head_attention
from keras_attn.ops import causal_mask, combine_masks, scaled_dot_product_attention
from keras_attn.ops.chunked_attention import chunked_attention

B, H, T, K, V = 2, 3, 37, 4, 5
random = np.random.default_rng(5)


def tensors(scale):
    shapes = ((B, H, T, K), (B, H, T, K), (B, H, T, V))
    return [tf.constant(scale * random.normal(size=shape), tf.float32) for shape in shapes]


@pytest.mark.parametrize("jit_compile", [pytest.param(None, marks=pytest.mark.slow), False, True])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("key_mask", [None, np.arange(T) >= np.array([[30], [0]])])
def test_values_and_gradients_are_those_of_equation_1(key_mask, is_causal, jit_compile):
    """Also with all keys of whole chunks masked, and of whole rows if causal."""
    pairs = None if key_mask is None else key_mask[:, None, None]
    mask = combine_masks(pairs, causal_mask(T) if is_causal else None)
    upstream = tf.constant(random.normal(size=(B, H, T, V)), tf.float32)

    def dense(query, key, value):
        return scaled_dot_product_attention(query, key, value, mask)[0]

    def chunked(query, key, value):
        return chunked_attention(query, key, value, key_mask, is_causal, chunk_size=8)

    def run_eagerly(attend, inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = attend(*inputs)
            loss = tf.reduce_sum(outputs * upstream)
        return [outputs, *tape.gradient(loss, inputs)]

    run = run_eagerly
    if jit_compile is not None:
        run = tf.function(run, jit_compile=jit_compile)
    for scale in (1.0, 4.0):  # the second: logits of fifty, which float32 rounds by 4e-6
        inputs = tensors(scale)
        wanted = run_eagerly(dense, inputs)
        for found, expected in zip(run(chunked, inputs), wanted, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5 * scale**2, rtol=1e-5)


def test_logits_far_below_zero_keep_their_weights():
    query, key, value = tensors(1.0)
    query, key = 30.0 * tf.ones_like(query), -30.0 - tf.abs(key)
    expected = scaled_dot_product_attention(query, key, value)[0]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(chunked_attention(query, key, value), expected, atol=1e-3)


def test_the_number_of_rows_may_be_unknown():
    inputs = tensors(1.0)

    def run(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = chunked_attention(*inputs, is_causal=True, chunk_size=8)
            loss = tf.reduce_sum(tf.square(outputs))
        return [outputs, *tape.gradient(loss, inputs)]

    signature = [tf.TensorSpec([None, *one.shape[1:]]) for one in inputs]
    for jit_compile in (False, True):
        graph = tf.function(run, input_signature=signature, jit_compile=jit_compile)
        for found, expected in zip(graph(*inputs), run(*inputs), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_row_that_is_not_a_number_leaves_the_others_alone():
    inputs = tensors(1.0)
    broken = [tf.concat([np.nan * one[:1], one[1:]], axis=0) for one in inputs]

    def run(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = chunked_attention(*inputs, chunk_size=8)
            loss = tf.reduce_sum(tf.square(outputs))
        return [outputs, *tape.gradient(loss, inputs)]

    for jit_compile in (False, True):
        graph = tf.function(run, jit_compile=jit_compile)
        for found, expected in zip(graph(broken), graph(inputs), strict=True):
            assert np.isnan(found[0]).all()
            np.testing.assert_allclose(found[1:], expected[1:], atol=1e-5)


def test_a_layer_takes_it_for_long_sequences_that_need_no_weights(monkeypatch):
    """The layer's own choice, seen by its calls; the result is that of the dense layer."""
    layer = MultiHeadAttention(H, K, num_key_value_heads=1, dropout=0.1)
    x = random.normal(size=(B, T, 6)).astype("float32")
    real = np.arange(T) < np.array([[20], [T]])
    arguments = {"value_mask": real, "query_mask": real, "use_causal_mask": True}
    expected = layer(x, **arguments)
    calls = []

    def counted(*arguments):
        calls.append(len(arguments))
        return chunked_attention(*arguments, chunk_size=8)

    monkeypatch.setattr(multi_head_attention, "chunked_attention", counted)
    monkeypatch.setattr(multi_head_attention, "LONG_SEQUENCE", T)
    np.testing.assert_allclose(layer(x, **arguments), expected, atol=3e-6)
    assert len(calls) == 1
    image = random.normal(size=(B, 5, 8, 6)).astype("float32")  # 40 positions, over two axes
    whole, scores = layer(image, return_attention_scores=True)
    np.testing.assert_allclose(layer(image), whole, atol=3e-6)
    assert len(calls) == 2 and scores.shape == (B, H, 5, 8, 5, 8)
    for needing_weights in (
        {"training": True},
        {"return_attention_scores": True},
        {"attention_mask": np.ones((T, T), bool)},
    ):
        layer(x, **arguments, **needing_weights)
    layer(x[:, :-1])
    MultiHeadAttention(H, K, position=ALiBiBias())(x)
    MultiHeadAttention(H, K, sliding_window=3)(x)
    assert len(calls) == 2


def test_it_is_one_graph_that_keeps_a_chunk_at_a_time():
    """XLA's own account of what a step needs: much less than the weights of all pairs."""
    length = 2048
    layer = MultiHeadAttention(H, K)
    layer.build((1, length, 6))

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x)))
        return tape.gradient(loss, x)

    compiled = tf.function(step, jit_compile=True)
    text = compiled.experimental_get_compiler_ir(tf.zeros((1, length, 6)))(stage="optimized_hlo")
    assert f"{length},{length}]" not in text and f"256,{length}]" in text
