"""The source and the target tokenizer of a training run: trained, saved and loaded together."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from keras_attn.data import (
    ByteTokenizer,
    CharacterTokenizer,
    Corpus,
    SentencePieceTokenizer,
    Tokenizer,
    WordTokenizer,
    load_tokenizer,
)
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe


@dataclasses.dataclass(frozen=True)
class TokenizerPair:
    """A tokenizer for each side; the same object twice if the vocabulary is shared.

    Args:
        source: Tokenizer. Of the source text.
        target: Tokenizer. Of the target text.

    Example:

    >>> tokenizer = ByteTokenizer()
    >>> TokenizerPair(tokenizer, tokenizer).is_shared
    True
    """

    source: Tokenizer
    target: Tokenizer

    @property
    def is_shared(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.source is self.target

    @classmethod
    def train(cls, recipe: TokenizerRecipe, corpus: Corpus) -> Self:
        """Trains the tokenizers of a recipe on the training pairs.

        Args:
            recipe: TokenizerRecipe. The settings of the tokenizers.
            corpus: Corpus. The training pairs.

        Returns:
            The pair.

        Raises:
            ValueError: if such a vocabulary cannot be trained on the texts.
        """
        target = recipe.of_target
        if recipe.shared or recipe.kind == target.kind == "byte":
            tokenizer = train_tokenizer(recipe, [*corpus.sources, *corpus.targets])
            return cls(tokenizer, tokenizer)
        return cls(train_tokenizer(recipe, corpus.sources), train_tokenizer(target, corpus.targets))

    def save(self, directory: Path) -> None:
        """Writes a shared tokenizer to `directory`, or two to its `source` and `target`."""
        if self.is_shared:
            self.source.save(directory)
        else:
            self.source.save(directory / "source")
            self.target.save(directory / "target")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Reads what `save` wrote."""
        if (directory / "source").is_dir():
            return cls(load_tokenizer(directory / "source"), load_tokenizer(directory / "target"))
        tokenizer = load_tokenizer(directory)
        return cls(tokenizer, tokenizer)


def train_tokenizer(recipe: TokenizerRecipe, texts: Sequence[str]) -> Tokenizer:
    """Trains one tokenizer.

    Args:
        recipe: TokenizerRecipe. Its `kind` and `vocabulary_size`, and the settings of that kind.
        texts: sequence of str. What it is trained on.

    Returns:
        Tokenizer.

    Raises:
        ValueError: if such a vocabulary cannot be trained on the texts.
    """
    if recipe.kind == "byte":
        return ByteTokenizer()
    if recipe.kind == "character":
        return CharacterTokenizer.train(
            texts, recipe.vocabulary_size, recipe.symbols, recipe.decompose
        )
    if recipe.kind == "word":
        return WordTokenizer.train(texts, recipe.vocabulary_size)
    return SentencePieceTokenizer.train(
        texts,
        recipe.vocabulary_size,
        model_type=recipe.model_type,
        normalization=recipe.normalization,
        character_coverage=recipe.character_coverage,
        byte_fallback=recipe.byte_fallback,
        symbols=recipe.symbols,
    )
