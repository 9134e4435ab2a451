"""What the attentions of a recurrent decoder have in common."""

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs
from keras_attn.ops.attention import masked_softmax
from keras_attn.ops.attention_products import weighted_values


class SourceAttention(DenseInputs):
    """Sums the source positions, weighted by scores; the base of such attentions.

        weights = softmax over the source of score(query, key)          in float32
        output  = weights value

    Subclasses have `build`, `project_key`, called once per source, and `logits`, of every query.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def project_key(self, value):
        """Projects the source, (B, S, D), once for many steps: the `key` of a call, (B, S, K)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `project_key`.")

    def logits(self, query, key):
        """The score of every query, (B, T, D), with every projected key: float32, (B, T, S)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `logits`.")

    def call(self, query, value, key=None, value_mask=None, return_attention_scores=False):
        key = self.project_key(value) if key is None else key
        mask = None if value_mask is None else value_mask[:, None]  # (B, 1, S)
        weights = masked_softmax(self.logits(query, key), mask)
        outputs = weighted_values(ops.cast(weights, value.dtype), value)
        return (outputs, weights) if return_attention_scores else outputs

    def compute_output_spec(
        self, query, value, key=None, value_mask=None, return_attention_scores=False
    ):
        shape = self.compute_output_shape(query.shape, value.shape)
        outputs = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        return outputs, keras.KerasTensor((*query.shape[:-1], value.shape[1]), dtype="float32")

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        value_shape = query_shape if value_shape is None else value_shape
        return (*query_shape[:-1], value_shape[-1])
