"""Layers and models that refuse inputs they would misread."""

import inspect

from keras_attn.layers.layer_with_parts import LayerWithParts
from keras_attn.ops.dense_tensors import check_dense


class DenseInputs(LayerWithParts):
    """`keras.layers.Layer` whose call refuses ragged and sparse tensors, and text.

    It checks the arguments before Keras converts and casts them: in eager mode, in a graph and in
    the functional API.

    For Keras, `training=None` is a choice, and means no dropout, here and in the layers called
    after it. Here it means that nothing was chosen, as if it were left out: what the call around
    this one says then counts. So a subclass whose `call` does not know of `training` trains with
    dropout.
    """

    def __call__(self, *args, **kwargs):
        names = list(inspect.signature(self.call).parameters)
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        if names and names[0] in arguments and arguments[names[0]] is None:
            raise ValueError(f"`{names[0]}` must be a tensor. Received: None.")
        check_dense(**arguments)
        if kwargs.get("training", ...) is None:
            del kwargs["training"]
        return super().__call__(*args, **kwargs)
