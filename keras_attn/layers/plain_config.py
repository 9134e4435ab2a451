"""Configs of layers inside of other layers: plain copies, and marks of what is shared."""

from typing import Any

import keras

# Keras' mark of an object that a saved model holds in several places.
_MARK = "shared_object_id"


def plain_config(config: Any, keep_marks: bool = False) -> Any:
    """A copy of a config in plain dicts and lists.

    Keras replaces the dicts and lists among a layer's attributes by ones that hold the layer, so a
    deep copy of them would copy the layer too.

    Args:
        config: dict, or any part of one.
        keep_marks: bool. Keep the marks of shared objects. Without them, each layer that is made
            from the copy has weights of its own. Defaults to `False`.

    Example:
    >>> plain_config({"class_name": "Layer", "config": {}, "shared_object_id": 7})
    {'class_name': 'Layer', 'config': {}}
    """
    if isinstance(config, dict):
        return {
            key: plain_config(value, keep_marks)
            for key, value in config.items()
            if keep_marks or key != _MARK
        }
    if isinstance(config, list):
        return [plain_config(value, keep_marks) for value in config]
    return config


def serialize_part(part: keras.layers.Layer | None) -> dict[str, Any] | None:
    """The config of a layer that another one was given, for `get_config`.

    If it was given to several layers of a model, it is one layer again in the loaded model.

    Args:
        part: keras.layers.Layer or None.

    Example:
    >>> serialize_part(keras.layers.Dense(3))["config"]["units"]
    3
    """
    if part is None:
        return None
    config = keras.saving.serialize_keras_object(part)
    # While a model is saved, Keras marks a config only when it meets its object again. By then the
    # config would have been copied, so the mark would be missing from the copies: mark it now.
    keras.saving.serialize_keras_object(part)
    config.pop("build_config", None)  # the layer that holds the part builds it ...
    config.pop("compile_config", None)  # ... and a part is not trained alone
    return config


def deserialize_part(config: Any) -> Any:
    """The layer of a config that `serialize_part` wrote; the config stays as it is."""
    # A copy, since a `from_config` may take entries out of what it is given.
    return keras.saving.deserialize_keras_object(plain_config(config, keep_marks=True))
