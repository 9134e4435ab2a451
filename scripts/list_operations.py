"""Prints the operations that TensorFlow and TensorFlow Text of this interpreter know, one per line.

    python scripts/list_operations.py > keras_attn/serving/operations/2.20.txt

Run it in an environment with the versions that a release of TensorFlow Serving links; nothing else
is needed. `keras-attn verify` compares exports with these lists.
"""

import importlib.metadata

import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session


def main() -> None:
    versions = [f"tensorflow {tf.__version__}"]
    try:
        import tensorflow_text  # noqa: F401

        versions.append(f"tensorflow-text {importlib.metadata.version('tensorflow-text')}")
    except ImportError:
        pass
    operations = op_def_pb2.OpList()
    buffer = pywrap_tf_session.TF_GetAllOpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(buffer))
    print("# Operations that are registered by " + " and ".join(versions))
    print("\n".join(sorted(one.name for one in operations.op)))


if __name__ == "__main__":
    main()
