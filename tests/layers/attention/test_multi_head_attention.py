"""MultiHeadAttention: equal to Keras' layer with copied weights, and without its defects."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.layers import CrossCache, MultiHeadAttention
from keras_attn.ops import beam_mask
from tests.support.layer_checks import check_layer

B, T, S, D, H, K = 2, 5, 7, 12, 3, 4


def draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def twins(query, value, key=None, **arguments):
    """Keras' layer and ours with the same weights."""
    theirs = keras.layers.MultiHeadAttention(H, K, **arguments)
    ours = MultiHeadAttention(H, K, **arguments)
    for layer in (theirs, ours):
        layer.build(*(x.shape for x in (query, value, key) if x is not None))
    ours.set_weights(theirs.get_weights())
    assert [w.path.split("/")[-2:] for w in ours.weights] == [
        w.path.split("/")[-2:] for w in theirs.weights
    ]
    return theirs, ours


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "arguments", [{}, {"value_dim": 6, "use_bias": False}, {"output_shape": 8}]
)
def test_it_equals_keras_with_copied_weights(causal, masked, arguments):
    query, value = draw(B, T, D), draw(B, S, 9)
    theirs, ours = twins(query, value, **arguments)
    mask = np.random.default_rng(1).random((B, T, S)) > 0.5
    mask[:, :, 0] = True  # Keras has no one answer for rows without any key
    call = {
        "attention_mask": mask if masked else None,
        "use_causal_mask": causal,
        "return_attention_scores": True,
    }
    for mine, keras_output in zip(
        ours(query, value, **call), theirs(query, value, **call), strict=True
    ):
        np.testing.assert_allclose(mine, keras_output, atol=2e-6)


def test_it_equals_keras_with_a_key_of_its_own_a_gate_and_a_window():
    query, value, key = draw(B, T, D), draw(B, S, 9), draw(B, S, 11)
    theirs, ours = twins(query, value, key, use_gate=True, sliding_window=3)
    np.testing.assert_allclose(ours(query, value, key), theirs(query, value, key), atol=2e-6)


def test_it_equals_keras_with_a_mask_of_the_keys():
    query, value, key = draw(B, T, D), draw(B, S, 9), draw(B, S, 11)
    mask = np.arange(S) < S - 1 - np.arange(B)[:, None]
    theirs, ours = twins(query, value, key)
    masked = ours(query, value, key, key_mask=mask)
    np.testing.assert_allclose(masked, theirs(query, value, key, key_mask=mask), atol=2e-6)
    assert np.abs(masked - ours(query, value, key)).max() > 1e-3


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), -2])
def test_it_equals_keras_over_other_axes(axes):
    query, value = draw(B, 3, T, D), draw(B, 3, T, D)
    theirs, ours = twins(query, value, attention_axes=axes)
    mine = ours(query, value, return_attention_scores=True)
    keras_outputs = theirs(query, value, return_attention_scores=True)
    for left, right in zip(mine, keras_outputs, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-6)


def test_it_equals_keras_with_implicit_masks():
    embedding = keras.layers.Embedding(9, D, mask_zero=True)
    query, value = embedding(np.array([[1, 2, 0]])), embedding(np.array([[3, 4, 5, 0, 0]]))
    theirs, ours = twins(query, value)
    np.testing.assert_allclose(ours(query, value)[:, :2], theirs(query, value)[:, :2], atol=2e-6)


@pytest.mark.parametrize("num_key_value_heads", [1, 2])
def test_grouped_heads_equal_full_heads_with_repeated_weights(num_key_value_heads):
    query, value = draw(B, T, D), draw(B, S, 9)
    grouped = MultiHeadAttention(4, K, num_key_value_heads=num_key_value_heads)
    full = MultiHeadAttention(4, K)
    for layer in (grouped, full):
        layer.build(query.shape, value.shape)
    full.set_weights(
        [
            np.repeat(w, 4 // num_key_value_heads, axis=-2)
            if path.split("/")[-2] in ("key", "value")
            else w
            for path, w in zip(
                [w.path for w in grouped.weights], grouped.get_weights(), strict=True
            )
        ]
    )
    np.testing.assert_allclose(grouped(query, value), full(query, value), atol=2e-6)


def test_it_does_what_every_layer_must():
    check_layer(lambda: MultiHeadAttention(H, K), draw(B, T, D), draw(B, S, 9))
    check_layer(lambda: MultiHeadAttention(H, K, num_key_value_heads=1), draw(B, T, D))


# Keras' defects that it must not have


def test_symbolic_scores_have_the_real_shape():
    query, value = keras.Input((T, D)), keras.Input((S, D))
    _, scores = MultiHeadAttention(H, K)(query, value, return_attention_scores=True)
    assert scores.shape == (None, H, T, S)


def test_a_given_query_mask_is_honored():
    query, value = draw(B, T, D), draw(B, S, D)
    layer = MultiHeadAttention(H, K)
    mask = np.ones((B, T), bool)
    mask[0, 2] = False
    _, scores = layer(query, value, query_mask=mask, return_attention_scores=True)
    assert np.all(scores[0, :, 2] == 0) and np.all(np.sum(scores[1], -1) > 0.99)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("scores_asked", [False, True])
def test_rows_without_any_key_are_zero_whatever_the_options(dropout, scores_asked):
    query, value = draw(B, T, D), draw(B, S, D)
    layer = MultiHeadAttention(H, K, dropout=dropout)
    mask = np.ones((B, T, S), bool)
    mask[1, 3] = False
    output = layer(query, value, attention_mask=mask, return_attention_scores=scores_asked)
    output = output[0] if scores_asked else output
    bias = np.asarray(layer.output_dense.bias)
    np.testing.assert_allclose(output[1, 3], bias, atol=1e-7)
    assert np.abs(output[1, 2] - bias).max() > 1e-3


def test_options_that_must_not_matter_do_not():
    query, value = draw(B, T, D), draw(B, S, D)
    layer, with_dropout = MultiHeadAttention(H, K), MultiHeadAttention(H, K, dropout=0.3)
    expected = layer(query, value, use_causal_mask=True)
    with_dropout.build(query.shape, value.shape)
    with_dropout.set_weights(layer.get_weights())
    np.testing.assert_allclose(with_dropout(query, value, use_causal_mask=True), expected)
    scores_asked = layer(query, value, use_causal_mask=True, return_attention_scores=True)[0]
    np.testing.assert_allclose(scores_asked, expected)


def test_flash_attention_round_trips_and_true_is_refused():
    config = MultiHeadAttention(H, K, flash_attention=False).get_config()
    assert config["flash_attention"] is False
    with pytest.raises(ValueError, match="`flash_attention` must be None or False"):
        MultiHeadAttention(H, K, flash_attention=True)


@pytest.mark.parametrize("mask_shape", [(B, 3, T, T), (B, T, T), (B, 1, T, T)])
def test_masks_over_another_axis_mean_what_they_mean_in_keras(mask_shape):
    query = draw(B, 3, T, D)
    theirs, ours = twins(query, query, attention_axes=(2,))
    mask = np.random.default_rng(2).random(mask_shape) > 0.4
    mask[..., 0] = True
    expected_mask = np.broadcast_to(mask if mask.ndim == 4 else mask[:, None], (B, 3, T, T))
    expected = theirs(query, query, attention_mask=expected_mask)
    np.testing.assert_allclose(ours(query, query, attention_mask=mask), expected, atol=2e-6)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (2, 1)])
@pytest.mark.parametrize("heads", [(), (1,), (H,)])
@pytest.mark.parametrize("is_one_row", [False, True])
def test_masks_with_heads_or_one_row_for_all_queries_mean_what_they_mean_in_keras(
    axes, heads, is_one_row
):
    query, value = draw(B, 3, T, D), draw(B, 3, T, 9)
    theirs, ours = twins(query, value, attention_axes=axes)
    batch = [query.shape[axis] for axis in range(3) if axis not in axes]
    lengths = [query.shape[axis] for axis in axes]
    rows = [1] * len(axes) if is_one_row else lengths
    for leading in (batch, batch[:1], [1] * len(batch)):
        if heads and len(leading) < len(batch):
            continue  # Keras would take the heads for an axis of the batch
        mask = np.random.default_rng(2).random((*leading, *heads, *rows, *lengths)) > 0.4
        mask[..., 0] = True
        call = {"attention_mask": mask, "return_attention_scores": True}
        mine, expected = ours(query, value, **call), theirs(query, value, **call)
        for left, right in zip(mine, expected, strict=True):
            np.testing.assert_allclose(left, right, atol=2e-6)


def test_masks_of_images_have_an_axis_for_the_heads_and_any_number_of_rows():
    image = draw(B, 3, T, D)
    theirs, ours = twins(image, image)
    mask = np.random.default_rng(2).random((B, H, 3, T, 3, T)) > 0.4
    mask[..., 0] = True
    expected = theirs(image, image, attention_mask=mask)
    np.testing.assert_allclose(ours(image, image, attention_mask=mask), expected, atol=2e-6)
    signature = [
        tf.TensorSpec([None, *image.shape[1:]]),
        tf.TensorSpec([None, *mask.shape[1:]], tf.bool),
    ]
    graph = tf.function(lambda x, m: ours(x, x, attention_mask=m), input_signature=signature)
    np.testing.assert_allclose(graph(image, mask), expected, atol=2e-6)


# Caches


def test_a_cache_filled_step_by_step_equals_the_full_causal_pass():
    inputs = draw(B, T, D)
    layer = MultiHeadAttention(H, K, num_key_value_heads=1)
    expected, expected_scores = layer(inputs, use_causal_mask=True, return_attention_scores=True)
    cache = layer.empty_cache(B, T + 2)
    for t in range(T):
        assert int(cache.position) == t
        output, scores, cache = layer(
            inputs[:, t : t + 1], cache=cache, return_attention_scores=True
        )
        np.testing.assert_allclose(output[:, 0], expected[:, t], atol=2e-6)
        np.testing.assert_allclose(scores[:, :, 0, :T], expected_scores[:, :, t], atol=2e-6)


def test_a_cache_filled_in_chunks_equals_the_full_causal_pass():
    inputs = draw(B, T, D)
    layer = MultiHeadAttention(H, K)
    expected = layer(inputs, use_causal_mask=True)
    cache = layer.empty_cache(B, T)
    first, cache = layer(inputs[:, :3], cache=cache)
    second, cache = layer(inputs[:, 3:], cache=cache)
    np.testing.assert_allclose(np.concatenate([first, second], 1), expected, atol=2e-6)


def test_keys_and_values_that_were_projected_before_stand_for_the_value():
    query, value = draw(B, T, D), draw(B, S, 9)
    layer = MultiHeadAttention(H, K)
    layer.build(query.shape, value.shape)
    mask = np.array([[True] * S, [True] * 4 + [False] * 3])
    expected = layer(query, value, value_mask=mask, return_attention_scores=True)
    for has_kernels in (False, True):
        kernels = layer.fuse_projections(has_own_key_value=False) if has_kernels else ()
        cache = CrossCache(layer.project_key_value(value), kernels)
        *results, same = layer(query, value_mask=mask, cache=cache, return_attention_scores=True)
        np.testing.assert_allclose(results[0], expected[0], atol=2e-6)
        np.testing.assert_allclose(results[1], expected[1], atol=2e-6)
        assert same.tensors["key"] is cache.tensors["key"]


def test_hypotheses_that_share_a_cache_attend_to_their_own_past():
    num_beams, length = 3, 4
    inputs = draw(B, num_beams, length, D)  # three sequences a sentence, none of which moves
    layer = MultiHeadAttention(H, K, num_key_value_heads=1)
    rows = inputs.reshape(-1, length, D)
    expected, expected_scores = layer(rows, use_causal_mask=True, return_attention_scores=True)
    cache = layer.empty_cache(B, length, num_beams)
    history = np.full((B * num_beams, length), -1)
    for t in range(length):
        history[:, t] = np.arange(B * num_beams) % num_beams
        cache = cache._replace(beam_mask=beam_mask(history, num_beams))
        output, scores, cache = layer(inputs[:, :, t], cache=cache, return_attention_scores=True)
        now = np.asarray(expected[:, t]).reshape(B, num_beams, -1)
        np.testing.assert_allclose(output, now, atol=2e-6)
        weights = np.asarray(expected_scores[:, :, t]).reshape(B, num_beams, H, length)
        np.testing.assert_allclose(scores, weights.transpose(0, 2, 1, 3), atol=2e-6)


@pytest.mark.parametrize("num_beams", [None, 3])
def test_the_mask_of_a_step_is_the_one_that_the_layer_makes_itself(num_beams):
    rows, length = num_beams or 1, 4
    layer = MultiHeadAttention(H, K)
    inputs = draw(B, rows, length, D)
    layer.build((B, rows, D))
    cache = layer.empty_cache(B, length, num_beams)
    history = np.full((B * rows, length), -1)
    for t in range(length):
        history[:, t] = np.arange(B * rows) % rows
        if num_beams is not None:
            cache = cache._replace(beam_mask=beam_mask(history, num_beams))
        expected, _ = layer(inputs[:, :, t], cache=cache)
        given = cache._replace(mask=cache.mask_of_step())
        output, cache = layer(inputs[:, :, t], cache=given)
        np.testing.assert_array_equal(output, expected)
        assert cache.mask == ()  # the next position has another one


def test_a_loop_of_tensorflow_carries_a_cache():
    inputs = draw(B, T, D)
    layer = MultiHeadAttention(H, K)
    expected = layer(inputs, use_causal_mask=True)

    @tf.function
    def last_output(inputs):
        cache, output = layer.empty_cache(B, T), tf.zeros((B, 1, D))
        for t in tf.range(T):
            output, cache = layer(inputs[:, t : t + 1], cache=cache)
            output = tf.ensure_shape(output, (B, 1, D))
        return output

    np.testing.assert_allclose(last_output(inputs)[:, 0], expected[:, -1], atol=2e-6)


def test_call_has_keras_arguments_and_a_cache():
    keras_names = list(inspect.signature(keras.layers.MultiHeadAttention.call).parameters)
    names = list(inspect.signature(MultiHeadAttention.call).parameters)
    assert names == [*keras_names, "cache"]


@pytest.mark.parametrize("cache", [{"key": 1}, (np.zeros(2), np.zeros(2))])
def test_another_cache_is_refused(cache):
    with pytest.raises(ValueError, match="`cache` must be a `SelfCache`, from `empty_cache`"):
        MultiHeadAttention(H, K)(draw(B, T, D), cache=cache)


# Errors and subclasses


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_heads": 0, "key_dim": 4}, "`num_heads` must be an integer of at least 1. Received"),
        ({"num_heads": 4, "key_dim": 2.5}, "`key_dim` must be an integer of at least 1"),
        ({"num_heads": 4, "key_dim": 4, "num_key_value_heads": 3}, "must divide `num_heads`"),
        ({"num_heads": 4, "key_dim": 4, "dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
        ({"num_heads": 4, "key_dim": 4, "sliding_window": -1}, "`sliding_window` must be"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**arguments)


def test_value_and_key_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="`value` and `key` but the last must be equal"):
        MultiHeadAttention(H, K)(draw(B, T, D), draw(B, S, D), draw(B, S + 1, D))


@keras.saving.register_keras_serializable(package="tests")
class SigmoidAttention(MultiHeadAttention):
    """The documented hook: another attention in a few lines."""

    def attend(self, query, key, value, attention_mask=None, training=None):
        weights = tf.sigmoid(tf.einsum("bhtk,bhsk->bhts", query, key))
        if attention_mask is not None:
            weights = tf.where(attention_mask, weights, 0.0)
        return tf.einsum("bhts,bhsv->bhtv", weights, value), weights


def test_a_subclass_overrides_one_hook_and_keeps_masks_caches_and_saving(tmp_path):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, SigmoidAttention(H, K)(inputs, inputs, use_causal_mask=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    data = draw(B, T, D)
    expected = model(data)
    np.testing.assert_allclose(again(data), expected)
    changed = data.copy()
    changed[:, -1] += 1
    np.testing.assert_allclose(model(changed)[:, :-1], expected[:, :-1])
    layer, cache = model.layers[1], model.layers[1].empty_cache(B, T)
    rounding = 1e-6 * np.abs(expected).max()  # of sums whose terms are that large
    for t in range(T):
        output, cache = layer(data[:, t : t + 1], cache=cache)
        np.testing.assert_allclose(output[:, 0], expected[:, t], rtol=0, atol=rounding)


def test_int8_quantization_reaches_the_projections_and_stays_close():
    layer = MultiHeadAttention(num_heads=2, key_dim=16)
    inputs = keras.random.normal((3, 5, 32), seed=1)
    expected = layer(inputs, inputs).numpy()
    for dense in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        dense.quantize("int8")
        assert dense.quantization_mode == "int8"
    difference = layer(inputs, inputs).numpy() - expected
    assert 0 < np.abs(difference).max() < 0.05 * np.abs(expected).max()


def test_no_queries_may_meet_many_keys():
    for heads, groups in ((2, 2), (2, 1), (1, 1)):
        layer = MultiHeadAttention(heads, K, num_key_value_heads=groups)
        assert layer(draw(B, 0, D), draw(B, 2048, D)).shape == (B, 0, D)


def test_rows_may_attend_to_each_other():
    layer = MultiHeadAttention(H, K, attention_axes=0)
    query, value = draw(5, 3, D), draw(7, 3, D)
    outputs = layer(query, value)
    turned = MultiHeadAttention(H, K)
    turned.build((3, 5, D))
    turned.set_weights(layer.get_weights())
    expected = turned(query.swapaxes(0, 1), value.swapaxes(0, 1))
    np.testing.assert_allclose(np.swapaxes(outputs, 0, 1), expected, atol=1e-6)
