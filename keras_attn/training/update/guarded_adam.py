"""Adam that withholds updates whose gradient is not finite (Section 5.3)."""

import warnings
from typing import Any

import keras
import tensorflow as tf

from keras_attn.training.replicas.sum_over_replicas import sum_over_replicas

_LARGEST_LOSS_SCALE = 2.0**15
_SMALLEST_LOSS_SCALE = 1.0  # halved for ever, it would become 0, and could not be doubled
_STEPS_PER_SCALE_INCREASE = 2000
# Options of Keras' optimizers that this class replaces or does not support.
_UNSUPPORTED = ("use_ema", "weight_decay", "loss_scale_factor", "gradient_accumulation_steps")


@keras.saving.register_keras_serializable(package="keras_attn")
class GuardedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that checks the whole gradient, then updates all weights or none.

    - Under `tf.distribute` the gradients are added up first. So `global_clipnorm` bounds the norm
      of the gradient of the global batch, as on one device. Keras clips it on each replica.
    - An update whose gradient has a NaN or an infinity is withheld: it changes no weight, no moment
      and no count of iterations. `withheld_updates` counts them, and the end of `fit` warns if
      there were any. With `withhold_later_updates` all later updates are withheld too. So a check
      some updates later still finds the weights from before the bad update. `train` uses this, and
      stops.
    - With `ema_decay` it keeps the moving average of every weight (Polyak and Juditsky, 1992):

          decay   = min(ema_decay, t / (t + 9))             t: updates made before
          average = decay * average + (1 - decay) * weight

      The ratio keeps the random initial weights out of the average. `swap_averages` puts the
      averages into the model, and takes them out again. (Keras' `use_ema` replaces the weights at
      the end of every `fit`, so the next `fit` continues from the averages.)
    - With `scales_loss` (for float16) the loss is multiplied before differentiation by the largest
      factor that keeps the gradients finite. A withheld update halves the factor, down to 1, and
      is not an error; 2,000 good updates in a row double it. At a factor of 1, `train` stops.
      (`keras.optimizers.LossScaleOptimizer` checks the gradients of one replica only. If `compile`
      puts it around this optimizer, it alone scales: what it divides is not divided again.)

    Gradients and weights may have several dtypes. Gradients of less than float32 are widened to it.

    Args:
        learning_rate: float or schedule.
        ema_decay: float in [0, 1) or None. The share of the average that each update keeps; None:
            no averages.
        scales_loss: bool. Whether to scale the loss.
        withhold_later_updates: bool. Whether all updates after a withheld one are withheld too.
        name: str. The name of the optimizer.
        **options: those of `keras.optimizers.Adam`, except `use_ema`, `weight_decay`,
            `loss_scale_factor` and `gradient_accumulation_steps`.

    Raises:
        ValueError: if `ema_decay` is outside [0, 1), or one of these four options is set.

    Example:

    >>> weight = keras.Variable([1.0, 1.0])
    >>> optimizer = GuardedAdam(0.1)
    >>> optimizer.apply([tf.constant([1.0, float("nan")])], [weight])
    >>> weight.numpy().tolist(), int(optimizer.withheld_updates), int(optimizer.iterations)
    ([1.0, 1.0], 1, 0)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        ema_decay: float | None = None,
        scales_loss: bool = False,
        withhold_later_updates: bool = False,
        name: str = "guarded_adam",
        **options: Any,
    ) -> None:
        if ema_decay is not None and not 0.0 <= ema_decay < 1.0:
            raise ValueError(
                "`ema_decay` must be at least 0 and less than 1, or None. "
                f"Received: ema_decay={ema_decay}"
            )
        for option in _UNSUPPORTED:
            if options.get(option):
                raise ValueError(
                    f"`{option}` must be left out: it would change weights even if an update is "
                    f"withheld. Received: {option}={options[option]}"
                )
        super().__init__(learning_rate, name=name, **options)
        self.ema_decay = ema_decay
        self.scales_loss = bool(scales_loss)
        self.withhold_later_updates = bool(withhold_later_updates)
        self._averages: list[keras.Variable] = []
        self._has_scaled = False  # no longer False once `scale_loss` has scaled, or traced it
        self._withheld_before = 0  # at the end of the last `fit`

    @property
    def schedule(self) -> Any:
        """The learning rate as it was given: a float or a schedule."""
        return self._learning_rate

    @property
    def is_smallest_loss_scale(self) -> bool:
        """Whether the loss is scaled, and its scale cannot be lowered any more."""
        if not (self.scales_loss and self.built):
            return False
        return float(keras.ops.convert_to_numpy(self._loss_scale)) <= _SMALLEST_LOSS_SCALE

    def build(self, var_list: list[keras.Variable]) -> None:
        """Creates the moments, the averages and the counters."""
        if self.built:
            return
        super().build(var_list)
        if self.ema_decay is not None:
            # A weight that never gets a gradient stays its own average.
            self._averages = [
                self.add_variable_from_reference(one, "average", _value_of(one)) for one in var_list
            ]
        self.withheld_updates = self._add_count("withheld_updates")
        if self.scales_loss:
            self._loss_scale = self._add_count("loss_scale", "float32", _LARGEST_LOSS_SCALE)
            self._good_updates = self._add_count("good_updates")

    def _add_count(self, name: str, dtype: str = "int64", value: float = 0) -> keras.Variable:
        initializer = keras.initializers.Constant(value)
        return self.add_variable((), initializer, dtype, "only_first_replica", name=name)

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Multiplies the loss by the current factor, if set; Keras' train step calls this."""
        if not self.scales_loss:
            return loss
        self._has_scaled = True
        scale = self._loss_scale if self.built else _LARGEST_LOSS_SCALE
        loss = tf.convert_to_tensor(loss)
        loss = tf.cast(loss, _widened([loss]))
        return loss * tf.cast(tf.convert_to_tensor(scale), loss.dtype)

    def apply(self, grads: list[Any], trainable_variables: Any = None) -> None:
        """Makes one update, or withholds it.

        Args:
            grads: list of tensors or None. The gradients of this replica, one per weight; those of
                the scaled loss once `scale_loss` has been called.
            trainable_variables: list of the weights; None: those it was built with.
        """
        if not self.built and trainable_variables is not None:
            with tf.init_scope():
                self.build(list(trainable_variables))
        present = [tf.convert_to_tensor(each) for each in grads if each is not None]
        dtype = _widened(present)
        present = sum_over_replicas([tf.cast(each, dtype) for each in present])
        if self._has_scaled:  # else `LossScaleOptimizer` has scaled the loss, and has divided
            unscale = 1.0 / tf.cast(tf.convert_to_tensor(self._loss_scale), dtype)
            present = [each * unscale for each in present]
        self._may_apply = tf.math.is_finite(tf.linalg.global_norm(present))
        if self.withhold_later_updates and not self.scales_loss:
            self._may_apply &= tf.equal(tf.convert_to_tensor(self.withheld_updates), 0)
        summed = iter(present)
        grads = [None if each is None else next(summed) for each in grads]
        super().apply(grads, trainable_variables)
        withheld = tf.cast(tf.logical_not(self._may_apply), tf.int64)
        self._iterations.assign_sub(withheld)  # `super().apply` has counted it
        self.withheld_updates.assign_add(withheld)
        if self._has_scaled:
            self._adapt_scale()

    def _adapt_scale(self) -> None:
        before = tf.convert_to_tensor(self._good_updates)
        good = tf.where(self._may_apply, before + 1, tf.zeros_like(before))
        scale = tf.convert_to_tensor(self._loss_scale)
        raised = tf.where(good >= _STEPS_PER_SCALE_INCREASE, 2.0 * scale, scale)
        lowered = tf.maximum(0.5 * scale, _SMALLEST_LOSS_SCALE)
        self._loss_scale.assign(tf.where(self._may_apply, raised, lowered))
        self._good_updates.assign(
            tf.where(good >= _STEPS_PER_SCALE_INCREASE, tf.zeros_like(good), good)
        )

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars  # Keras sums over the replicas here; `apply` has done so

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one weight, its moments and its average."""
        super().update_step(gradient, variable, learning_rate)
        if self.ema_decay is None:
            return
        average = self._averages[self._get_variable_index(variable)]
        difference = tf.convert_to_tensor(average) - tf.convert_to_tensor(variable)
        dtype = _widened([difference])  # in half precision, a decay of 0.999 would be 1
        updates = tf.cast(tf.convert_to_tensor(self._iterations), dtype)
        decay = tf.minimum(tf.cast(self.ema_decay, dtype), updates / (updates + 9.0))
        self.assign_sub(average, tf.cast(1.0 - decay, difference.dtype) * difference)

    # Keras' update writes only through these three methods, so a withheld update writes nothing.

    def assign(self, variable: Any, value: Any) -> None:
        """Writes a value, unless the update is withheld."""
        value = tf.convert_to_tensor(value)
        super().assign(variable, tf.where(self._may_apply, value, tf.convert_to_tensor(variable)))

    def assign_add(self, variable: Any, value: Any) -> None:
        """Adds a value, unless the update is withheld."""
        super().assign_add(variable, self._unless_withheld(value))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtracts a value, unless the update is withheld."""
        super().assign_sub(variable, self._unless_withheld(value))

    def _unless_withheld(self, value: Any) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        return tf.where(self._may_apply, value, tf.zeros((), value.dtype))

    def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
        """Warns about updates that were withheld in a `fit`; Keras calls this at its end."""
        super().finalize_variable_values(var_list)
        withheld = int(keras.ops.convert_to_numpy(self.withheld_updates)) if self.built else 0
        new, self._withheld_before = withheld - self._withheld_before, withheld
        if new > 0 and not (self.scales_loss or self.withhold_later_updates):
            warnings.warn(
                f"{new:,} updates were withheld because a gradient was NaN or infinite; the "
                "weights are those of the other updates. Check for wrong labels or inputs, and for "
                "a learning rate that is too high.",
                RuntimeWarning,
                stacklevel=2,
            )

    def swap_averages(self) -> None:
        """Exchanges the weights and their averages; a second call exchanges them back.

        Raises:
            ValueError: without `ema_decay`.
        """
        if self.ema_decay is None:
            raise ValueError("`ema_decay` must be set to keep averages. Received: None")
        for weight, average in zip(self._trainable_variables, self._averages, strict=True):
            kept = weight.numpy()
            weight.assign(average.numpy())
            average.assign(kept)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        for option in (*_UNSUPPORTED, "ema_momentum", "ema_overwrite_frequency"):
            config.pop(option)
        config.update(
            ema_decay=self.ema_decay,
            scales_loss=self.scales_loss,
            withhold_later_updates=self.withhold_later_updates,
        )
        return config


def _value_of(variable: keras.Variable) -> Any:
    """An initializer that gives the value of a variable."""
    return lambda shape, dtype=None: tf.cast(tf.convert_to_tensor(variable), dtype)


def _widened(tensors: list[tf.Tensor]) -> str:
    """The dtype that holds the values of all these tensors, at least float32."""
    return keras.backend.result_type(*{one.dtype.name for one in tensors}, "float32")
