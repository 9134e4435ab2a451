"""The interface of every translation model: how search, evaluation and serving see it."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs


class Seq2SeqModel(DenseInputs, keras.Model):
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

    def export(
        self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs
    ):
        """As `keras.Model.export`, of any batch unless a signature is given."""
        if input_signature is None:
            input_signature = self._input_signature()
        super().export(filepath, format, verbose, input_signature, **kwargs)

    @property
    def _default_save_signature(self):
        """What `tf.saved_model.save` asks for: the same function as `export` writes."""
        archive = keras.export.ExportArchive()
        return archive.track_and_add_endpoint("serve", self, self._input_signature())

    def _input_signature(self):
        names = ("encoder_token_ids", "decoder_token_ids")
        spec = {
            name: keras.InputSpec(shape=(None, None), dtype="int32", name=name) for name in names
        }
        return [spec]

    def train_step(self, *args):
        """As `keras.Model.train_step`, or what was set as `training_step` in its place."""
        step = super().train_step if self.training_step is None else self.training_step
        return self._reducible(step(*args))

    def test_step(self, *args):
        """As `keras.Model.test_step`."""
        return self._reducible(super().test_step(*args))

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
        """As Keras', under a strategy, but from the first replica's batch, and only if needed.

        Keras takes the mean of the replicas' batches, which turns token ids into floats.
        """
        if self._distribute_strategy is None or self._is_built_for_training():
            return
        if iterator is not None:
            _, _, steps = next(iter(iterator))
            data_batch = self._first_replica_of(next(steps))
        with self.distribute_strategy.scope():
            self.build_for_training(data_batch)

    def build_for_training(self, batch):
        """Makes what `fit` makes with its first batch: the state of loss, metrics and optimizer.

        Args:
            batch: tuple of inputs, labels and weights of one replica, as in `fit`. Only shapes and
                dtypes count.
        """
        if not self._is_built_for_training():
            self._symbolic_build(data_batch=batch)

    def _is_built_for_training(self):
        parts = (self, self._compile_loss, self._compile_metrics, self.optimizer)
        return all(part is None or part.built for part in parts)

    def _first_replica_of(self, batch):
        local_results = self.distribute_strategy.experimental_local_results
        return keras.tree.map_structure(lambda value: local_results(value)[0], batch)

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
