"""The interface of every translation model: how search, evaluation and serving see it."""

from collections.abc import Callable

import keras
from keras import ops


class Seq2SeqModel(keras.Model):
    """A model that gives the next token's logits, for whole targets and step by step.

    Search, evaluation and export know nothing else of a model, so whatever implements these four
    methods can be trained, searched, scored, exported and served:

        call(inputs)                     logits of every position of known targets (training)
        start(encoder_token_ids, n)      everything about the source that decoding needs
        decode_step(token_ids, state)    logits of the next position, and the state after it
        attention_scores(inputs)         the attention weights, for people to look at

    The state is a dictionary:

        "source"     nest of tensors of B rows, one a sentence, that the search never changes
        "cache"      nest of tensors of R rows, one row a hypothesis: search re-orders the rows
        "memory"     nest of tensors that each step hands to the next: search leaves them alone
        "weights"    nest of tensors without rows that the search never changes
        "position"   int32 scalar: number of tokens decoded so far

    where R = B * W, the W hypotheses of a sentence adjacent, and R = B after `start`. "memory" and
    "weights" may be left out. The first is for what would be costly to move: the Transformer keeps
    keys and values where they were written, and in "cache" only the places where each hypothesis
    has been. The second is for what would be costly to make at every step.

    Attributes:
        source_vocabulary_size: int. Ids of `encoder_token_ids` are below it.
        target_vocabulary_size: int. Ids of `decoder_token_ids` are below it, V.
        training_step: callable or None. Takes a batch, makes one update and gives the metrics, in
            place of Keras' own step, in `fit`; as `keras_attn.training.TrainingStep`.
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
    training_step: Callable | None = None

    def train_step(self, data):
        """As `keras.Model.train_step`, or what was set as `training_step` in its place."""
        step = super().train_step if self.training_step is None else self.training_step
        return self._reducible(step(data))

    def test_step(self, data):
        """As `keras.Model.test_step`."""
        return self._reducible(super().test_step(data))

    def _reducible(self, logs):
        """Logs as Keras can take their mean over several machines: along an axis.

        Keras 3.15 asks for the mean over axis 0 of what has none, and fails; the mean that it takes
        of a vector of one is a scalar again.
        """
        extended = getattr(getattr(self, "distribute_strategy", None), "extended", None)
        if extended is None or not extended._in_multi_worker_mode():
            return logs
        return {name: ops.reshape(value, (1,)) for name, value in logs.items()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """As Keras', which takes the mean of the replicas' batches, where anything is not built."""
        parts = (self, self._compile_loss, self._compile_metrics, self.optimizer)
        if not all(part is None or part.built for part in parts):
            super()._maybe_symbolic_build(iterator, data_batch)

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`; builds loss and metrics at once.

        Keras builds them with the first batch: too late for a step that carries their values
        through a loop, and under a strategy from the mean of the replicas' batches, which turns
        token ids into floats, and the model rightly refuses those.
        """
        super().compile(*args, **kwargs)
        if self.built:
            labels, weights = ops.zeros((1, 1), "int32"), ops.zeros((1, 1))
            logits = ops.zeros((1, 1, self.target_vocabulary_size))
            with keras.StatelessScope():  # nothing is counted
                self.compute_loss(y=labels, y_pred=logits, sample_weight=weights)
                self.compute_metrics(None, labels, logits, sample_weight=weights)

    def compile_from_config(self, config):
        """Compiles as the saved model was; Keras leaves this to classes that override `compile`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def start(self, encoder_token_ids, max_length, num_beams=None):
        """Encodes the sources and allocates the caches.

        Args:
            encoder_token_ids: int, (B, S). Source tokens and the end token; 0 is padding.
            max_length: int. Number of target positions to make room for, T.
            num_beams: int. Hypotheses that each sentence will have, W: a model may then keep in
                "memory" what would else be copied and moved in "cache". Defaults to None: unknown.

        Returns:
            The state before the first step.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `start`.")

    def decode_step(self, token_ids, state):
        """Feeds one token to every hypothesis.

        Args:
            token_ids: int, (R, 1). The start token first, then what was chosen last.
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
