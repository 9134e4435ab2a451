"""A tokenizer of trained subwords: SentencePiece, run by TensorFlow Text (Sec. 5.1)."""

import io
import random
import re
from collections.abc import Iterable, Iterator, Sequence

import sentencepiece
import tensorflow as tf
import tensorflow_text

from keras_attn.data.shared_sentencepiece_model import SharedSentencePieceModel
from keras_attn.data.tokenizer import Tokenizer, check_training_texts
from keras_attn.system.did_you_mean import nearest_or_first

_MODEL_NAME = "sentencepiece.model"
_MODEL_TYPES = ("bpe", "unigram")
_NORMALIZATIONS = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity")
# The trainer skips any text that contains one of these. For training they are replaced by blanks.
_RESERVED_IN_TRAINING = str.maketrans({"\u2585": " ", "\0": " "})
_UNLIMITED_BYTES = 2**30  # the largest limit that SentencePiece takes
# The result of unigram training depends on the number of threads, so the number is fixed.
_NUM_THREADS = 4


class VocabularySizeError(ValueError):
    """The texts do not allow a vocabulary of the requested size.

    Args:
        message: str.
        possible: int. The nearest size that they allow.

    Example:

    >>> VocabularySizeError("`vocabulary_size` must be at most 857", 857).possible
    857
    """

    def __init__(self, message: str, possible: int) -> None:
        super().__init__(message)
        self.possible = possible


class SentencePieceTokenizer(Tokenizer):
    """Splits text into subwords of a SentencePiece model.

    The paper uses byte-pair encoding with a vocabulary of about 37,000 tokens shared by both
    languages. `train` makes such a model. `SentencePieceTokenizer(model)` takes an existing model
    if its special ids are 0 padding, 1 unknown, 2 start and 3 end.

    `tensorflow_text.SentencepieceTokenizer` runs the model in the graph, always with all its flags
    off, because two operations on one model with different flags interfere. With byte fallback,
    characters that have no piece are written as their bytes, so no text is unknown.

    `detokenize(tokenize(text))` is the text as the model's normalization writes it: NFKC by
    default, with each run of blanks as one blank and none at the ends.

    Args:
        model: bytes. A serialized SentencePiece model, such as the content of a `.model` file.

    Raises:
        ValueError: `model` is not a SentencePiece model, or has other special ids.

    Example:

    >>> texts = ["the dog sees the cat", "the cat sees the dog"] * 9
    >>> tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=290)
    >>> token_ids = tokenizer.tokenize(["the  dog"])
    >>> tokenizer.detokenize(token_ids).numpy().tolist()
    [b'the dog']
    >>> tokenizer.vocabulary_size
    290
    """

    def __init__(self, model: bytes) -> None:
        super().__init__(name="sentencepiece_tokenizer")
        self._processor = _load_processor(model)
        self.model = bytes(model)
        self.vocabulary_size = self._processor.vocab_size()
        self._graph_tokenizer = tensorflow_text.SentencepieceTokenizer(
            self.model, out_type=tf.int32
        )
        self._graph_tokenizer._model_resource = SharedSentencePieceModel(self.model)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int,
        model_type: str = "bpe",
        normalization: str = "nmt_nfkc",
        character_coverage: float = 1.0,
        byte_fallback: bool = True,
        max_texts: int | None = None,
        seed: int = 0,
        symbols: Sequence[str] = (),
    ) -> "SentencePieceTokenizer":
        """Trains a model on texts in memory; the same texts and options always give the same model.

        For a vocabulary shared by two languages, as in the paper, pass the texts of both.

        Args:
            texts: iterable of str. The texts to train on. Empty texts are skipped.
            vocabulary_size: int. The number of tokens, including the four special tokens and the
                256 byte pieces.
            model_type: str. `"bpe"` (byte-pair encoding) or `"unigram"`.
            normalization: str. `"nmt_nfkc"`, `"nfkc"`, the same with `"_cf"` for lower case, or
                `"identity"`.
            character_coverage: float. The share of all characters of `texts` that get a piece.
            byte_fallback: bool. Whether to write other characters as bytes instead of as unknown.
            max_texts: int. Train on a random sample of at most this many texts; on all if None.
            seed: int. The seed of that sample. Training itself has no randomness.
            symbols: sequence of str. Strings that are one piece wherever they occur.

        Returns:
            A `SentencePieceTokenizer`.

        Raises:
            ValueError: an option is out of range, the texts hold no text, or they do not allow a
                vocabulary of this size.
        """
        _check_choice("model_type", model_type, _MODEL_TYPES)
        _check_choice("normalization", normalization, _NORMALIZATIONS)
        if not 0.0 < character_coverage <= 1.0:
            raise ValueError(
                f"`character_coverage` must be in (0, 1]. Received: {character_coverage}."
            )
        if vocabulary_size < 1:
            raise ValueError(f"`vocabulary_size` must be positive. Received: {vocabulary_size}.")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_training_texts(texts, max_texts, seed),
                model_writer=model,
                vocab_size=vocabulary_size,
                model_type=model_type,
                normalization_rule_name=normalization,
                character_coverage=character_coverage,
                byte_fallback=byte_fallback,
                pad_id=cls.pad_token_id,
                unk_id=cls.unknown_token_id,
                bos_id=cls.start_token_id,
                eos_id=cls.end_token_id,
                max_sentence_length=_UNLIMITED_BYTES,
                user_defined_symbols=list(symbols),
                num_threads=_NUM_THREADS,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise _explained(str(error), vocabulary_size) from error
        return cls(model.getvalue())

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The pieces of the model in readable form; U+2581 marks the blank before a word.

        Args:
            token_ids: sequence of int. The ids of one segment.

        Returns:
            A list of str, as long as `token_ids`.
        """
        known = range(self.vocabulary_size)
        return [
            self._processor.id_to_piece(
                int(token_id) if int(token_id) in known else self.unknown_token_id
            )
            for token_id in token_ids
        ]

    def _tokenize_batch(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._graph_tokenizer.tokenize(texts)

    def _detokenize_batch(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        return self._graph_tokenizer.detokenize(token_ids)

    def _files(self) -> dict[str, bytes]:
        return {_MODEL_NAME: self.model}

    @classmethod
    def _from_files(cls, files: dict[str, bytes]) -> "SentencePieceTokenizer":
        if _MODEL_NAME not in files:
            raise ValueError(
                f"`directory` must hold a tokenizer.json that lists the file {_MODEL_NAME}. "
                f"Received: {', '.join(files) or 'no files'}. Save the tokenizer again."
            )
        return cls(files[_MODEL_NAME])


def _training_texts(texts: Iterable[str], max_texts: int | None, seed: int) -> Iterator[str]:
    check_training_texts(texts)
    if max_texts is not None:
        if max_texts < 1:
            raise ValueError(f"`max_texts` must be positive or None. Received: {max_texts}.")
        texts = list(texts)
        if len(texts) > max_texts:
            texts = random.Random(seed).sample(texts, max_texts)
    return (_checked_text(text).translate(_RESERVED_IN_TRAINING) for text in texts if text != "")


def _checked_text(text: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"`texts` must hold str. Received: {type(text).__name__} {text!r:.40}.")
    return text


def _check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        nearest = nearest_or_first(str(value), choices, limit=1)[0]
        raise ValueError(
            f"`{argument}` must be one of {', '.join(choices)}. Received: {value!r}. Did you mean "
            f"{nearest!r}?"
        )


def _explained(message: str, vocabulary_size: int) -> ValueError:
    """An error of SentencePiece's trainer in terms of our arguments."""
    too_high = re.search(r"Vocabulary size too high.*value <= (\d+)", message)
    if too_high:
        return VocabularySizeError(
            f"`vocabulary_size` must be at most {too_high.group(1)} for these texts: they have no "
            f"more pieces to learn. Received: {vocabulary_size}. Lower it, or give more text.",
            int(too_high.group(1)),
        )
    too_low = re.search(r"smaller than required_chars.*?(\d+) vs (\d+)", message)
    if too_low:
        return VocabularySizeError(
            f"`vocabulary_size` must be at least {too_low.group(2)} for these texts: their "
            "characters, the special tokens and the byte pieces need that many. Received: "
            f"{vocabulary_size}. Raise it, or lower `character_coverage`.",
            int(too_low.group(2)),
        )
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return ValueError(
            "`texts` must hold some text to learn from. Received: only empty or blank texts."
        )
    return ValueError(
        "`texts` and the options must allow SentencePiece to train a model. Received: "
        f"`vocabulary_size` {vocabulary_size}. SentencePiece says: {message}"
    )


def _load_processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    if not isinstance(model, bytes) or not model:
        raise ValueError(
            f"`model` must be the bytes of a SentencePiece model. Received: {type(model).__name__} "
            f"{model!r:.40}. Read the file with Path(...).read_bytes()."
        )
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise ValueError(
            f"`model` must be a SentencePiece model. Received: {len(model)} bytes that cannot be "
            f"loaded as one ({error})."
        ) from error
    ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
    if ids != (0, 1, 2, 3):
        raise ValueError(
            "`model` must have the special ids padding 0, unknown 1, start 2, end 3. Received: "
            f"{ids}. Train it with SentencePieceTokenizer.train, or with pad_id=0, unk_id=1, "
            "bos_id=2, eos_id=3."
        )
    return processor
