"""A search in a graph that XLA compiles for a few shapes, to which all others are padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_attn.decoding import SearchResult

# Lengths below the longest one. Each additional length adds a program for each batch size.
_LENGTHS = (16, 64)


class CompiledSearch:
    """Searches sources of any number and length with programs of fixed shapes.

    XLA compiles a program for each shape, which takes seconds. So the graph pads rows and lengths
    to a few shapes. More rows than the largest number are searched in several batches. The padding
    changes no result.

    Args:
        search: function. (B, S) source ids, 0 = padding, -> `SearchResult`.
        batch_sizes: sequence of int, ascending. The numbers of rows that are compiled.
        longest: int. No source has more ids than this, its end token included.
    """

    def __init__(
        self,
        search: Callable[[tf.Tensor], SearchResult],
        batch_sizes: Sequence[int],
        longest: int,
    ) -> None:
        self._lengths = compiled_lengths(longest)
        self._batch_sizes = list(batch_sizes)
        compiled = tf.function(search, jit_compile=True, autograph=False)
        shapes = [(rows, length) for rows in self._batch_sizes for length in self._lengths]
        self._programs = [
            (shape, compiled.get_concrete_function(tf.TensorSpec(shape, tf.int32)))
            for shape in shapes
        ]

    def __call__(self, token_ids: tf.Tensor) -> SearchResult:
        """Searches (B, S) source ids, in a graph."""
        rows, length = tf.unstack(tf.shape(token_ids))
        size, length_index = _index(self._batch_sizes, rows), _index(self._lengths, length)
        batch = tf.gather(self._batch_sizes, size)
        filled_length = tf.gather(self._lengths, length_index)
        # At least one batch, of padding if there is no row.
        num_batches = tf.maximum(1, -(-rows // batch))
        filling = [[0, num_batches * batch - rows], [0, filled_length - length]]
        filled = tf.reshape(tf.pad(token_ids, filling), (num_batches, batch, filled_length))
        program = size * len(self._lengths) + length_index
        results = tf.map_fn(
            lambda ids: self._search(program, ids),
            filled,
            fn_output_signature=SearchResult(
                tf.TensorSpec((None, None, None), tf.int32),
                tf.TensorSpec((None, None), tf.float32),
                tf.TensorSpec((None, None), tf.float32),
                tf.TensorSpec((None, None), tf.bool),
            ),
        )
        return SearchResult(*(_flatten(part)[:rows] for part in results))

    def _search(self, program: tf.Tensor, token_ids: tf.Tensor) -> SearchResult:
        def branch(shape: tuple[int, int], run: Any) -> Callable[[], SearchResult]:
            return lambda: run(tf.reshape(token_ids, shape))

        return tf.switch_case(program, [branch(*one) for one in self._programs])


def compiled_lengths(longest: int) -> list[int]:
    """The lengths of sources that are compiled.

    Args:
        longest: int. The most ids of a source, its end token included.

    Returns:
        list of int, ascending.
    """
    return [*(length for length in _LENGTHS if length < longest), longest]


def _index(choices: Sequence[int], value: tf.Tensor) -> tf.Tensor:
    """The number of the first choice that is not below the value; the last one if all are."""
    below = tf.reduce_sum(tf.cast(tf.constant(choices) < value, tf.int32))
    return tf.minimum(below, len(choices) - 1)


def _flatten(part: tf.Tensor) -> tf.Tensor:
    """(batches, rows, ...) -> (batches * rows, ...)."""
    shape = tf.shape(part)
    return tf.reshape(part, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
