"""Prepares a training run without training, to tell whether it fits and what it will cost."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from rich.console import Console

from keras_attn.models import Seq2SeqModel
from keras_attn.training.prepare_data import TrainingData, prepare_data
from keras_attn.training.prepare_session import check_recipe, make_model
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.replicas.strategies import get_strategy
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.step_plan import StepPlan
from keras_attn.training.trained_translators import read_start, read_teacher
from keras_attn.training.update.update_cost import update_cost

_TIMED_UPDATES = 3
_LARGEST_TIMED_FLOPS = 1e12  # an update of a few seconds on a CPU


class HardwareCost(NamedTuple):
    """What a run would cost on some hardware: the price is None if it is not known."""

    seconds: float
    device_hours: float
    price: float | None


@dataclasses.dataclass(frozen=True)
class DryRun:
    """What a run of a recipe would do and cost.

    Attributes:
        pairs: int. Training pairs that are kept.
        vocabulary_size: int. The size of the target vocabulary.
        parameters: int. The number of weights of the model.
        shapes: dict. The number of batches of each shape in an epoch, by "rows x length".
        steps_per_epoch: int.
        target_tokens_per_step: float. The mean over the batches, without padding.
        padding_share: float. The share of the target positions that are padding.
        steps: int. Updates of the whole run.
        limit: str. What ends the run.
        flops_per_step: float. Floating-point operations of an update: the mean over the batches.
        flops: float. Floating-point operations of the whole run.
        state_bytes: int. Memory of weights, gradient, optimizer and teacher.
        saved_bytes: int. Memory that the largest batch keeps for its backward pass, on one device.
        measured_flops_per_second: float. What training reaches on this machine.

    Example:

    >>> [field.name for field in dataclasses.fields(DryRun)][:3]
    ['pairs', 'vocabulary_size', 'parameters']
    """

    pairs: int
    vocabulary_size: int
    parameters: int
    shapes: dict[str, int]
    steps_per_epoch: int
    target_tokens_per_step: float
    padding_share: float
    steps: int
    limit: str
    flops_per_step: float
    flops: float
    state_bytes: int
    saved_bytes: int
    measured_flops_per_second: float

    def seconds(self, flops_per_second: float | None = None) -> float:
        """Predicts the time of all updates.

        Args:
            flops_per_second: float or None. The sustained speed of all devices together; None:
                that of this machine.

        Returns:
            float.
        """
        return self.flops / (flops_per_second or self.measured_flops_per_second)

    def cost_on(self, tflops: float, devices: int = 1, price: float | None = None) -> HardwareCost:
        """Predicts the cost of the run on other hardware.

        Args:
            tflops: float. 10^12 floating-point operations a second that one device sustains.
            devices: int. The number of devices.
            price: float or None. What one device costs per hour.

        Returns:
            HardwareCost.
        """
        seconds = self.seconds(devices * tflops * 1e12)
        hours = devices * seconds / 3600
        return HardwareCost(seconds, hours, None if price is None else hours * price)

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures and the predicted time on this machine, ready for `json.dumps`."""
        return {**dataclasses.asdict(self), "seconds": self.seconds()}

    def lines(self) -> list[str]:
        """Returns one readable line for each fact."""
        shapes = ", ".join(f"{shape} ({count:,})" for shape, count in self.shapes.items())
        here = self.measured_flops_per_second
        return [
            f"model: {self.parameters:,} parameters, vocabulary {self.vocabulary_size:,}",
            f"batches: {self.steps_per_epoch:,} in a pass over {self.pairs:,} pairs; rows x length "
            f"(number): {shapes}",
            f"tokens: {self.target_tokens_per_step:,.0f} real target tokens in a batch, "
            f"{self.padding_share:.1%} of the positions are padding",
            f"run: {self.steps:,} updates ({self.limit}), "
            f"{self.steps / self.steps_per_epoch:,.1f} passes over the pairs",
            f"computation: {self.flops_per_step:.3g} floating-point operations per update, "
            f"{self.flops:.3g} in all",
            f"memory of a device: {self.state_bytes / 1e9:.2f} GB for weights (those of a teacher "
            "included), gradient and optimizer; the largest batch keeps up to "
            f"{self.saved_bytes / 1e9:.2f} GB for its backward pass (XLA keeps less)",
            f"time on this machine: {self.flops_per_step / here:.3g} seconds per update, "
            f"{_duration(self.seconds())} in all ({here / 1e9:,.0f} GFLOP/s, as measured in "
            f"{_TIMED_UPDATES} updates)",
        ]


def hardware_line(run: DryRun, tflops: float, devices: int = 1, price: float | None = None) -> str:
    """Predicts the time and the price of the run on other hardware.

    Args:
        run: DryRun.
        tflops: float. 10^12 floating-point operations a second that one device sustains.
        devices: int. The number of devices.
        price: float or None. What one device costs per hour.

    Returns:
        str.

    Example:

    >>> one = DryRun(1, 8, 9, {}, 1, 1.0, 0.0, 10, "max_steps = 10", 3.6e15, 3.6e16, 0, 0, 1e9)
    >>> hardware_line(one, tflops=5, devices=2, price=1.5)
    'time on 2 devices that sustain 5 TFLOP/s each: 1.0 hours; 2 device-hours, price 3.00'
    """
    cost = run.cost_on(tflops, devices, price)
    names = f"{devices} devices" if devices > 1 else "a device"
    verb = "sustain" if devices > 1 else "sustains"
    line = f"time on {names} that {verb} {tflops:g} TFLOP/s{' each' if devices > 1 else ''}: "
    line += f"{_duration(cost.seconds)}; {cost.device_hours:,.3g} device-hours"
    return line if cost.price is None else f"{line}, price {cost.price:,.2f}"


def dry_run(recipe: Recipe | str | os.PathLike, console: Console | None = None) -> DryRun:
    """Does everything that training does before its first update, and times three updates.

    It reads the corpus, makes the tokenizer, batches the pairs and compiles the model, so that
    errors show up here. Nothing is kept.

    Args:
        recipe: Recipe, name of a recipe, or path of a `.toml` file.
        console: rich Console or None. Where to show progress; nowhere by default.

    Returns:
        DryRun.

    Raises:
        ValueError: if the recipe or the data is invalid.

    Example:

    >>> dry_run("phrasebook_tinny")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: `recipe` must be ... 'phrasebook_tinny'. Did you mean 'phrasebook_tiny'?
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.named(recipe)
    console = console or Console(quiet=True)
    settings = recipe.training
    strategy = get_strategy(settings.strategy)
    check_recipe(recipe, strategy)
    start, teacher = read_start(recipe.model), read_teacher(recipe, strategy)
    with tempfile.TemporaryDirectory() as directory:
        run = RunDirectory(Path(directory) / "run")
        data = prepare_data(recipe, run, strategy.num_replicas_in_sync, console, start or teacher)
    model, _ = make_model(recipe, data.tokenizers, strategy, start, teacher)
    passes = 2 if settings.r_drop_weight else 1
    parts = strategy.num_replicas_in_sync * settings.accumulation_steps
    part_shapes = [(rows // parts, length) for rows, length in data.train.shapes]
    shares = [update_cost(model, *shape) for shape in part_shapes]
    flops = np.array([passes * share.flops for share in shares])
    if teacher is not None:  # its predictions, once for all passes
        flops += [update_cost(teacher.model, *shape).forward_flops for shape in part_shapes]
    counts = data.train.batches_of_shape
    flops_per_step = parts * float(np.average(flops, weights=counts))
    # Time the most frequent shape, or only some of its rows if an update would take long.
    most = int(np.argmax(counts))
    rows, length = data.train.shapes[most]
    flops_per_row = float(flops[most]) / (rows // parts)
    rows = min(rows, parts * max(1, int(_LARGEST_TIMED_FLOPS / flops_per_row / parts)))
    # Outside `fit`, Keras does not split a batch: each replica computes all rows of it.
    rows_of_replica = rows // strategy.num_replicas_in_sync
    speed = rows * flops_per_row / _seconds_of_update(model, data, rows_of_replica, length)
    steps, limit = _steps(recipe, data, flops_per_step / speed)
    weights = sum(_bytes(weight) for weight in model.trainable_variables)
    state = model.weights + model.optimizer.variables
    state += [] if teacher is None else teacher.model.weights
    return DryRun(
        pairs=data.train.report.kept,
        vocabulary_size=data.tokenizers.target.vocabulary_size,
        parameters=model.count_params(),
        shapes={
            f"{rows} x {length}": count
            for (rows, length), count in zip(data.train.shapes, counts, strict=True)
        },
        steps_per_epoch=data.train.steps_per_epoch,
        target_tokens_per_step=data.train.target_tokens / data.train.steps_per_epoch,
        padding_share=data.train.padding_share,
        steps=steps,
        limit=limit,
        flops_per_step=flops_per_step,
        flops=flops_per_step * steps,
        state_bytes=sum(map(_bytes, state)) + weights,
        saved_bytes=passes * max(share.saved_bytes for share in shares),
        measured_flops_per_second=speed,
    )


def _steps(recipe: Recipe, data: TrainingData, seconds_per_step: float) -> tuple[int, str]:
    """The updates of the run, and the limit that ends it."""
    plan = StepPlan.of(recipe.training, data.train.steps_per_epoch)
    minutes = recipe.training.max_minutes
    if minutes is not None:
        in_time = max(1, int(60 * minutes / seconds_per_step))
        if plan.last_step is None or in_time < plan.last_step:
            return in_time, f"max_minutes = {minutes:g}, here"
    return plan.last_step or 0, plan.limit


def _seconds_of_update(model: Seq2SeqModel, data: TrainingData, rows: int, length: int) -> float:
    """The time of an update with a batch of this shape; compilation is left out."""
    token_ids = np.random.default_rng(0).integers(
        4, data.tokenizers.source.vocabulary_size, (rows, length), dtype="int32"
    )
    targets = np.minimum(token_ids, data.tokenizers.target.vocabulary_size - 1)
    inputs = {"encoder_token_ids": token_ids, "decoder_token_ids": targets}
    batch = (inputs, targets, np.ones(targets.shape, "float32"))
    model.train_on_batch(*batch)
    start = time.perf_counter()
    for _ in range(_TIMED_UPDATES):
        model.train_on_batch(*batch)
    return (time.perf_counter() - start) / _TIMED_UPDATES


def _bytes(variable: Any) -> int:
    return int(np.prod(variable.shape, dtype=int)) * tf.as_dtype(variable.dtype).size


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} seconds"
