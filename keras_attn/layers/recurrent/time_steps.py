"""The loop over the positions of a sequence, for all recurrent layers."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Tensor = Any
# (inputs of one position (B, N), nest of states (B, ...)) -> output (B, U), states after it
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def run_steps(
    step: Step,
    sequence: Tensor,
    states: Any,
    layer: keras.layers.Layer | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Any]:
    """Calls `step` for one position after the other; a single position needs no loop.

    The loop is that of `keras.layers.RNN`: under TensorFlow, `keras.ops.scan` does not know the
    number of steps, without which XLA cannot compute gradients. It carries float32 under every
    policy.

    Args:
        step: function. Maps the inputs of a position, (B, N), and the states before it to its
            output, (B, U), and the states after it. It may read other tensors, but must not draw
            random numbers.
        sequence: float, (B, T, N). What each position needs.
        states: nest of float32 tensors, (B, ...).
        layer: layer whose weights the step reads. They are then read and cast before the loop: a
            gradient would keep a copy of what the loop reads for each position. Defaults to None.
        mask: bool, (B, T). A position that is False leaves the states as they are, and repeats the
            output of the position before it. Defaults to None: all are True.
        reverse: bool. Whether to start with the last position.

    Returns:
        The outputs, float32 (B, T, U), in the order of the sequence, and the last states.

    Example:
    >>> outputs, total = run_steps(
    ...     lambda inputs, total: (total + inputs, total + inputs),
    ...     keras.ops.ones((2, 3, 1)), keras.ops.zeros((2, 1)))
    >>> outputs[0, :, 0].numpy().tolist()
    [1.0, 2.0, 3.0]
    """
    sequence = ops.cast(sequence, "float32")
    if sequence.shape[1] == 1 and mask is None:
        output, states = step(sequence[:, 0], states)
        return output[:, None], states
    read_once = [] if layer is None else _read_weights(layer)

    def step_of_loop(inputs: Tensor, states: Any) -> tuple[Tensor, Any]:
        with keras.StatelessScope(initialize_variables=False) as scope:
            for weight_and_value in read_once:
                scope.add_update(weight_and_value)  # in the scope only
            return step(inputs, states)

    loop = keras.layers.RNN(
        _Cell(step_of_loop, states),
        return_sequences=True,
        return_state=True,
        go_backwards=reverse,
        dtype="float32",
        autocast=False,  # it would cast the weights back
        name="time_steps",
    )
    outputs, *after = loop(sequence, initial_state=keras.tree.flatten(states), mask=mask)
    outputs = ops.flip(outputs, axis=1) if reverse else outputs
    return outputs, keras.tree.pack_sequence_as(states, after)


def _read_weights(layer: keras.layers.Layer) -> list[tuple[keras.Variable, Tensor]]:
    # Reshaped, because under TensorFlow the value of a variable is a variable, not yet read.
    return [
        (weight, ops.cast(ops.reshape(weight, weight.shape), layer.compute_dtype))
        for weight in layer.weights
    ]


class _Cell:
    """A step as `keras.layers.RNN` takes it."""

    compute_dtype = "float32"

    def __init__(self, step: Step, states: Any) -> None:
        self._step, self._states = step, states
        self.state_size = [state.shape[-1] for state in keras.tree.flatten(states)]

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        packed = keras.tree.pack_sequence_as(self._states, list(states))
        output, after = self._step(inputs, packed)
        return output, keras.tree.flatten(after)

    __call__ = call
