"""The error of a training whose loss is no longer a number."""


class NonFiniteLossError(ValueError):
    """The loss, or its gradient, became NaN or infinite.

    Args:
        step: int. The update at which it was seen.
        loss: float. The loss.
        are_weights_good: bool. Whether the update was withheld, so that the weights are those
            before it.
        batch: str. Where the batch stands in the data, if that is known.

    Example:

    >>> NonFiniteLossError(120, float("nan")).step
    120
    """

    def __init__(
        self, step: int, loss: float, are_weights_good: bool = False, batch: str = ""
    ) -> None:
        place = f"step {step}{f', {batch}' if batch else ''}"
        kept = (
            f"The weights are those of step {step - 1}"
            if are_weights_good
            else "Checkpoints of earlier steps are good"
        )
        super().__init__(
            f"`loss` and its gradient must stay finite. Received: a loss of {loss:g} at {place}. "
            f"{kept}; lower `training.peak_learning_rate`, raise `training.warmup_steps`, or set "
            "`training.clip_norm`"
        )
        self.step = step
        self.loss = loss
        self.are_weights_good = are_weights_good
