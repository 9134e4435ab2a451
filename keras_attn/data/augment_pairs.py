"""More training pairs from the given ones: what people type but corpora of sentences lack."""

import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np

from keras_attn.data.corpus import Corpus
from keras_attn.data.made_up_names import MadeUpNames, shared_names
from keras_attn.data.word_pairs import word_pairs

Pair = tuple[str, str]

_END = re.compile(r"\s*[.!?…]+$")
_NUMBER = re.compile(r"(?<![\d.,:])\d{2,}(?![\d.,:]*\d)")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How many pairs of each kind to add, as a share of the pairs of the corpus.

    Args:
        upper_case: float. Both sides in capitals.
        lower_case: float. The source in lower case; half of these pairs also lose the last
            punctuation mark on both sides.
        no_punctuation: float. Both sides without their last punctuation mark.
        names: float. A name that both sides share is replaced by one that the model has never seen,
            so that it learns to copy.
        numbers: float. A number of two digits or more that both sides share is replaced by another.
        words: int. Pairs of single words, as `word_pairs` finds them. Each is added as it is, with
            a capital, and with a capital and a period.

    Raises:
        ValueError: a number is below zero, or `words` is no whole number.

    Example:

    >>> Augmentation(names=0.05, words=2000).upper_case
    0.0
    """

    upper_case: float = 0.0
    lower_case: float = 0.0
    no_punctuation: float = 0.0
    names: float = 0.0
    numbers: float = 0.0
    words: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(
                    f"`{field.name}` must be zero or more. Received: {field.name}={value!r}."
                )
        if not isinstance(self.words, int):
            raise ValueError(
                f"`words` must be a number of pairs, not a share. Received: words={self.words!r}."
            )


def augment_pairs(corpus: Corpus, augmentation: Augmentation, seed: int = 0) -> Corpus:
    """Adds pairs after those of the corpus; the same seed adds the same pairs.

    Args:
        corpus: `Corpus`. The pairs.
        augmentation: `Augmentation`. How many to add of each kind.
        seed: int. The seed of all choices.

    Returns:
        A `Corpus`, with a note that says how many pairs were added.

    Example:

    >>> corpus = Corpus(["Stop!"], ["Halt!"])
    >>> list(augment_pairs(corpus, Augmentation(upper_case=1.0)))
    [('Stop!', 'Halt!'), ('STOP!', 'HALT!')]
    """
    if augmentation == Augmentation():
        return corpus
    random = np.random.default_rng(seed)
    pairs = list(corpus)
    names = MadeUpNames(shared_names(pairs), seed)
    kinds: dict[str, Callable[[Pair], Pair | None]] = {
        "upper_case": _upper_case,
        "lower_case": lambda pair: _lower_case(pair, random),
        "no_punctuation": _no_punctuation,
        "names": names.replace_in,
        "numbers": lambda pair: _other_number(pair, random),
    }
    added: list[Pair] = []
    for kind, change in kinds.items():
        added += _changed(pairs, round(getattr(augmentation, kind) * len(pairs)), change, random)
    if augmentation.words:
        for source, target in word_pairs(corpus, augmentation.words):
            added += [
                (source, target),
                (_capital(source), _capital(target)),
                (f"{_capital(source)}.", f"{_capital(target)}."),
            ]
    if not added:
        return corpus
    sources, targets = zip(*pairs, *added, strict=True)
    note = f"{len(added):,} pairs were added by augmentation."
    return dataclasses.replace(
        corpus, sources=sources, targets=targets, notes=(*corpus.notes, note)
    )


def _changed(
    pairs: Sequence[Pair],
    count: int,
    change: Callable[[Pair], Pair | None],
    random: np.random.Generator,
) -> list[Pair]:
    """Up to `count` changed pairs; pairs that cannot be changed in this way are skipped."""
    results: list[Pair] = []
    if count:
        for i in random.permutation(len(pairs)):
            changed = change(pairs[i])
            if changed is not None and changed != pairs[i]:
                results.append(changed)
            if len(results) == count:
                break
    return results


def _upper_case(pair: Pair) -> Pair:
    return pair[0].upper(), pair[1].upper()


def _lower_case(pair: Pair, random: np.random.Generator) -> Pair:
    if random.random() < 0.5:
        pair = _no_punctuation(pair) or pair
    return pair[0].lower(), pair[1]


def _no_punctuation(pair: Pair) -> Pair | None:
    if not all(_END.search(text) for text in pair):
        return None
    source, target = (_END.sub("", text) for text in pair)
    return (source, target) if source and target else None


def _other_number(pair: Pair, random: np.random.Generator) -> Pair | None:
    shared = sorted(set(_NUMBER.findall(pair[0])) & set(_NUMBER.findall(pair[1])))
    if not shared:
        return None
    old = shared[random.integers(len(shared))]
    first, *rest = random.integers(0, 10, len(old))
    new = "".join(map(str, (max(first, 1), *rest)))
    source, target = (re.sub(rf"(?<!\d){old}(?!\d)", new, text) for text in pair)
    return source, target


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
