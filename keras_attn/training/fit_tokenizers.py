"""Trains tokenizers whose vocabularies are as large as the texts allow."""

import dataclasses
from collections.abc import Sequence

from keras_attn.data import Corpus, Tokenizer
from keras_attn.data.sentencepiece_tokenizer import VocabularySizeError
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe
from keras_attn.training.tokenizer_pair import TokenizerPair, train_tokenizer


def fit_tokenizers(
    recipe: TokenizerRecipe, corpus: Corpus
) -> tuple[TokenizerRecipe, TokenizerPair]:
    """Trains the tokenizers of a recipe, with other vocabulary sizes if the texts need them.

    Each side gets a size of its own, because a size that one side needs may be too large for the
    other: hundreds of Chinese characters against a few letters of their transcription.

    Args:
        recipe: TokenizerRecipe. The settings, with the sizes to try first.
        corpus: Corpus. The training pairs.

    Returns:
        The recipe with the sizes that were used, and the tokenizers.

    Raises:
        ValueError: if no vocabulary can be trained on the texts.

    Example:

    >>> corpus = Corpus(["a dog"] * 9, ["ein Hund"] * 9)
    >>> fit_tokenizers(TokenizerRecipe(kind="character", shared=False), corpus)[0].vocabulary_size
    8000
    """
    if recipe.shared:
        size, tokenizer = _fitted(recipe, [*corpus.sources, *corpus.targets])
        pair = TokenizerPair(tokenizer, tokenizer)
        return dataclasses.replace(recipe, vocabulary_size=size), pair
    size, source = _fitted(recipe, corpus.sources)
    target_size, target = _fitted(recipe.of_target, corpus.targets)
    fitted = dataclasses.replace(
        recipe,
        vocabulary_size=size,
        target_vocabulary_size=None if target_size == size else target_size,
    )
    return fitted, TokenizerPair(source, target)


def _fitted(recipe: TokenizerRecipe, texts: Sequence[str]) -> tuple[int, Tokenizer]:
    """A tokenizer and the size of its vocabulary: half as large while the texts are too small."""
    size, smallest, tried = recipe.vocabulary_size, 0, set[int]()
    while True:
        try:
            return size, train_tokenizer(dataclasses.replace(recipe, vocabulary_size=size), texts)
        except VocabularySizeError as error:
            if size in tried:
                raise
            tried.add(size)
            if error.possible > size:  # fewer than the characters
                size = smallest = error.possible
            else:  # with all pieces that a small text has, most would be seen only once
                size = max(size // 2, smallest) if size > smallest else error.possible
