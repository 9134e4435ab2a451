"""The package's tokenizers without TensorFlow: same files, same results."""

from __future__ import annotations

import abc
import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_attn.lines.special_tokens import END, PAD, SPECIAL_PIECES, START, UNKNOWN

_REPLACEMENT = "\ufffd"
_CONTROL_CHARACTERS = {code: " " for code in range(0x20)}
# The characters that `tf.strings.split` treats as blanks.
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


class EdgeTokenizer(abc.ABC):
    """Text to token ids and back, one text at a time.

    Args:
        files: dict of str to bytes. The files saved beside `tokenizer.json`, by name.
    """

    vocabulary_size: int

    @abc.abstractmethod
    def __init__(self, files: dict[str, bytes]) -> None: ...

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text, without start and end. A control character counts as a blank."""
        return self._tokenize(text.translate(_CONTROL_CHARACTERS))

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of ids, up to the first end token; padding and start are skipped."""
        ids = list(token_ids)
        ids = ids[: ids.index(END)] if END in ids else ids
        return self._detokenize([self._known(i) for i in ids if i not in (PAD, START)])

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The ids in readable form."""
        return [self._piece(self._known(i)) for i in token_ids]

    def _known(self, token_id: int) -> int:
        return token_id if 0 <= token_id < self.vocabulary_size else UNKNOWN

    @abc.abstractmethod
    def _tokenize(self, text: str) -> list[int]: ...

    @abc.abstractmethod
    def _detokenize(self, token_ids: list[int]) -> str: ...

    @abc.abstractmethod
    def _piece(self, token_id: int) -> str: ...


class EdgeSentencePiece(EdgeTokenizer):
    """Subwords of a SentencePiece model."""

    def __init__(self, files: dict[str, bytes]) -> None:
        import sentencepiece

        self._processor = sentencepiece.SentencePieceProcessor(
            model_proto=files["sentencepiece.model"]
        )
        self.vocabulary_size = self._processor.vocab_size()

    def _tokenize(self, text: str) -> list[int]:
        return self._processor.encode(text)

    def _detokenize(self, token_ids: list[int]) -> str:
        return self._processor.decode(token_ids)

    def _piece(self, token_id: int) -> str:
        return self._processor.id_to_piece(token_id)


class EdgeBytes(EdgeTokenizer):
    """Every byte of the text."""

    vocabulary_size = len(SPECIAL_PIECES) + 256

    def __init__(self, files: dict[str, bytes]) -> None:
        del files  # it has none

    def _tokenize(self, text: str) -> list[int]:
        return [byte + len(SPECIAL_PIECES) for byte in text.encode()]

    def _detokenize(self, token_ids: list[int]) -> str:
        first = len(SPECIAL_PIECES)
        parts = (bytes([i - first]) if i >= first else _REPLACEMENT.encode() for i in token_ids)
        return b"".join(parts).decode("utf-8", errors="replace")

    def _piece(self, token_id: int) -> str:
        if token_id < len(SPECIAL_PIECES):
            return SPECIAL_PIECES[token_id]
        byte = token_id - len(SPECIAL_PIECES)
        return chr(byte) if 0x20 < byte < 0x7F else f"<0x{byte:02X}>"


class _EdgeVocabulary(EdgeTokenizer):
    """Entries of a list."""

    separator = ""

    def __init__(self, files: dict[str, bytes]) -> None:
        config = json.loads(files["vocabulary.json"])
        self._vocabulary = [*SPECIAL_PIECES, *config.pop("vocabulary")]
        self._options: dict[str, Any] = config
        self._ids = {piece: i for i, piece in enumerate(self._vocabulary) if i > END}
        self.vocabulary_size = len(self._vocabulary)

    def _tokenize(self, text: str) -> list[int]:
        return [self._ids.get(piece, UNKNOWN) for piece in self._split(text)]

    def _detokenize(self, token_ids: list[int]) -> str:
        words = (self._vocabulary[i] if i > END else _REPLACEMENT for i in token_ids)
        return self.separator.join(words)

    def _piece(self, token_id: int) -> str:
        return self._vocabulary[token_id]

    @abc.abstractmethod
    def _split(self, text: str) -> list[str]: ...


class EdgeCharacters(_EdgeVocabulary):
    """Characters, and symbols that stay whole."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        whole = [re.escape(symbol) for symbol in self._options["symbols"]]
        self._pattern = re.compile("|".join([*whole, "."]), re.DOTALL)

    def _split(self, text: str) -> list[str]:
        normal = unicodedata.normalize("NFD" if self._options["decompose"] else "NFC", text)
        return self._pattern.findall(normal)

    def _detokenize(self, token_ids: list[int]) -> str:
        text = super()._detokenize(token_ids)
        return unicodedata.normalize("NFC", text) if self._options["decompose"] else text


class EdgeWords(_EdgeVocabulary):
    """Words separated by blanks."""

    separator = " "

    def _split(self, text: str) -> list[str]:
        return [word for word in _BLANKS.split(text) if word]


_CLASSES: dict[str, type[EdgeTokenizer]] = {
    "SentencePieceTokenizer": EdgeSentencePiece,
    "ByteTokenizer": EdgeBytes,
    "CharacterTokenizer": EdgeCharacters,
    "WordTokenizer": EdgeWords,
}


def load_edge_tokenizer(directory: Path) -> EdgeTokenizer:
    """Reads a tokenizer that `keras_attn.data` saved.

    Args:
        directory: Path.

    Returns:
        `EdgeTokenizer`.

    Raises:
        ValueError: if a file is missing or damaged, or the class is not one of the package's.
    """
    try:
        config = json.loads((directory / "tokenizer.json").read_bytes())
        files = {name: (directory / name).read_bytes() for name in map(_plain, config["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{directory} does not hold a complete tokenizer ({error}). Export again."
        ) from error
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != config["files"][name]:
            raise ValueError(f"{directory / name} is damaged. Export again.")
    if config["class"] not in _CLASSES:
        raise ValueError(
            f"`directory` must hold a tokenizer of this package: {', '.join(_CLASSES)}. "
            f"Received: {config['class']} in {directory}."
        )
    return _CLASSES[config["class"]](files)


def _plain(name: str) -> str:
    """Refuses a name that leads out of the directory, to a file that is not the tokenizer's."""
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not a file name")
    return name
