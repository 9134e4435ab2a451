"""KerasHub's samplers with a BART of the same sizes (runs in the peers' environment)."""

import os
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
from serve_requests import serve_requests  # noqa: E402

_model: Any = None
_inputs: dict[str, np.ndarray] = {}


def versions() -> dict[str, str]:
    return {"keras_hub": keras_hub.__version__}


def prepare(sizes: dict[str, int], token_ids: list[list[int]], beams: int, length: int) -> None:
    """Makes a model with random weights; every sentence gets `length` target tokens."""
    global _model, _inputs
    keras.utils.set_random_seed(1)
    backbone = keras_hub.models.BartBackbone(**sizes, max_sequence_length=128)
    _model = keras_hub.models.BartSeq2SeqLM(backbone)
    samplers = keras_hub.samplers
    _model.compile(
        sampler=samplers.GreedySampler() if beams == 1 else samplers.BeamSampler(beams),
        jit_compile=True,
    )
    ids = np.array(token_ids, "int32")
    targets = np.zeros((len(ids), 1 + length), "int32")
    targets[:, 0] = 2
    _inputs = {
        "encoder_token_ids": ids,
        "encoder_padding_mask": np.ones_like(ids),
        "decoder_token_ids": targets,
        "decoder_padding_mask": np.arange(1 + length)[np.newaxis] == np.zeros((len(ids), 1)),
    }
    run(1)


def run(repeat: int) -> dict[str, Any]:
    """Seconds of one translation of all sentences, and the tokens produced."""
    started = time.perf_counter()
    for _ in range(repeat):
        outputs = _model.generate(_inputs, stop_token_ids=None)
    seconds = (time.perf_counter() - started) / repeat
    tokens = np.asarray(outputs["decoder_token_ids"])[:, 1:]
    return {"seconds": seconds, "tokens": tokens.tolist()}


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run})
