"""Reads several files of tab-separated values as one corpus."""

import os
from collections.abc import Sequence

from keras_attn.data.corpus import Corpus
from keras_attn.data.read_tsv import read_tsv
from keras_attn.lines.open_text import without_compression


def read_tsv_files(
    paths: Sequence[str | os.PathLike],
    source_column: int = 0,
    target_column: int = 1,
    tag_sources: bool = False,
) -> Corpus:
    r"""Reads the pairs of all files, file after file, as `read_tsv` does.

    Args:
        paths: sequence of paths. The files.
        source_column: int. The column of the source segments, counted from 0.
        target_column: int. The column of the target segments, counted from 0.
        tag_sources: bool. Whether to put the name of the file, without its suffix, before each of
            its sources: `"<fre> "` for `fre.tsv`. So one model can learn several languages.

    Returns:
        A `Corpus`, named after the files.

    Raises:
        ValueError: there is no path, or a column is not valid.
        CorpusError: as `read_tsv`.

    Example:

    >>> import pathlib, tempfile
    >>> directory = pathlib.Path(tempfile.mkdtemp())
    >>> for name, line in (("fre", "abby\ta b i"), ("hun", "ad\tɒ d")):
    ...     _ = (directory / f"{name}.tsv").write_text(line, encoding="utf-8")
    >>> list(read_tsv_files(sorted(directory.glob("*.tsv")), tag_sources=True))
    [('<fre> abby', 'a b i'), ('<hun> ad', 'ɒ d')]
    """
    if len(paths) == 0:
        raise ValueError("`paths` must name at least one file. Received: none.")
    corpora = [read_tsv(path, source_column, target_column) for path in paths]
    prefixes = [source_tag(path) if tag_sources else "" for path in paths]
    return Corpus(
        sources=[
            prefix + source
            for prefix, corpus in zip(prefixes, corpora, strict=True)
            for source in corpus.sources
        ],
        targets=[target for corpus in corpora for target in corpus.targets],
        name="+".join(corpus.name for corpus in corpora),
        notes=[f"{corpus.name}: {note}" for corpus in corpora for note in corpus.notes],
    )


def source_tag(path: str | os.PathLike) -> str:
    """The tag that goes before the sources of a file.

    Args:
        path: path. The file, which may be compressed.

    Returns:
        str.

    Example:

    >>> source_tag("train/fre.tsv"), source_tag("train/fre.tsv.gz")
    ('<fre> ', '<fre> ')
    """
    return f"<{without_compression(path).stem}> "
