"""A decoder stack without an encoder (Liu et al., 2018, Section 4.2.3)."""

import keras

from keras_attn.layers import TokenEmbedding
from keras_attn.layers.causal_block import CausalBlock
from keras_attn.layers.dense_rows import dense_rows
from keras_attn.layers.plain_config import serialize_part
from keras_attn.layers.slots import fill_slot
from keras_attn.layers.transformer_block import as_tuple
from keras_attn.models.token_stack import stack_scores
from keras_attn.models.transformer_stack import TransformerStack
from keras_attn.ops import padding_mask as mask_padding


@keras.saving.register_keras_serializable(package="keras_attn")
class CausalDecoder(TransformerStack):
    """Maps token ids to next-token logits: embedding, positions, N causal blocks, projection.

    Training, scoring, cached decoding and the exported graph all use this one `call`: with a
    `step`, `token_ids` are only the new positions.

    Masking: causal, so padding after a sequence needs no mask.

    Args:
        vocabulary_size, hidden_dim, intermediate_dim, num_heads, num_layers, dropout,
            attention_dropout, projection_gain, activation, normalize_first, attention, position,
            feed_forward, normalization, residual, stochastic_depth, normalization_epsilon,
            max_sequence_length, embedding, **kwargs: as in `Encoder`.
        tie_output: bool. Use the token embedding as the projection to logits (Section 3.4 of
            Vaswani et al.). Defaults to `True`.
        use_output_bias: bool. Add a bias to the logits. Defaults to `False`.
        output_projection: slot. A layer, (B, T, D) -> (B, T, V), that gives the logits in place of
            the embedding or, with `tie_output=False`, of a `Dense` layer.

    Call arguments:
        token_ids: int, (B, T).
        step: `DecodingStep`, for decoding step by step: position, and caches of every block.
        return_attention_scores: bool.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V); with `return_attention_scores=True` also the weights, (B, L, H, T, T);
        with a `step` also a list of the new `SelfCache` of each block. A tuple if there are
        several.

    Example:
    >>> decoder = keras_attn.models.CausalDecoder(
    ...     vocabulary_size=11, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=3)
    >>> decoder(keras.ops.array([[2, 4, 5]])).shape
    TensorShape([1, 3, 11])

    References:
        - [Liu et al., 2018](https://arxiv.org/abs/1801.10198), Section 4.2.3.
    """

    block_class = CausalBlock

    def __init__(
        self,
        *args,
        tie_output=True,
        use_output_bias=False,
        output_projection=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.tie_output = tie_output
        self.use_output_bias = use_output_bias
        if output_projection is None and not tie_output:
            output_projection = "dense"
        self.output_projection = fill_slot(
            "output_projection",
            output_projection,
            name="output_projection",
            units=self.vocabulary_size,
            use_bias=use_output_bias,
            dtype=self.dtype_policy,
        )
        self.output_bias = None

    def build(self, token_ids_shape=None, **shapes):
        if self.output_projection is not None:
            self._build_output_projection(self.output_projection, (None, None, self.hidden_dim))
        elif self.use_output_bias:
            self.output_bias = self.add_weight(
                name="output_bias", shape=(self.vocabulary_size,), initializer="zeros"
            )
        super().build(token_ids_shape)

    def _build_output_projection(self, projection, hidden_shape):
        if not projection.built:
            projection.build(hidden_shape)
        shape = projection.compute_output_shape(hidden_shape)
        if shape[-1] != self.vocabulary_size:
            raise ValueError(
                "`output_projection` must give one logit for each token of the vocabulary. "
                f"Received: {shape[-1]} outputs, vocabulary_size={self.vocabulary_size}."
            )

    @property
    def can_share_caches(self):
        """bool. Whether the hypotheses of a sentence may share the caches of every block."""
        return all(block.can_share_cache for block in self.blocks)

    def empty_caches(self, batch_size, max_length, num_beams=None):
        """A `SelfCache` per block: `batch_size` rows of `max_length` positions of `num_beams`."""
        return [block.empty_cache(batch_size, max_length, num_beams) for block in self.blocks]

    def fuse_projections(self):
        """Lays out projections once per search: for each block, `FusedKernels` per attention."""
        return [block.fuse_projections() for block in self.blocks]

    def output_kernel(self, num_rows=None):
        """The matrix of the logits, (D, V), laid out once per search, or None if nothing is gained.

        Args:
            num_rows: int. Number of rows of every step, if known.
        """
        is_tied = self.output_projection is None and isinstance(self.embedding, TokenEmbedding)
        # A single row gains nothing.
        return self.embedding.output_kernel() if is_tied and num_rows != 1 else None

    def call(self, token_ids, *, step=None, return_attention_scores=False, training=None):
        return self.decode(token_ids, (), step, return_attention_scores, training)

    def decode(
        self, token_ids, sources, step, return_attention_scores, training, **options_of_blocks
    ):
        """As `call`, but passes `sources` and options on to the blocks."""
        start_index = 0 if step is None else step.position
        hidden = self.embed(token_ids, start_index=start_index, training=training)
        # Without a cache, padding can only follow a sequence: the causal mask hides it from every
        # real position, so a padding mask would cost time and change nothing.
        scores, new_caches = [], []
        for i, block in enumerate(self.blocks):
            results = block(
                hidden,
                *sources,
                step=None if step is None else step.blocks[i],
                return_attention_scores=return_attention_scores,
                training=training,
                **options_of_blocks,
            )
            hidden, *others = as_tuple(results)
            if step is not None and step.blocks[i].self_cache is not None:
                new_caches.append(others.pop())
            scores.append(others)  # of each attention of the block
        output_kernel = None if step is None else step.output_kernel
        results = [self._logits(self.normalize(hidden), output_kernel)]
        results += [stack_scores(of_layers) for of_layers in zip(*scores, strict=True)]
        if new_caches:
            results.append(new_caches)
        return tuple(results) if len(results) > 1 else results[0]

    def _logits(self, hidden, output_kernel):
        if isinstance(self.output_projection, keras.layers.Dense):
            return dense_rows(self.output_projection, hidden)
        if self.output_projection is not None:
            return self.output_projection(hidden)
        laid_out = {} if output_kernel is None else {"output_kernel": output_kernel}
        logits = self.embedding(hidden, reverse=True, **laid_out)
        return logits if self.output_bias is None else logits + self.output_bias

    def compute_output_shape(self, token_ids_shape, *shapes, **named_shapes):
        return (*token_ids_shape, self.vocabulary_size)

    def compute_mask(self, token_ids, previous_mask=None):
        return mask_padding(token_ids)

    def get_config(self):
        return {
            **super().get_config(),
            "tie_output": self.tie_output,
            "use_output_bias": self.use_output_bias,
            "output_projection": serialize_part(self.output_projection),
        }
