"""Convolutional sequence to sequence learning (Gehring et al., 2017)."""

import keras
from keras import ops

from keras_attn.layers.slots import serialize_slot
from keras_attn.models.conv_decoder import ConvDecoder, ConvStep
from keras_attn.models.conv_encoder import ConvEncoder
from keras_attn.models.encoder_decoder_model import EncoderDecoderModel
from keras_attn.models.input_checks import check_inputs, check_max_length
from keras_attn.system.argument_checks import check_integer, check_optional_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class ConvSeq2Seq(EncoderDecoderModel):
    """Encoder and decoder of gated convolutions, with attention in every layer of the decoder.

    The defaults are the sizes of the paper's English-Romanian model (Section 5.1).

    A step of decoding remembers the last `kernel_size - 1` inputs of each convolution, whatever the
    length of the sentence, and attends to keys and values that all layers share.

    Departures from the paper: embeddings and all layers have one width, and there is no linear map
    between the embeddings and the first block; layer normalization in place of weight
    normalization, see `ConvBlock`; the scale of the attention, see `ConvDecoderBlock`; gradients of
    the encoder, see `ConvEncoder`; one embedding for both languages and the output if there is one
    vocabulary.

    Args:
        source_vocabulary_size: int. Defaults to the paper's 40,000.
        target_vocabulary_size: int. None means one vocabulary and one embedding matrix for both
            languages. Defaults to `None`.
        hidden_dim, kernel_size, dropout, position, normalization, max_sequence_length: as in
            `ConvEncoder`, for both stacks.
        num_layers: int. Number of blocks of each stack, L. Defaults to 20.
        num_decoder_layers: int. Number of blocks of the decoder, if not `num_layers`.
        tie_output: bool. Use the target's embedding as the projection to logits, instead of the
            paper's separate matrix and bias. Defaults to `True`.
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
    >>> model = keras_attn.models.ConvSeq2Seq(source_vocabulary_size=20, hidden_dim=8, num_layers=1)
    >>> model({"encoder_token_ids": keras.ops.array([[4, 5, 3]]),
    ...        "decoder_token_ids": keras.ops.array([[2, 6]])}).shape
    TensorShape([1, 2, 20])

    References:
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122).
    """

    def __init__(
        self,
        source_vocabulary_size=40_000,
        target_vocabulary_size=None,
        hidden_dim=512,
        kernel_size=3,
        num_layers=20,
        num_decoder_layers=None,
        dropout=0.1,
        position="learned",
        normalization="layer_norm",
        max_sequence_length=1024,
        tie_output=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._config = {
            "source_vocabulary_size": check_integer(
                "source_vocabulary_size", source_vocabulary_size
            ),
            "target_vocabulary_size": check_optional_integer(
                "target_vocabulary_size", target_vocabulary_size
            ),
            "hidden_dim": check_integer("hidden_dim", hidden_dim),
            "kernel_size": check_integer("kernel_size", kernel_size),
            "num_layers": check_integer("num_layers", num_layers),
            "num_decoder_layers": check_optional_integer("num_decoder_layers", num_decoder_layers),
            "dropout": dropout,
            "position": serialize_slot(position),
            "normalization": serialize_slot(normalization),
            "max_sequence_length": check_optional_integer(
                "max_sequence_length", max_sequence_length
            ),
            "tie_output": tie_output,
        }
        self._set_vocabularies()
        self.encoder, self.decoder = self._make_stacks()
        # Only learned positions have a limit.
        self.max_sequence_length = getattr(self.encoder.position, "max_sequence_length", None)

    def _make_stacks(self):
        num_layers = self._config["num_layers"]
        names = (
            "hidden_dim", "kernel_size", "dropout", "position", "normalization",
            "max_sequence_length",
        )  # fmt: skip
        options = {name: self._config[name] for name in names}
        options |= {"embedding": self.shared_embedding, "dtype": self.dtype_policy}
        encoder = ConvEncoder(
            self.source_vocabulary_size, num_layers=num_layers, name="encoder", **options
        )
        decoder = ConvDecoder(
            self.target_vocabulary_size,
            num_layers=self._config["num_decoder_layers"] or num_layers,
            tie_output=self._config["tie_output"],
            name="decoder",
            **options,
        )
        return encoder, decoder

    def call(self, inputs, training=None):
        check_inputs(inputs)
        source = self.encoder(inputs["encoder_token_ids"], training=training)
        return self.decoder(inputs["decoder_token_ids"], source, training=training)  # (B, T, V)

    def start(self, encoder_token_ids, max_length, num_beams=None):
        # The encoder itself checks the length of the source.
        check_max_length(max_length, self.max_sequence_length)
        self._ensure_built()
        batch_size, known_rows = ops.shape(encoder_token_ids)[0], encoder_token_ids.shape[0]
        num_rows = None if known_rows is None else known_rows * (num_beams or 1)
        output_kernel = self.decoder.output_kernel(num_rows)
        return {
            "source": self.encoder(encoder_token_ids, training=False),
            "rows": self.decoder.empty_states(batch_size),
            "constants": {} if output_kernel is None else {"output_kernel": output_kernel},
            "position": ops.convert_to_tensor(0, dtype="int32"),
        }

    def decode_step(self, token_ids, state):
        step = ConvStep(state["position"], state["rows"], **state["constants"])
        logits, states = self.decoder(token_ids, state["source"], step=step, training=False)
        return logits[:, 0], {**state, "rows": states, "position": state["position"] + 1}

    def attention_scores(self, inputs):
        self._ensure_built()
        source = self.encoder(inputs["encoder_token_ids"], training=False)
        _, scores = self.decoder(
            inputs["decoder_token_ids"], source, return_attention_scores=True, training=False
        )
        return {"cross": scores}
