"""Writes TensorFlow Serving's configuration files: models, labels, batching, monitoring."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.serving.server_templates import (
    BATCHING,
    DOCKER_COMPOSE,
    FLAGS,
    KUBERNETES,
    MONITORING,
)
from keras_attn.serving.static_checks import XLA_FLAG
from keras_attn.serving.verification_record import needs_xla
from keras_attn.serving.version_directories import versions_in
from keras_attn.serving.warmup import BATCH_SIZES
from keras_attn.system.whole_file import whole_file

DEFAULT_IMAGE = "tensorflow/serving:2.20.0"
STABLE, CANARY = "stable", "canary"
_CONFIGS = ("models.config", "batching.config", "monitoring.config")
_FILES = (*_CONFIGS, "docker-compose.yml", "kubernetes.yaml")

# The name of a model is used in URLs, YAML and Kubernetes names.
_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A model's directory and the labels of its versions.

    Args:
        directory: path. The model's directory, `saved_models/NAME`; its name is the model's.
        stable: int or None. The version with the label `stable`. None: the newest that is not the
            canary.
        canary: int or None. The version to try; no label if None.

    Raises:
        ValueError: if the name is not valid in a URL, or a version does not exist.

    Example:

    >>> ServedModel("saved_models/En De")
    Traceback (most recent call last):
    ValueError: `directory` must have a name of lowercase letters, ... Received: 'En De'.
    """

    directory: Path
    stable: int | None = None
    canary: int | None = None

    def __post_init__(self) -> None:
        directory = Path(self.directory)
        object.__setattr__(self, "directory", directory)
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "`directory` must have a name of lowercase letters, digits, - and _, which becomes "
                f"the model's. Received: {self.name!r}."
            )
        versions = _versions(directory)
        if self.stable is None:
            earlier = [version for version in versions if version != self.canary]
            object.__setattr__(self, "stable", max(earlier or versions))
        for label, version in self.labels.items():
            if version not in versions:
                raise ValueError(
                    f"`{label}` must be a version of {directory}: "
                    f"{', '.join(map(str, sorted(versions)))}. Received: {version}."
                )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.directory.resolve().name

    @property
    def labels(self) -> dict[str, int]:
        """Label -> version."""
        labels = {STABLE: self.stable, CANARY: self.canary}
        return {label: version for label, version in labels.items() if version is not None}

    @property
    def needs_xla(self) -> bool:
        """Whether one of the versions was exported with `xla=True`."""
        paths = versions_in(self.directory)  # version 7 may be in the directory 00000007
        return any(needs_xla(paths[version]) for version in self.labels.values())


def write_server_config(
    models: Sequence[ServedModel],
    output: str | os.PathLike[str],
    *,
    base_path: str = "/models",
    port: int = 8501,
    grpc_port: int = 8500,
    image: str = DEFAULT_IMAGE,
    num_cores: int = 4,
) -> list[Path]:
    """Writes all that an unmodified TensorFlow Serving needs besides the models.

    `models.config` names the models, the versions to keep loaded and their labels;
    `batching.config` is the server's batching, with the batch sizes that the exports warm up;
    `monitoring.config` turns on Prometheus metrics; `docker-compose.yml` and `kubernetes.yaml`
    start the server with the three.

    Args:
        models: sequence of `ServedModel`. All in one directory, which the server can access.
        output: path. The directory to write to; it must not contain these files.
        base_path: str. Where the server sees the directory of the models.
        port: int. For REST.
        grpc_port: int. For gRPC.
        image: str. The container image.
        num_cores: int. The cores of the server.

    Returns:
        list of Path: the files.

    Raises:
        ValueError: if two models have the same name or are in different directories, a file
            already exists, or a number is out of range.

    Example:

    >>> write_server_config([], "serving")
    Traceback (most recent call last):
    ValueError: `models` must name at least one model. Received: none.
    """
    models, output = list(models), Path(output)
    _check(models, output, port, grpc_port, num_cores)
    if not base_path.startswith("/") or not base_path.strip("/"):
        raise ValueError(
            "`base_path` must be an absolute path below the root, such as /models. Received: "
            f"{base_path!r}."
        )
    values = {
        "image": image,
        "rest_port": str(port),
        "grpc_port": str(grpc_port),
        "cores": str(num_cores),
        "base_path": base_path.rstrip("/"),
        "first_model": models[0].name,
        "models_directory": str(models[0].directory.resolve().parent),
        "largest_batch": str(max(BATCH_SIZES)),
        "batch_sizes": "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
    }
    flags = server_flags("/config", port, grpc_port, any(one.needs_xla for one in models))
    for name, indent in (("flags", 6), ("indented_flags", 12)):
        values[name] = "\n".join(f"{' ' * indent}- {flag}" for flag in flags)
    contents = [models_config(models, base_path), BATCHING.substitute(values), MONITORING]
    # The Kubernetes manifest contains these three files.
    for name, content in zip(_CONFIGS, contents, strict=True):
        values[name.replace(".", "_")] = textwrap.indent(content, " " * 4).rstrip("\n")
    contents += [DOCKER_COMPOSE.substitute(values), KUBERNETES.substitute(values)]
    files = dict(zip(_FILES, contents, strict=True))
    output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with whole_file(output / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return [output / name for name in files]


def models_config(models: Sequence[ServedModel], base_path: str = "/models") -> str:
    """The text of `models.config`.

    Args:
        models: sequence of `ServedModel`.
        base_path: str. Where the server sees the directory of the models.

    Returns:
        str.

    Example:

    >>> models_config([])
    ''
    """
    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        one = config.model_config_list.config.add(
            name=model.name,
            base_path=f"{base_path.rstrip('/')}/{model.name}",
            model_platform="tensorflow",
        )
        # Both versions stay loaded, so that a label can be moved from one to the other.
        one.model_version_policy.specific.versions.extend(sorted(set(model.labels.values())))
        for label, version in model.labels.items():
            one.version_labels[label] = version
    return text_format.MessageToString(config)


def start_commands(
    output: Path, base_path: str, port: int, grpc_port: int, xla: bool = False
) -> list[str]:
    """The commands that start a server with these files, in a container and without one.

    Args:
        output: Path. Where the files are.
        base_path: str. Where the server sees the models.
        port: int. For REST.
        grpc_port: int. For gRPC.
        xla: bool. Whether a version needs XLA switched on.

    Returns:
        list of str.

    Example:

    >>> start_commands(Path("/etc/serving"), "/models", 8501, 8500)[0]
    'docker compose -f /etc/serving/docker-compose.yml up'
    """
    directory = output.resolve()
    flags = shlex.join(server_flags(str(directory), port, grpc_port, xla))
    return [
        f"docker compose -f {shlex.quote(str(directory / 'docker-compose.yml'))} up",
        f"tensorflow_model_server {flags}    # needs the models in {base_path}",
    ]


def server_flags(config: str, port: int, grpc_port: int, xla: bool = False) -> list[str]:
    """The flags of the server that name these files and ports.

    Args:
        config: str. Where the server sees the files.
        port: int. For REST.
        grpc_port: int. For gRPC.
        xla: bool. Whether a version needs XLA switched on.

    Returns:
        list of str.
    """
    values = {"config": config, "rest_port": str(port), "grpc_port": str(grpc_port)}
    return FLAGS.substitute(values).splitlines() + ([XLA_FLAG] if xla else [])


def _versions(directory: Path) -> list[int]:
    found = list(versions_in(directory)) if directory.is_dir() else []
    if not found:
        raise ValueError(
            "`directory` must be a model's directory, with numbered versions in it. Received: "
            f"{directory}. Write one with `keras-attn export`."
        )
    return found


def _check(
    models: list[ServedModel], output: Path, port: int, grpc_port: int, num_cores: int
) -> None:
    if not models:
        raise ValueError("`models` must name at least one model. Received: none.")
    names = [model.name for model in models]
    parents = {model.directory.resolve().parent for model in models}
    if len(set(names)) < len(names) or len(parents) > 1:
        raise ValueError(
            "`models` must have different names and be in one directory. Received: "
            f"{', '.join(str(model.directory) for model in models)}."
        )
    for name, value in (("port", port), ("grpc_port", grpc_port)):
        if not 0 < value < 65536:
            raise ValueError(f"`{name}` must be from 1 to 65535. Received: {value}.")
    if port == grpc_port:
        raise ValueError(f"`port` and `grpc_port` must be different. Received: {port} for both.")
    if num_cores < 1:
        raise ValueError(f"`num_cores` must be at least 1. Received: {num_cores}.")
    for name in _FILES:
        if (output / name).exists():
            raise ValueError(
                f"`output` must not contain {name} yet. Received: {output}. Choose another "
                "directory, or remove the file."
            )
