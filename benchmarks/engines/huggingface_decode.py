"""Hugging Face's `generate` with a MarianMT of the same sizes (runs in the peers' environment)."""

import time
from typing import Any

import torch
import transformers
from serve_requests import serve_requests

_model: Any = None
_inputs: dict[str, torch.Tensor] = {}
_options: dict[str, Any] = {}


def versions() -> dict[str, str]:
    return {"transformers": transformers.__version__, "torch": torch.__version__}


def prepare(sizes: dict[str, int], token_ids: list[list[int]], beams: int, length: int) -> None:
    """Makes a model with random weights; every sentence gets `length` target tokens."""
    global _model, _inputs, _options
    torch.manual_seed(1)
    stacks = {}
    for stack in ("encoder", "decoder"):
        stacks |= {
            f"{stack}_layers": sizes["num_layers"],
            f"{stack}_ffn_dim": sizes["intermediate_dim"],
            f"{stack}_attention_heads": sizes["num_heads"],
        }
    config = transformers.MarianConfig(
        vocab_size=sizes["vocabulary_size"],
        d_model=sizes["hidden_dim"],
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=3,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
        **stacks,
    )
    _model = transformers.MarianMTModel(config).eval()
    ids = torch.tensor(token_ids)
    _inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    _options = {"num_beams": beams, "min_new_tokens": length, "max_new_tokens": length}
    run(1)


def run(repeat: int) -> dict[str, Any]:
    """Seconds of one translation of all sentences, and the tokens produced."""
    started = time.perf_counter()
    with torch.inference_mode():
        for _ in range(repeat):
            tokens = _model.generate(**_inputs, do_sample=False, **_options)
    seconds = (time.perf_counter() - started) / repeat
    return {"seconds": seconds, "tokens": tokens[:, 1:].tolist()}


if __name__ == "__main__":
    serve_requests({"versions": versions, "prepare": prepare, "run": run})
