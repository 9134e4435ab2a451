"""The resource that holds a SentencePiece model for the graph operations of TensorFlow Text."""

import hashlib

import tensorflow as tf
from tensorflow_text.python.ops.sentencepiece_tokenizer import gen_sentencepiece_tokenizer


class SharedSentencePieceModel(tf.saved_model.experimental.TrackableResource):
    """A SentencePiece model that lives as long as the process.

    The resource that TensorFlow Text makes belongs to one cached kernel, and `tf.random.set_seed`
    (and so `keras.utils.set_random_seed`) empties that cache. Every tokenizer made before that call
    then fails with "Resource ... does not exist". A resource with a name belongs to no kernel. The
    name is a digest of the model, so equal names always mean equal models.

    Args:
        model: bytes. A serialized SentencePiece model.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__()
        self._model = model
        self._shared_name = f"sentencepiece_{hashlib.sha256(model).hexdigest()}"
        _ = self.resource_handle  # reading this property makes the resource

    def _create_resource(self) -> tf.Tensor:
        return gen_sentencepiece_tokenizer.sentencepiece_op(
            model=self._model, shared_name=self._shared_name
        )
