"""Reads one split of a corpus that is a directory of `SPLIT.LANGUAGE` files."""

import os
from pathlib import Path

from keras_attn.data.corpus import Corpus, CorpusError
from keras_attn.data.read_text_pair import read_text_pair
from keras_attn.system.did_you_mean import nearest_or_first


def read_directory(
    directory: str | os.PathLike, split: str, source_language: str, target_language: str
) -> Corpus:
    """Reads `directory/split.source_language` and `directory/split.target_language`.

    Most parallel corpora are laid out like this: `train.en`, `train.de`, `test.en`, `test.de`.

    Args:
        directory: path. The directory with the files.
        split: str. The file name without the language, such as `"train"`.
        source_language: str. The suffix of the source files, such as `"en"`.
        target_language: str. The suffix of the target files, such as `"de"`.

    Returns:
        A `Corpus` named `DIRECTORY/SPLIT`.

    Raises:
        CorpusError: there is no such directory or file, or `read_text_pair` cannot read the pair.

    Example:

    >>> import pathlib, tempfile
    >>> directory = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (directory / "val.en").write_text("a dog\\n", encoding="utf-8")
    >>> _ = (directory / "val.de").write_text("ein Hund\\n", encoding="utf-8")
    >>> list(read_directory(directory, "val", "en", "de"))
    [('a dog', 'ein Hund')]
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise CorpusError(f"`directory` must be an existing directory. Received: {directory}.")
    names = [entry.name for entry in directory.iterdir() if entry.is_file()]
    wanted = [f"{split}.{source_language}", f"{split}.{target_language}"]
    for argument, name in zip(("source_language", "target_language"), wanted, strict=True):
        if name not in names:
            found = nearest_or_first(name, names, limit=10)
            listing = f"It holds {', '.join(found)}" if found else "It holds no files"
            rest = f" and {len(names) - len(found)} more." if len(names) > len(found) else "."
            raise CorpusError(
                f"`split` and `{argument}` must name a file SPLIT.LANGUAGE of {directory}. "
                f"Received: {name}. {listing}{rest}"
            )
    return read_text_pair(
        directory / wanted[0],
        directory / wanted[1],
        name=f"{directory.resolve().name}/{split}",
        source_language=source_language,
        target_language=target_language,
    )
