"""The model factory and its presets (Vaswani et al., 2017, Table 3)."""

import inspect
from typing import Any

from keras_attn.models.seq2seq_model import Seq2SeqModel
from keras_attn.models.transformer import Transformer
from keras_attn.system.did_you_mean import did_you_mean

# `base` and `big` are the paper's (Table 3). `small` and `tiny` are ours, for CPUs.
PRESETS: dict[str, dict[str, Any]] = {
    "transformer_tiny": {
        "hidden_dim": 128,
        "intermediate_dim": 512,
        "num_heads": 4,
        "num_layers": 2,
        "dropout": 0.1,
    },
    "transformer_small": {
        "hidden_dim": 256,
        "intermediate_dim": 1024,
        "num_heads": 4,
        "num_layers": 3,
        "dropout": 0.1,
    },
    "transformer_base": {
        "hidden_dim": 512,
        "intermediate_dim": 2048,
        "num_heads": 8,
        "num_layers": 6,
        "dropout": 0.1,
    },
    "transformer_big": {
        "hidden_dim": 1024,
        "intermediate_dim": 4096,
        "num_heads": 16,
        "num_layers": 6,
        "dropout": 0.3,
    },
}


def list_presets() -> list[str]:
    """The names that `create_model` knows, smallest model first.

    Returns:
        list of str.

    Example:
    >>> keras_attn.list_presets()
    ['transformer_tiny', 'transformer_small', 'transformer_base', 'transformer_big']
    """
    return list(PRESETS)


def create_model(preset: str = "transformer_base", **overrides: Any) -> Seq2SeqModel:
    """Makes a model from a preset, built and ready for `summary()`, `compile` and `fit`.

    `transformer_base` and `transformer_big` are the paper's: post-norm, one embedding matrix for
    source, target and output, ReLU, sinusoids, a vocabulary of 37,000; 63,082,496 and 214,245,376
    parameters.

    Args:
        preset: str. One of `list_presets()`.
        **overrides: arguments of `Transformer` that differ from the preset, most often
            `source_vocabulary_size` and `target_vocabulary_size`; also `name`, the model's own.

    Returns:
        A built `Seq2SeqModel`.

    Raises:
        ValueError: if the preset or an override is not known.

    Example:
    >>> model = keras_attn.create_model("transformer_tiny", source_vocabulary_size=100)
    >>> f"{model.count_params():,}"
    '938,496'
    """
    if preset not in PRESETS:
        raise ValueError(
            f"`preset` must be one of {list_presets()}. Received: preset={preset!r}."
            f"{did_you_mean(preset, PRESETS)}"
        )
    known = [*inspect.signature(Transformer.__init__).parameters, "name", "dtype"]
    for key in overrides:
        if key not in known or key in ("self", "kwargs"):
            raise ValueError(
                f"`{key}` is not an argument of Transformer. Received: {key}={overrides[key]!r}."
                f"{did_you_mean(key, known)}"
            )
    model = Transformer(**{**PRESETS[preset], **overrides})
    model.build()
    return model
