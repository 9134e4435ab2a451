"""Batches hold every pair once an epoch, in known shapes, in the order that the seed decides."""

import ast
import gc
import itertools
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.data import (
    ByteTokenizer,
    Corpus,
    CorpusError,
    SentencePieceTokenizer,
    read_directory,
    training_pipeline,
)

NUM_PAIRS = 157


def make_corpus(num_pairs: int = NUM_PAIRS) -> Corpus:
    """Pairs of different texts, whose lengths vary from 3 to 40 bytes on either side."""
    generator = np.random.default_rng(7)
    sources, targets = (
        [
            f"{number:03d}{letter * generator.integers(0, 38 if number % 5 else 9)}"
            for number in range(num_pairs)
        ]
        for letter in "st"
    )
    return Corpus(sources, targets, name="letters")


def make_pipeline(corpus=None, **options):
    defaults = {"global_batch_tokens": 200, "num_buckets": 4, "rows_multiple": 2, "seed": 5}
    corpus = corpus or make_corpus()
    return training_pipeline(corpus, ByteTokenizer(), ByteTokenizer(), **{**defaults, **options})


def as_bytes(token_ids) -> bytes:
    return bytes(int(token_id) - 4 for token_id in token_ids)


def pairs_of(batches) -> list[tuple[str, str]]:
    """The texts of all real rows, read from encoder inputs and labels up to their end tokens."""
    pairs = []
    for inputs, labels, sample_weight in batches:
        for source, target, weight in zip(
            inputs["encoder_token_ids"].numpy(), labels.numpy(), sample_weight.numpy(), strict=True
        ):
            if weight.any():
                sides = [row[: row.tolist().index(3)] for row in (source, target)]
                pairs.append(tuple(as_bytes(side).decode() for side in sides))
    return pairs


def as_arrays(batches) -> list[np.ndarray]:
    return [array.numpy() for batch in batches for array in tf.nest.flatten(batch)]


def assert_same(first, second) -> None:
    first, second = as_arrays(first), as_arrays(second)
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_pair_is_in_an_epoch_exactly_once():
    pipeline = make_pipeline()
    for _ in range(3):
        assert Counter(pairs_of(pipeline.dataset)) == Counter(make_corpus())


def test_batches_have_the_announced_shapes_and_no_other():
    pipeline = make_pipeline()
    assert len(pipeline.shapes) == 4
    seen = set()
    for inputs, labels, sample_weight in pipeline.dataset:
        shapes = {tuple(tensor.shape) for tensor in (*inputs.values(), labels, sample_weight)}
        assert len(shapes) == 1
        seen |= shapes
    assert seen == set(pipeline.shapes)
    for rows, length in pipeline.shapes:
        assert rows % 2 == 0 and rows * length <= 200


def test_a_pair_is_in_the_shortest_shape_that_holds_both_sides():
    pipeline = make_pipeline()
    limits = [0, *(length for _, length in pipeline.shapes)]
    for batch in pipeline.dataset:
        length = batch[1].shape[1]
        for source, target in pairs_of([batch]):
            longest = max(len(source.encode()), len(target.encode())) + 1
            assert limits[limits.index(length) - 1] < longest <= length


def test_decoder_inputs_are_the_labels_one_step_later_after_the_start_token():
    for inputs, labels, sample_weight in make_pipeline().dataset:
        decoder_token_ids, labels = inputs["decoder_token_ids"].numpy(), labels.numpy()
        for decoder_row, label_row, weight in zip(
            decoder_token_ids, labels, sample_weight.numpy(), strict=True
        ):
            real = int(weight.sum())
            np.testing.assert_array_equal(weight, [1.0] * real + [0.0] * (len(weight) - real))
            if real:
                assert label_row[real - 1] == 3
                assert decoder_row[:real].tolist() == [2, *label_row[: real - 1]]
            assert not decoder_row[real:].any() and not label_row[real:].any()


def test_rows_without_a_pair_are_all_padding():
    pipeline = make_pipeline(make_corpus(5), global_batch_tokens=2000, num_buckets=1)
    inputs, labels, sample_weight = next(iter(pipeline.dataset))
    assert labels.shape[0] > 5
    real = sample_weight.numpy().any(axis=1)
    assert real.sum() == 5
    for tensor in (*inputs.values(), labels):
        assert not tensor.numpy()[~real].any()


def test_dtypes_are_those_that_models_and_losses_take():
    inputs, labels, sample_weight = make_pipeline().dataset.element_spec
    assert {spec.dtype for spec in (*inputs.values(), labels)} == {tf.int32}
    assert sample_weight.dtype == tf.float32
    assert all(spec.shape.rank == 2 for spec in (*inputs.values(), labels, sample_weight))


def test_the_numbers_about_an_epoch_are_those_of_its_batches():
    pipeline = make_pipeline()
    batches = list(pipeline.dataset)
    assert len(batches) == pipeline.steps_per_epoch == int(pipeline.dataset.cardinality())
    positions = sum(int(tf.size(labels)) for _, labels, _ in batches)
    real = sum(float(tf.reduce_sum(sample_weight)) for _, _, sample_weight in batches)
    assert pipeline.target_tokens == real
    assert pipeline.target_tokens == sum(len(target) + 1 for target in make_corpus().targets)
    assert pipeline.padding_share == pytest.approx(1 - real / positions)


def test_what_is_filtered_is_counted_and_absent():
    corpus = make_corpus()
    odd = Corpus(
        [*corpus.sources, "", "s" * 60, "ok"], [*corpus.targets, "empty", "long", "t" * 70]
    )
    pipeline = make_pipeline(odd, max_source_tokens=59, max_target_tokens=69)
    report = pipeline.report
    assert (report.pairs_read, report.kept) == (NUM_PAIRS + 3, NUM_PAIRS)
    assert (report.empty_source, report.source_too_long, report.target_too_long) == (1, 1, 1)
    assert Counter(pairs_of(pipeline.dataset)) == Counter(corpus)
    longest = make_pipeline(odd, max_source_tokens=60, max_target_tokens=70)
    assert longest.report.kept == NUM_PAIRS + 2


def test_a_corpus_with_nothing_to_train_on_is_refused():
    with pytest.raises(CorpusError, match="2 source over 2 tokens.*`max_source_tokens`"):
        make_pipeline(Corpus(["abc", "abcd"], ["x", "y"]), max_source_tokens=2)


def test_the_seed_alone_decides_the_order():
    first, second = make_pipeline(), make_pipeline()
    for _ in range(2):
        assert_same(first.dataset, second.dataset)
    assert pairs_of(make_pipeline(seed=6).dataset) != pairs_of(make_pipeline(seed=5).dataset)


def test_every_epoch_has_another_order_of_pairs_and_of_batches():
    pipeline = make_pipeline()
    epochs = [list(pipeline.dataset) for _ in range(4)]
    for one, other in itertools.combinations(epochs, 2):
        assert pairs_of(one) != pairs_of(other)
        assert [batch[1].shape for batch in one] != [batch[1].shape for batch in other]
        mates = [
            {frozenset(source for source, _ in pairs_of([batch])) for batch in epoch}
            for epoch in (one, other)
        ]
        assert mates[0] != mates[1]


def test_each_pair_is_as_likely_in_every_batch():
    pipeline = make_pipeline(make_corpus(24), global_batch_tokens=12 * 44, num_buckets=1)
    assert pipeline.steps_per_epoch == 2
    stream = iter(pipeline.dataset_from(0))
    in_first = Counter()
    num_epochs = 200
    for _ in range(num_epochs):
        in_first.update(source[:3] for source, _ in pairs_of([next(stream)]))
        next(stream)
    # Binomial(200, 1/2): five standard deviations are 35.4.
    assert all(abs(in_first[f"{number:03d}"] - num_epochs / 2) < 36 for number in range(24))


def test_without_shuffling_pairs_keep_the_order_of_the_corpus_within_their_shape():
    pipeline = make_pipeline(shuffle=False)
    batches = list(pipeline.dataset)
    lengths = [batch[1].shape[1] for batch in batches]
    assert lengths == sorted(lengths)
    for length in set(lengths):
        numbers = [
            int(source[:3])
            for source, _ in pairs_of(batch for batch in batches if batch[1].shape[1] == length)
        ]
        assert numbers == sorted(numbers)
    assert_same(batches, pipeline.dataset)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_stream_from_a_step_is_the_whole_stream_without_the_steps_before(shuffle):
    pipeline = make_pipeline(shuffle=shuffle)
    steps = pipeline.steps_per_epoch
    whole = list(pipeline.dataset_from(0).take(2 * steps + 3))
    for start in (1, steps, steps + 3):
        assert_same(pipeline.dataset_from(start).take(steps), whole[start : start + steps])


def test_the_stream_is_the_epochs_one_after_another():
    pipeline = make_pipeline()
    epochs = [batch for _ in range(3) for batch in pipeline.dataset]
    assert_same(pipeline.dataset_from(0).take(len(epochs)), epochs)


def test_repeat_makes_the_dataset_the_endless_stream():
    pipeline = make_pipeline(repeat=True)
    assert pipeline.dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    count = 2 * pipeline.steps_per_epoch + 1
    for _ in range(2):
        assert_same(pipeline.dataset.take(count), make_pipeline().dataset_from(0).take(count))


def test_a_far_step_is_reached_at_once():
    pipeline = make_pipeline()
    start = 10**12 * pipeline.steps_per_epoch + 2
    assert len(pairs_of(pipeline.dataset_from(start).take(3))) > 0


def test_workers_share_every_batch_without_overlap():
    pipeline = make_pipeline(rows_multiple=6, global_batch_tokens=400)
    whole = list(pipeline.dataset_from(3).take(9))
    shares = [list(pipeline.dataset_from(3, worker, 3).take(9)) for worker in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert len({tuple(part[1].shape) for part in parts}) == 1
        joined = tf.nest.map_structure(lambda *rows: tf.concat(rows, axis=0), *parts)
        assert_same([batch], [joined])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "`start_step`.*-1"),
        ((0, 0, 3), "`num_workers` must divide.*`rows_multiple`"),
        ((0, 2, 2), "`worker_index`.*2 of 2"),
        ((0, 0, 0), "`worker_index`"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(global_batch_tokens=160).dataset_from(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_buckets": 13}, "`num_buckets` must be at most 12"),
        ({"num_buckets": 0}, "`num_buckets` must be positive"),
        ({"global_batch_tokens": 0}, "`global_batch_tokens` must be positive"),
        ({"rows_multiple": -8}, "`rows_multiple` must be positive.*-8"),
        ({"max_source_tokens": 0}, "`max_source_tokens` must be positive"),
        ({"max_target_tokens": 0}, "`max_target_tokens` must be positive"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(**options)


def test_each_side_has_its_own_tokenizer_or_both_the_same():
    corpus = Corpus(["the dog"] * 9, ["der Hund"] * 9)
    subwords = SentencePieceTokenizer.train(corpus.sources, 270)
    pipeline = training_pipeline(corpus, subwords, ByteTokenizer())
    inputs, labels, _ = next(iter(pipeline.dataset))
    expected = subwords.tokenize(["the dog"]).to_list()[0] + [3]
    assert inputs["encoder_token_ids"].numpy()[0, : len(expected)].tolist() == expected
    assert as_bytes(labels.numpy()[0, :8]) == b"der Hund"
    assert_same(
        training_pipeline(corpus, subwords).dataset,
        training_pipeline(corpus, subwords, subwords).dataset,
    )


def test_the_dataset_outlives_its_pipeline():
    dataset = make_pipeline().dataset
    gc.collect()
    assert len(pairs_of(dataset)) == NUM_PAIRS
    assert len(pairs_of(dataset)) == NUM_PAIRS


class RecordingModel(keras.Model):
    """A next-token model that remembers the first labels of every step it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = keras.layers.Embedding(260, 6)
        self.output_layer = keras.layers.Dense(260)

    def call(self, inputs):
        return self.output_layer(self.embedding(inputs["decoder_token_ids"]))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_trains_a_keras_model_for_several_epochs(jit_compile):
    model = RecordingModel()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=jit_compile)
    pipeline = make_pipeline(num_buckets=2)
    history = model.fit(pipeline.dataset, epochs=3, verbose=0)
    assert model.optimizer.iterations == 3 * pipeline.steps_per_epoch
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]


def test_fit_sees_another_order_in_every_epoch():
    pipeline = make_pipeline()
    seen: list[list[tuple[int, ...]]] = []

    class Recorder(RecordingModel):
        def train_step(self, data):
            shape = tf.shape(data[1])
            seen[-1].append(tuple(shape.numpy().tolist()))
            return {"loss": tf.constant(0.0)}

    start = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append([]))
    model = Recorder()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(pipeline.dataset, epochs=3, verbose=0, callbacks=[start])
    assert [len(epoch) for epoch in seen] == [pipeline.steps_per_epoch] * 3
    assert seen[0] != seen[1] != seen[2] != seen[0]


def test_fit_goes_on_where_a_stream_is_entered():
    pipeline = make_pipeline(repeat=True)

    def train(start, epochs, model):
        steps = pipeline.steps_per_epoch
        options = {"steps_per_epoch": steps, "epochs": epochs, "verbose": 0}
        model.fit(pipeline.dataset_from(start * steps), **options)
        return model

    def make_model():
        keras.utils.set_random_seed(1)
        model = RecordingModel()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss)
        return model

    at_once = train(0, 3, make_model())
    in_parts = train(2, 1, train(0, 2, make_model()))
    for one, other in zip(at_once.get_weights(), in_parts.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_another_process_has_the_same_order_and_a_strategy_splits_its_rows():
    # Logical devices must be made before TensorFlow starts, so this needs a process of its own.
    program = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.data.test_training_pipeline import make_pipeline
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
dataset = strategy.experimental_distribute_dataset(make_pipeline().dataset)
halves = [
    half.numpy().tolist()
    for _ in range(2)
    for _, labels, _ in dataset
    for half in strategy.experimental_local_results(labels)
]
print(halves)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    halves = ast.literal_eval(result.stdout.strip().splitlines()[-1])
    pipeline = make_pipeline()
    expected = [labels.numpy().tolist() for _ in range(2) for _, labels, _ in pipeline.dataset]
    assert len(halves) == 2 * len(expected)
    for first, second, whole in zip(halves[::2], halves[1::2], expected, strict=True):
        assert len(first) == len(second)
        assert first + second == whole


def test_real_text_goes_through_whole(corpora_directory):
    corpus = read_directory(corpora_directory / "multi30k", "val", "en", "de")
    tokenizer = SentencePieceTokenizer.train([*corpus.sources, *corpus.targets], 2000)
    pipeline = training_pipeline(corpus, tokenizer, global_batch_tokens=2048)
    assert pipeline.report.kept == len(corpus)
    assert pipeline.padding_share < 0.35
    texts = []
    for _, labels, sample_weight in pipeline.dataset:
        real = tf.boolean_mask(labels, tf.reduce_any(sample_weight > 0, axis=1))
        texts += [text.decode() for text in tokenizer.detokenize(real).numpy()]
    normalized = tokenizer.detokenize(tokenizer.tokenize(corpus.targets)).numpy()
    assert sorted(texts) == sorted(text.decode() for text in normalized)
