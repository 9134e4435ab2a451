"""The built-in corpus: as many different English-German pairs as asked for, from a seed."""

import zlib

from keras_attn.data.corpus import Corpus
from keras_attn.data.phrasebook.chooser import Chooser
from keras_attn.data.phrasebook.grammar import sentence_pair
from keras_attn.system.argument_checks import check_integer

# Of each split: how many pairs `phrasebook` gives by default, and how many at most. The plainest
# subjects and objects in one tense alone make 27 million pairs, so drawing never runs out.
SPLITS = {"train": (40_000, 2_000_000), "validation": (1_000, 100_000), "test": (1_000, 100_000)}
MINIMUM_WORDS, MAXIMUM_WORDS = 3, 14


def split_of(german: str) -> str:
    """Returns the split that a sentence belongs to, whatever else was drawn.

    The English determines the German, so the checksum of the German decides for both sides.

    Example:
    >>> split_of("Ich kaufe ein Buch.") in SPLITS
    True
    """
    bucket = zlib.crc32(german.encode("utf-8")) % 100
    return "train" if bucket < 90 else "validation" if bucket < 95 else "test"


def phrasebook(split: str = "train", num_pairs: int | None = None, seed: int = 0) -> Corpus:
    """Draws different sentence pairs of the built-in English-German grammar.

    The sentences are short and correct (3 to 14 words on either side). They show what is typical of
    German: gender and case, adjective endings, separable verbs, the perfect, verbs that end their
    clause, and more. Nothing is downloaded. The same arguments give the same pairs everywhere.

    Args:
        split: str. "train", "validation" or "test". No sentence of one split is in another,
            whatever the numbers and seeds, in either language.
        num_pairs: int or `None`. How many pairs, up to 2,000,000 of "train" and 100,000 of the
            others. `None` is 40,000 of "train" and 1,000 of the others.
        seed: int. Another seed draws other pairs of the same split.

    Returns:
        A `Corpus` of `num_pairs` different pairs.

    Raises:
        ValueError: if the split is unknown, or the number of pairs or the seed is out of range.

    Example:
    >>> corpus = phrasebook("test", num_pairs=20)
    >>> len(corpus), len(set(corpus.sources)), corpus.source_language, corpus.target_language
    (20, 20, 'en', 'de')
    """
    if split not in SPLITS:
        names = ", ".join(f'"{name}"' for name in SPLITS)
        raise ValueError(f"`split` must be one of {names}. Received: split={split!r}")
    default, largest = SPLITS[split]
    num_pairs = check_integer(
        "num_pairs", default if num_pairs is None else num_pairs, maximum=largest
    )
    chooser = Chooser(check_integer("seed", seed, minimum=0))
    pairs: dict[str, str] = {}
    while len(pairs) < num_pairs:
        english, german = sentence_pair(chooser)
        if split_of(german) == split and _is_short(english) and _is_short(german):
            pairs.setdefault(english, german)
    return Corpus(
        sources=tuple(pairs),
        targets=tuple(pairs.values()),
        name=f"phrasebook/{split}",
        source_language="en",
        target_language="de",
    )


def _is_short(sentence: str) -> bool:
    """Whether a sentence has a length that the phrasebook allows."""
    return MINIMUM_WORDS <= sentence.count(" ") + 1 <= MAXIMUM_WORDS
