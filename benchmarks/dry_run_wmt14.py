"""A dry run of the paper's recipes: `wmt14_en_de_base` and `wmt14_en_de_big`, without their data.

    python benchmarks/dry_run_wmt14.py

TensorFlow Datasets is mocked: instead of the 4.5 million pairs of WMT 2014 it gives one percent as
many, of made-up words that are as frequent and as long as real ones, in sentences as long as those
of WMT 2014. So vocabulary, shapes of batches, memory and operations are nearly those of the real
run; multiply counts of batches by 100. The prediction for the paper's own machine is printed beside
what the paper says.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from side_by_side import describe_machine, progress

from keras_attn.training import Recipe, dry_run, hardware_line

PAIRS = {"train": 45_088, "validation": 1_000, "test": 1_000}
# Words per sentence in WMT 2014 English-German: log-normal, with mean 25 and sigma 0.65.
MEAN_WORDS, SPREAD = 25, 0.65
WORD_TYPES, ZIPF = 150_000, 1.05
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
# Section 6.1 and Table 2; footnote 5 takes 9.5 TFLOP/s for a P100.
PAPER = {
    "wmt14_en_de_base": "12 hours on 8 P100; 3.3e18 operations in Table 2",
    "wmt14_en_de_big": "3.5 days on 8 P100; 2.3e19 operations in Table 2",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    datasets = splits(make_sentences(2 * sum(PAIRS.values())))

    def as_dataset(builder: tfds.core.DatasetBuilder, split: str, **_: object) -> tf.data.Dataset:
        return datasets[split]

    results = {}
    for name, paper in PAPER.items():
        progress(f"{name}: a dry run")
        with tfds.testing.mock_data(as_dataset_fn=as_dataset):
            # On one device: each of the paper's eight replicas has an eighth of the batch.
            result = dry_run(Recipe.named(name).override({"training.accumulation_steps": 8}))
        results[name] = result.to_dict()
        if not arguments.json:
            print(f"\n{name} (1% of the pairs)")
            print("\n".join(result.lines()))
            print(hardware_line(result, tflops=9.5, devices=8))
            print(f"the paper: {paper}")
    if arguments.json:
        print(json.dumps({**results, "machine": describe_machine()}))


def make_sentences(count: int) -> list[str]:
    """Sentences of made-up words: log-normal lengths, frequencies by Zipf's law."""
    random = np.random.default_rng(0)
    letters = random.zipf(1.6, (WORD_TYPES, 14)) % len(LETTERS)
    sizes = np.clip(random.poisson(3 + np.log2(np.arange(WORD_TYPES) + 1) / 3), 1, 14)
    words = ["".join(LETTERS[row[:size]]) for row, size in zip(letters, sizes, strict=True)]
    probabilities = 1.0 / np.arange(1, WORD_TYPES + 1) ** ZIPF
    probabilities /= probabilities.sum()
    mean = np.log(MEAN_WORDS) - SPREAD**2 / 2
    lengths = np.maximum(1, random.lognormal(mean, SPREAD, count).astype(int))
    drawn = random.choice(WORD_TYPES, lengths.sum(), p=probabilities)
    ends = np.cumsum(lengths)
    return [
        " ".join(words[i] for i in drawn[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]


def splits(sentences: list[str]) -> dict[str, tf.data.Dataset]:
    """The data set of each split, as TFDS gives it."""
    datasets, first = {}, 0
    for split, count in PAIRS.items():
        sides = (sentences[first : first + count], sentences[first + count : first + 2 * count])
        datasets[split] = tf.data.Dataset.from_tensor_slices(
            dict(zip(("en", "de"), sides, strict=True))
        )
        first += 2 * count
    return datasets


if __name__ == "__main__":
    main()
