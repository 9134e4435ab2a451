"""The section `[tokenizer]` of a recipe: how text becomes token ids."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipe.recipe_section import RecipeSection, described


@dataclasses.dataclass(frozen=True)
class TokenizerRecipe(RecipeSection):
    """The subword vocabulary that is trained on the training pairs (Section 5.1).

    Example:

    >>> TokenizerRecipe(vocabulary_size=37000).shared
    True
    """

    section_name: ClassVar[str] = "tokenizer"

    kind: str = described("sentencepiece", "subwords or bytes", choices=("sentencepiece", "byte"))
    model_type: str = described(
        "bpe", "the kind of subwords, as SentencePiece names it", choices=("bpe", "unigram")
    )
    vocabulary_size: int = described(8000, "the number of tokens, special ones included", minimum=8)
    shared: bool = described(True, "one joint vocabulary for source and target")
    normalization: str = described(
        "nmt_nfkc", "SentencePiece's normalization rule, such as nmt_nfkc, nfkc or identity"
    )
    character_coverage: float = described(
        1.0, "the share of the characters seen in training that get a token", minimum=0.5, maximum=1
    )
    byte_fallback: bool = described(
        True, "spell characters without a token in bytes, so that nothing is unknown"
    )
