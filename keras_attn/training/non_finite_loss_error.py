"""The error of a training whose loss is no longer a number."""


class NonFiniteLossError(ValueError):
    """The loss became NaN or infinite.

    Args:
        step: int. The update at which it was seen.
        loss: float. What it was.

    Example:

    >>> NonFiniteLossError(120, float("nan")).step
    120
    """

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"`loss` must stay finite. Received: {loss} at step {step}. Checkpoints of earlier "
            "steps are good; lower `training.peak_learning_rate`, or raise `training.warmup_steps`"
        )
        self.step = step
        self.loss = loss
