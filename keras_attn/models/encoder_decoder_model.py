"""What our encoder-decoder models have in common: vocabularies and embeddings."""

from typing import Any

from keras_attn.layers import TokenEmbedding
from keras_attn.layers.plain_config import plain_config
from keras_attn.models.seq2seq_model import Seq2SeqModel


class EncoderDecoderModel(Seq2SeqModel):
    """A `Seq2SeqModel` of an `encoder` and a `decoder`; a shared vocabulary has one embedding.

    A subclass writes its arguments into `_config`, as `get_config` returns them, and then calls
    `_set_vocabularies`.
    """

    shared_embedding: Any
    encoder: Any
    decoder: Any

    def _set_vocabularies(self):
        """Sets the size of both, and `shared_embedding`: None if each side has its own."""
        self.source_vocabulary_size = self._config["source_vocabulary_size"]
        is_shared = self._config["target_vocabulary_size"] is None
        self.target_vocabulary_size = (
            self._config["target_vocabulary_size"] or self.source_vocabulary_size
        )
        self.shared_embedding = None
        if is_shared:
            self.shared_embedding = self._embedding(self.source_vocabulary_size, "shared_embedding")

    def _embedding(self, vocabulary_size, name):
        # The models pass masks explicitly, so the embedding need not attach one.
        return TokenEmbedding(
            vocabulary_size,
            self._config["hidden_dim"],
            mask_zero=False,
            dtype=self.dtype_policy,
            name=name,
        )

    def _build_parts(self):
        if self.shared_embedding is not None:
            self.shared_embedding.build()
        self.encoder.build()
        self.decoder.build()

    def compute_output_shape(self, input_shape):
        return (*input_shape["decoder_token_ids"], self.target_vocabulary_size)

    def get_config(self):
        return {**super().get_config(), **plain_config(self._config)}
