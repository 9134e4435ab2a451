"""Registers the classes of saved models, so that Keras finds them after `import keras_attn`."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import wrapt

_PACKAGE = "keras_attn"

# Module -> the classes that it registers with `register_keras_serializable(package="keras_attn")`.
REGISTERED_CLASSES = {
    "keras_attn.interop": ("LiteRTAttention", "PositionTable"),
    "keras_attn.layers": (
        "ALiBiBias",
        "BahdanauAttention",
        "CausalBlock",
        "DecoderBlock",
        "Dropout",
        "EncoderBlock",
        "FeedForward",
        "GatedConvolution",
        "GatedFeedForward",
        "GatedRecurrentUnit",
        "LearnedPositionEmbedding",
        "LinearAttention",
        "LinformerAttention",
        "LocalAttention",
        "LongShortTermMemory",
        "LuongAttention",
        "MultiHeadAttention",
        "PerformerAttention",
        "QKNormalizedAttention",
        "RelativePositionBias",
        "RelativePositionEmbedding",
        "Residual",
        "RotaryEmbedding",
        "SandwichResidual",
        "SinkAttention",
        "SinusoidalPositionEncoding",
        "SoftCappedAttention",
        "SparseAttention",
        "TalkingHeadsAttention",
        "TokenEmbedding",
    ),
    "keras_attn.models": (
        "CausalDecoder",
        "ConvSeq2Seq",
        "Decoder",
        "Encoder",
        "Ensemble",
        "RNNSeq2Seq",
        "Transformer",
        "TransformerClassifier",
        "TransformerLM",
    ),
    "keras_attn.training": (
        "GuardedAdam",
        "LabelSmoothedCrossEntropy",
        "Perplexity",
        "PlannedSchedule",
        "TokenAccuracy",
        "TransformerSchedule",
    ),
}


class _RegisteredLater:
    """Stands in Keras' registry for a class whose module is not imported yet.

    Any access imports the module, which registers the class itself, and is passed on to the class.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _load(self) -> type:
        registry = _registry()
        importlib.import_module(self._module)
        return registry[_registered_name(self._name)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)


def register_classes() -> None:
    """Makes `keras.saving.load_model` find our classes; `import keras_attn` does this.

    A config names a class, and Keras imports only its own modules to find it. Importing ours at
    once would make `import keras_attn` as slow as `import tensorflow`. So each class gets a
    stand-in when Keras is imported, or now if Keras is already imported.

    Example:
    >>> register_classes()
    >>> keras.saving.get_registered_object("keras_attn>Transformer").__name__
    'Transformer'
    """
    wrapt.register_post_import_hook(_fill_registry, "keras")


def _fill_registry(keras: ModuleType) -> None:
    registry = keras.saving.get_custom_objects()
    for module, names in REGISTERED_CLASSES.items():
        for name in names:
            registry.setdefault(_registered_name(name), _RegisteredLater(module, name))


def _registry() -> dict[str, Any]:
    return importlib.import_module("keras").saving.get_custom_objects()


def _registered_name(name: str) -> str:
    return f"{_PACKAGE}>{name}"
