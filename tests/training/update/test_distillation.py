"""Learning from a teacher: its loss against NumPy float64, its update against one made by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn import create_model
from keras_attn.models import Ensemble
from keras_attn.training import TrainingStep
from keras_attn.training.update.distillation_loss import distillation_loss
from tests.support.one_update import V, descended, logits_and_weights, make_batch, make_model

SIZES = {"source_vocabulary_size": V, "hidden_dim": 24, "num_layers": 1}


def in_numpy(teacher: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> float:
    """The cross entropy of two softmaxes in float64."""
    q, p = (np.exp(one.astype("float64")) for one in (teacher, logits))
    q, p = (one / one.sum(-1, keepdims=True) for one in (q, p))
    return float((-(q * np.log(p)).sum(-1) * weights).sum())


def loss_and_gradients(*arrays: np.ndarray) -> tuple[float, list[np.ndarray | None]]:
    tensors = [tf.constant(one) for one in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = distillation_loss(*tensors)
    return float(loss), tape.gradient(loss, tensors[:2])


def test_the_loss_is_that_of_float64_and_the_teacher_has_no_gradient() -> None:
    teacher, logits, weights = logits_and_weights()
    loss, (of_teacher, gradient) = loss_and_gradients(teacher, logits, weights)
    assert loss == pytest.approx(in_numpy(teacher, logits, weights), rel=1e-5)
    assert of_teacher is None
    expected = (tf.nn.softmax(logits) - tf.nn.softmax(teacher)) * weights[..., np.newaxis]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_logits_at_padding_do_not_matter_even_if_they_are_not_numbers() -> None:
    teacher, logits, weights = logits_and_weights()
    expected, (_, expected_gradient) = loss_and_gradients(teacher, logits, weights)
    for spoiled in (teacher, logits):
        spoiled[1] = np.nan
        loss, (_, gradient) = loss_and_gradients(teacher, logits, weights)
        assert loss == pytest.approx(expected)
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)


def test_a_token_that_both_rule_out_adds_nothing() -> None:
    teacher, logits, weights = logits_and_weights()
    expected = in_numpy(np.delete(teacher, 3, -1), np.delete(logits, 3, -1), weights)
    teacher[..., 3] = logits[..., 3] = -np.inf
    loss, (_, gradient) = loss_and_gradients(teacher, logits, weights)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(gradient).all() and (np.asarray(gradient)[..., 3] == 0).all()


def make_teacher() -> Ensemble:
    """Two models of different kinds, far from uniform, with dropout that must not act."""
    keras.utils.set_random_seed(7)
    models = [create_model(f"{kind}_tiny", dropout=0.5, **SIZES) for kind in ("rnn", "conv")]
    for model in models:
        for weight in model.weights:
            if "seed" not in weight.name and weight.name != "gamma":
                weight.assign(2.0 * weight)
    ensemble = Ensemble(models)
    ensemble.build()
    return ensemble


def updated_by_hand(weight: float) -> list[np.ndarray]:
    """Keras' own losses on the whole batch, plain gradient descent."""
    model, teacher = make_model(), make_teacher()
    inputs, targets = make_batch()
    real = targets > 0
    with tf.GradientTape() as tape:
        logits = model(inputs, training=True)
        dense = 0.9 * tf.one_hot(targets, V) + 0.1 / V
        taught = tf.nn.softmax(teacher(inputs, training=False))
        of_labels, of_teacher = (
            keras.losses.categorical_crossentropy(one, logits, from_logits=True)
            for one in (dense, taught)
        )
        token = (1 - weight) * of_labels + weight * of_teacher
        total = tf.reduce_sum(tf.boolean_mask(token, real)) / real.sum()
    return descended(model, tape, total)


def updated(weight: float, num_parts: int, **options: float) -> list[np.ndarray]:
    model, teacher = make_model(), make_teacher()
    before = [weight.numpy() for weight in teacher.weights]
    model.training_step = TrainingStep(
        model, num_parts, teacher=teacher, teacher_weight=weight, **options
    )
    model.train_on_batch(*make_batch())
    for left, right in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(left, right)
    return [one.numpy() for one in model.trainable_variables]


@pytest.mark.parametrize(
    ("weight", "num_parts"),
    [(0.6, 1), pytest.param(0.6, 2, marks=pytest.mark.slow), (1.0, 2), (0.0, 1)],
)
def test_the_update_is_that_of_both_losses_by_hand(weight: float, num_parts: int) -> None:
    ours, theirs = updated(weight, num_parts), updated_by_hand(weight)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_without_dropout_r_drop_beside_a_teacher_changes_nothing() -> None:
    for left, right in zip(updated(0.6, 1, r_drop_weight=5.0), updated(0.6, 1), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_a_penalty_of_the_weights_counts_whole_whatever_the_share_of_the_teacher() -> None:
    """With the teacher alone, and one that predicts as the model does, only the penalty acts."""
    model = make_model()
    twin = make_model()
    model.training_step = TrainingStep(model, 2, teacher=twin, teacher_weight=1.0)
    before = [one.numpy() for one in model.trainable_variables]
    embedding = model.shared_embedding
    embedding.embeddings.regularizer = keras.regularizers.L2(0.01)
    model.train_on_batch(*make_batch())
    for one, old in zip(model.trainable_variables, before, strict=True):
        expected = old * (1 - 0.5 * 2 * 0.01) if one is embedding.embeddings else old
        np.testing.assert_allclose(one, expected, atol=1e-6, err_msg=one.path)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="`teacher_weight` must be from 0 to 1"):
        TrainingStep(make_model(), teacher=make_model(), teacher_weight=weight)


def test_a_teacher_of_another_vocabulary_is_refused() -> None:
    keras.utils.set_random_seed(7)
    teacher = create_model("rnn_tiny", **{**SIZES, "source_vocabulary_size": V + 5})
    message = "`teacher` must predict as many tokens as the model. Received: 16; .* predicts 11"
    with pytest.raises(ValueError, match=message):
        TrainingStep(make_model(), teacher=teacher)
