"""Slots of a block, and what can fill them: a name, a config, a class or a layer."""

import inspect
from typing import Any

import keras

from keras_attn.layers.feed_forward import FeedForward
from keras_attn.layers.learned_position_embedding import LearnedPositionEmbedding
from keras_attn.layers.multi_head_attention import MultiHeadAttention
from keras_attn.layers.sinusoidal_position_encoding import SinusoidalPositionEncoding
from keras_attn.system.did_you_mean import did_you_mean

SLOTS: dict[str, dict[str, type[keras.layers.Layer]]] = {
    "attention": {"multi_head": MultiHeadAttention},
    "position": {
        "sinusoidal": SinusoidalPositionEncoding,
        "learned": LearnedPositionEmbedding,
    },
    "feed_forward": {"feed_forward": FeedForward},
    "output_projection": {"dense": keras.layers.Dense},
    "normalization": {
        "layer_norm": keras.layers.LayerNormalization,
        "rms_norm": keras.layers.RMSNormalization,
    },
}


def fill_slot(
    slot: str, filling: Any, name: str, clone: bool = False, **sizes: Any
) -> keras.layers.Layer | None:
    """Makes the layer that fills a slot.

    Args:
        slot: str. One of `"attention"`, `"position"`, `"feed_forward"`, `"normalization"`,
            `"output_projection"`.
        filling: a name of `SLOTS[slot]`; a layer class; a layer; a layer's serialized config; or
            None for an empty slot.
        name: str. Name that a new layer gets.
        clone: bool. Copy a given layer (without its weights) instead of using it, for stacks that
            need one layer a block.
        **sizes: arguments for a layer made from a name or a class: those its constructor knows.

    Returns:
        A layer, or None for an empty slot.

    Raises:
        ValueError: if the filling is none of these, or its name is not known.

    Example:
    >>> fill_slot("feed_forward", "feed_forward", name="ffn", intermediate_dim=8).intermediate_dim
    8
    """
    if filling is None:
        return None
    if isinstance(filling, dict):
        filling = keras.saving.deserialize_keras_object(filling)
    if isinstance(filling, keras.layers.Layer):
        if not clone:
            return filling
        return type(filling).from_config({**filling.get_config(), "name": name})
    layer_class = _layer_class(slot, filling)
    return layer_class(name=name, **_known(layer_class, sizes))


def serialize_slot(filling: Any) -> Any:
    """The form of a slot's filling that `get_config` writes: a name, a config or None."""
    if filling is None or isinstance(filling, (str, dict)):
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
    config = keras.saving.serialize_keras_object(filling)
    config.pop("build_config", None)  # the block that holds the layer builds it
    return config


def _layer_class(slot: str, filling: Any) -> type[keras.layers.Layer]:
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


def _known(layer_class: type, sizes: dict[str, Any]) -> dict[str, Any]:
    """The sizes that the constructor, or one it hands its `**kwargs` on to, has names for."""
    known: set[str] = {"dtype"}
    policy = sizes.get("dtype")
    if isinstance(policy, keras.DTypePolicy) and type(policy) is keras.DTypePolicy:
        # By its name: Keras writes a config for a layer without `get_config`, but only from names.
        sizes = {**sizes, "dtype": policy.name}
    for ancestor in layer_class.__mro__:
        if ancestor is keras.layers.Layer:
            break
        parameters = inspect.signature(ancestor.__init__).parameters  # type: ignore[misc]
        known.update(parameters)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return {key: value for key, value in sizes.items() if key in known}
