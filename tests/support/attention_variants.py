"""Every attention and every position, each with its formula in NumPy float64.

The formulas look at one pair of positions at a time, and know nothing of blocks, caches or sums.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_attn import layers
from tests.support.reference import softmax

H, K, D = 3, 4, 6  # heads, their size, width


@dataclass(frozen=True)
class Variant:
    """An attention layer, and what the tests know of it.

    Args:
        make: function of no arguments that makes the layer.
        allows: function of a query's and a key's position: whether the layer allows the pair.
        queries, keys: function of (layer, heads (H, T, K)): what becomes of them before they meet.
        logits: function of (layer, logits (H, T, S), queries): what becomes of the logits.
        weights: function of (layer, logits, allowed): the weights. Defaults to a softmax.
        values: function of (layer, weights): what is added to the attended values.
        dense: arguments with which the layer is dense attention; None if it never is.
        refuses: what it refuses: of `"causal"` (and a cache) and `"scores"` (and pairs).
        equation: what it computes, for the table.
    """

    make: Callable
    equation: str
    allows: Callable = lambda t, s, causal: True
    queries: Callable = lambda layer, heads: heads
    keys: Callable = lambda layer, heads: heads
    logits: Callable = lambda layer, logits, queries: logits
    weights: Callable = lambda layer, logits, allowed: masked_softmax(logits, allowed)
    values: Callable = lambda layer, weights: 0.0
    dense: dict[str, Any] | None = None
    refuses: frozenset = field(default_factory=frozenset)


def masked_softmax(logits, allowed):
    weights = np.zeros(np.broadcast_shapes(logits.shape, allowed.shape))
    for index in np.ndindex(weights.shape[:-1]):
        row = np.broadcast_to(allowed, weights.shape)[index]
        if row.any():
            weights[index][row] = softmax(logits[index][row])
    return weights


def distances(length):
    return np.arange(length)[None, :] - np.arange(length)[:, None]


# Positions


def rotated(layer, heads):
    """Each pair of components as a complex number, times a power of i."""
    pairs = heads[..., 0::2] + 1j * heads[..., 1::2]
    angles = np.outer(np.arange(heads.shape[1]), 10000.0 ** (-2.0 * np.arange(K // 2) / K))
    turned = pairs * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], -1).reshape(heads.shape)


def rotated_by_yarn(layer, heads):
    """Halves instead of neighbors, the second pair slower by the factor."""
    frequencies = 10000.0 ** (-2.0 * np.arange(K // 2) / K)
    turns = 64 * frequencies / (2 * np.pi)
    share = np.clip((turns - 1) / 31, 0, 1)
    frequencies = frequencies * (share + (1 - share) / 4)
    pairs = heads[..., : K // 2] + 1j * heads[..., K // 2 :]
    turned = pairs * np.exp(1j * np.outer(np.arange(heads.shape[1]), frequencies))
    return (0.1 * np.log(4) + 1) * np.concatenate([turned.real, turned.imag], -1)


def t5_bucket(distance, num_buckets=8, max_distance=12):
    """Section 2.1 of T5, for both directions: four buckets each, the first two exact."""
    per_direction = num_buckets // 2
    bucket, past = (per_direction if distance > 0 else 0), abs(distance)
    exact = per_direction // 2
    if past < exact:
        return bucket + past
    share = np.log(past / exact) / np.log(max_distance / exact)
    return bucket + min(per_direction - 1, exact + int(share * (per_direction - exact)))


def t5_bias(layer, logits, queries):
    table = np.asarray(layer.position.embeddings, "float64")
    length = logits.shape[-1]
    bias = [[table[t5_bucket(s - t)] for s in range(length)] for t in range(length)]
    return logits + np.moveaxis(np.array(bias), -1, 0)


def alibi(layer, logits, queries):
    slopes = np.array([1 / 16, 1 / 256, 1 / 4])  # for three heads: those of two, one of four
    return logits - slopes[:, None, None] * abs(distances(logits.shape[-1]))


def shaw_vectors(embeddings, length):
    return np.asarray(embeddings, "float64")[np.clip(distances(length), -2, 2) + 2]


def shaw_logits(layer, logits, queries):
    vectors = shaw_vectors(layer.position.key_embeddings, logits.shape[-1])
    return logits + np.einsum("htk,tsk->hts", queries, vectors) / np.sqrt(K)


def shaw_values(layer, weights):
    vectors = shaw_vectors(layer.position.value_embeddings, weights.shape[-1])
    return np.einsum("hts,tsv->htv", weights, vectors)


# Attentions


def normalized(layer_of):
    def normalize(layer, heads):
        scale = np.asarray(getattr(layer, layer_of).scale, "float64")
        return heads / np.sqrt((heads**2).mean(-1, keepdims=True) + 1e-6) * scale

    return normalize


def mixed(layer, logits, queries):
    return np.einsum("gh,hts->gts", np.asarray(layer.logits_mixer, "float64"), logits)


def talking(layer, logits, allowed):
    weights = masked_softmax(logits, allowed)
    return np.einsum("gh,hts->gts", np.asarray(layer.weights_mixer, "float64"), weights)


def with_sink(layer, logits, allowed):
    """The sink as one more key that everything may attend to, and that has no value."""
    sinks = np.asarray(layer.sinks, "float64")[:, None, None]
    sinks = np.broadcast_to(sinks, (*logits.shape[:-1], 1))
    logits = np.concatenate([logits, sinks], -1)
    allowed = np.broadcast_to(allowed, (*logits.shape[:-1], allowed.shape[-1]))
    allowed = np.concatenate([allowed, np.ones((*allowed.shape[:-1], 1), bool)], -1)
    return masked_softmax(logits, allowed)[..., :-1]


def by_features(feature_map):
    """Weights of a kernel: products of features, divided by their sum."""

    def weights(layer, pairs, allowed):
        queries, keys = pairs
        products = np.where(
            allowed, feature_map(layer, queries) @ feature_map(layer, keys).swapaxes(-1, -2), 0.0
        )
        totals = products.sum(-1, keepdims=True)
        return products / np.where(totals > 0, totals, 1)

    return weights


def elu_features(layer, heads):
    return np.where(heads > 0, heads + 1, np.exp(np.minimum(heads, 0)))


def random_features(layer, heads):
    directions = np.asarray(layer.directions, "float64")
    heads = heads / K**0.25
    return np.exp(heads @ directions.T - (heads**2).sum(-1, keepdims=True) / 2)


def strided(t, s, causal):
    """Blocks of two; the last and next three blocks, and every third one."""
    t, s = t // 2, s // 2
    return abs(t - s) < 3 or (t - s) % 3 == 0


def fixed(t, s, causal):
    """Blocks of two in groups of three; the own group, and the last block of every group."""
    t, s = t // 2, s // 2
    return t // 3 == s // 3 or s % 3 == 2


def big_bird(t, s, causal):
    """Blocks of two; neighbors and the first block, which attends to everything."""
    t, s = t // 2, s // 2
    return abs(t - s) <= 1 or s == 0 or (t == 0 and not causal)


def local(t, s, causal):
    """Fewer than four away; the first position is seen by all, and sees all."""
    return abs(t - s) < 4 or s == 0 or (t == 0 and not causal)


def with_position(position):
    return lambda: layers.MultiHeadAttention(H, K, position=position())


VARIANTS = {
    "multi_head": Variant(lambda: layers.MultiHeadAttention(H, K), "Eq. 1", dense={}),
    "multi_query": Variant(
        lambda: layers.MultiHeadAttention(H, K, num_key_value_heads=1),
        "one head of keys and values",
    ),
    "talking_heads": Variant(
        lambda: layers.TalkingHeadsAttention(H, K),
        "heads mixed before and after the softmax",
        logits=mixed,
        weights=talking,
        dense={},
    ),
    "qk_normalized": Variant(
        lambda: layers.QKNormalizedAttention(H, K),
        "normalized queries and keys",
        queries=normalized("query_norm"),
        keys=normalized("key_norm"),
    ),
    "soft_capped": Variant(
        lambda: layers.SoftCappedAttention(H, K, soft_cap=0.5),
        "logits bounded by a tanh",
        logits=lambda layer, logits, queries: 0.5 * np.tanh(logits / 0.5),
        dense={"soft_cap": 1e6},
    ),
    "sink": Variant(
        lambda: layers.SinkAttention(H, K), "weight may go to nothing", weights=with_sink
    ),
    "local": Variant(
        lambda: layers.LocalAttention(H, K, sliding_window=4, num_global=1),
        "a sliding window, first positions seen by all",
        allows=local,
        dense={"sliding_window": 99},
    ),
    "big_bird": Variant(
        lambda: layers.SparseAttention(H, K, block_size=2, num_random=0),
        "neighboring, global and random blocks",
        allows=big_bird,
        dense={"radius": 99},
    ),
    "strided": Variant(
        lambda: layers.SparseAttention(
            H, K, pattern="strided", block_size=2, stride=3, num_global=0
        ),
        "near blocks, and every n-th one",
        allows=strided,
        dense={"stride": 99},
    ),
    "fixed": Variant(
        lambda: layers.SparseAttention(H, K, pattern="fixed", block_size=2, stride=3, num_global=0),
        "groups of blocks, and the last of each",
        allows=fixed,
        dense={"stride": 99},
    ),
    "linformer": Variant(
        lambda: layers.LinformerAttention(H, K, max_sequence_length=32, projected_length=5),
        "a fixed number of mixtures of keys",
        dense={
            "max_sequence_length": 13,
            "projected_length": 13,
            "projection_initializer": "identity",
        },
        refuses=frozenset({"causal", "scores"}),
    ),
    "linear": Variant(
        lambda: layers.LinearAttention(H, K),
        "feature map elu(x) + 1, no softmax",
        weights=by_features(elu_features),
    ),
    "performer": Variant(
        lambda: layers.PerformerAttention(H, K, num_features=16),
        "random features, softmax on average",
        weights=by_features(random_features),
    ),
    "rotary": Variant(
        with_position(layers.RotaryEmbedding),
        "queries and keys turned by their positions",
        queries=rotated,
        keys=rotated,
    ),
    "rotary, yarn": Variant(
        with_position(
            lambda: layers.RotaryEmbedding(
                scaling="yarn", factor=4.0, original_length=64, halves=True
            )
        ),
        "slow turns slower, for longer sequences",
        queries=rotated_by_yarn,
        keys=rotated_by_yarn,
    ),
    "relative_bias": Variant(
        with_position(lambda: layers.RelativePositionBias(num_buckets=8, max_distance=12)),
        "a learned number for each distance",
        logits=t5_bias,
    ),
    "relative_embedding": Variant(
        with_position(lambda: layers.RelativePositionEmbedding(max_distance=2)),
        "learned vectors of the distance",
        logits=shaw_logits,
        values=shaw_values,
    ),
    "alibi": Variant(
        with_position(layers.ALiBiBias), "logits fall with the distance", logits=alibi
    ),
}


PROMISES = {
    "formula": "in NumPy float64, causal and not, sizes known and unknown",
    "dense": "dense attention, if nothing is left out",
    "cache": "step by step, and after a longer start, the whole pass",
    "masks": "a masked token changes nothing, nor does padding",
    "pairs": "attention_mask and scores mean the same",
    "gradient": "of inputs and weights, by small differences",
    "saved": ".keras file and config",
    "trained": "fit in float32 and mixed_bfloat16, by XLA",
    "served": "exported without XLA",
}


def table():
    """The table of `docs/attention.md`: what each variant keeps, refuses or has no use for."""
    names = list(PROMISES)
    rows = [["variant", "what it computes", *names], ["---"] * (2 + len(names))]
    for name, variant in VARIANTS.items():
        kept = dict.fromkeys(names, "yes")
        kept["dense"] = "yes" if variant.dense is not None else "-"
        kept["cache"] = "refused" if "causal" in variant.refuses else "yes"
        kept["pairs"] = "refused" if "scores" in variant.refuses else "yes"
        rows.append([f"`{name}`", variant.equation, *kept.values()])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def attend(variant, layer, x, key_mask, causal):
    """What a layer must compute: self-attention of x, (B, T, D), in float64."""
    outputs = []
    for row, real in zip(np.asarray(x, "float64"), key_mask, strict=True):
        query, key, value = (
            np.einsum("td,dhk->htk", row, np.asarray(dense.kernel, "float64"))
            + np.asarray(dense.bias, "float64")[:, None]
            for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
        )
        key, value = (np.repeat(one, H // len(one), 0) for one in (key, value))
        query, key = variant.queries(layer, query), variant.keys(layer, key)
        length = len(row)
        allowed = np.array(
            [
                [variant.allows(t, s, causal) and (s <= t or not causal) for s in range(length)]
                for t in range(length)
            ]
        )
        allowed = (allowed & real[None, :])[None]
        if hasattr(layer, "key_projection"):  # mixtures of what is real, instead of the keys
            key, value = (
                np.einsum("hsk,sm->hmk", one * real[:, None], np.asarray(mixer, "float64")[:length])
                for one, mixer in ((key, layer.key_projection), (value, layer.value_projection))
            )
            allowed = np.ones((1, length, key.shape[1]), bool)
        if isinstance(layer, layers.LinearAttention):
            weights = variant.weights(layer, (query, key), allowed)
        else:
            logits = variant.logits(layer, query @ key.swapaxes(-1, -2) / np.sqrt(K), query)
            weights = variant.weights(layer, logits, allowed)
        heads = weights @ value + variant.values(layer, weights)
        kernel, bias = layer.output_dense.kernel, layer.output_dense.bias
        outputs.append(np.einsum("htv,hvd->td", heads, np.asarray(kernel, "float64")) + bias)
    return np.array(outputs)
