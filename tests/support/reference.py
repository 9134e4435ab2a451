"""The paper's equations in NumPy float64, written without looking at the package."""

import numpy as np


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def attention(query, key, value, mask=None):
    """Eq. 1 for one head: (T, K), (S, K), (S, V) -> (T, V), row by row, key by key."""
    query, key, value = (np.asarray(x, "float64") for x in (query, key, value))
    outputs, weights = [], []
    for t, row in enumerate(query):
        allowed = np.ones(len(key), bool) if mask is None else np.asarray(mask[t], bool)
        row_weights = np.zeros(len(key))
        if allowed.any():
            row_weights[allowed] = softmax(key[allowed] @ row / np.sqrt(len(row)))
        weights.append(row_weights)
        outputs.append(row_weights @ value)
    return np.stack(outputs), np.stack(weights)


def sinusoid(position, dimension, hidden_dim):
    """Section 3.5: one number of the position encoding."""
    pair = dimension // 2
    angle = position / 10000 ** (2 * pair / hidden_dim)
    return np.cos(angle) if dimension % 2 else np.sin(angle)


def layer_norm(x, gamma, beta, epsilon=1e-6):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta
