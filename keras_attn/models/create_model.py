"""The model factory and its presets (Vaswani et al., 2017, Table 3)."""

import inspect
from functools import partial
from typing import Any

from keras_attn.models.conv_seq2seq import ConvSeq2Seq
from keras_attn.models.rnn_seq2seq import RNNSeq2Seq
from keras_attn.models.seq2seq_model import Seq2SeqModel
from keras_attn.models.transformer import Transformer
from keras_attn.system.did_you_mean import did_you_mean

# A model class and its arguments. `base` and `big` are the paper's (Table 3). The others are ours,
# for CPUs: those of the same size have about the same number of parameters (V = 8,000).
PRESETS: dict[str, partial[Seq2SeqModel]] = {
    "transformer_tiny": partial(
        Transformer, hidden_dim=128, intermediate_dim=512, num_heads=4, num_layers=2, dropout=0.1
    ),
    "transformer_small": partial(
        Transformer, hidden_dim=256, intermediate_dim=1024, num_heads=4, num_layers=3, dropout=0.1
    ),
    "transformer_base": partial(
        Transformer, hidden_dim=512, intermediate_dim=2048, num_heads=8, num_layers=6, dropout=0.1
    ),
    "transformer_big": partial(
        Transformer, hidden_dim=1024, intermediate_dim=4096, num_heads=16, num_layers=6, dropout=0.3
    ),
    "rnn_tiny": partial(RNNSeq2Seq, hidden_dim=128, num_layers=2, dropout=0.1),
    "rnn_small": partial(RNNSeq2Seq, hidden_dim=256, num_layers=3, dropout=0.1),
    "conv_tiny": partial(
        ConvSeq2Seq, hidden_dim=128, num_layers=4, num_decoder_layers=2, dropout=0.1
    ),
    "conv_small": partial(
        ConvSeq2Seq, hidden_dim=256, num_layers=7, num_decoder_layers=4, dropout=0.1
    ),
}


def list_presets() -> list[str]:
    """The names that `create_model` knows, Transformers first, each kind from small to large.

    Returns:
        list of str.

    Example:
    >>> keras_attn.list_presets()
    ['transformer_tiny', 'transformer_small', 'transformer_base', 'transformer_big',
     'rnn_tiny', 'rnn_small', 'conv_tiny', 'conv_small']
    """
    return list(PRESETS)


def create_model(preset: str = "transformer_base", **overrides: Any) -> Seq2SeqModel:
    """Makes a model from a preset, built and ready for `summary()`, `compile` and `fit`.

    `transformer_base` and `transformer_big` are the paper's: post-norm, one embedding matrix for
    source, target and output, ReLU, sinusoids, a vocabulary of 37,000. They have 63,082,496 and
    214,245,376 parameters.

    Args:
        preset: str. One of `list_presets()`.
        **overrides: arguments of the preset's class, `Transformer`, `RNNSeq2Seq` or `ConvSeq2Seq`,
            that differ from the preset, most often `source_vocabulary_size` and
            `target_vocabulary_size`; also the model's `name`.

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
    model_class = PRESETS[preset].func
    known = [*inspect.signature(model_class.__init__).parameters, "name", "dtype"]
    for key in overrides:
        if key not in known or key in ("self", "kwargs"):
            raise ValueError(
                f"`{key}` is not an argument of {model_class.__name__}. "
                f"Received: {key}={overrides[key]!r}.{did_you_mean(key, known)}"
            )
    model = PRESETS[preset](**overrides)
    model.build()
    return model
