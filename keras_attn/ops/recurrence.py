"""One step of a recurrent layer: long short-term memory and gated recurrent unit."""

from typing import Any

from keras import ops

Tensor = Any


def long_short_term_memory(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Writes, forgets and reads a memory.

        i, f, g, o = split(gates)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    Args:
        gates: float, (B, 4 D). Sums of the projected input and the projected last output, for input
            gate, forget gate, candidate and output gate, in Keras' order.
        memory: float, (B, D). The memory after the previous step, c.

    Returns:
        The output, h', and the memory after it, c', both (B, D).

    Example:
    >>> output, memory = long_short_term_memory(keras.ops.zeros((1, 4)), keras.ops.ones((1, 1)))
    >>> memory.numpy().tolist()
    [[0.5]]

    References:
        - [Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735).
        - [Gers et al., 2000](https://doi.org/10.1162/089976600300015015), the forget gate.
    """
    write, keep, candidate, read = ops.split(gates, 4, axis=-1)
    memory = ops.sigmoid(keep) * memory + ops.sigmoid(write) * ops.tanh(candidate)
    return ops.sigmoid(read) * ops.tanh(memory), memory


def gated_recurrent_unit(inputs: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
    """Mixes the last output with a candidate for the next one.

        z  = sigmoid(x_z + h_z)
        r  = sigmoid(x_r + h_r)
        h' = z h + (1 - z) tanh(x_n + r h_n)

    Departure from the paper, which has `U (r h)` in the candidate: here the reset gate acts on the
    product, `r (U h + b)`, as in cuDNN and Keras. So a step has one product.

    Args:
        inputs: float, (B, 3 D). The projected input, for update gate, reset gate and candidate, in
            Keras' order.
        recurrent: float, (B, 3 D). The projected last output, in the same order.
        hidden: float, (B, D). The last output, h.

    Returns:
        float, (B, D). The output, h'.

    Example:
    >>> zeros = keras.ops.zeros((1, 3))
    >>> gated_recurrent_unit(zeros, zeros, keras.ops.ones((1, 1))).numpy().tolist()
    [[0.5]]

    References:
        - [Cho et al., 2014](https://arxiv.org/abs/1406.1078), Equations 5 to 8.
    """
    input_update, input_reset, input_candidate = ops.split(inputs, 3, axis=-1)
    update, reset, candidate = ops.split(recurrent, 3, axis=-1)
    update = ops.sigmoid(input_update + update)
    candidate = ops.tanh(input_candidate + ops.sigmoid(input_reset + reset) * candidate)
    return candidate + update * (hidden - candidate)
