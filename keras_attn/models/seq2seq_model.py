"""The interface of every translation model, for search, evaluation and serving."""

from keras_attn.models.trainable_model import TrainableModel


class Seq2SeqModel(TrainableModel):
    """A model that gives the next token's logits, for whole targets and step by step.

    Search, evaluation and export use only these four methods. So a model that has them can be
    trained, searched, scored, exported and served:

        call(inputs)                     logits of every position of known targets (training)
        start(encoder_token_ids, n)      the encoded source and empty caches
        decode_step(token_ids, state)    logits of the next position, and the state after it
        attention_scores(inputs)         the attention weights, for pictures

    The state is a dictionary:

        "source"      nest of tensors of B rows, one per sentence, that the search never changes
        "rows"        nest of tensors of R rows, one per hypothesis, that the search reorders
        "carried"     nest of tensors that each step hands to the next; the search leaves them alone
        "constants"   nest of tensors that are computed from the weights alone
        "position"    int32 scalar: number of tokens decoded so far

    where R = B * W, with the W hypotheses of a sentence adjacent, and R = B after `start`.
    "carried" and "constants" may be left out. "carried" is for what would be costly to move: the
    Transformer keeps keys and values where they were written, and "rows" only tells which of them
    belong to each hypothesis. "constants" is for what would be costly to compute at every step; an
    exported model computes it once, when it is loaded.

    Attributes:
        source_vocabulary_size: int. Ids of `encoder_token_ids` are below it.
        target_vocabulary_size: int. Ids of `decoder_token_ids` are below it, V.
        max_sequence_length: int or None. Longest source or target the weights allow, in tokens.

    Example:
    >>> model = keras_attn.create_model("transformer_tiny", source_vocabulary_size=20)
    >>> state = model.start(keras.ops.array([[5, 6, 3], [7, 3, 0]]), max_length=4)
    >>> logits, state = model.decode_step(keras.ops.array([[2], [2]]), state)
    >>> logits.shape, int(state["position"])
    (TensorShape([2, 20]), 1)
    """

    source_vocabulary_size: int
    target_vocabulary_size: int
    max_sequence_length: int | None = None

    input_names = ("encoder_token_ids", "decoder_token_ids")

    def start(self, encoder_token_ids, max_length, num_beams=None):
        """Encodes the sources and allocates the caches.

        Args:
            encoder_token_ids: int, (B, S). Source tokens and the end token; 0 is padding.
            max_length: int. Number of target positions to make room for, T.
            num_beams: int. Number of hypotheses per sentence, W. If it is known, a model may keep
                in "carried" what it would otherwise copy and move in "rows". Defaults to None:
                unknown.

        Returns:
            The state before the first step.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `start`.")

    def decode_step(self, token_ids, state):
        """Feeds one token to every hypothesis.

        Args:
            token_ids: int, (R, 1). The start token first, then the token chosen last.
            state: as `start` or the previous step returned it.

        Returns:
            Logits of the next token, (R, V), and the state after it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `decode_step`.")

    def attention_scores(self, inputs):
        """Attention weights of known sources and targets.

        Args:
            inputs: dict of `"encoder_token_ids"`, (B, S), and `"decoder_token_ids"`, (B, T).

        Returns:
            dict of `"encoder"`, (B, L, H, S, S), `"decoder"`, (B, L, H, T, T), and `"cross"`,
            (B, L, H, T, S); a model without one of these leaves it out.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `attention_scores`.")
