"""Layers and models that refuse inputs they would misread."""

import inspect

import keras

from keras_attn.ops.dense_tensors import check_dense


class DenseInputs(keras.layers.Layer):
    """`keras.layers.Layer` whose call refuses ragged and sparse tensors, and text.

    It checks the arguments before Keras converts and casts them: in eager mode, in a graph and in
    the functional API.
    """

    def __call__(self, *args, **kwargs):
        names = list(inspect.signature(self.call).parameters)
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        if names and names[0] in arguments and arguments[names[0]] is None:
            raise ValueError(f"`{names[0]}` must be a tensor. Received: None.")
        check_dense(**arguments)
        return super().__call__(*args, **kwargs)
