"""The encoder stack (Vaswani et al., 2017, Section 3.1 and Figure 1, left)."""

import keras

from keras_attn.layers import EncoderBlock
from keras_attn.models.token_stack import stack_scores
from keras_attn.models.transformer_stack import TransformerStack
from keras_attn.ops import padding_mask as mask_padding


@keras.saving.register_keras_serializable(package="keras_attn")
class Encoder(TransformerStack):
    """Maps token ids to one vector per token: embedding, positions, dropout, N blocks.

    Masking: id 0 is padding. The Keras mask of the output is `token_ids != 0`.

    Args:
        vocabulary_size: int. Number of tokens, V. Defaults to the paper's 37,000.
        hidden_dim: int. Width of the residual stream, D. Defaults to 512.
        intermediate_dim: int. Inner width of the feed-forward networks, F. Defaults to 2048.
        num_heads: int. Number of heads, H. Defaults to 8.
        num_layers: int. Number of blocks, L (N in the paper). Defaults to 6.
        dropout: float in [0, 1). Rate applied to the embeddings and to each sublayer's output.
        attention_dropout: float in [0, 1). Rate applied to the attention weights.
        projection_gain: float. Factor on the initial kernels of query, key and value.
        activation: activation of the feed-forward networks. Defaults to `"relu"`.
        normalize_first: bool. Pre-norm with a final normalization, instead of post-norm.
        attention, feed_forward, normalization, residual: slots of the blocks, see `EncoderBlock`.
        position: slot. Added to the embeddings (`"sinusoidal"`, `"learned"`), or acting in the
            self-attention of every block (`"rotary"`, `"relative_bias"`, `"relative_embedding"`,
            `"alibi"`). Defaults to `"sinusoidal"`.
        stochastic_depth: float in [0, 1). Rate at which the last block's sublayers are left out in
            training; it rises linearly with the depth. Defaults to `0.0`.
        normalization_epsilon: float. Added to the variance. Defaults to `1e-6`.
        max_sequence_length: int. Longest sequence, in tokens, for layers that have such a limit.
        embedding: `TokenEmbedding` to share with another stack. Defaults to a new one. It is shared
            again in a loaded model; `keras.models.clone_model` gives each stack its own.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        token_ids: int, (B, S).
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, S, D); with `return_attention_scores=True` also the weights, (B, L, H, S, S).

    Example:
    >>> encoder = keras_attn.models.Encoder(
    ...     vocabulary_size=11, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=3)
    >>> encoder(keras.ops.array([[4, 5, 3, 0]])).shape
    TensorShape([1, 4, 8])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.1.
    """

    block_class = EncoderBlock

    def call(self, token_ids, return_attention_scores=False, training=None):
        mask = mask_padding(token_ids)
        hidden = self.embed(token_ids, training=training)
        scores = []
        for block in self.blocks:
            hidden = block(
                hidden,
                padding_mask=mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )
            if return_attention_scores:
                hidden, block_scores = hidden
                scores.append(block_scores)
        hidden = self.normalize(hidden)
        return (hidden, stack_scores(scores)) if return_attention_scores else hidden

    def compute_output_shape(self, token_ids_shape):
        return (*token_ids_shape, self.hidden_dim)

    def compute_mask(self, token_ids, previous_mask=None):
        return mask_padding(token_ids)
