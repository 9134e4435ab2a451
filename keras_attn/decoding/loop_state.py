"""The model's state in the search loop: its checks, and rows that follow the hypotheses."""

from typing import Any

import tensorflow as tf

State = dict[str, Any]


def check_state(state: State) -> None:
    """Raises ValueError unless the state has the form that `search` describes.

    Args:
        state: dict with `"source"`, `"rows"`, `"position"`, optionally `"carried"`, `"constants"`.

    Raises:
        ValueError: if keys are missing or unknown, or there is no tensor to take the batch size
            from.

    Example:
    >>> check_state({"source": (), "rows": {"keys": tf.zeros([5, 7])}, "position": 0})
    """
    required = {"source", "rows", "position"}
    optional = {"carried", "constants"}
    if not isinstance(state, dict) or set(state) - optional != required:
        received = sorted(state) if isinstance(state, dict) else type(state).__name__
        raise ValueError(
            f"`state` must be a dict with the keys {sorted(required)}, and optionally "
            f"{sorted(optional)}. Received: {received}."
        )
    tensors = tf.nest.flatten(state["rows"]) + tf.nest.flatten(state["source"])
    if not tensors or tf.convert_to_tensor(tensors[0]).shape.rank == 0:
        raise ValueError(
            "`state` must hold tensors of shape (batch, ...) in 'rows' or in 'source'. "
            f"Received: {'a scalar' if tensors else 'none'}."
        )


def batch_size_of(state: State) -> int | tf.Tensor:
    """Returns B from the first tensor of the rows or, if there is none, of the source.

    Args:
        state: dict with `"source"`, `"rows"` and `"position"`.

    Returns:
        int where the size is known, else an int32 scalar.

    Example:
    >>> batch_size_of({"source": (), "rows": {"keys": tf.zeros([5, 7])}, "position": 0})
    5
    """
    tensors = tf.nest.flatten(state["rows"]) + tf.nest.flatten(state["source"])
    first = tf.convert_to_tensor(tensors[0])
    static_size = None if first.shape.rank is None else first.shape[0]
    return tf.shape(first)[0] if static_size is None else static_size


def repeat_rows(rows: Any, num_beams: int) -> Any:
    """Gives every hypothesis its own row; the W rows of a sentence are adjacent.

    Args:
        rows: nest of (B, ...) tensors.
        num_beams: int, W.

    Returns:
        nest of (R, ...) tensors, R = B * W.

    Example:
    >>> repeat_rows(tf.constant([4, 5]), num_beams=3).numpy().tolist()
    [4, 4, 4, 5, 5, 5]
    """
    if num_beams == 1:
        return tf.nest.map_structure(tf.convert_to_tensor, rows)
    return tf.nest.map_structure(lambda values: tf.repeat(values, num_beams, axis=0), rows)


def reorder_rows(rows: Any, parents: tf.Tensor) -> Any:
    """Moves each row to the slot that its hypothesis is in now.

    Args:
        rows: nest of (R, ...) tensors.
        parents: int32, (B, W). For each slot, the slot that its hypothesis was in before.

    Returns:
        nest of (R, ...) tensors.

    Example:
    >>> rows = tf.constant([4, 5, 6, 7])
    >>> reorder_rows(rows, parents=tf.constant([[1, 1], [0, 1]])).numpy().tolist()
    [5, 5, 6, 7]
    """
    batch_size, num_beams = tf.shape(parents)[0], tf.shape(parents)[1]
    first_rows = tf.range(batch_size)[:, tf.newaxis] * num_beams  # (B, 1)
    order = tf.reshape(first_rows + parents, [-1])  # (R,)
    return tf.nest.map_structure(lambda values: tf.gather(values, order), rows)


def keep_shapes(values: Any, reference: Any) -> Any:
    """Declares the shapes from before the step, which a loop in a graph requires.

    Args:
        values: nest of tensors after the step.
        reference: nest of tensors before the step.

    Returns:
        `values`, with the static shapes of `reference`.

    Raises:
        ValueError: if the structures or the shapes differ.

    Example:
    >>> keep_shapes({"keys": tf.ones([2])}, {"keys": tf.zeros([2])})["keys"].shape
    TensorShape([2])
    """
    try:
        tf.nest.assert_same_structure(values, reference)
        return tf.nest.map_structure(_keep_shape, values, reference)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            "`decode_step` must return a state of the structure and the shapes that it received. "
            f"{error}"
        ) from error


def _keep_shape(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    is_same = new.shape.rank is not None and new.shape.as_list() == old.shape.as_list()
    return new if is_same else tf.ensure_shape(new, old.shape)
