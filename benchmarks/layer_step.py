"""One layer, forward and backward: what the benchmarks of single layers measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled_step(layer: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Forward and backward of one layer, compiled by XLA.

    Args:
        layer: a built Keras layer of one input.

    Returns:
        `tf.function` from the inputs to a number that needs every gradient.
    """

    @tf.function(jit_compile=True)
    def step(inputs: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(tf.square(layer(inputs)))
        sources = [inputs, *(weight.value for weight in layer.trainable_weights)]
        gradients = tape.gradient(loss, sources)
        return tf.add_n([tf.reduce_sum(tf.convert_to_tensor(one)) for one in gradients])

    compiled: Callable[[tf.Tensor], tf.Tensor] = step
    return compiled
