"""A `keras.Model` that trains on several devices and machines."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attn.layers.dense_inputs import DenseInputs


class TrainableModel(DenseInputs, keras.Model):
    """A `keras.Model` of token ids that trains under every strategy and exports for any batch.

    Keras 3.15 trains a subclassed model under `MirroredStrategy` and `MultiWorkerMirroredStrategy`
    only with the repairs below; each says what it repairs.

    Attributes:
        input_names: tuple of str. Names of the inputs, int32 ids of shape (batch, length).
        training_step: callable or None. Takes a batch, makes one update and returns the metrics; it
            replaces Keras' own step in `fit`. An example is `keras_attn.training.TrainingStep`.
    """

    input_names: tuple[str, ...] = ()
    training_step: Callable | None = None

    def build(self, input_shape=None):
        """Creates the weights, unless they are there: `create_model` has built its models."""
        if not self.built:
            self._build_parts()  # and then Keras sets `built`

    def _build_parts(self):
        raise NotImplementedError(f"{type(self).__name__} does not implement `_build_parts`.")

    def _ensure_built(self):
        """Builds a new model. A method that uses its parts without `call` begins with this.

        Otherwise each part would build itself, and the model could no longer be built.
        """
        if not self.built:
            self.build()

    def export(
        self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs
    ):
        """As `keras.Model.export`, for batches of any shape unless a signature is given."""
        if input_signature is None:
            input_signature = self._input_signature()
        super().export(filepath, format, verbose, input_signature, **kwargs)

    @property
    def _default_save_signature(self):
        """What `tf.saved_model.save` asks for: the same function that `export` writes."""
        if keras.backend.backend() != "tensorflow":  # there, saving would only look at it
            return None
        archive = keras.export.ExportArchive()
        return archive.track_and_add_endpoint("serve", self, self._input_signature())

    def _input_signature(self):
        return [
            {
                name: keras.InputSpec(shape=(None, None), dtype="int32", name=name)
                for name in self.input_names
            }
        ]

    def train_step(self, *args):
        """As `keras.Model.train_step`, unless `training_step` replaces it."""
        step = super().train_step if self.training_step is None else self.training_step
        return self._reducible(step(*args))

    def test_step(self, *args):
        """As `keras.Model.test_step`."""
        return self._reducible(super().test_step(*args))

    def _reducible(self, logs):
        """Gives logs the axis along which Keras takes their mean over several machines.

        Keras 3.15 takes the mean over axis 0 of a scalar, and fails. The mean of a vector of one
        element is a scalar again.
        """
        if _num_workers(getattr(self, "distribute_strategy", None)) < 2:
            return logs
        return {name: ops.reshape(value, (1,)) for name, value in logs.items()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """As in Keras, under a strategy, but from the first replica's batch, and only if needed.

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


def _num_workers(strategy):
    """Number of processes that train together, each with its own `fit`; a TPU has one."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or hasattr(resolver, "get_tpu_system_metadata"):
        return 1
    tasks = resolver.cluster_spec().as_dict()
    return sum(len(tasks.get(job, ())) for job in ("chief", "worker"))
