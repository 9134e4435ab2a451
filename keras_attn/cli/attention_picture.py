"""Translates one sentence and draws its attention map."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_attn.translator import Translation, Translator


def draw_attention(
    translator: Translator, sentence: str, output: str | os.PathLike[str], layer: Any = -1
) -> Translation:
    """Translates a sentence and draws what each token of the translation attended to.

    Args:
        translator: `Translator`.
        sentence: str. Not empty.
        output: path of the picture.
        layer: int, "all" or "mean". The decoder's layer.

    Returns:
        `Translation` of the sentence.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no such layer, or the picture cannot be written.
    """
    from keras_attn.visualization import plot_attention

    (translation,) = translator.translate_detailed([sentence], attention=True)
    if translation.attention is None:
        raise ValueError(f"`SENTENCE` must contain a token to translate. Received: {sentence!r}.")
    tokenizer = translator.target_tokenizer
    target_tokens = [*translation.tokens, *tokenizer.pieces([tokenizer.end_token_id])]
    plot_attention(
        translation.attention, translation.source_tokens, target_tokens, output, layer=layer
    )
    return translation
