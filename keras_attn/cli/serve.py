"""`keras-attn serve`: a development server with TensorFlow Serving's protocols."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.cli.command_parser import Command, CommandParser, positive_integer
from keras_attn.cli.model_location import find_translator, open_translator
from keras_attn.cli.output import make_console, say
from keras_attn.cli.process import load_tensorflow
from keras_attn.pretrained import DEFAULT_MODEL
from keras_attn.system.free_memory import share_few_heaps

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from keras_attn.serving.server import BatchingOptions

_DESCRIPTION = """\
Serves models with the REST and gRPC interfaces of TensorFlow Serving, through the same C++ loader
and with XLA switched off, as a stock server does. The server loads new versions as they appear. It
is for development. In production, use TensorFlow Serving (see `keras-attn serve-config`).

The file of --config must name directories of this machine. Write it with `serve-config
--base-path`."""


COMMAND = Command(
    "serve",
    "serve models for development, as TensorFlow Serving does",
    _DESCRIPTION,
    [
        "keras-attn serve",
        "keras-attn serve saved_models --port 8501 --grpc-port 8500",
        "keras-attn serve --config serving/models.config",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        help="model directory such as saved_models/NAME, a directory of them, or a run or "
        f"translator, which is exported first (default: the shipped {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="models.config of TensorFlow Serving, in place of DIR"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen at (default: 127.0.0.1, which only this machine reaches)",
    )
    parser.add_argument(
        "--port", type=int, default=8501, help="port for REST; 0: any free one (default: 8501)"
    )
    parser.add_argument(
        "--grpc-port",
        type=int,
        default=8500,
        help="port for gRPC; 0: any free one (default: 8500)",
    )
    parser.add_argument(
        "--max-batch-size",
        type=positive_integer,
        default=32,
        metavar="N",
        help="maximum number of lines in a batch of waiting requests; 1: each request alone "
        "(default: 32)",
    )
    parser.add_argument(
        "--batch-timeout-ms",
        type=float,
        default=0.0,
        metavar="MS",
        help="how long a request waits for others while a thread is free (default: 0)",
    )
    parser.add_argument(
        "--batch-threads",
        type=positive_integer,
        metavar="N",
        help="batches computed at the same time (default: the number of cores)",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help="leave XLA on, for exports that were made with --xla",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is stopped."""
    if arguments.config and arguments.directory:
        raise ValueError(
            f"`--config` must be given without DIR. Received: DIR {arguments.directory}."
        )
    share_few_heaps()
    # Batches run in parallel, one per core. A decoding step has many small operations: waking a
    # second thread for each of them costs more than it saves.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    load_tensorflow()
    from keras_attn.serving.server import DevelopmentServer, ServerOptions

    console = make_console()
    options = ServerOptions(
        arguments.host,
        arguments.port,
        arguments.grpc_port,
        batching=_batching(arguments),
        disable_xla=not arguments.xla,
    )
    with _config(arguments) as config:
        say(console, "this server is for development: in production use TensorFlow Serving")
        server = DevelopmentServer(config, options, lambda line: say(console, line))
        asyncio.run(server.serve())
    return 0


def _batching(arguments: argparse.Namespace) -> BatchingOptions:
    from keras_attn.serving.server import BatchingOptions

    threads = arguments.batch_threads
    return BatchingOptions(
        arguments.max_batch_size,
        arguments.batch_timeout_ms / 1000,
        **({} if threads is None else {"num_batch_threads": threads}),
    )


@contextlib.contextmanager
def _config(arguments: argparse.Namespace) -> Iterator[ModelServerConfig]:
    """Which models to serve; a translator is exported into a temporary directory first."""
    from keras_attn.serving.server import config_of_directory, read_models_config
    from keras_attn.serving.static_checks import is_version_name

    if arguments.config:
        yield read_models_config(arguments.config)
        return
    location = arguments.directory or DEFAULT_MODEL
    translator = _translator(location)
    if translator is None:
        yield config_of_directory(location)
        return
    name = Path(location).resolve().name
    if is_version_name(name):  # a model's directory must not look like a version
        name = f"run_{name}"
    with tempfile.TemporaryDirectory(prefix="keras-attn-serve-") as temporary:
        say(make_console(), f"exporting {name} to serve it (about 20 seconds)")
        _export(location, Path(temporary) / name, arguments.xla)
        yield config_of_directory(temporary)


def _translator(location: str) -> Path | None:
    """The translator at a location, or None for a directory of models."""
    try:
        return find_translator(location)
    except ValueError:
        if Path(location).is_dir() and not Path(location, "run.json").exists():
            return None
        raise


def _export(location: str, directory: Path, xla: bool) -> None:
    from keras_attn.serving import export_saved_model

    export_saved_model(open_translator(location), directory, xla=xla)
