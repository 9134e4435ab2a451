"""The arithmetic that the share of the peak is counted with."""

import keras
import tensorflow as tf
import train

import keras_attn

SIZE = {"num_layers": 2, "hidden_dim": 16, "intermediate_dim": 48, "num_heads": 4}
ROWS, LENGTH, VOCABULARY_SIZE = 3, 8, 40


def _multiply_adds_of(operation):
    """Multiply-adds of one matrix product in a graph: its output times what is summed over."""
    left, right = (tensor.shape for tensor in operation.inputs)
    if operation.type == "Einsum":
        equation = operation.get_attr("equation").decode().replace("...", "BH")
        inputs, output = equation.split("->")
        sizes = dict(zip("".join(inputs.split(",")), [*left, *right], strict=True))
        count = 1
        for letter in sizes:
            count *= sizes[letter]
        assert set(output) <= set(sizes)
        return count
    assert operation.type == "MatMul" and not operation.get_attr("transpose_a")
    return left[0] * left[1] * operation.outputs[0].shape[1]


def test_the_formula_counts_the_products_of_the_graph():
    model = keras_attn.models.Transformer(VOCABULARY_SIZE, dropout=0.1, **SIZE)
    ids = tf.TensorSpec([ROWS, LENGTH], tf.int32)
    inputs = {"encoder_token_ids": ids, "decoder_token_ids": ids}
    model.build({name: spec.shape for name, spec in inputs.items()})
    graph = tf.function(model, autograph=False).get_concrete_function(inputs).graph
    products = [op for op in graph.get_operations() if op.type in ("MatMul", "Einsum")]
    counted = sum(map(_multiply_adds_of, products))
    formula = train.forward_multiply_adds(ROWS, LENGTH, vocabulary_size=VOCABULARY_SIZE, **SIZE)
    assert counted == formula


def test_batches_are_the_same_for_every_engine_and_hold_no_padding():
    sources, targets = train.random_batches(ROWS, LENGTH)
    assert (sources, targets) == train.random_batches(ROWS, LENGTH)
    ids = keras.ops.convert_to_numpy([sources, targets])
    assert ids.shape == (2, train.DIFFERENT_BATCHES, ROWS, LENGTH)
    assert ids.min() == train.END_TOKEN_ID and (ids[..., -1] == train.END_TOKEN_ID).all()


def test_quick_and_cells_choose_what_is_measured():
    names = [cell[0] for cell in train.wanted_cells(False, "")]
    assert names == ["small, 128 x 16", "small, 64 x 32", "base, 128 x 16", "base, 64 x 32"]
    assert [cell[0] for cell in train.wanted_cells(False, "base, 64")] == ["base, 64 x 32"]
    assert [cell[0] for cell in train.wanted_cells(True, "")] == ["small, 128 x 16"]
