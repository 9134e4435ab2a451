"""The kinds of BLEU that papers report, on text tokenized by the scripts of Moses."""

import dataclasses
import importlib.metadata
import re
from collections.abc import Callable, Sequence
from typing import Any

from sacrebleu.metrics import BLEU

from keras_attn.evaluation.bleu_tokenizer import language_of
from keras_attn.evaluation.reference_streams import ReferenceStream

# A hyphen between two characters, neither of which is a blank.
_COMPOUND = re.compile(r"(?<=\S)-(?=\S)")


class MosesTokenizer:
    """Splits text into words as the scripts `normalize-punctuation` and `tokenizer` of Moses do.

    Quotation marks, dashes and blanks become the ASCII ones; punctuation marks become separate
    tokens. It needs the package sacremoses, a port of the two scripts (the extra `moses`).

    Args:
        language: str. The code of the language, which determines the abbreviations. "" and
            languages that Moses does not know are split like English.
        lowercase: bool. Whether to lower-case the text first.

    Raises:
        ImportError: if sacremoses is not installed.

    Example:

    >>> MosesTokenizer("de", lowercase=True)("„Halt“, sagte Dr. Müller.")
    '" halt " , sagte dr. müller .'
    """

    def __init__(self, language: str = "", lowercase: bool = False) -> None:
        try:
            import sacremoses
        except ImportError:
            raise ImportError(
                "The tokenizer of Moses needs the package sacremoses, which is not installed. Run "
                '`pip install "keras_attn[moses]"`.'
            ) from None
        language = language_of(language) or "en"
        self._normalizer = sacremoses.MosesPunctNormalizer(language)
        self._tokenizer = sacremoses.MosesTokenizer(language)
        self._lowercase = lowercase

    def __call__(self, text: str) -> str:
        """Splits a text into tokens.

        Args:
            text: str.

        Returns:
            str. The tokens, with a blank between two of them.
        """
        if self._lowercase:
            text = text.lower()
        text = self._normalizer.normalize(text)
        return str(self._tokenizer.tokenize(text, return_str=True, escape=False))


@dataclasses.dataclass(frozen=True)
class BleuKind:
    """A BLEU metric, with the form in which the text is scored.

    Args:
        metric: sacreBLEU metric.
        prepare: function. Turns a text into its tokens, separated by blanks.
        changes: dict of str to str. What the preparation changes in sacreBLEU's signature.

    Example:

    >>> from sacrebleu.metrics import BLEU
    >>> kind = BleuKind(BLEU(tokenize="none"), str.lower, {"case:mixed": "case:lc"})
    >>> kind.texts(["Ein Hund"], [["ein Hund"]])
    (['ein hund'], [['ein hund']])
    """

    metric: Any
    prepare: Callable[[str], str]
    changes: dict[str, str]

    def texts(
        self, hypotheses: Sequence[str], streams: Sequence[ReferenceStream]
    ) -> tuple[list[str], list[list[str | None]]]:
        """Prepares hypotheses and references.

        Args:
            hypotheses: sequence of str.
            streams: sequence of reference streams.

        Returns:
            The prepared hypotheses, and the prepared streams.
        """
        prepared: list[list[str | None]] = [
            [text and self.prepare(text) for text in stream] for stream in streams
        ]
        return [self.prepare(text) for text in hypotheses], prepared

    def signature(self) -> str:
        """Returns sacreBLEU's signature, with the fields that the preparation changes."""
        signature = str(self.metric.get_signature())
        for old, new in self.changes.items():
            signature = signature.replace(old, new)
        return signature


def tokenized_bleu_kinds(language: str) -> dict[str, BleuKind]:
    """The kinds of BLEU that papers report, by the name of their field in `CorpusScores`.

    All are what Moses' `multi-bleu` computes (no smoothing), on text normalized and tokenized by
    `MosesTokenizer`. They differ from sacreBLEU's, and from each other, by a point or more.

        bleu_tokenized            as it is
        bleu_tokenized_lowercase  lower-cased first, as papers on Multi30k report it
        bleu_compound_split       a compound such as "rich-text" counts as three tokens, as Vaswani
                                  et al. (2017) report WMT 2014 English-German

    Args:
        language: str. The code of the language of the references.

    Returns:
        dict of str to `BleuKind`.

    Raises:
        ImportError: if sacremoses is not installed.

    Example:

    >>> kinds = tokenized_bleu_kinds("de")
    >>> kinds["bleu_compound_split"].prepare("Das E-Mail-Konto.")
    'Das E ##AT##-##AT## Mail ##AT##-##AT## Konto .'
    """
    tokenizer, lowercase = MosesTokenizer(language), MosesTokenizer(language, lowercase=True)
    version = importlib.metadata.version("sacremoses")
    tok = f"tok:moses-{language or 'en'}-sacremoses-{version}"
    return {
        "bleu_tokenized": BleuKind(_multi_bleu(), tokenizer, {"tok:none": tok}),
        "bleu_tokenized_lowercase": BleuKind(
            _multi_bleu(), lowercase, {"tok:none": tok, "case:mixed": "case:lc"}
        ),
        "bleu_compound_split": BleuKind(
            _multi_bleu(),
            lambda text: _COMPOUND.sub(" ##AT##-##AT## ", tokenizer(text)),
            {"tok:none": f"{tok}-compounds"},
        ),
    }


def _multi_bleu() -> BLEU:
    # `force`: no warning that the text is tokenized, because it should be.
    return BLEU(tokenize="none", smooth_method="none", force=True)
