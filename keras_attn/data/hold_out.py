"""Holds out pairs for validation and test, so that no sentence is in two splits."""

import dataclasses
from collections import defaultdict

import numpy as np

from keras_attn.data.corpus import Corpus, CorpusError


def hold_out(
    corpus: Corpus, num_validation: int, num_test: int, seed: int = 0
) -> tuple[Corpus, Corpus, Corpus]:
    """Splits a corpus at random into training, validation and test pairs.

    Pairs that share a source or a target, ignoring case, punctuation and blanks, stay together: a
    test set whose sentences occur in training says little. So the two small splits may have a few
    pairs more or fewer than asked for. A large group, which would bring a split further from its
    size than leaving it out, is for training.

    Args:
        corpus: `Corpus`. The pairs.
        num_validation, num_test: int. Pairs to hold out.
        seed: int. The seed of the choice.

    Returns:
        Three corpora: train, validation, test. Each keeps the order of the pairs.

    Raises:
        CorpusError: a split would be empty.

    Example:

    >>> corpus = Corpus(["a", "A!", "b", "c", "d"], ["x", "y", "z", "v", "w"])
    >>> train, validation, test = hold_out(corpus, num_validation=1, num_test=1)
    >>> len(train) + len(validation) + len(test)
    5
    """
    groups = _groups(corpus)
    order = np.random.default_rng(seed).permutation(len(groups))
    # Small groups first: a sentence with a hundred translations should be learned from.
    shuffled = sorted((groups[i] for i in order), key=lambda group: len(group) > 2)
    splits: list[list[int]] = [[], [], []]
    wanted = (0, num_validation, num_test)
    for group in shuffled:
        nearer = [i for i in (1, 2) if len(group) <= 2 * (wanted[i] - len(splits[i]))]
        splits[nearer[0] if nearer else 0] += group
    if not all(splits):
        raise CorpusError(
            "`corpus` must have enough different sentences to hold some out. Received: "
            f"{len(corpus):,} pairs in {len(groups):,} groups that share no sentence."
        )
    names = ("train", "validation", "test")
    train, validation, test = (
        _select(corpus, sorted(split), name) for split, name in zip(splits, names, strict=True)
    )
    return train, validation, test


def _groups(corpus: Corpus) -> list[list[int]]:
    """Pairs by their numbers; two pairs that share a sentence are in the same group."""
    parent = list(range(len(corpus)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_with: dict[tuple[int, str], int] = {}
    for i, pair in enumerate(corpus):
        for side, text in enumerate(pair):
            key = (side, "".join(filter(str.isalnum, text.lower())) or text)
            parent[root(i)] = root(first_with.setdefault(key, i))
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(corpus)):
        groups[root(i)].append(i)
    return list(groups.values())


def _select(corpus: Corpus, indices: list[int], name: str) -> Corpus:
    return dataclasses.replace(
        corpus,
        sources=[corpus.sources[i] for i in indices],
        targets=[corpus.targets[i] for i in indices],
        name=name,
        notes=(),
    )
