"""How many updates a run makes."""

import dataclasses
import math

from keras_attn.training.recipe.training_recipe import TrainingRecipe


@dataclasses.dataclass
class StepPlan:
    """The number of updates of a run. All counts are multiples of `steps_per_execution`.

    Args:
        validate_every_steps: int. Updates between two validations.
        last_step: int or None. The last update; None if only time ends training. `RunPlanner` sets
            it once the speed is known.
        limit: str. The field of the recipe that `last_step` comes from, with its value.
        steps_per_execution: int. Updates of one call of the training function.
        limits: str. All that the end of the run follows from, in words. A plan that was made for
            other limits is void.

    Example:

    >>> plan = StepPlan.of(TrainingRecipe(max_epochs=2, steps_per_execution=8), steps_per_epoch=11)
    >>> plan.validate_every_steps, plan.last_step, plan.limit
    (16, 24, 'max_epochs = 2')
    """

    validate_every_steps: int
    last_step: int | None
    limit: str
    steps_per_execution: int = 1
    limits: str = ""

    @classmethod
    def of(cls, recipe: TrainingRecipe, steps_per_epoch: int) -> "StepPlan":
        """Makes the plan of a recipe whose epochs have `steps_per_epoch` updates."""
        limits: dict[str, int] = {}
        if recipe.max_steps is not None:
            limits[f"max_steps = {recipe.max_steps}"] = recipe.max_steps
        if recipe.max_epochs is not None:
            limits[f"max_epochs = {recipe.max_epochs:g}"] = math.ceil(
                recipe.max_epochs * steps_per_epoch
            )
        plan = cls(0, None, "", recipe.steps_per_execution, recipe.limits)
        plan.validate_every_steps = plan.whole_calls(recipe.validate_every_steps or steps_per_epoch)
        if limits:
            plan.limit = min(limits, key=limits.__getitem__)
            plan.last_step = plan.whole_calls(limits[plan.limit])
        return plan

    def whole_calls(self, steps: float) -> int:
        """Rounds a number of updates up to whole calls of the training function."""
        return math.ceil(steps / self.steps_per_execution) * self.steps_per_execution

    def validations_until(self, last_step: int, step: int) -> int:
        """The validations to come after `step` updates, in a run that ends with `last_step`.

        Args:
            last_step: int. The last update, which a validation follows.
            step: int. The updates so far. If a validation follows the last of them, it counts.

        Returns:
            int.

        Example:

        >>> plan = StepPlan(validate_every_steps=50, last_step=None, limit="")
        >>> [plan.validations_until(120, step) for step in (49, 50, 51, 101)]
        [3, 3, 2, 1]
        """
        every = self.validate_every_steps
        return math.ceil(last_step / every) - max(0, step - 1) // every
