"""Batches for the replicas of a strategy."""

from typing import Any

import tensorflow as tf

from keras_attn.data import TrainingPipeline
from keras_attn.training.update.split_rows import split_rows


def distribute_batches(
    pipeline: TrainingPipeline, strategy: tf.distribute.Strategy, start_step: int = 0
) -> Any:
    """Returns the endless stream of batches from a step on, each divided among all replicas.

    Every replica gets an equal block of the rows of each batch, and every worker makes only the
    blocks of its replicas. So a global batch is the batch that one device would get, whatever the
    strategy. (`experimental_distribute_dataset`, which Keras would call, gives every worker the
    whole batch.)

    Args:
        pipeline: TrainingPipeline. The rows of its batches are a multiple of the replicas.
        strategy: tf.distribute.Strategy. The strategy.
        start_step: int. The first step of the stream.

    Returns:
        A `tf.data.Dataset`, or with several replicas a `tf.distribute.DistributedDataset`, for
        `model.fit`.
    """
    if strategy.num_replicas_in_sync == 1:
        return pipeline.dataset_from(start_step)

    def batches_of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        dataset = pipeline.dataset_from(
            start_step, context.input_pipeline_id, context.num_input_pipelines
        ).with_options(_without_autotuning())
        replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
        if replicas == 1:
            return dataset
        return dataset.flat_map(
            lambda *batch: tf.data.Dataset.from_tensor_slices(
                tf.nest.map_structure(lambda rows: split_rows(rows, replicas), batch)
            )
        )

    return strategy.distribute_datasets_from_function(batches_of_worker)


def _without_autotuning() -> tf.data.Options:
    """Options without tf.data's autotuning.

    The autotuning thread sleeps for seconds, and an iterator over several devices waits for that
    thread when it ends. One ends at each validation.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
