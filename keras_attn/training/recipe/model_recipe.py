"""The section `[model]` of a recipe: which model is trained."""

import dataclasses
from typing import ClassVar, Self

from keras_attn.training.recipe.recipe_section import RecipeSection, described
from keras_attn.training.recipe.translator_location import absolute_location


@dataclasses.dataclass(frozen=True)
class ModelRecipe(RecipeSection):
    """A preset of `keras_attn.create_model` and the arguments that differ from it.

    The vocabulary sizes come from the tokenizers and are not written here.

    Example:

    >>> ModelRecipe(preset="transformer_tiny", overrides={"num_layers": 2}).overrides
    {'num_layers': 2}
    """

    section_name: ClassVar[str] = "model"

    preset: str = described("transformer_base", "the name of a preset, see list_presets()")
    overrides: dict = described({}, "arguments of create_model that differ from the preset")
    start_from: str | None = described(
        None,
        "the translator to fine-tune, whose tokenizers and weights a new run takes: its directory, "
        "a run, or the name of a shipped model; preset and overrides must make the same model, but "
        "dropout may differ; none: fresh weights",
    )

    def with_absolute_paths(self) -> Self:
        """Returns the section with an absolute path, which works from any working directory."""
        return dataclasses.replace(self, start_from=absolute_location(self.start_from))
