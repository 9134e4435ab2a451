"""The section `[decoding]` of a recipe: how the trained model translates."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipe.recipe_section import RecipeSection, described


@dataclasses.dataclass(frozen=True)
class DecodingRecipe(RecipeSection):
    """The search of the saved translator and of the scores after training (Section 6.1).

    Example:

    >>> DecodingRecipe(config={"num_beams": 4, "length_penalty": 0.6}).class_name
    'BeamSearch'
    """

    section_name: ClassVar[str] = "decoding"

    class_name: str = described("BeamSearch", "BeamSearch, GreedySearch or RandomSampling")
    config: dict = described({}, "the strategy's arguments, such as num_beams")
    max_extra_tokens: int = described(
        50, "a translation may be this many tokens longer than its source", minimum=1
    )
    batch_tokens: int = described(
        4096, "source tokens translated at once, padding included", minimum=1
    )
