"""What all stacks of blocks have in common: the embedding of tokens, with positions."""

from keras import ops

from keras_attn.layers import TokenEmbedding
from keras_attn.layers.dropout import Dropout
from keras_attn.layers.several_outputs import SeveralOutputs
from keras_attn.layers.size_checks import dropout_rate
from keras_attn.models.input_checks import check_token_ids
from keras_attn.system.argument_checks import check_integer


class TokenStack(SeveralOutputs):
    """Embeds tokens, adds positions, and holds blocks; the base of every stack.

    A subclass makes `position` (or None), `blocks` and `final_normalization` (or None).
    """

    def __init__(self, vocabulary_size, hidden_dim, dropout, embedding=None, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = check_integer("vocabulary_size", vocabulary_size)
        self.hidden_dim = check_integer("hidden_dim", hidden_dim)
        self.dropout = dropout_rate("dropout", dropout)
        if embedding is not None:
            _check_embedding(embedding, self.vocabulary_size, self.hidden_dim)
        # The stack passes masks explicitly, so the embedding need not attach one.
        self.embedding = embedding or TokenEmbedding(
            vocabulary_size,
            hidden_dim,
            mask_zero=False,
            dtype=self.dtype_policy,
            name="token_embedding",
        )
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, token_ids_shape=None, **shapes):
        hidden_shape = (None, None, self.hidden_dim)
        if not self.embedding.built:
            self.embedding.build()
        for layer in (self.position, *self.blocks, self.final_normalization):
            if layer is not None:
                layer.build(hidden_shape)
        self.built = True

    def embed(self, token_ids, start_index=0, training=None):
        """Token embeddings with positions: int (B, T) -> float (B, T, D)."""
        check_token_ids(self.name, token_ids)
        hidden = self.embedding(token_ids)
        if self.position is not None:
            hidden = self.position(hidden, start_index=start_index)
        return self.dropout_layer(hidden, training=training)


def _check_embedding(embedding, vocabulary_size, hidden_dim):
    """Raises ValueError unless an embedding has the stack's sizes, as far as it tells its own."""
    size = getattr(embedding, "vocabulary_size", getattr(embedding, "input_dim", vocabulary_size))
    width = getattr(embedding, "hidden_dim", getattr(embedding, "output_dim", hidden_dim))
    if (size, width) != (vocabulary_size, hidden_dim):
        raise ValueError(
            "`embedding` must have a vector of `hidden_dim` numbers for each token of the "
            f"vocabulary. Received: {size} vectors of {width} numbers, "
            f"vocabulary_size={vocabulary_size}, hidden_dim={hidden_dim}."
        )


def stack_scores(scores):
    """Stacks a list of (B, H, T, S), one per layer, into (B, L, H, T, S)."""
    return ops.stack(scores, axis=1)
