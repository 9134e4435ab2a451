"""The section `[tokenizer]` of a recipe: how text becomes token ids."""

import dataclasses
from typing import ClassVar, Self

from keras_attn.training.recipe.recipe_section import RecipeSection, described

TOKENIZER_KINDS = ("sentencepiece", "character", "word", "byte")


@dataclasses.dataclass(frozen=True)
class TokenizerRecipe(RecipeSection):
    """The vocabulary that is made from the training pairs (Section 5.1).

    `model_type`, `normalization`, `character_coverage` and `byte_fallback` are for
    `kind = "sentencepiece"` only.

    Example:

    >>> TokenizerRecipe(vocabulary_size=37000).shared
    True
    """

    section_name: ClassVar[str] = "tokenizer"

    kind: str = described(
        "sentencepiece", "subwords, characters, words or bytes", choices=TOKENIZER_KINDS
    )
    target_kind: str | None = described(
        None,
        "the same for the target, if it differs; needs shared = false",
        choices=TOKENIZER_KINDS,
    )
    model_type: str = described(
        "bpe", "the kind of subwords, as SentencePiece names it", choices=("bpe", "unigram")
    )
    vocabulary_size: int = described(
        8000,
        "the number of tokens, special ones included; for characters and words, the largest number",
        minimum=8,
    )
    target_vocabulary_size: int | None = described(
        None,
        "the same for the target, if it differs; needs shared = false",
        minimum=8,
    )
    symbols: list[str] = described(
        [], 'strings that stay whole, such as "<fr>"; not for words and bytes'
    )
    decompose: bool = described(
        False,
        "for characters: split letters from their marks, and Korean syllables into letters",
    )
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_kind not in (None, self.kind) and self.shared:
            raise ValueError(
                "`tokenizer.shared` must be false for two kinds of tokenizers. Received: kind="
                f"{self.kind!r}, target_kind={self.target_kind!r}, shared=true"
            )
        if self.target_vocabulary_size is not None and self.shared:
            raise ValueError(
                "`tokenizer.shared` must be false for two sizes of vocabularies. Received: "
                f"target_vocabulary_size={self.target_vocabulary_size}, shared=true"
            )

    @property
    def of_target(self) -> Self:
        """The settings of the target's tokenizer, if each side has its own."""
        return dataclasses.replace(
            self,
            kind=self.target_kind or self.kind,
            vocabulary_size=self.target_vocabulary_size or self.vocabulary_size,
            target_kind=None,
            target_vocabulary_size=None,
        )
