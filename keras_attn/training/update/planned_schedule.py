"""A learning rate that knows where training ends: warm-up, a middle, and a fall to zero."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MIDDLES = ("inverse_sqrt", "constant")
DECAYS = ("none", "linear", "cosine")
_NEVER = 1e9  # steps; a finite number, so that differences stay numbers


@keras.saving.register_keras_serializable(package="keras_attn")
class PlannedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rises to a peak, follows a middle, and falls to zero over the last updates of the run.

        rate(t)   = peak * min(t / w, middle(t)) * end(t)            t = 1 at the first update
        middle(t) = sqrt(w / t)    "inverse_sqrt", the paper's (Equation 3), or 1    "constant"
        end(t)    = 1 - p          "linear", or (1 + cos(pi p)) / 2    "cosine"
        p         = (t - d) / (l + 1 - d), clipped to 0..1

    with w = `warmup_steps`, d = `decay_start` and l = `last_step`. "constant" with "linear" is also
    called warm-up, stable, decay (WSD).

    The end of a run is often known only during training, because a time limit ends it. `set_plan`
    changes w, d and l in a compiled training step; until d and l are set, the rate does not fall.

    Args:
        peak_learning_rate: float. The highest rate, at update number `warmup_steps`.
        warmup_steps: int. Updates over which the rate rises, w.
        middle: str. `"inverse_sqrt"` or `"constant"`.
        decay: str. `"linear"`, `"cosine"`, or `"none"`: the rate never falls to zero.
        decay_start: int or None. Updates before the fall, d; None: not known yet.
        last_step: int or None. The last update, l; None: not known yet.
        name: str. The name of the schedule.

    Attributes:
        first_warmup_steps: int. The `warmup_steps` that it was made with, before any `set_plan`.
        planned_for: str. The limits that the plan was made for, in words; "" if not known.

    Raises:
        ValueError: if an argument is out of range, or only one of `decay_start` and `last_step` is
            given.

    Example:

    >>> schedule = PlannedSchedule(0.002, warmup_steps=10, middle="constant")
    >>> schedule.set_plan(decay_start=80, last_step=99)
    >>> [round(float(schedule(step)), 4) for step in (4, 9, 79, 89, 98)]
    [0.001, 0.002, 0.002, 0.001, 0.0001]

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 5.3.
        - [Hägele et al., 2024](https://arxiv.org/abs/2405.18392), on a constant rate that falls.
    """

    def __init__(
        self,
        peak_learning_rate: float,
        warmup_steps: int = 4000,
        middle: str = "inverse_sqrt",
        decay: str = "linear",
        decay_start: int | None = None,
        last_step: int | None = None,
        name: str = "planned_schedule",
    ) -> None:
        for argument, value, choices in (("middle", middle, MIDDLES), ("decay", decay, DECAYS)):
            if value not in choices:
                raise ValueError(
                    f"`{argument}` must be one of {', '.join(choices)}. "
                    f"Received: {argument}={value!r}"
                )
        if not peak_learning_rate > 0:
            raise ValueError(
                "`peak_learning_rate` must be greater than zero. "
                f"Received: peak_learning_rate={peak_learning_rate}"
            )
        self.peak_learning_rate = float(peak_learning_rate)
        self.middle, self.decay, self.name = middle, decay, name
        self.first_warmup_steps = warmup_steps
        self.planned_for = ""
        self._plan = tf.Variable(
            [1.0, _NEVER, 2 * _NEVER],
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="plan",
        )
        self.set_plan(warmup_steps, decay_start, last_step)

    def set_plan(
        self,
        warmup_steps: int | None = None,
        decay_start: int | None = None,
        last_step: int | None = None,
    ) -> None:
        """Sets how long the rate rises, and when it falls.

        Args:
            warmup_steps: int or None. Updates over which the rate rises; None: as before.
            decay_start: int or None. Updates before the rate falls; None: not known yet.
            last_step: int or None. The last update; None: not known yet.

        Raises:
            ValueError: if a number is out of range, or only one of the last two is given.
        """
        if warmup_steps is None:
            warmup_steps = self.warmup_steps
        if warmup_steps < 1:
            raise ValueError(
                f"`warmup_steps` must be greater than zero. Received: warmup_steps={warmup_steps}"
            )
        start, last = _NEVER, 2 * _NEVER
        if decay_start is not None and last_step is not None:
            start, last = decay_start, last_step
        if (decay_start is None) != (last_step is None) or not 0 <= start <= last:
            raise ValueError(
                "`decay_start` and `last_step` must be given together, the first at most the "
                f"second. Received: decay_start={decay_start}, last_step={last_step}"
            )
        self._plan.assign([warmup_steps, start, last])

    def end_earlier(self, step: int, last_step: int) -> None:
        """Makes a fall that has been planned steeper, so that the rate reaches zero earlier.

        The rate of update number `step` stays, to the nearest whole `decay_start` that does not
        raise it. No later rate is higher than before.

        Args:
            step: int. The updates so far.
            last_step: int. The new last update.

        Raises:
            ValueError: if no fall is planned, or `last_step` is not between `step` and the last
                update of the plan.

        Example:

        >>> schedule = PlannedSchedule(0.002, 10, "constant", decay_start=80, last_step=119)
        >>> schedule.end_earlier(100, last_step=109)
        >>> schedule.decay_start, [round(float(schedule(step)), 4) for step in (99, 108)]
        (90, [0.001, 0.0001])
        """
        start, last = self.decay_start, self.last_step
        if start is None or last is None or not step < last_step <= last:
            raise ValueError(
                "`last_step` must be after `step`, and not after the end that is planned. "
                f"Received: last_step={last_step}, step={step}, planned: {last}"
            )
        left = (last + 1 - step) / (last + 1 - start)  # the share of the fall that is to come
        self.set_plan(
            decay_start=max(0, math.floor(last_step + 1 - (last_step + 1 - step) / left)),
            last_step=last_step,
        )

    @property
    def warmup_steps(self) -> int:
        """Updates over which the rate rises."""
        return int(self._plan[0])

    @property
    def decay_start(self) -> int | None:
        """Updates before the rate falls; None: not known yet."""
        return None if self._plan[1] >= _NEVER else int(self._plan[1])

    @property
    def last_step(self) -> int | None:
        """The last update; None: not known yet."""
        return None if self._plan[1] >= _NEVER else int(self._plan[2])

    @property
    def plan(self) -> np.ndarray:
        """The three numbers, float32 (3,), as a checkpoint keeps them."""
        return np.array(self._plan)

    @plan.setter
    def plan(self, numbers: np.ndarray) -> None:
        self._plan.assign(numbers)

    def __call__(self, step: Any) -> Any:
        """Computes the learning rate of an update.

        Args:
            step: int or integer scalar. The number of updates made before, as Keras counts.

        Returns:
            float32 scalar tensor.
        """
        step = tf.cast(step, tf.float32) + 1.0
        warmup, start, last = tf.unstack(tf.convert_to_tensor(self._plan))
        middle = tf.sqrt(warmup / step) if self.middle == "inverse_sqrt" else 1.0
        rate = self.peak_learning_rate * tf.minimum(step / warmup, middle)
        progress = tf.clip_by_value((step - start) / (last + 1.0 - start), 0.0, 1.0)
        if self.decay == "linear":
            return rate * (1.0 - progress)
        if self.decay == "cosine":
            return rate * 0.5 * (1.0 + tf.cos(math.pi * progress))
        return rate

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "warmup_steps": self.warmup_steps,
            "middle": self.middle,
            "decay": self.decay,
            "decay_start": self.decay_start,
            "last_step": self.last_step,
            "name": self.name,
        }
