"""Caches that a search in a plain graph overwrites instead of copying them at every step."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from keras_attn.ops.cache import positions_written_by

State = dict[str, Any]


@contextlib.contextmanager
def in_place_caches(state: State) -> Iterator[State]:
    """Gives a state whose "carried" caches a search may overwrite; trace the search inside `with`.

    This is for graphs that take any number of rows and run without XLA: on a server, and for few
    lines. There, TensorFlow copies a whole cache to change one position of it. With 64 sentences
    and 4 beams of the base model that is 12 caches of 16 MB at each step, which took half of the
    time. A state of known size is compiled or run eagerly, and is left unchanged.

    Writing in place is safe because these caches go from step to step and nowhere else. Whatever
    reads them at a step feeds that step's logits, and the next token depends on those, and so does
    the next write.

    Args:
        state: dict. As `Seq2SeqModel.start` returned it, in the graph that is being traced.

    Yields:
        The state to give to `search`.
    """
    caches = tf.nest.flatten(state.get("carried", ()))
    if not caches or caches[0].shape[0] is not None:
        yield state
        return
    # TensorFlow merges equal tensors, such as caches of zeros. Each cache needs its own buffer.
    carried = tf.nest.map_structure(lambda cache: tf.raw_ops.DeepCopy(x=cache), state["carried"])
    with positions_written_by(_InPlaceWriter(tf.nest.flatten(carried))):
        yield {**state, "carried": carried}


class _InPlaceWriter:
    """Writes one position of (B, H, S, ...), seen as B * H * S rows.

    The first row of each sentence and head is computed before the loop, once for all steps and all
    caches of one form. The row to write is computed once per step for all of them.

    Args:
        caches: list of float tensors, as they are before the loop.
    """

    def __init__(self, caches: list[tf.Tensor]) -> None:
        self._first_rows: dict[tuple[int | None, ...], tf.Tensor] = {}  # shape -> (B * H,)
        self._written_rows: dict[Any, tf.Tensor] = {}
        for form in {tuple(cache.shape) for cache in caches if cache.shape.rank > 2}:
            alike = [cache for cache in caches if tuple(cache.shape) == form]
            with tf.control_dependencies(_same_sizes(alike)):
                self._first_rows[form] = _first_rows(alike[0])

    def __call__(self, cache: tf.Tensor, update: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        size = math.prod(cache.shape[3:])
        rows = tf.raw_ops.InplaceUpdate(
            x=tf.reshape(cache, (-1, size)),
            i=self._rows_of(cache, index),
            v=tf.reshape(update, (-1, size)),
        )
        return tf.reshape(rows, tf.shape(cache))

    def _rows_of(self, cache: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        form = tuple(cache.shape)
        if form not in self._first_rows:  # none of those whose sizes are known to be the same
            return _first_rows(cache) + index
        key = (form, index.ref())
        if key not in self._written_rows:
            self._written_rows[key] = self._first_rows[form] + index
        return self._written_rows[key]


def _first_rows(cache: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(cache)
    return tf.range(shape[0] * shape[1]) * shape[2]


def _same_sizes(caches: list[tf.Tensor]) -> list[tf.Operation]:
    """Checks, when the graph runs, that caches of partly unknown size have the same shape."""
    shape = tf.shape(caches[0])
    return [
        tf.debugging.assert_equal(
            tf.shape(other),
            shape,
            "Caches in `carried` must have the same numbers of rows and positions.",
        )
        for other in caches[1:]
    ]
