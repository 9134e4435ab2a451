"""Words and their translations, found in a corpus of sentences (Brown et al., 1993)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from keras_attn.data.corpus import Corpus

_WORD_EDGES = ".,;:!?…\"'()[]«»„“”‚‘’-–—"
_FEWEST_OCCURRENCES = 4
_LEAST_PROBABILITY = 0.4
_ITERATIONS = 8
_LONGEST = 40  # words of a sentence; longer ones say little about a single word


def word_pairs(corpus: Corpus, max_pairs: int = 5000) -> list[tuple[str, str]]:
    """Pairs of words that translate each other, the most frequent ones first.

    IBM model 1 learns t(f|e), the probability that the word e is translated by the word f, from the
    sentences alone, by expectation maximization:

        P(f_j comes from e_i) = t(f_j|e_i) / sum over k of t(f_j|e_k)

    A pair is kept if each of the two words is the most probable translation of the other, with a
    probability of at least 0.4, and both occur 4 times or more. The first word of a sentence does
    not show its usual case, so a word is written as it is most often elsewhere.

    Args:
        corpus: `Corpus`. The sentences.
        max_pairs: int. The most pairs to return.

    Returns:
        list of (source word, target word).

    Example:

    >>> corpus = Corpus(
    ...     ["a dog", "a cat", "the dog", "the cat"] * 4,
    ...     ["ein Hund", "eine Katze", "der Hund", "die Katze"] * 4,
    ... )
    >>> [pair for pair in word_pairs(corpus) if pair[0] in ("cat", "dog")]
    [('cat', 'Katze'), ('dog', 'Hund')]

    References:
        - [Brown et al., 1993](https://aclanthology.org/J93-2003/), Section 4.2 (Model 1).
    """
    sources, targets = _split(corpus.sources), _split(corpus.targets)
    short = [
        i
        for i, pair in enumerate(zip(sources, targets, strict=True))
        if all(0 < len(words) <= _LONGEST for words in pair)
    ]
    sources, targets = [sources[i] for i in short], [targets[i] for i in short]
    if not sources:
        return []
    forward, backward = _best_translations(sources, targets), _best_translations(targets, sources)
    counts = Counter(word for words in sources for word in words)
    target_counts = Counter(word for words in targets for word in words)
    mutual = [
        (source, target)
        for source, target in forward.items()
        if backward.get(target) == source
        and min(counts[source], target_counts[target]) >= _FEWEST_OCCURRENCES
    ]
    mutual.sort(key=lambda pair: (-counts[pair[0]], pair))
    forms = [_usual_forms(texts) for texts in (corpus.sources, corpus.targets)]
    return [
        (forms[0].get(source, source), forms[1].get(target, target))
        for source, target in mutual[:max_pairs]
    ]


def _split(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text in lower case, without punctuation at their edges."""
    return [[word.lower() for word in _words(text)] for text in texts]


def _words(text: str) -> list[str]:
    stripped = (word.strip(_WORD_EDGES) for word in text.split())
    return [word for word in stripped if word and any(map(str.isalpha, word))]


def _best_translations(sources: list[list[str]], targets: list[list[str]]) -> dict[str, str]:
    """The most probable target word of each source word, if it is probable enough."""
    source_ids, source_words = _numbered(sources)
    target_ids, target_words = _numbered(targets)
    # All pairs of a source and a target word of a sentence; `place` numbers the target words.
    pairs, places, place = [], [], 0
    for left, right in zip(source_ids, target_ids, strict=True):
        grid = left[None, :] * len(target_words) + right[:, None]
        pairs.append(grid.ravel())
        places.append(np.repeat(np.arange(place, place + len(right)), len(left)))
        place += len(right)
    place_of = np.concatenate(places)
    keys, pair_of = np.unique(np.concatenate(pairs), return_inverse=True)
    source_of = keys // len(target_words)
    probabilities = np.ones(len(keys))
    for _ in range(_ITERATIONS):
        links = probabilities[pair_of]
        links /= np.bincount(place_of, links, minlength=place)[place_of]
        expected = np.bincount(pair_of, links, minlength=len(keys))
        probabilities = expected / np.bincount(source_of, expected)[source_of]
    order = np.argsort(probabilities)  # the best of each source word comes last
    best = {int(source_of[i]): i for i in order}
    return {
        source_words[source]: target_words[int(keys[i] % len(target_words))]
        for source, i in best.items()
        if probabilities[i] >= _LEAST_PROBABILITY
    }


def _numbered(texts: list[list[str]]) -> tuple[list[np.ndarray], list[str]]:
    """Ids of the words of each text, and the words by id."""
    ids: dict[str, int] = {}
    rows = [np.array([ids.setdefault(word, len(ids)) for word in words]) for words in texts]
    return rows, list(ids)


def _usual_forms(texts: Sequence[str]) -> dict[str, str]:
    """How each word is written most often where it does not begin a sentence."""
    counts = Counter(word for text in texts for word in _words(text)[1:])
    forms: dict[str, str] = {}
    for word, _ in counts.most_common():
        forms.setdefault(word.lower(), word)
    return forms
