"""`torch.nn.Transformer` with a tied embedding, eager (runs in the peers' environment)."""

import math
import os
import time
from typing import Any

import numpy as np
import torch
from serve_requests import serve_requests
from torch import nn

START_TOKEN_ID = 2
# As for the engines that Keras trains, whose first step is special.
LEFT_OUT_STEPS = 1

_trainer: Any = None


class TiedTransformer(nn.Module):
    """One embedding for source, target and output, sinusoids, and PyTorch's own Transformer."""

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        hidden_dim: int,
        intermediate_dim: int,
        num_heads: int,
        dropout: float,
        length: int,
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(hidden_dim)
        self.embedding = nn.Embedding(vocabulary_size, hidden_dim)
        nn.init.normal_(self.embedding.weight, std=1 / self.scale)
        self.dropout = nn.Dropout(dropout)
        self.transformer = nn.Transformer(
            hidden_dim,
            num_heads,
            num_layers,
            num_layers,
            intermediate_dim,
            dropout,
            batch_first=True,
        )
        self._drop_out_as_the_paper()
        self.register_buffer("positions", sinusoids(length, hidden_dim))
        is_future = torch.ones(length, length, dtype=torch.bool).triu(1)
        self.register_buffer("is_future", is_future)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Token ids (B, S), (B, T) -> logits (B, T, V).

        Padding follows a target, so the causal mask already hides it, here as in keras_attn.
        """
        source_padding = source == 0
        decoded = self.transformer(
            self._embed(source),
            self._embed(target),
            tgt_mask=self.is_future[: target.shape[1], : target.shape[1]],
            src_key_padding_mask=source_padding,
            memory_key_padding_mask=source_padding,
        )
        return decoded @ self.embedding.weight.T

    def _embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding(token_ids) * self.scale + self.positions[: token_ids.shape[1]]
        return self.dropout(embedded)

    def _drop_out_as_the_paper(self) -> None:
        """PyTorch also drops attention weights and inner activations; the other engines do not.

        Without it there is less to compute, and attention can take PyTorch's faster kernel.
        """
        for module in self.transformer.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
            if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                module.dropout.p = 0.0


def sinusoids(length: int, hidden_dim: int) -> torch.Tensor:
    """Sines in even places, cosines in odd ones: float32 (T, D)."""
    rates = torch.exp(torch.arange(0, hidden_dim, 2) * (-math.log(10_000.0) / hidden_dim))
    angles = torch.arange(length)[:, None] * rates  # (T, D / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(length, hidden_dim)


class Trainer:
    """A model, its optimizer, and the batches it cycles through."""

    def __init__(
        self, size: dict[str, Any], label_smoothing: float, sources: Any, targets: Any
    ) -> None:
        self.sources = torch.from_numpy(np.array(sources, np.int64))  # (batches, B, S)
        self.labels = torch.from_numpy(np.array(targets, np.int64))  # (batches, B, T)
        self.decoder_token_ids = self.labels.roll(1, dims=-1)
        self.decoder_token_ids[..., 0] = START_TOKEN_ID
        self.model = TiedTransformer(length=self.labels.shape[-1], **size).train()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9
        )
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing, ignore_index=0)
        self.steps = 0

    def step(self) -> float:
        """Makes one update; returns its loss."""
        i = self.steps % len(self.sources)
        self.optimizer.zero_grad()
        logits = self.model(self.sources[i], self.decoder_token_ids[i])
        # (B, T, V) -> (B*T, V), (B, T) -> (B*T,)
        loss = self.loss(logits.flatten(0, 1), self.labels[i].flatten())
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        return loss.item()


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def prepare(
    size: dict[str, Any],
    label_smoothing: float,
    sources: list[list[list[int]]],
    targets: list[list[list[int]]],
) -> dict[str, Any]:
    """Makes the model for batches of this shape and trains the first steps."""
    global _trainer
    _trainer = None  # its memory is free before the next one is made
    use_all_cores()
    torch.manual_seed(1)
    _trainer = Trainer(size, label_smoothing, sources, targets)
    run(1)
    return {"parameters": sum(weight.numel() for weight in _trainer.model.parameters())}


def run(steps: int) -> dict[str, float]:
    """Seconds of a number of training steps, and the last loss."""
    for _ in range(LEFT_OUT_STEPS):
        _trainer.step()
    started = time.perf_counter()
    for _ in range(steps):
        loss = _trainer.step()
    return {"seconds": time.perf_counter() - started, "loss": loss}


def matrix_product_peak(width: int, repeat: int) -> float:
    """Floating-point operations per second of the best float32 product of two (width, width)."""
    use_all_cores()
    a, b = torch.rand(width, width), torch.rand(width, width)
    best = float("inf")
    for _ in range(repeat):
        started = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - started)
    return 2 * width**3 / best


def use_all_cores() -> None:
    """As many threads as there are cores for this process."""
    has_affinity = hasattr(os, "sched_getaffinity")
    torch.set_num_threads(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)


if __name__ == "__main__":
    serve_requests(
        {
            "versions": versions,
            "prepare": prepare,
            "run": run,
            "matrix_product_peak": matrix_product_peak,
        }
    )
