"""A batch computed in parts gives the update of the whole batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn import create_model, layers
from keras_attn.training import LabelSmoothedCrossEntropy, Perplexity, TokenAccuracy, TrainingStep

V, ROWS, S, T = 19, 12, 7, 5
SIZES = {"hidden_dim": 24, "intermediate_dim": 40, "num_heads": 3, "num_layers": 1}


def batches(count: int = 3):
    """Rows of very different lengths, so that parts have very different numbers of tokens."""
    random = np.random.default_rng(5)
    for _ in range(count):
        lengths = random.integers(0, T + 1, ROWS)
        lengths[:4] = 0, 0, 0, 1
        real = np.arange(T) < lengths[:, None]
        targets = np.where(real, random.integers(4, V, (ROWS, T)), 0).astype("int32")
        inputs = {
            "encoder_token_ids": random.integers(4, V, (ROWS, S)).astype("int32"),
            "decoder_token_ids": np.where(real, np.roll(targets, 1, axis=1), 0).astype("int32"),
        }
        yield inputs, targets, real.astype("float32")


def trained(step=None, dropout: float = 0.0, jit_compile: bool = False):
    keras.utils.set_random_seed(1)
    model = create_model("transformer_tiny", source_vocabulary_size=V, dropout=dropout, **SIZES)
    model.compile(
        keras.optimizers.SGD(0.5, momentum=0.9),
        loss=LabelSmoothedCrossEntropy(0.1),
        weighted_metrics=[TokenAccuracy(), Perplexity()],
        jit_compile=jit_compile,
    )
    if step is not None:
        model.training_step = step(model)
    model.build_for_training(next(batches()))  # else Keras traces the step twice
    logs = [model.train_on_batch(*batch, return_dict=True) for batch in batches()]
    return model, logs


def assert_same(ours, theirs) -> None:
    for left, right in zip(ours[0].get_weights(), theirs[0].get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=2e-6)
    for left, right in zip(ours[1], theirs[1], strict=True):
        assert left.keys() == right.keys()
        for name in left:
            assert left[name] == pytest.approx(right[name], rel=2e-5), name


@pytest.mark.parametrize(
    ("num_parts", "jit_compile"),
    [(4, False), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((1, False), (4, True)))],
)
def test_parts_make_the_update_of_keras_own_step(num_parts, jit_compile):
    """Keras' `train_step` on the whole batch is the other side; SGD, which hides no factor."""
    ours = trained(lambda model: TrainingStep(model, num_parts), jit_compile=jit_compile)
    assert_same(ours, trained(jit_compile=jit_compile))


@pytest.mark.slow
def test_gradients_that_are_compiled_by_themselves_are_the_same():
    assert_same(trained(lambda model: TrainingStep(model, 2, jit_compile=True)), trained())


def test_every_part_drops_something_else_and_the_seeds_go_on():
    model, _ = trained(lambda model: TrainingStep(model, 3), dropout=0.3)
    seeds = [
        variable.numpy() for variable in model.non_trainable_variables if "seed" in variable.path
    ]
    assert seeds and all(count == 3 * 3 for _, count in seeds)  # three parts in each of three steps


@pytest.mark.slow
def test_activations_are_held_for_one_part_at_a_time():
    """What is compiled holds one body of a loop, whatever the number of parts."""
    counts = []
    for num_parts in (2, 6):
        model, _ = trained(lambda model, n=num_parts: TrainingStep(model, n))
        function = tf.function(model.training_step, autograph=False)
        graph = function.get_concrete_function(
            tf.nest.map_structure(tf.constant, next(batches(1)))
        ).graph.as_graph_def()
        counts.append(sum(len(each.node_def) for each in graph.library.function))
    assert counts[0] == counts[1]


def test_a_number_of_parts_must_be_one_at_least():
    with pytest.raises(ValueError, match="`num_parts` must be at least 1"):
        TrainingStep(None, 0)


@pytest.mark.parametrize(
    ("options", "num_parts"),
    [
        ({"kernel_regularizer": keras.regularizers.L2(0.3)}, 1),
        ({"kernel_regularizer": keras.regularizers.L2(0.3)}, 2),
        ({"activity_regularizer": keras.regularizers.L2(0.01)}, 1),
    ],
)
def test_losses_of_layers_count_as_in_keras_own_step(options, num_parts):
    def trained(step=None):
        keras.utils.set_random_seed(1)
        attention = layers.MultiHeadAttention(num_heads=3, key_dim=8, **options)
        model = create_model(
            "transformer_tiny", source_vocabulary_size=V, dropout=0.0, attention=attention, **SIZES
        )
        model.compile(keras.optimizers.SGD(0.5), LabelSmoothedCrossEntropy(0.1), jit_compile=False)
        model.training_step = None if step is None else step(model)
        return model, [model.train_on_batch(*batch, return_dict=True) for batch in batches(1)]

    assert_same(trained(lambda model: TrainingStep(model, num_parts)), trained())
