"""The workers that train together, and how they agree."""

import hashlib

import numpy as np
import tensorflow as tf


class WorkerMismatchError(ValueError):
    """The workers of one run do not have the same data or settings."""


class WorkerLostError(RuntimeError):
    """Another worker has ended, or cannot be reached.

    Args:
        reason: str. The message of TensorFlow's error.
    """

    def __init__(self, reason: str) -> None:
        reason = " ".join(reason.partition("aborted by:")[2].split()) or "no reason given"
        super().__init__(
            "another worker has ended, or cannot be reached; start all of them again with "
            f"`--resume` ({reason[:200]})"
        )


class Workers:
    """The workers of a strategy: one, unless it has several (`MultiWorkerMirroredStrategy`).

    Every decision that changes the number of updates must be the same in all workers. Otherwise
    some wait forever for an update that the others do not make. So the workers use these methods to
    decide together on everything that depends on a clock, a signal or a translation. All workers
    must call them in the same order. With one worker they cost nothing.

    Args:
        strategy: tf.distribute.Strategy or None. The strategy; None: one worker.

    Attributes:
        count: int. The number of workers.
        index: int. The index of this worker.
        is_chief: bool. Whether this is the first worker, which writes files and shows progress.

    Example:

    >>> workers = Workers()
    >>> workers.is_chief, workers.any(False), workers.from_chief(0.5)
    (True, False, 0.5)
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        self._strategy = strategy or tf.distribute.get_strategy()
        self.count, self.index = 1, 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            cluster = resolver.cluster_spec().as_dict()
            chiefs, others = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
            self.count = max(1, chiefs + others)  # no cluster: one worker
        if self.count > 1:
            self.index = 0 if resolver.task_type == "chief" else chiefs + int(resolver.task_id)
        self.is_chief = self.index == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any worker."""
        return bool(flag) if self.count == 1 else self._sum(float(flag)) > 0

    def from_chief(self, value: float) -> float:
        """The chief's value, in every worker."""
        return value if self.count == 1 else self._sum(float(value) if self.is_chief else 0.0)

    def wait(self) -> None:
        """Waits for all workers."""
        self.any(False)

    def check_same(self, what: str, digest: str) -> None:
        """Raises in every worker if the digest of one differs from the chief's.

        Args:
            what: str. The name of what is compared, for the message.
            digest: str. The digest of this worker.

        Raises:
            WorkerMismatchError: if they differ.
        """
        if self.count == 1:
            return
        # 48 bits, which a float64 holds exactly.
        number = float(int.from_bytes(hashlib.sha256(digest.encode()).digest()[:6], "big"))
        differs = number != self.from_chief(number)
        different = self._sum(float(differs))
        if different:
            which = f"including worker {self.index}" if differs else f"not worker {self.index}"
            raise WorkerMismatchError(
                f"`{what}` must be the same on all {self.count} workers. Received: a value that "
                f"differs from the first worker's on {different:.0f} of them ({which}). Start all "
                "workers with the same arguments and files"
            )

    def _sum(self, value: float) -> float:
        """The sum over the workers."""
        local = max(1, self._strategy.num_replicas_in_sync // self.count)

        def of_replica(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            is_first = context.replica_id_in_sync_group % local == 0
            return tf.constant(value if is_first else 0.0, tf.float64)

        values = self._strategy.experimental_distribute_values_from_function(of_replica)
        return float(np.asarray(self._strategy.reduce("SUM", values, axis=None)))
