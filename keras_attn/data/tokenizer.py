"""The base class of tokenizers: text to token ids and back, inside the graph."""

import abc
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf

from keras_attn.lines import check_texts
from keras_attn.lines.special_tokens import END, PAD, START, UNKNOWN
from keras_attn.system.did_you_mean import nearest_or_first
from keras_attn.system.whole_file import whole_file

_CONFIG_NAME = "tokenizer.json"
_FORMAT = 1


class Tokenizer(tf.Module, abc.ABC):
    """Turns text into token ids and token ids into text, with TensorFlow operations only.

    Four ids are the same for every tokenizer: 0 padding, 1 unknown, 2 start, 3 end. `tokenize`
    never adds start or end tokens; the code that feeds a model does. A tokenizer is a `tf.Module`,
    so a SavedModel whose functions use it also contains it.

    A subclass sets `vocabulary_size` and implements `_tokenize_batch`, `_detokenize_batch`,
    `pieces`, `_files` and `_from_files`. Once the class is defined, `load_tokenizer` finds it by
    its name.

    Example:

    >>> from keras_attn.data import ByteTokenizer
    >>> tokenizer = ByteTokenizer()
    >>> token_ids = tokenizer.tokenize(["hi", ""])
    >>> token_ids.to_list()
    [[108, 109], []]
    >>> tokenizer.detokenize(token_ids).numpy().tolist()
    [b'hi', b'']
    """

    pad_token_id: ClassVar[int] = PAD
    unknown_token_id: ClassVar[int] = UNKNOWN
    start_token_id: ClassVar[int] = START
    end_token_id: ClassVar[int] = END
    vocabulary_size: int
    _classes: ClassVar[dict[str, type["Tokenizer"]]] = {}

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        Tokenizer._classes[cls.__name__] = cls

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies the files of `save`: TensorFlow resources cannot be pickled."""
        return type(self)._from_files, (self._files(),)

    def tokenize(self, texts: tf.Tensor | Sequence[str]) -> tf.RaggedTensor:
        """The token ids of each text, without start and end tokens.

        Args:
            texts: string tensor (B,), or a sequence of str. UTF-8.

        Returns:
            A `tf.RaggedTensor` (B, None) of int32.

        Raises:
            ValueError: `texts` is not a vector of strings.
        """
        return self._tokenize_batch(_text_batch(texts))

    def detokenize(
        self, token_ids: tf.Tensor | tf.RaggedTensor | Sequence[Sequence[int]]
    ) -> tf.Tensor:
        """The text of each row of token ids, up to its first end token.

        Padding and start tokens are skipped. An id that is not in the vocabulary, such as one from
        an output layer padded to a round size, counts as unknown. Bytes that are not valid UTF-8
        become U+FFFD, so the result is valid text whatever a model writes.

        Args:
            token_ids: integer tensor (B, T), or a `tf.RaggedTensor` (B, None).

        Returns:
            A string tensor (B,), UTF-8.

        Raises:
            ValueError: `token_ids` is not a matrix of integers.
        """
        token_ids = _token_id_batch(token_ids, self.pad_token_id)  # (B, T)
        if token_ids.dtype.size < 4:  # the size of the vocabulary may be too large for its dtype
            token_ids = tf.cast(token_ids, tf.int32)
        known = (token_ids >= 0) & (token_ids < self.vocabulary_size)
        unknown = tf.constant(self.unknown_token_id, token_ids.dtype)
        token_ids = tf.cast(tf.where(known, token_ids, unknown), tf.int32)
        is_end = tf.cast(token_ids == self.end_token_id, tf.int32)
        before_end = tf.cumsum(is_end, axis=1) == 0
        is_text = (token_ids != self.pad_token_id) & (token_ids != self.start_token_id)
        pieces = tf.ragged.boolean_mask(token_ids, before_end & is_text)
        return tf.strings.unicode_transcode(
            self._detokenize_batch(pieces), "UTF-8", "UTF-8", errors="replace"
        )

    def is_same(self, other: "Tokenizer") -> bool:
        """Whether another tokenizer is of the same class and has the same files.

        Args:
            other: `Tokenizer`.

        Returns:
            bool. If it is True, both give the same ids to every text.
        """
        return type(self) is type(other) and self._files() == other._files()

    @abc.abstractmethod
    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The token ids in readable form, one str each, including special tokens.

        Args:
            token_ids: sequence of int. The ids of one segment.

        Returns:
            A list of str, as long as `token_ids`.
        """

    def save(self, directory: str | os.PathLike) -> None:
        """Writes the tokenizer to a directory, which is created if it is missing.

        Every file is written under a temporary name and renamed. `tokenizer.json` comes last. It
        holds the checksums of the other files, so `load_tokenizer` notices an incomplete directory.

        Args:
            directory: path. Where to write `tokenizer.json` and the files of the class.

        Raises:
            ValueError: `directory` is a file.
        """
        directory = Path(directory)
        if directory.exists() and not directory.is_dir():
            raise ValueError(
                f"`directory` must be a directory. Received: {directory}, which is a file."
            )
        directory.mkdir(parents=True, exist_ok=True)
        files = self._files()
        for name, content in files.items():
            with whole_file(directory / name) as temporary:
                temporary.write_bytes(content)
        config = {
            "class": type(self).__name__,
            "format": _FORMAT,
            "vocabulary_size": self.vocabulary_size,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        with whole_file(directory / _CONFIG_NAME) as temporary:
            temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @abc.abstractmethod
    def _tokenize_batch(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Token ids (B, None) int32 of a string tensor (B,)."""

    @abc.abstractmethod
    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        """Strings (B,), possibly not valid UTF-8, of pieces and unknown tokens (B, None)."""

    @abc.abstractmethod
    def _files(self) -> dict[str, bytes]:
        """The content of the files to save beside `tokenizer.json`, by name."""

    @classmethod
    @abc.abstractmethod
    def _from_files(cls, files: dict[str, bytes]) -> "Tokenizer":
        """Rebuilds the tokenizer from the files that `_files` returned."""


def check_training_texts(texts: object) -> None:
    """Raises ValueError for one string instead of an iterable of strings."""
    if isinstance(texts, (str, bytes)):
        raise ValueError(
            f"`texts` must be an iterable of str, not one string. Received: {texts[:40]!r}."
        )


def load_tokenizer(directory: str | os.PathLike) -> Tokenizer:
    """Reads the tokenizer that `Tokenizer.save` wrote to a directory.

    Args:
        directory: path. The directory with `tokenizer.json`.

    Returns:
        A `Tokenizer` of the class that was saved.

    Raises:
        ValueError: a file is missing or damaged, or the class is not known.

    Example:

    >>> import tempfile
    >>> from keras_attn.data import ByteTokenizer
    >>> directory = tempfile.mkdtemp()
    >>> ByteTokenizer().save(directory)
    >>> load_tokenizer(directory).vocabulary_size
    260
    """
    directory = Path(directory)
    config = _read_config(directory / _CONFIG_NAME)
    class_name = config["class"]
    if class_name not in Tokenizer._classes:
        nearest = ", ".join(nearest_or_first(class_name, Tokenizer._classes))
        raise ValueError(
            f"`directory` must hold a tokenizer of a known class. Received: {directory}, "
            f"with class {class_name!r}. Nearest classes: {nearest}. If the class is your own, "
            "import the module that defines it first."
        )
    files = {
        name: _read_checked(directory / name, checksum)
        for name, checksum in config["files"].items()
    }
    return Tokenizer._classes[class_name]._from_files(files)


def _read_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"`directory` must hold a saved tokenizer, with the file {path.name}. Received: "
            f"{path.parent} ({error.strerror})."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"`directory` must hold an intact {path.name}. Received: {path}, which is not JSON "
            f"({error}). Save the tokenizer again."
        ) from error
    complete = isinstance(config, dict) and isinstance(config.get("class"), str)
    files = config.get("files") if complete else None
    # A name that leads out of the directory would read a file that is not the tokenizer's.
    if not isinstance(files, dict) or any(Path(name).name != name for name in files):
        raise ValueError(
            f"`directory` must hold an intact {path.name}. Received: {path}, which does not "
            "name a class and its files. Save the tokenizer again."
        )
    if config.get("format") != _FORMAT:
        raise ValueError(
            f"`directory` must hold a tokenizer of format {_FORMAT}. Received: format "
            f"{config.get('format')!r} in {path}; another version of this package wrote it."
        )
    return config


def _read_checked(path: Path, checksum: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"`directory` must hold the tokenizer's file {path.name}. Received: {path.parent} "
            f"({error.strerror})."
        ) from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError(
            f"`directory` must hold an intact tokenizer. Received: {path}, whose checksum is "
            f"not the one in {_CONFIG_NAME}. Save the tokenizer again."
        )
    return content


def _text_batch(texts: tf.Tensor | Sequence[str]) -> tf.Tensor:
    rule = "`texts` must be a vector of strings (B,): a string tensor of rank 1 or a list of str"
    if isinstance(texts, (list, tuple)) and all(isinstance(text, bytes) for text in texts):
        return tf.constant(list(texts), tf.string, shape=(len(texts),))
    if isinstance(texts, (list, tuple)):
        return tf.constant(check_texts("texts", texts), tf.string, shape=(len(texts),))
    if isinstance(texts, (str, bytes)):
        raise ValueError(f"{rule}. Received: one string, {texts[:40]!r}. Put it in a list.")
    try:
        batch = tf.convert_to_tensor(texts)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{rule}. Received: {type(texts).__name__}, which cannot become such a tensor."
        ) from error
    if batch.dtype != tf.string or batch.shape.rank not in (None, 1):
        raise ValueError(
            f"{rule}. Received: a tensor of dtype {batch.dtype.name} and shape {batch.shape}."
        )
    return tf.ensure_shape(batch, [None])


def _token_id_batch(
    token_ids: tf.Tensor | tf.RaggedTensor | Sequence[Sequence[int]], pad: int
) -> tf.Tensor:
    rule = "`token_ids` must be a matrix of integers (B, T): a tensor or ragged tensor of rank 2"
    try:
        if isinstance(token_ids, (list, tuple)):  # the rows need not be equally long
            token_ids = tf.ragged.constant(token_ids, tf.int64, ragged_rank=1)
        if isinstance(token_ids, tf.RaggedTensor):
            batch = token_ids.to_tensor(tf.cast(pad, token_ids.dtype))
        else:
            batch = tf.convert_to_tensor(token_ids)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{rule}. Received: {type(token_ids).__name__} that cannot become such a tensor."
        ) from error
    if not batch.dtype.is_integer or batch.shape.rank not in (None, 2):
        raise ValueError(
            f"{rule}. Received: a tensor of dtype {batch.dtype.name} and shape {batch.shape}."
        )
    return tf.ensure_shape(batch, [None, None])
