"""Sums over the replicas of a strategy."""

from typing import Any

import tensorflow as tf


def sum_over_replicas(tensors: Any) -> Any:
    """Adds up the tensors of all replicas; does nothing with one replica or outside of replicas.

    Args:
        tensors: a tensor, or a nest of them, of this replica.

    Returns:
        The sums, the same on every replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
