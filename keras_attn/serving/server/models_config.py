"""The models of a development server, from a directory or TensorFlow Serving's `models.config`."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_attn.serving.version_directories import versions_in


def config_of_directory(directory: str | os.PathLike[str]) -> ModelServerConfig:
    """The configuration for a model's directory, or for a directory of such directories.

    Args:
        directory: path. `saved_models/NAME`, or `saved_models`.

    Returns:
        ModelServerConfig. The newest version of each model is served.

    Raises:
        ValueError: if it contains no model.

    Example:

    >>> config_of_directory("saved_modles")
    Traceback (most recent call last):
    ValueError: `DIR` must be a model's directory, ... Received: ..., which is not a directory.
    """
    directory = Path(directory).resolve()
    rule = "`DIR` must be a model's directory, with numbered versions, or a directory of models"
    if not directory.is_dir():
        raise ValueError(f"{rule}. Received: {directory}, which is not a directory.")
    if (directory / "saved_model.pb").is_file():
        raise ValueError(
            f"{rule}. Received: {directory}, which is one version. Give {directory.parent}."
        )
    models = [directory] if _has_versions(directory) else sorted(directory.iterdir())
    config = ModelServerConfig()
    for model in filter(_has_versions, models):
        config.model_config_list.config.add(
            name=model.name, base_path=str(model), model_platform="tensorflow"
        )
    if not config.model_config_list.config:
        raise ValueError(
            f"{rule}. Received: {directory}, which has none. Write one with `keras-attn export`."
        )
    return config


def read_models_config(path: str | os.PathLike[str]) -> ModelServerConfig:
    """Reads `models.config`, as `keras-attn serve-config` writes it.

    Args:
        path: path.

    Returns:
        ModelServerConfig.

    Raises:
        ValueError: if it is not such a file.

    Example:

    >>> _ = Path("batching.config").write_text("max_batch_size { value: 32 }")
    >>> read_models_config("batching.config")
    Traceback (most recent call last):
    ValueError: `config` must be a ModelServerConfig as text. Received: batching.config: ...
    """
    try:
        config = text_format.Parse(Path(path).read_text(encoding="utf-8"), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"`config` must be a ModelServerConfig as text. Received: {path}: {reason}."
        ) from error
    check_config(config)
    return config


def check_config(config: ModelServerConfig) -> None:
    """Checks names, paths and platforms as a server does when it starts.

    Args:
        config: ModelServerConfig.

    Raises:
        ValueError: if the server would refuse it.
    """
    models = config.model_config_list.config
    names = [model.name for model in models]
    if not names or not all(names) or len(set(names)) < len(names):
        raise ValueError(
            f"`config` must name at least one model, each with its own name. Received: {names}."
        )
    for model in models:
        if not os.path.isabs(model.base_path):
            raise ValueError(
                f"`base_path` of {model.name} must be an absolute path. "
                f"Received: {model.base_path!r}."
            )
        if model.model_platform != "tensorflow":
            raise ValueError(
                f"`model_platform` of {model.name} must be 'tensorflow'. "
                f"Received: {model.model_platform!r}."
            )


def wanted_versions(
    model: model_server_config_pb2.ModelConfig,
) -> dict[int, Path]:
    """The versions in a model's directory that the model's policy asks for.

    Args:
        model: ModelConfig.

    Returns:
        dict of int to Path: the version directories, newest first.

    Raises:
        OSError: if the directory cannot be read.
    """
    found = versions_in(Path(model.base_path))
    paths = {version: path for version, path in found.items() if path.is_dir()}
    newest_first = sorted(paths, reverse=True)
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "specific":
        chosen = [version for version in newest_first if version in policy.specific.versions]
    elif choice == "all":
        chosen = newest_first
    else:
        chosen = newest_first[: policy.latest.num_versions or 1]
    return {version: paths[version] for version in chosen}


def _has_versions(directory: Path) -> bool:
    try:
        return directory.is_dir() and bool(versions_in(directory))
    except PermissionError:  # such as `lost+found`
        return False
