"""The section `[model]` of a recipe: which model is trained."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipe.recipe_section import RecipeSection, described


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
