"""Attention as sums over the keys (Katharopoulos et al., 2020), and random features (FAVOR+)."""

from typing import Any

import numpy as np
from keras import ops

from keras_attn.ops.blocks import join_blocks, split_blocks

Tensor = Any

_BLOCK = 64


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    is_causal: bool = False,
    past: dict[str, Tensor] | None = None,
) -> Tensor:
    """Weighs values by the products of feature vectors, without computing the weights.

        output(t) = q_t . (sum over s of k_s v_s) / (q_t . sum over s of k_s)

    If causal, s runs up to t: within a block of 64 positions, all pairs are multiplied; the blocks
    before it are added as sums. Cost and memory grow linearly with T and S.

    Args:
        query: float32, (B, H, T, M). Features, not negative.
        key: float32, (B, H, S, M). Features; zeros for keys that may not be attended to.
        value: float32, (B, H, S, V).
        is_causal: bool.
        past: dict of `"keys"`, (B, H, M), and `"products"`, (B, H, M, V): the sums over earlier
            positions, for a causal step.

    Returns:
        float32, (B, H, T, V). A query that may attend to nothing gives zeros.

    Example:
    >>> x = keras.ops.ones((2, 3, 5, 4))
    >>> linear_attention(x, x, x, is_causal=True).shape
    TensorShape([2, 3, 5, 4])
    """
    if not is_causal:
        products = ops.einsum("bhsm,bhsv->bhmv", key, value)
        outputs = ops.einsum("bhtm,bhmv->bhtv", query, products)
        return _divide(outputs, ops.einsum("bhtm,bhm->bht", query, ops.sum(key, axis=2)))
    length = ops.shape(query)[2]
    block = max(1, min(_BLOCK, length)) if isinstance(length, int) else _BLOCK
    query, key, value = (split_blocks(one, block) for one in (query, key, value))
    key_sums = _before(ops.sum(key, axis=3), past and past["keys"])  # (B, H, N, M)
    products = ops.einsum("bhnsm,bhnsv->bhnmv", key, value)
    products = _before(products, past and past["products"])
    pairs = ops.einsum("bhntm,bhnsm->bhnts", query, key)
    pairs = pairs * ops.convert_to_tensor(np.tri(block, dtype="float32"))
    outputs = ops.einsum("bhnts,bhnsv->bhntv", pairs, value)
    outputs = outputs + ops.einsum("bhntm,bhnmv->bhntv", query, products)
    totals = ops.sum(pairs, axis=-1) + ops.einsum("bhntm,bhnm->bhnt", query, key_sums)
    return join_blocks(_divide(outputs, totals), length)


def _before(sums: Tensor, past: Tensor | None) -> Tensor:
    """For each block, the sum of all blocks before it, and of the past."""
    start = ops.zeros_like(sums[:, :, :1]) if past is None else past[:, :, None]
    # Were a block added and subtracted again, large later keys would change what is before them.
    return ops.cumsum(ops.concatenate([start, sums], axis=2), axis=2)[:, :, :-1]


def _divide(outputs: Tensor, totals: Tensor) -> Tensor:
    return outputs / ops.where(totals > 0.0, totals, 1.0)[..., None]


def orthogonal_directions(num_features: int, key_dim: int, seed: int = 0) -> np.ndarray:
    """Random directions for `positive_random_features`: orthogonal rows, with Gaussian lengths.

    Args:
        num_features: int. Number of rows, M. At most K rows can be orthogonal to each other, so
            there are M / K such sets.
        key_dim: int. Size of a row, K.
        seed: int.

    Returns:
        float64 array, (M, K).

    Example:
    >>> orthogonal_directions(8, 4).shape
    (8, 4)
    """
    random = np.random.default_rng(seed)
    sets = []
    for _ in range(-(-num_features // key_dim)):
        columns, triangle = np.linalg.qr(random.normal(size=(key_dim, key_dim)))
        # Without the signs, some directions would be more likely than others (Mezzadri, 2007).
        sets.append((columns * np.sign(np.diag(triangle))).T)
    lengths = np.linalg.norm(random.normal(size=(num_features, key_dim)), axis=1, keepdims=True)
    return lengths * np.concatenate(sets)[:num_features]


def positive_random_features(heads: Tensor, directions: Tensor, is_scaled: bool = False) -> Tensor:
    """Features whose products are, on average, `exp(q . k / sqrt(K))` (FAVOR+).

        phi(x)_i = exp(w_i . x' - |x'|^2 / 2) / sqrt(M),    x' = x / K^(1/4)

    Args:
        heads: float32, (..., K).
        directions: float, (M, K). Random rows w_i.
        is_scaled: bool. Divide each row by its largest feature, so that none underflows. For
            queries: in `linear_attention`, a factor of a query cancels. Defaults to `False`.

    Returns:
        float32, (..., M), positive.

    Example:
    >>> directions = orthogonal_directions(8, 4).astype("float32")
    >>> positive_random_features(keras.ops.ones((2, 4)), directions).shape
    TensorShape([2, 8])

    References:
        - [Choromanski et al., 2021](https://arxiv.org/abs/2009.14794), Lemma 1 and Section 2.4.
    """
    num_features, key_dim = directions.shape
    scaled = heads * key_dim**-0.25
    projected = ops.matmul(scaled, ops.transpose(ops.cast(directions, heads.dtype)))
    if is_scaled:
        largest = ops.max(projected, axis=-1, keepdims=True, initial=-np.inf)  # also without rows
        shift = ops.stop_gradient(largest)
    else:
        shift = 0.5 * ops.sum(ops.square(scaled), axis=-1, keepdims=True)
    return ops.exp(projected - shift) * num_features**-0.5
