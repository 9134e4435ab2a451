"""A translator on disk that is made and loaded in no time."""

from pathlib import Path

import keras_attn
from tests.support.seeds import seed_weights


def save_small_translator(directory: Path) -> Path:
    """Saves a translator that knows nothing, so its output is of no interest."""
    seed_weights(20170612)
    tokenizer = keras_attn.data.ByteTokenizer()
    model = keras_attn.create_model(
        "transformer_tiny",
        source_vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=16,
        intermediate_dim=24,
        num_layers=1,
    )
    translator = keras_attn.Translator(
        model,
        tokenizer,
        decoding="greedy",
        max_source_tokens=20,
        max_extra_tokens=3,
        jit_compile=False,
    )
    translator.save(directory)
    return directory
