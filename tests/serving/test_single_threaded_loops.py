"""Loops that one thread runs give what they gave before."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_attn.serving.single_threaded_loops import run_loops_in_one_thread


def double_until(limit, branch=False):
    """A module whose signature doubles numbers in a loop, perhaps with a function in its body."""

    def body(x):
        larger = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x) if branch else x * 2
        return (larger,)

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")], autograph=False)
    def signature(x):
        return {"y": tf.while_loop(lambda x: tf.reduce_max(x) < limit, body, (x,))[0]}

    module.signature = signature
    return module


@pytest.fixture
def saved(tmp_path):
    def save(**options):
        module = double_until(100.0, **options)
        tf.saved_model.save(module, str(tmp_path), signatures=module.signature)
        return tmp_path

    return save


def loops_of(directory):
    graph = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    functions = graph.meta_graphs[0].graph_def.library.function
    nodes = [node for function in functions for node in function.node_def]
    return [node for node in nodes if node.op in ("While", "StatelessWhile")]


def call(directory, numbers):
    loaded = tf.saved_model.load(str(directory))
    return loaded.signatures["serving_default"](tf.constant(numbers))["y"].numpy()


def test_the_results_are_the_same(saved):
    directory = saved()
    before = call(directory, [1.0, 3.0])
    assert run_loops_in_one_thread(directory) == 1
    np.testing.assert_array_equal(call(directory, [1.0, 3.0]), before)
    assert before.tolist() == [64.0, 192.0]


def test_condition_and_body_have_the_executor_and_the_loop_is_not_lowered(saved):
    directory = saved()
    assert "_lower_using_switch_merge" in loops_of(directory)[0].attr
    run_loops_in_one_thread(directory)
    (loop,) = loops_of(directory)
    assert "_lower_using_switch_merge" not in loop.attr
    for part in ("cond", "body"):
        assert loop.attr[part].func.attr["_executor"].s == b"SINGLE_THREADED_EXECUTOR"


def test_the_runtime_reads_the_name_of_the_executor(saved):
    # Were the attribute one that nothing reads, an unknown name would do no harm.
    directory = saved()
    run_loops_in_one_thread(directory)
    path = directory / "saved_model.pb"
    path.write_bytes(
        path.read_bytes().replace(b"SINGLE_THREADED_EXECUTOR", b"NO_EXECUTOR_OF_THIS_NAME")
    )
    with pytest.raises(tf.errors.NotFoundError, match="NO_EXECUTOR_OF_THIS_NAME"):
        call(directory, [1.0])


def test_a_loop_with_functions_in_it_stays_as_it_is(saved, tmp_path):
    directory = saved(branch=True)
    copy = shutil.copytree(directory, tmp_path / "copy")
    assert run_loops_in_one_thread(directory) == 0
    assert [str(one) for one in loops_of(directory)] == [str(one) for one in loops_of(copy)]
