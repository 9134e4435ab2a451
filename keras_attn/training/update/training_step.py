"""One update from a batch that is computed in parts: gradient accumulation."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_attn.training.replicas.sum_over_replicas import sum_over_replicas
from keras_attn.training.update.consistency_loss import symmetric_divergence
from keras_attn.training.update.distillation_loss import distillation_loss
from keras_attn.training.update.label_smoothed_cross_entropy import parts_of_batch
from keras_attn.training.update.seed_variables import seed_variables
from keras_attn.training.update.split_rows import split_rows
from keras_attn.training.update.token_weights import token_weights

Batch = Any  # (inputs, labels, sample_weight)


class TrainingStep:
    """Replaces Keras' `train_step`: computes gradients of a batch in parts, compiled by XLA.

        gradient = sum over parts p of the gradient of loss(p)
        loss(p)  = sum of the losses of the tokens of p / number of tokens of the global batch

    So the update is that of the whole batch, however its tokens are divided among parts and
    replicas, while the activations of only one part are in memory. The parts run in a loop, so the
    compiled program does not grow with their number. The seeds of dropout and the metrics are
    values of the loop and are written once after it, so it runs under every strategy. (Keras'
    `gradient_accumulation_steps` averages the parts' means, and fails under `MirroredStrategy`.)

    With several replicas Keras compiles nothing with XLA, because XLA on a CPU cannot sum over
    replicas. Here XLA compiles the gradients, and the sum over replicas is outside.

    With an `r_drop_weight` a, each part goes through the model twice, with different dropout, and

        loss = (first + second) / 2 + a / 4 * (KL(p1 || p2) + KL(p2 || p1))

    where p1 and p2 are the predicted distributions, and the divergences are means over the tokens,
    as the losses are. This is half of Equation 4 of Wu et al. (2021), so it is comparable to a loss
    without R-Drop. The metrics are those of the first pass.

    With a `teacher` and a `teacher_weight` b, the loss of each pass is

        (1 - b) * loss of the labels + b * cross entropy with the teacher's predictions

    (word-level knowledge distillation; Kim and Rush, 2016). The teacher reads the same inputs,
    without dropout, and does not change.

    Losses of layers (`add_loss`, regularizers) are added, as by Keras: the mean of those of parts
    and replicas. So a regularizer of weights counts once per batch.

    Args:
        model: Seq2SeqModel. Compiled, with `LabelSmoothedCrossEntropy`, in the scope of its
            strategy. Set this object as its `training_step`.
        num_parts: int. Parts of each replica's batch. Its rows must be a multiple of `num_parts`.
        jit_compile: bool. Whether to compile the gradients with XLA here; False if Keras compiles
            the whole step.
        r_drop_weight: float. The weight of R-Drop's divergence; 0: one pass, without it.
        teacher: Seq2SeqModel or None. A trained model with the same tokens, such as an `Ensemble`,
            made in the same scope.
        teacher_weight: float in [0, 1]. The share of the teacher's predictions in the loss.

    Example:

    >>> from keras_attn import create_model
    >>> from keras_attn.training import LabelSmoothedCrossEntropy
    >>> model = create_model("transformer_tiny", source_vocabulary_size=9, num_layers=1)
    >>> model.compile("adam", LabelSmoothedCrossEntropy(), jit_compile=False)
    >>> model.training_step = TrainingStep(model, num_parts=2)
    >>> ids = tf.ones((4, 3), "int32")
    >>> inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids}
    >>> history = model.fit(inputs, ids, batch_size=4, verbose=0)
    >>> int(model.optimizer.iterations)
    1
    """

    def __init__(
        self,
        model: keras.Model,
        num_parts: int = 1,
        jit_compile: bool = False,
        r_drop_weight: float = 0.0,
        teacher: keras.Model | None = None,
        teacher_weight: float = 0.5,
    ) -> None:
        if num_parts < 1:
            raise ValueError(f"`num_parts` must be at least 1. Received: num_parts={num_parts}")
        if r_drop_weight < 0:
            raise ValueError(
                f"`r_drop_weight` must be at least 0. Received: r_drop_weight={r_drop_weight}"
            )
        if not 0 <= teacher_weight <= 1:
            raise ValueError(
                f"`teacher_weight` must be from 0 to 1. Received: teacher_weight={teacher_weight}"
            )
        sizes = [getattr(one, "target_vocabulary_size", None) for one in (model, teacher)]
        if teacher is not None and sizes[0] != sizes[1]:
            raise ValueError(
                "`teacher` must predict as many tokens as the model. "
                f"Received: {sizes[1]}; the model predicts {sizes[0]}"
            )
        self._model = model
        self._num_parts = num_parts
        self._r_drop_weight = r_drop_weight
        self._teacher = teacher if teacher_weight else None
        self._teacher_weight = teacher_weight
        self._gradients: Callable[..., Any] = self._sum_over_parts
        if jit_compile:
            self._gradients = tf.function(self._sum_over_parts, jit_compile=True, autograph=False)

    def build(self, data: Batch) -> None:
        """Creates the state of loss, metrics and optimizer.

        `__call__` does this at the first batch, as Keras does. Call it earlier to restore metrics.

        Args:
            data: tuple of inputs, labels and weights, as in training. Only shapes and dtypes are
                used.
        """
        self._model.build_for_training(data)

    def __call__(self, data: Batch) -> dict[str, Any]:
        """Makes one update in a replica's context and returns the metrics."""
        self.build(data)
        model = self._model
        data = tuple(one for one in data if one is not None)  # `train_on_batch` gives no weights
        _, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self._weights(labels, sample_weight)
        token_count = sum_over_replicas(tf.reduce_sum(weights))
        state = model.non_trainable_variables + model.metrics_variables
        values = [tf.convert_to_tensor(variable) for variable in state]
        values = self._shift_seeds(state, values, 1)
        gradients, values = self._gradients(data, token_count, values)
        values = self._shift_seeds(state, values, -1)
        for variable, value in zip(state, values, strict=True):
            variable.assign(value)
        model.optimizer.apply(gradients, model.trainable_variables)
        return model.get_metrics_result()

    def _shift_seeds(
        self, state: list[keras.Variable], values: list[tf.Tensor], direction: int
    ) -> list[tf.Tensor]:
        """Shifts the seeds by the index of this replica (1), or back (-1).

        So each replica drops different elements. Between two updates the seeds are the same on all
        replicas, as variables must be.
        """
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            return values
        step = direction * tf.stack([context.replica_id_in_sync_group, 0])
        seeds = {id(variable) for variable in seed_variables(self._model)}
        return [
            value + tf.cast(step, value.dtype) if id(variable) in seeds else value
            for variable, value in zip(state, values, strict=True)
        ]

    def _sum_over_parts(
        self, data: Batch, token_count: tf.Tensor, values: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Gradients of this replica's loss, and the values of the state after it."""
        if self._num_parts == 1:
            return self._gradients_of_part(data, token_count, values)
        parts = tf.nest.map_structure(lambda rows: split_rows(rows, self._num_parts), data)
        sums = [tf.zeros(weight.shape, weight.dtype) for weight in self._model.trainable_variables]

        def add_part(
            index: tf.Tensor, sums: list[tf.Tensor], values: list[tf.Tensor]
        ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
            part = tf.nest.map_structure(lambda rows: rows[index], parts)
            gradients, values = self._gradients_of_part(part, token_count, values)
            sums = [total + one for total, one in zip(sums, gradients, strict=True)]
            return index + 1, sums, values

        _, sums, values = tf.while_loop(
            lambda index, *_: index < self._num_parts,
            add_part,
            (tf.constant(0), sums, values),
            maximum_iterations=self._num_parts,
        )
        return sums, values

    def _gradients_of_part(
        self, part: Batch, token_count: tf.Tensor, values: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        model = self._model
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(part)
        state = model.non_trainable_variables + model.metrics_variables
        weights = [weight.value for weight in model.trainable_variables]
        mapping = list(zip(state, values, strict=True))
        # Before the tape, which would keep what the teacher computes.
        taught = None if self._teacher is None else self._teacher(inputs, training=False)
        with tf.GradientTape() as tape:
            # Keras' regularizers look for their weights in the scope, which reads them here: on
            # the tape, or the penalty would have no gradient.
            mapping += [(one, one) for one in model.trainable_variables if one.regularizer]
            scope = keras.StatelessScope(state_mapping=mapping, collect_losses=True)
            with scope, parts_of_batch(token_count):
                logits, loss = self._logits_and_loss(part, taught, token_count)
                scaled = model.optimizer.scale_loss(loss)
        with scope, parts_of_batch(token_count):
            self._track(loss, labels)
            model.compute_metrics(inputs, labels, logits, sample_weight)
            after = [scope.get_current_value(variable) for variable in state]
        gradients = tape.gradient(
            scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [tf.convert_to_tensor(one) for one in gradients], after

    def _logits_and_loss(
        self, part: Batch, taught: tf.Tensor | None, token_count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The logits of the (first) pass, and the loss of the part.

        `taught` are the logits of the teacher.
        """
        model = self._model
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(part)
        weights = self._weights(labels, sample_weight)
        shares = tf.math.divide_no_nan(weights, token_count)

        def run() -> tuple[tf.Tensor, tf.Tensor]:
            logits = model(inputs, training=True)
            loss = model.compute_loss(inputs, labels, logits, sample_weight, training=True)
            of_layers = self._layer_losses()
            loss -= of_layers
            if taught is not None:
                imitation = distillation_loss(taught, logits, shares)
                loss += self._teacher_weight * (imitation - loss)
            return logits, loss + of_layers / self._num_parts

        logits, loss = run()
        if not self._r_drop_weight:
            return logits, loss
        other_logits, other_loss = run()
        divergence = symmetric_divergence(logits, other_logits, shares)
        return logits, (loss + other_loss) / 2 + self._r_drop_weight / 4 * divergence

    def _layer_losses(self) -> tf.Tensor | float:
        """What `compute_loss` adds for the layers: their losses, divided by the replicas.

        Each part has all of it, so it counts by its share of the batch.
        """
        losses = [tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self._model.losses]
        return sum(losses) / self._model.distribute_strategy.num_replicas_in_sync

    def _weights(self, labels: tf.Tensor, sample_weight: Any) -> tf.Tensor:
        """The weight of each target token."""
        return token_weights(labels, sample_weight, getattr(self._model.loss, "pad_token_id", 0))

    def _track(self, loss: tf.Tensor, labels: tf.Tensor) -> None:
        """Updates the loss that Keras shows: the mean of parts and replicas, weighted by rows."""
        shares = self._num_parts * self._model.distribute_strategy.num_replicas_in_sync
        tracker = next(metric for metric in self._model.metrics if metric.name == "loss")
        tracker.update_state(loss * shares, sample_weight=tf.shape(labels)[0])
