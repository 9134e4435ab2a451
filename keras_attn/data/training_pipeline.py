"""From a corpus to shuffled batches of a few fixed shapes, for `model.fit` (Sec. 5.1)."""

import hashlib

import numpy as np
import tensorflow as tf

from keras_attn.data.batching import assign_buckets, choose_shapes
from keras_attn.data.corpus import Corpus
from keras_attn.data.filter_pairs import filter_pairs
from keras_attn.data.filter_report import FilterReport
from keras_attn.data.token_sequences import TokenSequences
from keras_attn.data.tokenizer import Tokenizer

MAX_BUCKETS = 12  # XLA compiles the training step for each shape
_ENDLESS = np.iinfo(np.int64).max


class TrainingPipeline:
    """The batches of a corpus, in an order that depends only on the seed and the epoch.

    `training_pipeline` makes one. A batch is

        ({"encoder_token_ids": (rows, length), "decoder_token_ids": (rows, length)},
         labels (rows, length), sample_weight (rows, length))

    where (rows, length) is one of `shapes`. Encoder inputs are the pieces of the source and the end
    token. Labels are the pieces of the target and the end token. Decoder inputs are the start token
    and the pieces of the target, so they are the labels shifted right by one position. The weight
    is 1 at real labels. All other values are 0, including whole rows if the last batch of a bucket
    has too few pairs.

    In epoch e the pairs of each bucket are distributed over its batches in an order drawn from
    (seed, e). Then the batches of all buckets are shuffled together. Shuffling a whole epoch takes
    milliseconds, and a batch is gathered from arrays in memory, so training can start at any step
    without delay. All of it runs in `tf.data`, with no Python at run time.

    Args:
        sources: `TokenSequences`. The sources, including the end token.
        targets: `TokenSequences`. The targets, including the end token, one for each source.
        shapes: list of (rows, length), by ascending length.
        report: `FilterReport`. How many pairs were kept and left out.
        seed: int. The seed of the order.
        shuffle: bool. Whether to shuffle. Otherwise batches are ordered by length, and pairs as in
            the corpus.
        repeat: bool. Whether `dataset` is endless.

    Attributes:
        dataset: `tf.data.Dataset`. With `repeat`, the endless stream of all epochs. Otherwise one
            epoch: the first iterator over it gives epoch 0, the next one epoch 1, and so on, so
            `fit(dataset, epochs=10)` sees ten different orders. If Keras reads from the data set
            before it trains, as it does under a strategy, that iterator takes epoch 0.
            `dataset_from` has no such state.
        shapes: list of (rows, length). The only shapes that batches have.
        batches_of_shape: list of int. The number of batches of each shape in an epoch.
        steps_per_epoch: int. The number of batches of an epoch.
        target_tokens: int. The number of real labels of an epoch, including end tokens: the sum of
            all weights.
        padding_share: float. The share of an epoch's label positions that are padding.
        report: `FilterReport`. How many pairs were kept, and why the others were left out.
        fingerprint: str. A digest of all token ids that were kept, in their order. It is the same
            for the same pairs and tokenizers.

    Example:

    >>> from keras_attn.data import ByteTokenizer
    >>> corpus = Corpus(["a", "b", "c"], ["x", "y", "z"])
    >>> options = {"global_batch_tokens": 8, "rows_multiple": 1}
    >>> pipeline = training_pipeline(corpus, ByteTokenizer(), **options)
    >>> pipeline.shapes, pipeline.steps_per_epoch, pipeline.target_tokens
    ([(2, 4)], 2, 6)
    >>> _, labels, _ = next(iter(pipeline.dataset_from(start_step=7)))
    >>> labels.shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        sources: TokenSequences,
        targets: TokenSequences,
        shapes: list[tuple[int, int]],
        report: FilterReport,
        seed: int = 0,
        shuffle: bool = True,
        repeat: bool = False,
    ) -> None:
        self.shapes = shapes
        self.report = report
        self.fingerprint = _fingerprint(sources, targets)
        self._seed, self._shuffle = seed, shuffle
        bucket = assign_buckets(np.maximum(sources.lengths, targets.lengths), shapes)
        by_bucket = np.argsort(bucket, kind="stable")
        rows, lengths = np.array(shapes, dtype=np.int64).T
        pairs = np.bincount(bucket, minlength=len(shapes))
        batches = -(-pairs // rows)
        self._pairs_of_bucket = [int(count) for count in pairs]
        self.batches_of_shape = [int(count) for count in batches]
        self.steps_per_epoch = sum(self.batches_of_shape)
        self.target_tokens = int(targets.lengths.sum())
        self.padding_share = 1.0 - self.target_tokens / float((batches * rows * lengths).sum())
        # The data set's functions capture these tensors. They are on the CPU because they would
        # fill an accelerator.
        with tf.device("/CPU:0"):
            self._rows, self._lengths, self._pairs = map(tf.constant, (rows, lengths, pairs))
            self._first_pair = tf.constant(np.cumsum(pairs) - pairs)
            self._end_batch = tf.constant(np.cumsum(batches))
            self._first_batch = tf.constant(np.cumsum(batches) - batches)
            self._sources = _to_tensors(sources.select(by_bucket))
            self._targets = _to_tensors(targets.select(by_bucket))
            self._next_epoch = tf.Variable(0, dtype=tf.int64, trainable=False, name="next_epoch")
        self.dataset = self.dataset_from(0) if repeat else self._one_epoch_after_another()

    def dataset_from(
        self, start_step: int, worker_index: int = 0, num_workers: int = 1
    ) -> tf.data.Dataset:
        """The endless stream of batches that starts at a global step.

        Step s is step `s % steps_per_epoch` of epoch `s // steps_per_epoch`. So training that
        stopped after s steps continues with `dataset_from(s)` as if it had never stopped.

        Args:
            start_step: int. The first step of the stream, counted from 0.
            worker_index: int. The worker whose share of each batch is returned, if several machines
                train together.
            num_workers: int. How many workers share each batch, in equal blocks of rows.

        Returns:
            A `tf.data.Dataset` without end.

        Raises:
            ValueError: `start_step` is negative, `worker_index` is out of range, or `num_workers`
                does not divide the rows of every batch.
        """
        if start_step < 0:
            raise ValueError(f"`start_step` must be zero or more. Received: {start_step}.")
        if not 0 <= worker_index < num_workers:
            raise ValueError(
                f"`worker_index` must be at least 0 and below `num_workers`. "
                f"Received: {worker_index} of {num_workers}."
            )
        if any(rows % num_workers for rows, _ in self.shapes):
            raise ValueError(
                f"`num_workers` must divide the rows of every batch. Received: {num_workers}, for "
                f"the shapes {self.shapes}. Make `rows_multiple` a multiple of it."
            )
        first_epoch, first_step = divmod(start_step, self.steps_per_epoch)

        def epoch_steps(epoch: tf.Tensor) -> tf.data.Dataset:
            skipped = tf.where(
                epoch == first_epoch, tf.constant(first_step, tf.int64), tf.constant(0, tf.int64)
            )
            return self._epoch(epoch, skipped, worker_index, num_workers)

        dataset = tf.data.Dataset.range(first_epoch, _ENDLESS).flat_map(epoch_steps)
        return _finish(dataset, tf.data.INFINITE_CARDINALITY)

    def _one_epoch_after_another(self) -> tf.data.Dataset:
        # The variable gives every iterator the epoch after that of the previous iterator.
        epochs = tf.data.Dataset.range(1).map(lambda _: self._next_epoch.assign_add(1) - 1)
        dataset = epochs.flat_map(lambda epoch: self._epoch(epoch, tf.constant(0, tf.int64)))
        return _finish(dataset, self.steps_per_epoch)

    def _epoch(
        self, epoch: tf.Tensor, first_step: tf.Tensor, worker_index: int = 0, num_workers: int = 1
    ) -> tf.data.Dataset:
        """The batches of one epoch, starting at its step `first_step`."""
        pair_order, batch_order = self._orders(epoch)
        steps = tf.data.Dataset.range(first_step, self.steps_per_epoch)
        return steps.map(
            lambda step: self._batch(
                tf.gather(batch_order, step), pair_order, worker_index, num_workers
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def _orders(self, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The order of the pairs of an epoch, bucket by bucket, and the order of its batches."""
        spans = [tf.range(count, dtype=tf.int64) for count in self._pairs_of_bucket]
        batch_order = tf.range(self.steps_per_epoch, dtype=tf.int64)
        if self._shuffle:
            draws = len(spans) + 1
            seeds = [
                tf.stack([tf.constant(self._seed, tf.int64), epoch * draws + i])
                for i in range(draws)
            ]
            shuffle = tf.random.experimental.stateless_shuffle
            spans = [shuffle(span, seed) for span, seed in zip(spans, seeds[1:], strict=True)]
            batch_order = shuffle(batch_order, seeds[0])
        first_pairs = tf.unstack(self._first_pair, num=len(spans))
        pair_order = [span + first for span, first in zip(spans, first_pairs, strict=True)]
        return tf.concat(pair_order, axis=0), batch_order

    def _batch(
        self, number: tf.Tensor, pair_order: tf.Tensor, worker_index: int, num_workers: int
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Batch `number` of an epoch whose pairs have the order `pair_order`."""
        bucket = tf.searchsorted(self._end_batch, number[None], side="right")[0]
        rows, width = tf.gather(self._rows, bucket), tf.gather(self._lengths, bucket)
        share = rows // num_workers
        first = (number - tf.gather(self._first_batch, bucket)) * rows + worker_index * share
        # Positions in the bucket, (rows,): those of its last batch may lie beyond its end.
        position = first + tf.range(share)
        is_real = position < tf.gather(self._pairs, bucket)
        pair = tf.gather(
            pair_order, tf.where(is_real, position, 0) + tf.gather(self._first_pair, bucket)
        )
        encoder_token_ids, _ = _padded(self._sources, pair, is_real, width)
        labels, is_label = _padded(self._targets, pair, is_real, width)
        start = tf.fill([share, 1], tf.constant(Tokenizer.start_token_id, tf.int32))
        shifted = tf.concat([start, labels[:, :-1]], axis=1)  # (rows, length)
        decoder_token_ids = tf.where(is_label, shifted, Tokenizer.pad_token_id)
        inputs = {"encoder_token_ids": encoder_token_ids, "decoder_token_ids": decoder_token_ids}
        return inputs, labels, tf.cast(is_label, tf.float32)


def training_pipeline(
    corpus: Corpus,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer | None = None,
    *,
    global_batch_tokens: int = 4096,
    max_source_tokens: int = 128,
    max_target_tokens: int = 128,
    num_buckets: int = 8,
    rows_multiple: int = 8,
    seed: int = 0,
    shuffle: bool = True,
    repeat: bool = False,
) -> TrainingPipeline:
    """Tokenizes a corpus once, leaves out pairs that cannot be trained on, and batches the rest.

    Pairs of similar length share a batch. The length of a pair is that of its longer side with its
    special token. Every batch has about `global_batch_tokens` positions on each side, in one of at
    most `num_buckets` shapes (see `choose_shapes`). The token ids stay in memory: 4 bytes per token
    and 16 bytes per segment; twice as much while the pipeline is being made.

    Args:
        corpus: `Corpus`. The pairs.
        source_tokenizer: `Tokenizer`. For the sources.
        target_tokenizer: `Tokenizer`. For the targets; the source tokenizer if None.
        global_batch_tokens: int. Positions on each side of a batch, including padding, over all
            accelerators together. A shape whose segments are longer than `global_batch_tokens /
            rows_multiple` exceeds it.
        max_source_tokens: int. Pairs whose source has more tokens, not counting its end token, are
            left out.
        max_target_tokens: int. Pairs whose target has more tokens, not counting its end token, are
            left out.
        num_buckets: int. The largest number of shapes. It is at most 12, because each shape is
            compiled separately.
        rows_multiple: int. The number of rows of every batch is a multiple of this. Make it a
            multiple of the number of accelerators.
        seed: int. The seed of all shuffling.
        shuffle: bool. Whether to shuffle.
        repeat: bool. Whether `dataset` is endless; then give `fit` the `steps_per_epoch`.

    Returns:
        A `TrainingPipeline`; `model.fit(pipeline.dataset)` trains on it.

    Raises:
        ValueError: an option is out of range.
        CorpusError: no pair is left to train on.

    Example:

    >>> from keras_attn.data import ByteTokenizer
    >>> corpus = Corpus(["a dog", "a cat", ""], ["ein Hund", "eine Katze", "nichts"])
    >>> pipeline = training_pipeline(
    ...     corpus, ByteTokenizer(), global_batch_tokens=64, rows_multiple=2
    ... )
    >>> pipeline.shapes, pipeline.steps_per_epoch
    ([(4, 12)], 1)
    >>> print(pipeline.report)
    3 pairs read, 2 kept (66.67%); left out: 1 empty source
    >>> inputs, labels, sample_weight = next(iter(pipeline.dataset))
    >>> inputs["decoder_token_ids"].shape, int(tf.reduce_sum(sample_weight))
    (TensorShape([4, 12]), 20)
    """
    _check_options(
        global_batch_tokens=global_batch_tokens,
        max_source_tokens=max_source_tokens,
        max_target_tokens=max_target_tokens,
        num_buckets=num_buckets,
        rows_multiple=rows_multiple,
    )
    sources = TokenSequences.encode(corpus.sources, source_tokenizer)
    targets = TokenSequences.encode(corpus.targets, target_tokenizer or source_tokenizer)
    kept, report = filter_pairs(corpus, sources, targets, max_source_tokens, max_target_tokens)
    sources, targets = sources.select(kept), targets.select(kept)
    lengths = np.maximum(sources.lengths, targets.lengths)
    shapes = choose_shapes(lengths, global_batch_tokens, num_buckets, rows_multiple)
    return TrainingPipeline(sources, targets, shapes, report, seed, shuffle, repeat)


def _check_options(**options: int) -> None:
    for argument, value in options.items():
        if value < 1:
            raise ValueError(f"`{argument}` must be positive. Received: {value}.")
    if options["num_buckets"] > MAX_BUCKETS:
        raise ValueError(
            f"`num_buckets` must be at most {MAX_BUCKETS}: each shape is compiled separately. "
            f"Received: {options['num_buckets']}."
        )


def _fingerprint(*sides: TokenSequences) -> str:
    digest = hashlib.sha256()
    for side in sides:
        for array in (side.flat_token_ids, side.starts, side.lengths):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _to_tensors(sequences: TokenSequences) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return tuple(map(tf.constant, (sequences.flat_token_ids, sequences.starts, sequences.lengths)))


def _padded(
    sequences: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    pair: tf.Tensor,
    is_real: tf.Tensor,
    width: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Token ids (rows, width) of these pairs, padded with 0, and a mask of the real ones."""
    flat_token_ids, starts, lengths = sequences
    position = tf.range(width)[None, :]  # (1, width)
    length = tf.where(is_real, tf.gather(lengths, pair), 0)[:, None]  # (rows, 1)
    inside = position < length  # (rows, width)
    index = tf.where(inside, tf.gather(starts, pair)[:, None] + position, 0)
    return tf.where(inside, tf.gather(flat_token_ids, index), Tokenizer.pad_token_id), inside


def _finish(dataset: tf.data.Dataset, cardinality: int) -> tf.data.Dataset:
    options = tf.data.Options()
    # Every worker has the whole corpus: the strategy or `dataset_from` splits each batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)
