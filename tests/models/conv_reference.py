"""The convolutional model of Gehring et al. (2017) in NumPy float64, sentence by sentence."""

import numpy as np

from tests.support.reference import layer_norm, sinusoid, softmax

HALF = np.sqrt(0.5)


def weights_of(model):
    """The weights by their path, without the name of the model."""
    return {w.path.split("/", 1)[1]: np.asarray(w, "float64") for w in model.weights}


def logits_of(weights, source, target, num_layers, num_decoder_layers, is_tied=True):
    """Logits and cross-attention weights of one sentence without padding: (T, V), (L, T, S)."""
    w = _Weights(weights)
    embedded = _embed(w, "encoder", source)
    hidden = embedded
    for i in range(num_layers):
        outputs = _gated(w, f"encoder/block_{i}", hidden, is_causal=False)
        hidden = HALF * (hidden + outputs)
    keys = w.dense("encoder/final", w.norm("encoder/final_normalization", hidden))
    values = HALF * (keys + embedded)
    embedded = _embed(w, "decoder", target)
    hidden, scores = embedded, []
    for i in range(num_decoder_layers):
        block = f"decoder/block_{i}"
        outputs = _gated(w, block, hidden, is_causal=True)
        query = HALF * (w.dense(f"{block}/query", outputs) + embedded)
        scores.append(softmax(query @ keys.T / np.sqrt(keys.shape[1])))
        attended = len(source) * np.sqrt(1 / len(source)) * (scores[-1] @ values)
        outputs = HALF * (outputs + w.dense(f"{block}/attention_output", attended))
        hidden = HALF * (hidden + outputs)
    hidden = w.dense("decoder/final", w.norm("decoder/final_normalization", hidden))
    logits = hidden @ w.embeddings("decoder").T if is_tied else w.dense("decoder/output", hidden)
    return logits, np.stack(scores)


class _Weights(dict):
    def dense(self, name, x):
        return x @ self[f"{name}/kernel"] + self[f"{name}/bias"]

    def norm(self, name, x):
        return layer_norm(x, self[f"{name}/gamma"], self[f"{name}/beta"])

    def embeddings(self, stack):
        shared = "shared_embedding/embeddings"
        return self[shared] if shared in self else self[f"{stack}/token_embedding/embeddings"]


def _embed(w, stack, ids):
    matrix = w.embeddings(stack)
    size = matrix.shape[1]
    learned = w.get(f"{stack}/position/embeddings")
    if learned is None:
        learned = [[sinusoid(t, d, size) for d in range(size)] for t in range(len(ids))]
    return np.sqrt(size) * matrix[list(ids)] + np.asarray(learned)[: len(ids)]


def _gated(w, block, x, is_causal):
    """GLU(conv(norm(x))), position by position."""
    x = w.norm(f"{block}/residual/normalization", x)
    kernel, bias = w[f"{block}/convolution/kernel"], w[f"{block}/convolution/bias"]
    left = len(kernel) - 1 if is_causal else (len(kernel) - 1) // 2
    outputs = []
    for t in range(len(x)):
        total = bias.copy()
        for place, matrix in enumerate(kernel):
            if 0 <= t - left + place < len(x):
                total = total + x[t - left + place] @ matrix
        a, b = np.split(total, 2)
        outputs.append(a / (1 + np.exp(-b)))
    return np.stack(outputs)
