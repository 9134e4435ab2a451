"""What encoder and decoder stacks have in common: positions, blocks, final norm."""

import keras

from keras_attn.layers.plain_config import deserialize_part, plain_config, serialize_part
from keras_attn.layers.position.attention_position import AttentionPosition
from keras_attn.layers.size_checks import dropout_rate
from keras_attn.layers.slots import fill_slot, serialize_slot, with_own_seed
from keras_attn.layers.transformer_block import TransformerBlock
from keras_attn.models.token_stack import TokenStack
from keras_attn.system.argument_checks import check_integer


class TransformerStack(TokenStack):
    """A `TokenStack` of `num_layers` Transformer blocks; the base of encoder and decoder."""

    block_class: type[TransformerBlock]

    def __init__(
        self,
        vocabulary_size=37_000,
        hidden_dim=512,
        intermediate_dim=2048,
        num_heads=8,
        num_layers=6,
        dropout=0.1,
        attention_dropout=0.0,
        projection_gain=1.0,
        activation="relu",
        normalize_first=False,
        attention="multi_head",
        position="sinusoidal",
        feed_forward="feed_forward",
        normalization="layer_norm",
        residual="residual",
        stochastic_depth=0.0,
        normalization_epsilon=1e-6,
        max_sequence_length=1024,
        embedding=None,
        **kwargs,
    ):
        super().__init__(vocabulary_size, hidden_dim, dropout, embedding, **kwargs)
        self.num_layers = check_integer("num_layers", num_layers)
        # What the blocks share.
        self._block_config = serialize_arguments(
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            num_heads=num_heads,
            dropout=dropout,
            attention_dropout=attention_dropout,
            projection_gain=projection_gain,
            activation=activation,
            normalize_first=normalize_first,
            attention=attention,
            feed_forward=feed_forward,
            normalization=normalization,
            residual=residual,
            normalization_epsilon=normalization_epsilon,
            max_sequence_length=max_sequence_length,
        )
        self.stochastic_depth = dropout_rate("stochastic_depth", stochastic_depth)
        self._owns_embedding = embedding is None
        self._fill_position(position, max_sequence_length)
        self.blocks = [
            self.block_class(
                **self._block_arguments(i),
                position=self._position_in_blocks,
                # The deeper a block, the more often it is left out (Huang et al., 2016).
                stochastic_depth=stochastic_depth * (i + 1) / num_layers,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]
        # The output of pre-norm blocks is not normalized yet.
        is_normalized = not self.blocks[-1].feed_forward_residual.normalize_first
        self.final_normalization = fill_slot(
            "normalization",
            None if is_normalized else normalization,
            name="final_normalization",
            clone=True,
            epsilon=normalization_epsilon,
            dtype=self.dtype_policy,
        )

    def _block_arguments(self, index):
        """What the blocks share, but for seeds."""
        # A block needs several seeds; encoder and decoder may be given the same one.
        number = 4 * index + (1_000_000 if self.block_class.is_causal else 0)
        slots = ("attention", "feed_forward", "residual")
        seeded = {slot: with_own_seed(self._block_config[slot], number) for slot in slots}
        return {**self._block_config, **seeded}

    def _fill_position(self, position, max_sequence_length):
        """Positions are added to the embeddings, or act inside attention in every block."""
        filled = fill_slot(
            "position",
            position,
            name="position",
            clone=True,
            max_sequence_length=max_sequence_length,
            bidirectional=not self.block_class.is_causal,
            dtype=self.dtype_policy,
        )
        self._position_config = serialize_slot(filled)
        # Assigned once: Keras goes on to track a layer whose attribute is replaced.
        is_inside = isinstance(filled, AttentionPosition)
        self.position = None if is_inside else filled
        self._position_in_blocks = self._position_config if is_inside else None

    @property
    def longest_sequence(self):
        """int or None. The longest sequence that the weights allow, in tokens; None for any.

        Learned positions, or an attention such as Linformer, set a limit.
        """
        limited = (self.position, self.blocks[0].self_attention)
        limits = [getattr(layer, "max_sequence_length", None) for layer in limited]
        return min((limit for limit in limits if limit is not None), default=None)

    def normalize(self, hidden):
        """The final normalization of a pre-norm stack; a post-norm stack needs none."""
        return hidden if self.final_normalization is None else self.final_normalization(hidden)

    def get_config(self):
        config = {
            "vocabulary_size": self.vocabulary_size,
            **plain_config(self._block_config),
            "activation": keras.activations.serialize(self._block_config["activation"]),
            "num_layers": self.num_layers,
            "stochastic_depth": self.stochastic_depth,
            "position": plain_config(self._position_config),
        }
        if not self._owns_embedding:
            config["embedding"] = serialize_part(self.embedding)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config, **options):
        return super().from_config(with_embedding(config), **options)


def with_embedding(config):
    """A stack's config with its embedding as a layer, if it was given one."""
    if config.get("embedding") is None:
        return config
    return {**config, "embedding": deserialize_part(config["embedding"])}


def serialize_arguments(**arguments):
    """Arguments that stacks and blocks share; slots in the form that a config stores."""
    for name in ("hidden_dim", "intermediate_dim", "num_heads", "max_sequence_length"):
        if arguments[name] is not None or name != "max_sequence_length":
            arguments[name] = check_integer(name, arguments[name])
    slots = {"attention", "position", "feed_forward", "normalization", "residual"}
    for slot in slots & set(arguments):
        arguments[slot] = serialize_slot(arguments[slot])
    # A function stays a function: another one may have its name.
    arguments["activation"] = keras.activations.get(arguments["activation"])
    return arguments
