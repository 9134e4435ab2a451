"""The error that says what is wrong with a user's corpus, and where."""


class CorpusError(ValueError):
    """A corpus that cannot be read: a file is missing, its bytes are no text, its sides differ.

    It is a `ValueError`, so code that catches those needs to know nothing of this package. Its
    message is one line that names the file, the line where there is one, and what to do about it.

    Example:

    >>> from keras_attn.data import Corpus, CorpusError
    >>> try:
    ...     Corpus(sources=["one", "two"], targets=["eins"], name="numbers")
    ... except CorpusError as error:
    ...     print(str(error).split(":")[0])
    `sources` and `targets` of corpus 'numbers' must pair up line by line
    """
