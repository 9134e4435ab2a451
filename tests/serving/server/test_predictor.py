"""How long a request may take."""

from __future__ import annotations

import asyncio
import time
import types

import pytest
from tensorflow.core.protobuf import meta_graph_pb2

from keras_attn.serving.server.predictor import Predictor
from keras_attn.serving.server.request_limits import RequestLimits


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, 9.0), (20.0, 9.0), (2.0, 2.0), (0.0, 0.0)]
)
def test_a_request_ends_at_its_deadline_or_at_the_limit(seconds, expected) -> None:
    deadlines = []

    async def run(name, inputs, outputs, deadline):
        deadlines.append(deadline)
        return {}

    signatures = {"serving_default": meta_graph_pb2.SignatureDef()}
    servable = types.SimpleNamespace(signatures=signatures, run=run)
    predictor = Predictor(None, None, RequestLimits(seconds=9.0))
    started = time.monotonic()
    asyncio.run(predictor.predict(servable, "", {}, None, seconds))
    assert deadlines[0] - started == pytest.approx(expected, abs=1.0)
