"""Several translators that translate together."""

from __future__ import annotations

from collections.abc import Iterable

from keras_attn.models import Ensemble
from keras_attn.translator.translator import Translator


def make_ensemble(translators: Iterable[Translator]) -> Translator:
    """Makes one translator of several, whose model is the `Ensemble` of theirs.

    The settings, such as `decoding` and `max_source_tokens`, are those of the first. A calibrated
    confidence does not hold for other probabilities, so there is none.

    Args:
        translators: two or more `Translator`, with the same tokenizers. Runs have the same ones if
            they were trained on the same text with the same `[tokenizer]`, or if one started from
            the other.

    Returns:
        `Translator`. It shares the models with those that were given.

    Raises:
        ValueError: if there are fewer than two, or their tokenizers differ.

    Example:
    >>> tokenizer = keras_attn.data.ByteTokenizer()
    >>> translator = keras_attn.translator.make_ensemble(
    ...     keras_attn.Translator(
    ...         keras_attn.create_model(preset, source_vocabulary_size=tokenizer.vocabulary_size),
    ...         tokenizer, max_extra_tokens=1)
    ...     for preset in ("transformer_tiny", "conv_tiny"))
    >>> len(translator.translate(["Hello!", ""]))
    2
    """
    translators = list(translators)
    if len(translators) < 2:
        raise ValueError(f"`translators` must be two or more. Received: {len(translators)}.")
    first = translators[0]
    for number, other in enumerate(translators[1:], start=2):
        for side in ("source_tokenizer", "target_tokenizer"):
            if not getattr(first, side).is_same(getattr(other, side)):
                raise ValueError(
                    "`translators` must have the same tokenizers. Received: the "
                    f"{side.replace('_', ' ')} of translator {number} differs from that of the "
                    "first. Train them with the same text and the same [tokenizer]."
                )
    model = Ensemble([translator.model for translator in translators])
    if not model.built:  # it is, unless one of the models was never used
        model.build()
    return Translator(
        model,
        first.source_tokenizer,
        first.target_tokenizer,
        decoding=first.decoding,
        max_source_tokens=first.max_source_tokens,
        max_extra_tokens=first.max_extra_tokens,
        batch_tokens=first.batch_tokens,
        jit_compile=first.jit_compile,
    )
