"""Slots of a block, and what can fill them: a name, a config, a class or a layer."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_attn.layers.attention.linear_attention import LinearAttention
from keras_attn.layers.attention.linformer_attention import LinformerAttention
from keras_attn.layers.attention.local_attention import LocalAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadAttention
from keras_attn.layers.attention.performer_attention import PerformerAttention
from keras_attn.layers.attention.qk_normalized_attention import QKNormalizedAttention
from keras_attn.layers.attention.sink_attention import SinkAttention
from keras_attn.layers.attention.soft_capped_attention import SoftCappedAttention
from keras_attn.layers.attention.sparse_attention import SparseAttention
from keras_attn.layers.attention.talking_heads_attention import TalkingHeadsAttention
from keras_attn.layers.feed_forward import FeedForward
from keras_attn.layers.gated_feed_forward import GatedFeedForward
from keras_attn.layers.plain_config import deserialize_part, plain_config, serialize_part
from keras_attn.layers.position.alibi_bias import ALiBiBias
from keras_attn.layers.position.learned_position_embedding import LearnedPositionEmbedding
from keras_attn.layers.position.relative_position_bias import RelativePositionBias
from keras_attn.layers.position.relative_position_embedding import RelativePositionEmbedding
from keras_attn.layers.position.rotary_embedding import RotaryEmbedding
from keras_attn.layers.position.sinusoidal_position_encoding import SinusoidalPositionEncoding
from keras_attn.system.did_you_mean import did_you_mean

# A name stands for a class, or for a class with some of its arguments (`functools.partial`).
SLOTS: dict[str, dict[str, Callable[..., keras.layers.Layer]]] = {
    "attention": {
        "multi_head": MultiHeadAttention,
        "multi_query": functools.partial(MultiHeadAttention, num_key_value_heads=1),
        "talking_heads": TalkingHeadsAttention,
        "qk_normalized": QKNormalizedAttention,
        "soft_capped": SoftCappedAttention,
        "sink": SinkAttention,
        "local": LocalAttention,
        "big_bird": SparseAttention,
        "strided": functools.partial(SparseAttention, pattern="strided", num_global=0),
        "fixed": functools.partial(SparseAttention, pattern="fixed", num_global=0),
        "linformer": LinformerAttention,
        "linear": LinearAttention,
        "performer": PerformerAttention,
    },
    "position": {
        "sinusoidal": SinusoidalPositionEncoding,
        "learned": LearnedPositionEmbedding,
        "rotary": RotaryEmbedding,
        "relative_bias": RelativePositionBias,
        "relative_embedding": RelativePositionEmbedding,
        "alibi": ALiBiBias,
    },
    "feed_forward": {
        "feed_forward": FeedForward,
        "glu": functools.partial(GatedFeedForward, activation="sigmoid"),
        "geglu": functools.partial(GatedFeedForward, activation="gelu"),
        "swiglu": functools.partial(GatedFeedForward, activation="silu"),
    },
    "output_projection": {"dense": keras.layers.Dense},
    "normalization": {
        "layer_norm": keras.layers.LayerNormalization,
        "rms_norm": keras.layers.RMSNormalization,
    },
}

# Masks go around what fills these slots. Keras would warn that such a layer destroys them.
_OF_SINGLE_POSITIONS = ("feed_forward", "normalization")


def fill_slot(
    slot: str, filling: Any, name: str, clone: bool = False, **sizes: Any
) -> keras.layers.Layer | None:
    """Makes the layer that fills a slot.

    Args:
        slot: str. One of `"attention"`, `"position"`, `"feed_forward"`, `"normalization"`,
            `"output_projection"`.
        filling: a name of `SLOTS[slot]`; a dict of a name and arguments, such as
            `{"name": "local", "sliding_window": 64}`; a layer class; a layer; a layer's serialized
            config; or None for an empty slot.
        name: str. Name that a new layer gets.
        clone: bool. Copy a given layer (without its weights) instead of using it, for stacks that
            need one layer per block.
        **sizes: arguments for a layer made from a name or a class, if its constructor knows them.

    Returns:
        A layer, or None for an empty slot.

    Raises:
        ValueError: if the filling is none of these, or its name is not known.

    Example:
    >>> fill_slot("feed_forward", "feed_forward", name="ffn", intermediate_dim=8).intermediate_dim
    8
    """
    layer = _layer_of(slot, filling, name, clone, sizes)
    if layer is not None and slot in _OF_SINGLE_POSITIONS:
        layer.supports_masking = True
    return layer


def _layer_of(
    slot: str, filling: Any, name: str, clone: bool, sizes: dict[str, Any]
) -> keras.layers.Layer | None:
    if filling is None:
        return None
    if isinstance(filling, dict) and "class_name" not in filling:
        return _layer_of_arguments(slot, filling, name, sizes)
    if isinstance(filling, dict):
        filling = deserialize_part(plain_config(filling) if clone else filling)
    if isinstance(filling, keras.layers.Layer):
        if not clone:
            return filling
        return copy_layer(filling, name=name)
    layer_class = _layer_class(slot, filling)
    return layer_class(name=name, **_arguments(layer_class, sizes))


def _layer_of_arguments(
    slot: str, filling: dict[str, Any], name: str, sizes: dict[str, Any]
) -> keras.layers.Layer:
    """The layer for a name and given arguments, which override the sizes.

    A layer among the arguments is copied, as a layer that fills a slot is: each block has its own.
    """
    arguments = {argument: _own(value) for argument, value in filling.items()}
    if not isinstance(arguments.get("name"), str):
        raise ValueError(
            f"A dict that fills `{slot}` must have the `name` of a layer. Received: {filling!r}."
        )
    layer_class = _layer_class(slot, arguments.pop("name"))
    known = _arguments(layer_class, sizes, arguments)
    for argument in arguments:
        if argument not in known:
            raise ValueError(
                f"`{argument}` is not an argument of {slot}={filling['name']!r}. "
                f"Received: {filling!r}."
            )
    return layer_class(name=name, **known)


def _own(argument: Any) -> Any:
    """An argument of a slot's dict; of a layer, or the config of one, a layer of its own."""
    if isinstance(argument, keras.layers.Layer):
        return copy_layer(argument)
    if isinstance(argument, dict) and {"class_name", "module"} <= set(argument):
        return deserialize_part(plain_config(argument))
    return argument


def copy_layer(layer: keras.layers.Layer, **changes: Any) -> keras.layers.Layer:
    """A layer with the same arguments, except for the changes, and with its own weights.

    Args:
        layer: keras.layers.Layer.
        **changes: arguments of its constructor.

    Example:
    >>> copy_layer(FeedForward(8), name="other").intermediate_dim
    8
    """
    return type(layer).from_config({**plain_config(layer.get_config()), **changes})


def with_own_seed(filling: Any, number: int) -> Any:
    """A slot's filling whose `seed`, if it has one, is higher by a number.

    One filling describes many layers. With one seed, all would drop the same elements.

    Args:
        filling: what `serialize_slot` returned.
        number: int. Another one for each layer.

    Example:
    >>> with_own_seed({"name": "feed_forward", "dropout": 0.1, "seed": 7}, 2)["seed"]
    9
    """
    if not isinstance(filling, dict):
        return filling
    if "class_name" in filling:
        return {**filling, "config": with_own_seed(filling["config"], number)}
    seed = filling.get("seed")
    return filling if seed is None else {**filling, "seed": seed + number}


def serialize_slot(filling: Any) -> Any:
    """The form of a slot's filling that `get_config` writes: a name, a config or None."""
    if isinstance(filling, dict):
        return plain_config(
            {
                argument: serialize_slot(value) if isinstance(value, keras.layers.Layer) else value
                for argument, value in filling.items()
            }
        )
    if filling is None or isinstance(filling, str):
        return filling
    if isinstance(filling, type):
        name = keras.saving.get_registered_name(filling)
        if keras.saving.get_registered_object(name) is None:
            raise ValueError(
                f"A class that fills a slot must be registered. Received: {filling.__name__}. "
                "Decorate it with @keras.saving.register_keras_serializable(), or pass a layer."
            )
        return name
    if not isinstance(filling, keras.layers.Layer):
        return filling  # not a filling: `fill_slot` raises the error
    return plain_config(serialize_part(filling))


def _layer_class(slot: str, filling: Any) -> Callable[..., keras.layers.Layer]:
    if isinstance(filling, str):
        layer_class = SLOTS[slot].get(filling) or keras.saving.get_registered_object(filling)
        if layer_class is not None:
            return layer_class
        raise ValueError(
            f"`{slot}` must be one of {sorted(SLOTS[slot])}, a layer class, a layer or a layer's "
            f"config. Received: {slot}={filling!r}.{did_you_mean(filling, SLOTS[slot])}"
        )
    if isinstance(filling, type) and issubclass(filling, keras.layers.Layer):
        return filling
    raise ValueError(
        f"`{slot}` must be a name, a layer class, a layer or a layer's config. "
        f"Received: {slot}={filling!r} of type {type(filling).__name__}."
    )


def _arguments(
    layer_class: Any, sizes: dict[str, Any], given: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The arguments that a constructor, or one that gets its `**kwargs`, knows.

    Given arguments override those of a name in `SLOTS`, and these override the sizes.
    """
    arguments = {**sizes, **getattr(layer_class, "keywords", {}), **(given or {})}
    layer_class = getattr(layer_class, "func", layer_class)
    policy = arguments.get("dtype")
    if isinstance(policy, keras.DTypePolicy) and type(policy) is keras.DTypePolicy:
        # By name: Keras writes a config for a layer without `get_config`, but only from names.
        arguments["dtype"] = policy.name
    known: set[str] = {"dtype"}
    for ancestor in layer_class.__mro__:
        if ancestor is keras.layers.Layer:
            break
        parameters = inspect.signature(ancestor.__init__).parameters
        known.update(parameters)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return {key: value for key, value in arguments.items() if key in known}
