"""The lines of a file that belongs to a corpus."""

import os

from keras_attn.data.corpus_error import CorpusError
from keras_attn.lines import read_lines


def read_corpus_lines(path: str | os.PathLike[str], argument: str = "path") -> list[str]:
    """As `keras_attn.lines.read_lines`, but raises `CorpusError`."""
    try:
        return read_lines(path, argument)
    except ValueError as error:
        raise CorpusError(str(error)) from error
