"""Distribution strategies by name."""

import difflib

import tensorflow as tf

_NAMES = ("auto", "cpu", "mirrored")


def get_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Gives the `tf.distribute` strategy of a name.

    Args:
        name: str. `"auto"`: mirrored where there is more than one GPU, else TensorFlow's default
            (one device: the GPU if there is one). `"cpu"`: the CPU, even beside a GPU.
            `"mirrored"`: a copy of the model on every GPU, or, without GPUs, on every logical CPU.

    Returns:
        A strategy; make and compile the model inside its `scope()`.

    Raises:
        ValueError: if the name is unknown.

    Example:

    >>> get_strategy("auto").num_replicas_in_sync >= 1
    True
    """
    if name not in _NAMES:
        nearest = difflib.get_close_matches(str(name), _NAMES, n=2, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
        raise ValueError(
            f"`strategy` must be one of {', '.join(map(repr, _NAMES))}. Received: {name!r}.{hint}"
        )
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        return tf.distribute.MirroredStrategy(gpus or cpus)
    if name == "cpu" and gpus:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.get_strategy()
