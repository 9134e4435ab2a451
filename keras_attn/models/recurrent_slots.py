"""The slots of recurrent models, and what can fill them by name."""

from typing import Any

import keras

from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.luong_attention import LuongAttention
from keras_attn.layers.recurrent.gated_recurrent_unit import GatedRecurrentUnit
from keras_attn.layers.recurrent.long_short_term_memory import LongShortTermMemory
from keras_attn.layers.slots import fill_slot
from keras_attn.system.did_you_mean import did_you_mean

RECURRENT_SLOTS: dict[str, dict[str, type[keras.layers.Layer]]] = {
    "cell": {"lstm": LongShortTermMemory, "gru": GatedRecurrentUnit},
    "attention": {"bahdanau": BahdanauAttention, "luong": LuongAttention},
}


def fill_recurrent_slot(slot: str, filling: Any, name: str, **sizes: Any) -> keras.layers.Layer:
    """Makes a layer for a slot of a recurrent model.

    Only names and classes fill these slots: the model gives each layer its size and direction.

    Args:
        slot: str. `"cell"` or `"attention"`.
        filling: a name of `RECURRENT_SLOTS[slot]`, a layer class, or the name that it is registered
            under.
        name: str. Name that the layer gets.
        **sizes: arguments for the layer; its constructor gets those that it knows.

    Returns:
        A layer.

    Raises:
        ValueError: if the filling is none of these, or its name is not known.

    Example:
    >>> fill_recurrent_slot("cell", "gru", name="layer_0", units=8).units
    8
    """
    names = RECURRENT_SLOTS[slot]
    layer_class = filling
    if isinstance(filling, str):
        layer_class = names.get(filling) or keras.saving.get_registered_object(filling)
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        received = repr(filling) if isinstance(filling, str) else type(filling).__name__
        raise ValueError(
            f"`{slot}` must be one of {sorted(names)} or a layer class. "
            f"Received: {slot}={received}.{did_you_mean(filling, names)}"
        )
    return fill_slot("attention", layer_class, name=name, **sizes)
