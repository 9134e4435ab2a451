"""Loads a translation corpus from TensorFlow Datasets.

Its functions import TensorFlow Datasets when they run, which takes 0.1 s.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from keras_attn.data.corpus import Corpus, CorpusError
from keras_attn.data.describe_segments import describe_segments
from keras_attn.system.did_you_mean import nearest_or_first

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_READ_BATCH_ROWS = 4096


def load_tfds(
    name: str | tfds.core.DatasetBuilder,
    split: Any = "train",
    source_language: str | None = None,
    target_language: str | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = True,
) -> Corpus:
    """Loads one split of a translation data set of TensorFlow Datasets.

    It takes any data set whose features are texts keyed by language: `tfds.features.Translation`,
    or a directory that `tfds.folder_dataset.TranslateFolder` reads. The direction comes from the
    first of these that states it: the arguments; the order in the configuration's name
    (`"wmt14_translate/de-en"` translates from German); the builder's supervised keys.

    Args:
        name: str or builder. A TFDS name such as `"wmt14_translate/de-en"`, or a builder object.
        split: str, such as `"train"` or `"validation[:100]"`; or another object that TFDS takes for
            one split: `tfds.core.ReadInstruction`, or one of `tfds.even_splits`.
        source_language: str. The source language's key. If `target_language` is None, the other
            language is the target.
        target_language: str. The target language's key. If `source_language` is None, the other
            language is the source.
        data_dir: path. Where TFDS keeps its data; the default of TFDS if None.
        download: bool. Whether to download and prepare missing data.

    Returns:
        A `Corpus`. Its `notes` count odd pairs.

    Raises:
        CorpusError: TFDS does not know the data set, configuration or split; the data set holds no
            translations, or its direction is unclear; it is not prepared and `download` is false;
            or the split is empty.

    Example:

    >>> import tensorflow_datasets as tfds
    >>> with tfds.testing.mock_data(num_examples=3):
    ...     corpus = load_tfds("wmt14_translate/de-en", split="test")
    >>> len(corpus), corpus.source_language, corpus.target_language
    (3, 'de', 'en')
    """
    import tensorflow_datasets as tfds

    builder = _find_builder(name, data_dir) if isinstance(name, str) else name
    source_language, target_language = _direction(builder, source_language, target_language)
    dataset = _open_split(builder, split, download)
    sources: list[str] = []
    targets: list[str] = []
    for batch in tfds.as_numpy(dataset.batch(_READ_BATCH_ROWS)):
        sources.extend(text.decode("utf-8") for text in batch[source_language])
        targets.extend(text.decode("utf-8") for text in batch[target_language])
    title = f"{_title(builder)}:{split}"
    if not sources:
        raise CorpusError(
            f"`split` must hold at least one pair. Received: {title}, which is empty. Choose "
            "another split."
        )
    return Corpus(
        sources=sources,
        targets=targets,
        name=title,
        source_language=source_language,
        target_language=target_language,
        notes=describe_segments(sources, targets),
    )


def _find_builder(name: str, data_dir: str | os.PathLike | None) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        nearest = nearest_or_first(name.partition("/")[0].partition(":")[0], tfds.list_builders())
        raise CorpusError(
            f"`name` must be a data set of TensorFlow Datasets. Received: {name}. Nearest names: "
            f"{', '.join(nearest)}."
        ) from error
    except ImportError as error:
        raise CorpusError(
            f"`name` must be a data set whose packages are installed. Received: {name}. TFDS says: "
            f"{_one_line(error)}"
        ) from error
    except (ValueError, AttributeError) as error:
        raise CorpusError(
            f"`name` must be a data set and one of its configurations. Received: {name}. "
            f"{_configurations(name)}TFDS says: {_one_line(error)}"
        ) from error


def _configurations(name: str) -> str:
    import tensorflow_datasets as tfds

    dataset, _, configuration = name.partition("/")
    try:
        names = list(tfds.builder_cls(dataset).builder_configs)
    except (ValueError, AttributeError):
        return ""
    return (
        f"Nearest configurations: {', '.join(nearest_or_first(configuration, names))}. "
        if names
        else ""
    )


def _direction(
    builder: tfds.core.DatasetBuilder, source_language: str | None, target_language: str | None
) -> tuple[str, str]:
    """The keys of the source and the target texts."""
    import tensorflow_datasets as tfds

    title, features = _title(builder), builder.info.features
    languages = []
    if isinstance(features, tfds.features.FeaturesDict):
        languages = [
            key for key, feature in features.items() if isinstance(feature, tfds.features.Text)
        ]
    if len(languages) < 2:
        raise CorpusError(
            f"`name` must be a data set of translations, with one text for each language. "
            f"Received: {title}, with the features {_one_line(features)}."
        )
    for argument, language in (
        ("source_language", source_language),
        ("target_language", target_language),
    ):
        if language is not None and language not in languages:
            raise CorpusError(
                f"`{argument}` must be one of the languages of {title}: {', '.join(languages)}. "
                f"Received: {language}."
            )
    if source_language is None and target_language is None:
        return _default_direction(builder, languages)
    others = [
        language for language in languages if language not in (source_language, target_language)
    ]
    source, target = source_language or others[0], target_language or others[0]
    if source == target or (None in (source_language, target_language) and len(others) != 1):
        raise CorpusError(
            f"`source_language` and `target_language` must be two different languages of {title}. "
            f"Received: {source_language} and {target_language}. Its languages are "
            f"{', '.join(languages)}; if there are more than two, both arguments must be given."
        )
    return source, target


def _default_direction(builder: tfds.core.DatasetBuilder, languages: list[str]) -> tuple[str, str]:
    configuration = builder.builder_config.name if builder.builder_config else ""
    named = [part for part in re.split(r"[-_/]|to(?=_)", configuration) if part in languages]
    candidates = (named, list(builder.info.supervised_keys or ()))
    for pair in candidates:
        if len(pair) == 2 and pair[0] != pair[1] and set(pair) <= set(languages):
            return pair[0], pair[1]
    raise CorpusError(
        f"`source_language` and `target_language` must be given if the data set does not state its "
        f"direction. Received: {_title(builder)} without them. Its languages are "
        f"{', '.join(languages)}."
    )


def _open_split(builder: tfds.core.DatasetBuilder, split: Any, download: bool):
    if download:
        try:
            builder.download_and_prepare()
        except NotImplementedError:
            # A folder data set reads the user's files directly: there is nothing to prepare.
            pass
        except ModuleNotFoundError as error:
            raise CorpusError(
                "`name` must be a data set whose packages are installed. "
                f"Received: {_title(builder)} ({error}). Run: pip install {error.name}."
            ) from error
    known = list(builder.info.splits)
    if isinstance(split, (list, tuple, dict)) or split is None:
        raise CorpusError(
            f"`split` must be one split of {_title(builder)}, such as 'train' or 'train[:10%]'. "
            f"Received: {type(split).__name__}. To read several splits as one, write 'train+test'."
        )
    base = re.split(r"[\[+]", split)[0] if isinstance(split, str) else "all"
    if known and base != "all" and base not in known:
        raise CorpusError(
            f"`split` must be one of the splits of {_title(builder)}: {', '.join(known)}. "
            f"Received: {split}."
        )
    try:
        return builder.as_dataset(split=split, shuffle_files=False)
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        advice = "" if download else " Pass download=True to prepare it."
        raise CorpusError(
            f"`split` must be a split that TFDS can read. Received: {split} of {_title(builder)}. "
            f"TFDS says: {_one_line(error)}{advice}"
        ) from error


def _title(builder: tfds.core.DatasetBuilder) -> str:
    configuration = builder.builder_config
    return f"{builder.name}/{configuration.name}" if configuration else builder.name


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:300]
