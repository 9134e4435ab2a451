"""What a `tf.function` computes, without its graph: to trace one takes seconds."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def eager_functions() -> Iterator[None]:
    """While it is in use, every `tf.function` runs as plain Python.

    For functions that are called once, in tests of something else than their graphs.
    """
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
