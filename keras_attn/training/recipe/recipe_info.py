"""The summary of a recipe, for the list of recipes."""

import dataclasses

from keras_attn.training.recipe.recipe import Recipe, built_in_recipe_names


@dataclasses.dataclass(frozen=True)
class RecipeInfo:
    """One line of the list of recipes.

    Args:
        name: str. The name for `Recipe.named` and `keras-attn train`.
        description: str. What the recipe trains.
        cost: str. The machine and the time.
        expected_score: str. The score to expect, measured or published.

    Example:

    >>> RecipeInfo("mine", "a first try", "an hour", "not measured yet").name
    'mine'
    """

    name: str
    description: str
    cost: str
    expected_score: str


def list_recipes() -> list[RecipeInfo]:
    """Lists the built-in recipes with their cost and expected score.

    Returns:
        One RecipeInfo per recipe, sorted by name.

    Example:

    >>> [info.name for info in list_recipes() if info.name.startswith("wmt14")]
    ['wmt14_en_de_base', 'wmt14_en_de_big']
    """
    recipes = [Recipe.named(name) for name in built_in_recipe_names()]
    return [
        RecipeInfo(recipe.name, recipe.description, recipe.cost, recipe.expected_score)
        for recipe in recipes
    ]
