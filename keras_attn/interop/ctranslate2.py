"""A Transformer as a CTranslate2 model: the same weights for a C++ engine, optionally in int8."""

from __future__ import annotations

import collections
import os
from pathlib import Path

from keras_attn.data import Tokenizer
from keras_attn.interop.ctranslate2_spec import ctranslate2_spec
from keras_attn.interop.engine_files import check_target
from keras_attn.lines.special_tokens import SPECIAL_PIECES
from keras_attn.system.whole_directory import whole_directory
from keras_attn.translator import Translator

# Writing "bfloat16" would need PyTorch.
QUANTIZATIONS = (None, "int8", "int8_float32", "int8_float16", "int16", "float16")
# CTranslate2's default limits: it reads at most 1024 tokens, and writes at most 256.
_LEAST_POSITIONS = 1024


def export_ctranslate2(
    translator: Translator,
    directory: str | os.PathLike[str],
    quantization: str | None = None,
) -> Path:
    """Writes a translator's model and vocabularies as a CTranslate2 model, whole or not at all.

    CTranslate2 reads and writes pieces: split the source with `source_tokenizer`, and join the
    pieces of the translation with `target_tokenizer`. CTranslate2 itself adds the end token of the
    source.

    The model computes the same numbers as in the translator, but the search and its options are
    those of CTranslate2. Its beam search ranks by log P(Y) / |Y| ^ length_penalty, which is not the
    penalty of `BeamSearch`: scores agree if both penalties are 0. By default it writes at least one
    token, even if the end token is the most probable (`min_decoding_length=0` allows an empty
    translation). It may produce padding and the start token, which our searches never do. Beyond
    the last learned position it raises an error.

    CTranslate2 has separate limits and truncates silently: `translate_batch` reads at most 1024
    tokens (`max_input_length`) and writes at most 256 (`max_decoding_length`). Set these to the
    translator's limits, `max_source_tokens + 1` and `max_source_tokens + 1 + max_extra_tokens`, and
    count longer sources yourself.

    Args:
        translator: `Translator` of a `Transformer`.
        directory: path. A directory that is new or empty.
        quantization: one of `"int8"`, `"int8_float32"`, `"int8_float16"`, `"int16"`, `"float16"`;
            None keeps float32.

    Returns:
        Path of the directory.

    Raises:
        ValueError: if the model has a part that CTranslate2 does not know, a vocabulary has a piece
            twice, or the directory is not empty.
        ImportError: if CTranslate2 is not installed.

    Example:
    >>> export_ctranslate2("a translator", "models/en_de")
    Traceback (most recent call last):
    ...
    ValueError: `translator` must be a Translator. Received: str.

    References:
        - [CTranslate2](https://opennmt.net/CTranslate2/), "Model conversion".
    """
    directory = Path(directory)
    check_target(translator, directory)
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"`quantization` must be one of {list(QUANTIZATIONS)}. Received: {quantization!r}."
        )
    model = translator.model
    longest = translator.max_source_tokens + 1 + translator.max_extra_tokens
    spec = ctranslate2_spec(model, max(longest, _LEAST_POSITIONS))
    spec.register_source_vocabulary(
        _vocabulary(translator.source_tokenizer, model.source_vocabulary_size)
    )
    spec.register_target_vocabulary(
        _vocabulary(translator.target_tokenizer, model.target_vocabulary_size)
    )
    _, spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = SPECIAL_PIECES
    spec.config.decoder_start_token = spec.config.bos_token
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    with whole_directory(directory) as temporary:
        spec.save(str(temporary))
    return directory


def _vocabulary(tokenizer: Tokenizer, size: int) -> list[str]:
    """The pieces by id. Ids that only the model has get a generated name."""
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    # CTranslate2 has one name per special token for both vocabularies. So the ids 0 to 3 get its
    # default names, whatever the tokenizers call them.
    pieces[: len(SPECIAL_PIECES)] = SPECIAL_PIECES
    pieces += [f"<unused_{i}>" for i in range(len(pieces), size)]
    twice = [piece for piece, count in collections.Counter(pieces).items() if count > 1]
    if twice:
        raise ValueError(
            "`translator` must have tokenizers with every piece once, as CTranslate2 requires. "
            f"Received: {sorted(twice)[:3]} more than once, from {type(tokenizer).__name__}."
        )
    return pieces
