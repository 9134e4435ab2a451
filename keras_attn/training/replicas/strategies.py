"""Distribution strategies by name."""

import json
import os

import tensorflow as tf

from keras_attn.system.did_you_mean import did_you_mean

STRATEGY_NAMES = ("auto", "cpu", "mirrored", "multi_worker", "tpu", "parameter_server")
CLUSTER_VARIABLE = "TF_CONFIG"


def get_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns a `tf.distribute` strategy by name.

    Call this for `"multi_worker"` or `"tpu"` before any other operation: TensorFlow connects to the
    other workers, or to TPUs, only once, at its start.

    Args:
        name: str. `"auto"`: several machines if `TF_CONFIG` names them, else mirrored if
            there is more than one GPU, else TensorFlow's default (one device: the GPU if there is
            one). `"cpu"`: the CPU, even if there is a GPU. `"mirrored"`: a copy of the model on
            every GPU, or, without GPUs, on every logical CPU. `"multi_worker"`: the same on every
            machine of the cluster that the environment variable `TF_CONFIG` describes. `"tpu"`: the
            TPU cores that `TPU_NAME` or this machine has (this has not been run on a TPU yet).

    Returns:
        A strategy; make and compile the model inside its `scope()`.

    Raises:
        ValueError: if the name is unknown or `"parameter_server"` (Keras 3 cannot train with it),
            `TF_CONFIG` is invalid, or there is no TPU.

    Example:

    >>> get_strategy("auto").num_replicas_in_sync >= 1
    True
    """
    if name not in STRATEGY_NAMES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(map(repr, STRATEGY_NAMES))}. "
            f"Received: {name!r}.{did_you_mean(name, STRATEGY_NAMES, limit=2)}"
        )
    if name == "parameter_server":
        raise ValueError(
            "`strategy` must be one that Keras 3 trains with; its `fit` cannot use a parameter "
            "server. Received: 'parameter_server'. Use 'multi_worker', with which all machines "
            "update the weights together"
        )
    if name == "tpu":
        return _tpu_strategy()
    if name == "multi_worker" or (name == "auto" and _names_several_tasks()):
        return _multi_worker_strategy()
    if name != "auto" and _names_several_tasks():
        raise ValueError(
            f"`strategy` must be 'auto' or 'multi_worker' if `{CLUSTER_VARIABLE}` names several "
            "workers: otherwise each would train alone and write to the same directory. "
            f"Received: {name!r}"
        )
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        return tf.distribute.MirroredStrategy(gpus or cpus)
    if name == "cpu" and gpus:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.get_strategy()


def check_steps_per_execution(steps: int, strategy: tf.distribute.Strategy) -> None:
    """Checks that the strategy can run several training steps in one call.

    TensorFlow cannot draw batches for several CPUs inside a loop of a graph: Keras' `fit` ends in
    "You must feed a value for placeholder".

    Args:
        steps: int. The steps of one call.
        strategy: tf.distribute.Strategy.

    Raises:
        ValueError: if there are several steps, and several devices that are CPUs.

    Example:

    >>> check_steps_per_execution(8, get_strategy("cpu"))
    """
    if steps == 1 or strategy.num_replicas_in_sync == 1:
        return
    if any("CPU" in device for device in strategy.extended.worker_devices):
        raise ValueError(
            "`training.steps_per_execution` must be 1 if several CPUs train: TensorFlow cannot "
            f"draw batches for them inside a loop. Received: {steps}"
        )


def _names_several_tasks() -> bool:
    try:
        cluster = json.loads(os.environ.get(CLUSTER_VARIABLE) or "{}").get("cluster", {})
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")) > 1
    except (ValueError, AttributeError, TypeError):
        return True  # so that `_multi_worker_strategy` reports what is wrong


def _multi_worker_strategy() -> tf.distribute.Strategy:
    """Connects to the other workers; waits until they have started."""
    text = os.environ.get(CLUSTER_VARIABLE, "")
    try:
        config = json.loads(text or "{}")
        task = config["task"]
        config["cluster"][task["type"]][int(task["index"])]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"`{CLUSTER_VARIABLE}` must describe the cluster and this process's task in it, as "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}. '
            f"Received: {text!r} ({type(error).__name__}: {error}). On one machine, "
            "`keras-attn train --workers 2` sets it"
        ) from error
    if task["type"] not in ("chief", "worker"):
        raise ValueError(
            f"`{CLUSTER_VARIABLE}` must give this process a task of type 'chief' or 'worker': "
            f"training has no other tasks. Received: {task['type']!r}"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu_strategy() -> tf.distribute.Strategy:
    """Connects to the TPU and starts it."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", ""))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            "`strategy` may be 'tpu' only if this machine has a TPU, or TPU_NAME names one. "
            "Received: 'tpu', but no TPU can be reached "
            f"({' '.join(str(error).split())[:200]}). Use 'auto' to train on GPUs or on the CPU"
        ) from error
    return tf.distribute.TPUStrategy(resolver)
