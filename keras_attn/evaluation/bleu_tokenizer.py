"""sacreBLEU's tokenizers, and which one suits a language."""

import re
from collections.abc import Iterable

from sacrebleu.metrics import BLEU

from keras_attn.system.did_you_mean import nearest_names

BLEU_TOKENIZERS = tuple(BLEU.TOKENIZERS)
# These treat a Chinese sentence as one word. BLEU is then near 0 even for good translations.
SPLITS_AT_SPACES = ("13a", "intl", "none")

# sacreBLEU's own choice if it has one for the language, by ISO 639-1 and 639-3 codes. It has none
# for the other languages without spaces between words; these are split into characters. "flores200"
# supports them all, but downloads its model.
_DEFAULTS = {
    "zh": ("zh", "zho", "cmn", "yue"),
    "ja-mecab": ("ja", "jpn"),
    "ko-mecab": ("ko", "kor"),
    "char": ("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod", "dz", "dzo"),
}
_PACKAGES = {"ja-mecab": "keras_attn[japanese]", "ko-mecab": "keras_attn[korean]"}
# The letters of scripts without spaces between words, and a number of letters that is above the
# average length of a word.
UNSPACED_SCRIPTS = (
    # Han, kana
    (re.compile("[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"), 3),
    # Thai, Lao, Tibetan; Myanmar; Khmer
    (re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]"), 8),
)


def default_bleu_tokenizer(target_language: str) -> str:
    """Chooses sacreBLEU's tokenizer by the language of the translations.

    Chinese, Japanese and Korean get the tokenizers that sacreBLEU itself chooses. Thai, Lao, Khmer,
    Burmese and Tibetan, which have no spaces between words either, are split into characters. All
    other languages get "13a", sacreBLEU's default.

    Args:
        target_language: str. A code such as "zh", "zh-TW" or "zho_Hans"; "" if unknown.

    Returns:
        str.

    Example:

    >>> [default_bleu_tokenizer(code) for code in ("de", "zh-TW", "jpn_Jpan", "th", "")]
    ['13a', 'zh', 'ja-mecab', 'char', '13a']
    """
    code = language_of(target_language)
    return next((name for name, codes in _DEFAULTS.items() if code in codes), "13a")


def language_of(code: str) -> str:
    """The language of a code that may also name a script or a region.

    Args:
        code: str. Such as "zh-TW" or "zho_Hans".

    Returns:
        str.

    Example:

    >>> language_of("zh-TW"), language_of("DE")
    ('zh', 'de')
    """
    return re.split("[-_]", code.strip().lower())[0]


def find_bleu_tokenizer(
    name: str | None, target_language: str = "", argument: str = "bleu_tokenizer"
) -> str:
    """Checks that a tokenizer exists and runs here, before any work is done.

    Args:
        name: str or None. One of sacreBLEU's tokenizers; None for the default of the language.
        target_language: str. The code of the language of the translations; "" if unknown.
        argument: str. The name of the argument in errors.

    Returns:
        str. The name of the tokenizer.

    Raises:
        ValueError: if there is no such tokenizer (the message lists the nearest ones), or a package
            that it needs is not installed (the message gives the command that installs it).

    Example:

    >>> find_bleu_tokenizer(None, "zh")
    'zh'
    >>> find_bleu_tokenizer("13b")
    Traceback (most recent call last):
    ValueError: `bleu_tokenizer` must be one of sacreBLEU's tokenizers. Received: ...
    """
    chosen = default_bleu_tokenizer(target_language) if name is None else name
    if chosen not in BLEU_TOKENIZERS:
        nearest = nearest_names(chosen, BLEU_TOKENIZERS)
        raise ValueError(
            f"`{argument}` must be one of sacreBLEU's tokenizers. Received: {chosen!r}. Nearest "
            f"names: {', '.join(nearest or BLEU_TOKENIZERS)}."
        )
    try:
        BLEU(tokenize=chosen)
    except (ImportError, RuntimeError, AssertionError, OSError) as error:
        received = repr(chosen)
        if name is None:
            received += f", the default for the target language {target_language!r}"
        raise ValueError(
            f"`{argument}` must be a tokenizer that runs here. Received: {received}. "
            f"{_remedy(chosen, error)}, or choose another tokenizer, such as 'char'."
        ) from error
    return chosen


def _remedy(tokenizer: str, error: Exception) -> str:
    if tokenizer in _PACKAGES and not isinstance(error, AssertionError):  # about a dictionary
        return f'Install it with `pip install "{_PACKAGES[tokenizer]}"`'
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"Solve the problem that sacreBLEU reports ({reason})"


def make_bleu(tokenizer: str, lowercase: bool = False) -> BLEU:
    """Makes sacreBLEU's metric.

    Args:
        tokenizer: str. The name that `find_bleu_tokenizer` returned.
        lowercase: bool. Whether the text is lower-cased.

    Returns:
        sacreBLEU's `BLEU`.
    """
    # `force` only mutes sacreBLEU's warning about tokenized text: `score_notes` has its own.
    return BLEU(tokenize=tokenizer, lowercase=lowercase, force=True)


def score_notes(texts: Iterable[str], bleu_tokenizer: str) -> list[str]:
    """Tells which scores mean nothing, or something else, because of how the text is written.

    Args:
        texts: iterable of str. The references.
        bleu_tokenizer: str. The tokenizer of BLEU.

    Returns:
        list of str. Empty for text with spaces between words, but not around its punctuation.

    Example:

    >>> score_notes(["Zwei Hunde rennen im Park."], "13a")
    []
    >>> len(score_notes(["两只狗在公园里奔跑。"], "13a"))
    2
    >>> score_notes(["Zwei Hunde rennen im Park ."], "13a")
    ['the references seem to be tokenized (" ." ends most of them): ...']
    """
    texts = list(texts)
    splits_at_spaces = bleu_tokenizer in SPLITS_AT_SPACES
    if not is_unspaced(texts):
        if splits_at_spaces and 2 * sum(text.endswith(" .") for text in texts) > len(texts):
            return [
                'the references seem to be tokenized (" ." ends most of them): do not compare this '
                "BLEU with that of untokenized text"
            ]
        return []
    notes = [
        "TER means little here: it splits at spaces, and the references have none between words"
    ]
    if splits_at_spaces:
        notes.insert(
            0,
            f"BLEU means nothing here: its tokenizer {bleu_tokenizer} splits at spaces, and the "
            "references have none between words. Choose another `bleu_tokenizer`: zh, ja-mecab, "
            "char ...",
        )
    return notes


def is_unspaced(texts: Iterable[str]) -> bool:
    """Whether texts are in a script without spaces between words, and do not contain such spaces.

    Args:
        texts: iterable of str.

    Returns:
        bool. False for texts that are already split into words.

    Example:

    >>> is_unspaced(["两只狗在公园里奔跑。"]), is_unspaced(["两 只 狗 在 公园 里 奔跑 。"])
    (True, False)
    """
    pieces = [piece for text in texts for piece in text.split()]
    num_letters = sum(map(len, pieces))
    for script, longest_word in UNSPACED_SCRIPTS:
        found = [len(script.findall(piece)) for piece in pieces]
        num_found, num_pieces = sum(found), sum(count > 0 for count in found)
        if 2 * num_found > num_letters and num_found > longest_word * num_pieces:
            return True
    return False
