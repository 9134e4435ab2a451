"""Strategies have names, and what cannot be had is said in a line."""

import json

import pytest
import tensorflow as tf

from keras_attn.training.replicas.strategies import STRATEGY_NAMES, get_strategy
from keras_attn.training.replicas.workers import WorkerLostError, Workers

TWO = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}


def test_one_device_is_the_default(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name in ("auto", "cpu"):
        assert get_strategy(name).num_replicas_in_sync == 1
    one = {**TWO, "cluster": {"worker": ["a:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(one))
    assert get_strategy("auto").num_replicas_in_sync == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mirored", "Received: 'mirored'. Did you mean 'mirrored'?"),
        ("parameter_server", "cannot use a parameter server.*Use 'multi_worker'"),
        ("tpu", "may be 'tpu' only if this machine has a TPU"),
        ("multi_worker", "`TF_CONFIG` must describe the cluster.*--workers 2"),
    ],
)
def test_what_cannot_be_had_is_said(monkeypatch, name, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        get_strategy(name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "must describe the cluster"),
        (json.dumps({"cluster": TWO["cluster"]}), "KeyError"),
        (json.dumps({**TWO, "task": {"type": "worker", "index": 2}}), "IndexError"),
        (
            json.dumps({"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}),
            "a task of type 'chief' or 'worker'.*'ps'",
        ),
    ],
)
def test_a_cluster_that_is_badly_described_is_said(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=message):
        get_strategy("multi_worker")


@pytest.mark.parametrize("name", ["cpu", "mirrored"])
def test_several_processes_must_not_each_train_alone(monkeypatch, name):
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))
    with pytest.raises(ValueError, match="must be 'auto' or 'multi_worker' if `TF_CONFIG` names"):
        get_strategy(name)


def test_recipes_know_the_same_names():
    from keras_attn.training.recipe.training_recipe import TrainingRecipe

    for name in STRATEGY_NAMES:
        assert TrainingRecipe(max_steps=1, strategy=name).strategy == name


def test_a_process_alone_agrees_with_itself():
    workers = Workers(tf.distribute.get_strategy())
    assert (workers.count, workers.index, workers.is_chief) == (1, 0, True)
    assert workers.any(True) is True and workers.from_chief(2.5) == 2.5
    workers.wait()
    workers.check_same("data", "whatever")


def test_a_lost_worker_is_told_in_a_line():
    text = "Graph execution error\n\nCollective ops is aborted by: Connection refused\nand so on"
    message = str(WorkerLostError(text))
    assert "start all of them again with `--resume` (Connection refused and so on)" in message
