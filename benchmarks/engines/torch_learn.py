"""`torch.nn.Transformer` learns from given batches, eager (runs in the peers' environment)."""

import math
import time
from typing import Any

import numpy as np
import torch
from learning_batches import decoder_inputs, learning_rate, read_batches
from serve_requests import serve_requests
from torch import nn
from torch_train import TiedTransformer, use_all_cores, versions

END_TOKEN_ID = 3
LONGEST = 256
BETAS, EPSILON = (0.9, 0.98), 1e-9

_learner: Any = None


class AsItComes(TiedTransformer):
    """With dropout wherever PyTorch has it: also in attention and in the feed-forward network."""

    def _drop_out_as_the_paper(self) -> None:
        pass


class Learner:
    """A model, its optimizer, and the batches that it has not seen yet."""

    def __init__(
        self,
        size: dict[str, Any],
        options: dict[str, Any],
        training: dict[str, Any],
        batches: str,
        validation: str,
        seed: int,
        weights_from: str | None = None,
    ) -> None:
        use_all_cores()
        torch.manual_seed(seed)
        self.batches, self.validation = read_batches(batches), read_batches(validation)
        self.training = training
        # Keras adds epsilon before the correction of the second moment, PyTorch after it.
        self.has_keras_epsilon = options.get("keras_epsilon", False)
        drops_more = options.get("inner_dropout", True)
        model_class = AsItComes if drops_more else TiedTransformer
        self.model = model_class(length=LONGEST, **size)
        transformer = self.model.transformer
        if not options.get("final_normalization", True):
            transformer.encoder.norm = transformer.decoder.norm = None
        if weights_from is not None:
            with np.load(weights_from) as weights:
                load_weights(self.model, weights)
        self.model.train()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=1e-4, betas=BETAS, eps=EPSILON
        )
        smoothing = training["label_smoothing"]
        self.loss = nn.CrossEntropyLoss(label_smoothing=smoothing, ignore_index=0)
        self.steps = 0

    def step(self) -> float:
        """Makes one update; returns its loss."""
        source, target = self.batches[self.steps]
        self.steps += 1
        rate = learning_rate(
            self.steps, self.training["peak_learning_rate"], self.training["warmup_steps"]
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            if self.has_keras_epsilon:
                group["eps"] = EPSILON / math.sqrt(1.0 - BETAS[1] ** self.steps)
        self.optimizer.zero_grad()
        logits = self.logits(source, target)
        # (B, T, V) -> (B*T, V), (B, T) -> (B*T,)
        loss = self.loss(logits.flatten(0, 1), _as_torch(target).flatten())
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def logits(self, source: np.ndarray, target: np.ndarray) -> torch.Tensor:
        """Token ids (B, S), (B, T) -> logits (B, T, V)."""
        return self.model(_as_torch(source), _as_torch(decoder_inputs(target)))

    def greedy(self, source: np.ndarray, max_length: int) -> np.ndarray:
        """Greedy search without a cache: int (B, max_length)."""
        tokens = np.zeros((len(source), max_length + 1), np.int32)
        is_done = np.zeros(len(source), bool)
        for position in range(max_length):
            # `decoder_inputs` shifts the tokens, so the last position is not used.
            target = np.where(tokens[:, : position + 1] == 0, 1, tokens[:, : position + 1])
            best = self.logits(source, target)[:, -1].argmax(-1).numpy()
            tokens[:, position] = np.where(is_done, 0, best)
            is_done |= best == END_TOKEN_ID
            if is_done.all():
                break
        return tokens[:, :max_length]


def _as_torch(token_ids: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(token_ids.astype(np.int64))


def load_weights(model: TiedTransformer, weights: Any) -> None:
    """Copies the weights that keras_attn wrote: kernels (in, out) become matrices (out, in)."""

    def matrix(name: str, rows: int) -> np.ndarray:
        kernel = weights[f"{name}/kernel"]
        return kernel.reshape(rows, -1).T

    def copy(parameter: torch.Tensor, value: np.ndarray) -> None:
        parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    hidden_dim = model.embedding.embedding_dim
    copy(model.embedding.weight, weights["shared_embedding/embeddings"])
    for side in ("encoder", "decoder"):
        for i, layer in enumerate(getattr(model.transformer, side).layers):
            block = f"{side}/block_{i}"
            parts = [("self_attention", layer.self_attn), ("cross_attention", None)]
            norms = ["self_attention", "feed_forward"]
            if side == "decoder":
                parts[1] = ("cross_attention", layer.multihead_attn)
                norms.insert(1, "cross_attention")
            for name, attention in parts:
                if attention is None:
                    continue
                heads = [f"{block}/{name}/{part}" for part in ("query", "key", "value")]
                copy(
                    attention.in_proj_weight, np.concatenate([matrix(h, hidden_dim) for h in heads])
                )
                biases = [weights[f"{h}/bias"].reshape(-1) for h in heads]
                copy(attention.in_proj_bias, np.concatenate(biases))
                output = f"{block}/{name}/attention_output"
                copy(attention.out_proj.weight, matrix(output, hidden_dim))
                copy(attention.out_proj.bias, weights[f"{output}/bias"])
            for linear, name in ((layer.linear1, "intermediate"), (layer.linear2, "output")):
                dense = f"{block}/feed_forward/{name}"
                copy(linear.weight, weights[f"{dense}/kernel"].T)
                copy(linear.bias, weights[f"{dense}/bias"])
            for number, name in enumerate(norms, start=1):
                normalization = getattr(layer, f"norm{number}")
                normalization.eps = 1e-6
                copy(normalization.weight, weights[f"{block}/{name}_residual/normalization/gamma"])
                copy(normalization.bias, weights[f"{block}/{name}_residual/normalization/beta"])


def prepare(**arguments: Any) -> dict[str, Any]:
    """Makes a new model; `weights_from` is a file of weights to start from, or None."""
    global _learner
    _learner = None
    _learner = Learner(**arguments)
    return {"parameters": sum(weight.numel() for weight in _learner.model.parameters())}


def learn(steps: int) -> dict[str, Any]:
    """Losses of a number of updates, and the seconds that they took."""
    started = time.perf_counter()
    losses = [_learner.step() for _ in range(steps)]
    return {"losses": losses, "seconds": time.perf_counter() - started}


@torch.no_grad()
def validate() -> dict[str, float]:
    """The mean negative log-likelihood of the validation tokens."""
    total = count = 0.0
    _learner.model.eval()
    loss = nn.CrossEntropyLoss(ignore_index=0, reduction="sum")
    for source, target in _learner.validation:
        logits = _learner.logits(source, target)
        total += loss(logits.flatten(0, 1), _as_torch(target).flatten()).item()
        count += int((target != 0).sum())
    _learner.model.train()
    return {"loss": total / count, "perplexity": math.exp(total / count)}


@torch.no_grad()
def translate(max_extra_tokens: int) -> list[list[int]]:
    """Greedy translations of the validation sources, as token ids."""
    _learner.model.eval()
    translations: list[list[int]] = []
    for source, _ in _learner.validation:
        translations += _learner.greedy(source, source.shape[1] + max_extra_tokens).tolist()
    _learner.model.train()
    return translations


if __name__ == "__main__":
    serve_requests(
        {
            "versions": versions,
            "prepare": prepare,
            "learn": learn,
            "validate": validate,
            "translate": translate,
        }
    )
