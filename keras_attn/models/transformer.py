"""The Transformer (Vaswani et al., 2017): encoder, decoder, shared embedding."""

import keras

from keras_attn.layers.attention.attention_cache import CrossCache
from keras_attn.layers.size_checks import dropout_rate
from keras_attn.layers.slots import serialize_slot
from keras_attn.models.decoder import Decoder
from keras_attn.models.encoder import Encoder
from keras_attn.models.encoder_decoder_model import EncoderDecoderModel
from keras_attn.models.input_checks import check_inputs, check_max_length
from keras_attn.models.step_by_step import StepByStep
from keras_attn.models.transformer_stack import serialize_arguments
from keras_attn.ops import padding_mask
from keras_attn.system.argument_checks import check_integer, check_optional_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class Transformer(StepByStep, EncoderDecoderModel):
    """Encoder-decoder Transformer; the defaults are the paper's base model.

    Args:
        source_vocabulary_size: int. Defaults to the paper's 37,000.
        target_vocabulary_size: int. None means one vocabulary and one embedding matrix for both
            languages. Defaults to `None`, as in the paper.
        hidden_dim, intermediate_dim, num_heads, dropout, attention_dropout, projection_gain,
            activation, normalize_first, attention, position, feed_forward, normalization, residual,
            stochastic_depth, normalization_epsilon, max_sequence_length: as in `Encoder`, for both
            stacks.
        num_layers: int. Number of blocks of each stack, L. Defaults to 6.
        num_decoder_layers: int. Number of blocks of the decoder, if not `num_layers`.
        decoder_attention: slot. The attention of the decoder, if not `attention`: some kinds are
            for encoders only.
        tie_output, use_output_bias, output_projection: how the logits are made, as in `Decoder`.
        **kwargs: `name`, `dtype`, as in `keras.Model`.

    Call arguments:
        inputs: dict of `"encoder_token_ids"`, int (B, S), and `"decoder_token_ids"`, int (B, T);
            0 is padding.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V).

    Raises:
        ValueError: if the ids are not integers of rank 2, or an argument is out of range.

    Example:
    >>> model = keras_attn.models.Transformer(
    ...     source_vocabulary_size=20, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=1)
    >>> model({"encoder_token_ids": keras.ops.array([[4, 5, 3]]),
    ...        "decoder_token_ids": keras.ops.array([[2, 6]])}).shape
    TensorShape([1, 2, 20])

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762).
    """

    def __init__(
        self,
        source_vocabulary_size=37_000,
        target_vocabulary_size=None,
        hidden_dim=512,
        intermediate_dim=2048,
        num_heads=8,
        num_layers=6,
        num_decoder_layers=None,
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
        decoder_attention=None,
        tie_output=True,
        use_output_bias=False,
        output_projection=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        stack_config = serialize_arguments(
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            num_heads=num_heads,
            dropout=dropout,
            attention_dropout=attention_dropout,
            projection_gain=projection_gain,
            activation=activation,
            normalize_first=normalize_first,
            attention=attention,
            position=position,
            feed_forward=feed_forward,
            normalization=normalization,
            residual=residual,
            normalization_epsilon=normalization_epsilon,
            max_sequence_length=max_sequence_length,
        )
        stack_config["stochastic_depth"] = dropout_rate("stochastic_depth", stochastic_depth)
        self._config = {
            "source_vocabulary_size": check_integer(
                "source_vocabulary_size", source_vocabulary_size
            ),
            "target_vocabulary_size": check_optional_integer(
                "target_vocabulary_size", target_vocabulary_size
            ),
            "num_layers": check_integer("num_layers", num_layers),
            "num_decoder_layers": check_optional_integer("num_decoder_layers", num_decoder_layers),
            "tie_output": tie_output,
            "use_output_bias": use_output_bias,
            "decoder_attention": serialize_slot(decoder_attention),
            **stack_config,
        }
        self._set_vocabularies()
        self.encoder = Encoder(
            self.source_vocabulary_size,
            num_layers=num_layers,
            embedding=self.shared_embedding,
            dtype=self.dtype_policy,
            name="encoder",
            **stack_config,
        )
        self.decoder = Decoder(
            self.target_vocabulary_size,
            num_layers=num_layers if num_decoder_layers is None else num_decoder_layers,
            embedding=self.shared_embedding,
            tie_output=tie_output,
            use_output_bias=use_output_bias,
            output_projection=output_projection,
            dtype=self.dtype_policy,
            name="decoder",
            **{**stack_config, "attention": decoder_attention or attention},
        )
        limits = [stack.longest_sequence for stack in (self.encoder, self.decoder)]
        known = [limit for limit in limits if limit is not None]
        self.max_sequence_length = min(known, default=None)

    def call(self, inputs, training=None):
        check_inputs(inputs)
        encoder_token_ids = inputs["encoder_token_ids"]
        encoder_sequence = self.encoder(encoder_token_ids, training=training)  # (B, S, D)
        return self.decoder(
            inputs["decoder_token_ids"],
            encoder_sequence,
            encoder_padding_mask=padding_mask(encoder_token_ids),
            training=training,
        )  # (B, T, V)

    def start(self, encoder_token_ids, max_length, num_beams=None):
        # The encoder itself checks the length of the source.
        check_max_length(max_length, self.max_sequence_length)
        self._ensure_built()
        encoder_sequence = self.encoder(encoder_token_ids, training=False)
        source = {
            "padding_mask": padding_mask(encoder_token_ids),
            "cross_caches": self.decoder.project_encoder_sequence(encoder_sequence),
        }
        return self._start_state(encoder_token_ids, max_length, num_beams, source)

    def decode_step(self, token_ids, state):
        padding_mask_of_source = state["source"]["padding_mask"]
        return self._advance(token_ids, state, encoder_padding_mask=padding_mask_of_source)

    def _cross_caches(self, state):
        return [
            CrossCache(tensors, kernels)
            for tensors, (_, kernels) in zip(
                state["source"]["cross_caches"], state["constants"]["kernels"], strict=True
            )
        ]

    def attention_scores(self, inputs):
        self._ensure_built()
        encoder_token_ids = inputs["encoder_token_ids"]
        encoder_sequence, encoder_scores = self.encoder(
            encoder_token_ids, return_attention_scores=True, training=False
        )
        _, decoder_scores, cross_scores = self.decoder(
            inputs["decoder_token_ids"],
            encoder_sequence,
            encoder_padding_mask=padding_mask(encoder_token_ids),
            return_attention_scores=True,
            training=False,
        )
        return {"encoder": encoder_scores, "decoder": decoder_scores, "cross": cross_scores}

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self._config["activation"]),
            "output_projection": serialize_slot(self.decoder.output_projection),
        }
