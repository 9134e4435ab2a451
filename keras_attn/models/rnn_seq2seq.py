"""Recurrent encoder and decoder with attention (Bahdanau et al., 2015; Luong et al., 2015)."""

import keras
from keras import ops

from keras_attn.layers.size_checks import dropout_rate
from keras_attn.layers.slots import serialize_slot
from keras_attn.models.encoder_decoder_model import EncoderDecoderModel
from keras_attn.models.input_checks import check_inputs
from keras_attn.models.recurrent_decoder import EncodedSource, RecurrentDecoder, RecurrentState
from keras_attn.models.recurrent_encoder import RecurrentEncoder
from keras_attn.ops import padding_mask
from keras_attn.system.argument_checks import check_integer, check_optional_integer


@keras.saving.register_keras_serializable(package="keras_attn")
class RNNSeq2Seq(EncoderDecoderModel):
    """Recurrent encoder and decoder with attention; the interface is that of `Transformer`.

    The encoder reads the embedded source, its first layers in both directions. The decoder starts
    from the encoder's last output. At every step, the output of its last layer attends to the
    encoder's outputs. Both are combined into an attentional vector, which gives the logits and is
    fed to the next step. See `RecurrentEncoder` and `RecurrentDecoder`.

    Departures: with `attention="bahdanau"` only the score is that of Bahdanau et al.; the order of
    a step is Luong's, whose query is the state after the token, not the one before it. Embeddings
    and logits are those of the Transformer: one matrix for both, and embeddings times
    `sqrt(hidden_dim)`.

    Masking: id 0 is padding. Padding of the source changes nothing, in either direction.

    Args:
        source_vocabulary_size: int. Defaults to 37,000.
        target_vocabulary_size: int. None means one vocabulary and one embedding matrix for both
            languages. Defaults to `None`.
        hidden_dim: int. Size of embeddings, and units of a layer in one direction, D. Defaults to
            512.
        num_layers: int. Number of layers of encoder and decoder, L. Defaults to 2.
        num_decoder_layers: int. Number of layers of the decoder, if not `num_layers`.
        num_bidirectional_layers: int. How many of the encoder's first layers read in both
            directions. Defaults to 1.
        cell: `"lstm"`, `"gru"`, or a class with their methods: the recurrent layers. Defaults to
            `"lstm"`.
        attention: `"bahdanau"` (additive), `"luong"` (multiplicative, "general"), or a class with
            their methods. Defaults to `"bahdanau"`.
        dropout: float in [0, 1). Rate applied to the input of every layer and to the vectors that
            give the logits. Defaults to 0.1.
        **kwargs: `name`, `dtype`, as in `keras.Model`.

    Call arguments:
        inputs: dict of `"encoder_token_ids"`, int (B, S), and `"decoder_token_ids"`, int (B, T);
            0 is padding.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V).

    Raises:
        ValueError: if the ids are not integers of rank 2, an argument is out of range, or a slot
            cannot be filled.

    Example:
    >>> model = keras_attn.models.RNNSeq2Seq(
    ...     source_vocabulary_size=20, hidden_dim=8, num_layers=1, cell="gru", attention="luong")
    >>> model({"encoder_token_ids": keras.ops.array([[4, 5, 3]]),
    ...        "decoder_token_ids": keras.ops.array([[2, 6]])}).shape
    TensorShape([1, 2, 20])

    References:
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473).
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025).
    """

    def __init__(
        self,
        source_vocabulary_size=37_000,
        target_vocabulary_size=None,
        hidden_dim=512,
        num_layers=2,
        num_decoder_layers=None,
        num_bidirectional_layers=1,
        cell="lstm",
        attention="bahdanau",
        dropout=0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        num_layers = check_integer("num_layers", num_layers)
        self._config = {
            "source_vocabulary_size": check_integer(
                "source_vocabulary_size", source_vocabulary_size
            ),
            "target_vocabulary_size": check_optional_integer(
                "target_vocabulary_size", target_vocabulary_size
            ),
            "hidden_dim": check_integer("hidden_dim", hidden_dim),
            "num_layers": num_layers,
            "num_decoder_layers": check_optional_integer("num_decoder_layers", num_decoder_layers),
            "num_bidirectional_layers": check_integer(
                "num_bidirectional_layers", num_bidirectional_layers, 0, num_layers
            ),
            "cell": cell,
            "attention": attention,
            "dropout": dropout_rate("dropout", dropout),
        }
        self._set_vocabularies()
        self._make_layers()

    def _make_layers(self):
        config = self._config
        self.source_embedding = self.target_embedding = self.shared_embedding
        if self.shared_embedding is None:
            self.source_embedding = self._embedding(self.source_vocabulary_size, "source_embedding")
            self.target_embedding = self._embedding(self.target_vocabulary_size, "target_embedding")
        common = {name: config[name] for name in ("hidden_dim", "cell", "dropout")}
        self.encoder = RecurrentEncoder(
            num_layers=config["num_layers"],
            num_bidirectional_layers=config["num_bidirectional_layers"],
            dtype=self.dtype_policy,
            name="encoder",
            **common,
        )
        self.decoder = RecurrentDecoder(
            num_layers=config["num_decoder_layers"] or config["num_layers"],
            attention=config["attention"],
            dtype=self.dtype_policy,
            name="decoder",
            **common,
        )

    def _build_parts(self):
        for embedding in (self.source_embedding, self.target_embedding):
            if not embedding.built:
                embedding.build()
        embedded_shape = (None, None, self._config["hidden_dim"])
        self.encoder.build(embedded_shape)
        self.decoder.build(embedded_shape, (None, None, self.encoder.output_dim))

    def call(self, inputs, training=None):
        check_inputs(inputs)
        source, state = self._encode(inputs["encoder_token_ids"], training)
        embedded = self.target_embedding(inputs["decoder_token_ids"])
        attentional, _ = self.decoder(embedded, source, state, training=training)
        return self.target_embedding(attentional, reverse=True)  # (B, T, V)

    def compute_mask(self, inputs, previous_mask=None):
        return padding_mask(inputs["decoder_token_ids"])

    def _encode(self, token_ids, training):
        """What the decoder reads of the sources, (B, S), and its state before the first token."""
        mask = padding_mask(token_ids)
        embedded = self.source_embedding(token_ids)
        value, last_output = self.encoder(embedded, padding_mask=mask, training=training)
        key = self.decoder.attention.project_key(value)
        return EncodedSource(mask, value, key), self.decoder.start(last_output)

    def start(self, encoder_token_ids, max_length, num_beams=None):
        self._ensure_built()
        source, state = self._encode(encoder_token_ids, training=False)
        return {
            "source": source,
            "rows": state,
            "constants": {"output_kernel": self.target_embedding.output_kernel()},
            "position": ops.convert_to_tensor(0, dtype="int32"),
        }

    def decode_step(self, token_ids, state):
        source = EncodedSource(*state["source"])
        attentional, rows = self.decoder(
            self.target_embedding(token_ids),
            source,
            RecurrentState(*state["rows"]),
            num_beams=_num_beams(token_ids, source),
            training=False,
        )
        logits = self.target_embedding(
            attentional, reverse=True, output_kernel=state["constants"]["output_kernel"]
        )
        return logits[:, 0], {**state, "rows": rows, "position": state["position"] + 1}

    def attention_scores(self, inputs):
        self._ensure_built()
        source, state = self._encode(inputs["encoder_token_ids"], training=False)
        embedded = self.target_embedding(inputs["decoder_token_ids"])
        *_, weights = self.decoder(
            embedded, source, state, return_attention_scores=True, training=False
        )
        return {"cross": weights[:, None, None]}  # (B, 1, 1, T, S)

    def get_config(self):
        slots = {name: serialize_slot(self._config[name]) for name in ("cell", "attention")}
        return {**super().get_config(), **slots}


def _num_beams(token_ids, source):
    """Number of hypotheses of a sentence, or None if the numbers of rows are unknown."""
    rows, sentences = token_ids.shape[0], source.value.shape[0]
    return None if None in (rows, sentences) or not sentences else rows // sentences
