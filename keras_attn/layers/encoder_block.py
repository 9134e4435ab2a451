"""One layer of the encoder (Vaswani et al., 2017, Section 3.1 and Figure 1, left)."""

import keras

from keras_attn.layers.transformer_block import TransformerBlock, as_tuple, given


@keras.saving.register_keras_serializable(package="keras_attn")
class EncoderBlock(TransformerBlock):
    """Self-attention, then a feed-forward network, each in a residual connection.

        y      = norm(x + dropout(attention(x, x, x)))
        output = norm(y + dropout(FFN(y)))                      (normalize_first=False, the paper)

    Each slot takes a name, a dict of a name and arguments (`{"name": "strided", "stride": 4}`), a
    layer class, a layer or a layer's config. The constructor of a class or a name gets `num_heads`,
    `key_dim`, `intermediate_dim`, `activation`, `dropout` ..., as far as it has these arguments.

    Masking: `padding_mask` if given, else the Keras mask of the input. The outputs of padding are
    meaningless; nothing attends to them.

    Args:
        hidden_dim: int. Width of input and output, D. Defaults to the paper's 512.
        intermediate_dim: int. Inner width of the feed-forward network, F. Defaults to 2048.
        num_heads: int. Number of heads, H; divides `hidden_dim`. Defaults to 8.
        dropout: float in [0, 1). Rate applied to each sublayer's output. Defaults to `0.1`.
        attention_dropout: float in [0, 1). Rate applied to the attention weights. Defaults to
            `0.0`, as in the paper.
        projection_gain: float. Factor on the initial kernels of query, key and value, see
            `MultiHeadAttention`. Defaults to `1.0`.
        activation: activation of the feed-forward network. Defaults to `"relu"`.
        normalize_first: bool. Pre-norm instead of the paper's post-norm. Defaults to `False`.
        attention: slot. Defaults to `"multi_head"`.
        position: slot. Positions that are added to the input of this block (as the Universal
            Transformer does in every layer), or that act in its self-attention, such as `"rotary"`.
            None leaves that to the stack. Defaults to `None`.
        feed_forward: slot. Defaults to `"feed_forward"`.
        normalization: slot. Defaults to `"layer_norm"`.
        residual: slot. How sublayers are connected: `"residual"`, in the order that
            `normalize_first` says, or `"sandwich"`. Defaults to `"residual"`.
        stochastic_depth: float in [0, 1). Rate at which a sublayer is left out in training.
            Defaults to `0.0`.
        normalization_epsilon: float. Added to the variance. Defaults to `1e-6`.
        max_sequence_length: int. For slots that need it.
        **kwargs: `name`, `dtype`, `trainable`, as in `keras.layers.Layer`.

    Call arguments:
        inputs: float, (B, S, D).
        padding_mask: bool, (B, S). True = real token.
        attention_mask: bool, broadcastable to (B, S, S). True = may attend.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        float, (B, S, D); with `return_attention_scores=True` also the weights, (B, H, S, S).

    Raises:
        ValueError: if `num_heads` does not divide `hidden_dim`, or a slot cannot be filled.

    Example:
    >>> block = keras_attn.layers.EncoderBlock(hidden_dim=8, intermediate_dim=16, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), Section 3.1.
    """

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        hidden = inputs if self.position is None else self.position(inputs)
        options = given(training=training)
        query = self.self_attention_residual(hidden)
        outputs, *scores = as_tuple(
            self.self_attention(
                query,
                query,
                value_mask=padding_mask,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
                **options,
            )
        )
        hidden = self.self_attention_residual(hidden, outputs, **options)
        hidden = self.feed(hidden, training=training)
        return (hidden, *scores) if scores else hidden
