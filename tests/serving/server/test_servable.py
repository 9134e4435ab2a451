"""A version of any model: not all have text for input."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.batcher import BatchingOptions
from keras_attn.serving.server.grpc_services import _to_array
from keras_attn.serving.server.servable import Servable, ServingContext, State
from keras_attn.serving.server.server_metrics import ServerMetrics
from keras_attn.serving.warmup import WARMUP_PATH

NUMBERS = np.linspace(0, 1, 9 * 128, dtype="float32").reshape(9, 128)


class Double(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 128], tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"doubled": self.factor * x}


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A model of numbers, whose warm-up request names no signature."""
    module, directory = Double(), tmp_path / "double" / "1"
    tf.saved_model.save(module, str(directory), signatures=module.serve)
    request = predict_pb2.PredictRequest()
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(NUMBERS))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    (directory / WARMUP_PATH).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(directory / WARMUP_PATH)) as writer:
        writer.write(log.SerializeToString())
    return directory


def test_a_model_of_numbers_warms_up_and_answers(version: Path) -> None:
    async def main():
        said: list[str] = []
        context = ServingContext(BatchingOptions(), ServerMetrics(), said.append, disable_xla=False)
        servable = Servable("double", 1, version, context)
        await servable.load()
        assert servable.state == State.AVAILABLE, said
        outputs = await servable.run("serving_default", {"x": NUMBERS}, None, None)
        np.testing.assert_array_equal(outputs["doubled"], 2 * NUMBERS)
        await servable.unload()

    asyncio.run(main())


@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_tensor_may_have_as_many_elements_as_it_sends(as_bytes: bool) -> None:
    proto = tf.make_tensor_proto(NUMBERS)
    if not as_bytes:
        proto.ClearField("tensor_content")
        proto.float_val.extend(NUMBERS.ravel())
    np.testing.assert_array_equal(_to_array("x", proto, most_elements=8), NUMBERS)
    del proto.float_val[1:]
    proto.ClearField("tensor_content")
    with pytest.raises(SessionError, match="at most 8 elements"):
        _to_array("x", proto, most_elements=8)
