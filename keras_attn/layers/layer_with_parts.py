"""Layers whose parts stay frozen or quantized in a copy and in a file."""

import keras


class LayerWithParts(keras.layers.Layer):
    """A layer that gives its `trainable` to its parts, and writes theirs in its config.

    Keras hands `layer.trainable = False` down to the parts that are there. Here, a part that is
    made later, such as in `build`, also takes over the value. Keras writes only what the layer
    itself is in its config. Here, the config also says in which parts `trainable` is another value
    than in the layer that holds them, and how a part was quantized:

        {"trainable": True, "changed_parts": {"encoder": {"trainable": False}}}

    Example:
    >>> block = keras_attn.layers.EncoderBlock(hidden_dim=8, intermediate_dim=16, num_heads=2)
    >>> block.feed_forward.trainable = False
    >>> twin = keras_attn.layers.EncoderBlock.from_config(block.get_config())
    >>> twin.feed_forward.trainable, twin.self_attention.trainable
    (False, True)
    """

    _changes_to_come: dict = {}  # what `from_config` read, and can only be done after `build`

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if not getattr(self, "_trainable", True):
            for part in keras.tree.flatten(value):
                if isinstance(part, keras.layers.Layer):
                    part.trainable = False

    def _post_build(self):
        super()._post_build()
        self._change_parts(self._changes_to_come)
        self._changes_to_come = {}

    def _change_parts(self, changes):
        """Makes the parts what `_changes_of_parts` wrote; returns what cannot be done yet."""
        remaining = {}
        for path, change in changes.items():
            part = _find_part(self, path)
            if part is not None and "trainable" in change:
                part.trainable = change["trainable"]
            if part is None:
                remaining[path] = change
            elif "quantization" in change and not part.built:
                remaining[path] = {"quantization": change["quantization"]}
            elif "quantization" in change and part.quantization_mode is None:
                config = keras.saving.deserialize_keras_object(change["quantization"])
                part.quantize(config=config, type_check=False)
        return remaining

    def get_config(self):
        changes = _changes_of_parts(self)
        config = super().get_config()
        return {**config, "changed_parts": changes} if changes else config

    @classmethod
    def from_config(cls, config, **options):
        config = dict(config)
        changes = config.pop("changed_parts", {})
        layer = super().from_config(config, **options)
        if changes:  # a part that was made like a frozen one need not be frozen
            for part in layer._flatten_layers(include_self=False):
                part.trainable = layer.trainable
        layer._changes_to_come = layer._change_parts(changes)
        return layer


def _changes_of_parts(layer):
    """What the constructor of a layer does not make of its parts: dicts by path, outer first."""
    changes = {}
    for name, part in _parts(layer).items():
        change = {}
        if part.trainable != layer.trainable:
            change["trainable"] = part.trainable
        quantization = getattr(part, "quantization_config", None)
        if quantization is not None and part.quantization_mode is not None:
            change["quantization"] = keras.saving.serialize_keras_object(quantization)
        if change:
            changes[name] = change
        changes |= {f"{name}/{path}": inner for path, inner in _changes_of_parts(part).items()}
    return changes


def _find_part(layer, path):
    for name in path.split("/"):
        layer = None if layer is None else _parts(layer).get(name)
    return layer


def _parts(layer):
    """The layers that a layer holds, by name; of several of one name, the others get a number."""
    parts: dict[str, keras.layers.Layer] = {}
    for part in layer._flatten_layers(include_self=False, recursive=False):
        same = sum(name.split("#")[0] == part.name for name in parts)
        parts[f"{part.name}#{same + 1}" if same else part.name] = part
    return parts
