"""`keras-attn serve-config`: writes the configuration files of TensorFlow Serving."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_attn.cli.command_parser import Command, CommandParser, add_json_option
from keras_attn.cli.output import make_console, print_json, say
from keras_attn.cli.process import load_tensorflow
from keras_attn.system.processor import num_cores

_DESCRIPTION = """\
Writes the configuration of an unmodified TensorFlow Serving: models.config (which versions to load,
and their labels stable and canary), batching.config, monitoring.config (Prometheus),
docker-compose.yml and kubernetes.yaml. Prints the commands that start a server with these files.
The models do not change."""


COMMAND = Command(
    "serve-config",
    "write the configuration of TensorFlow Serving",
    _DESCRIPTION,
    [
        "keras-attn serve-config saved_models/tatoeba_en_de --output serving",
        "keras-attn serve-config saved_models/en_de --stable 3 --canary 4 --output serving",
    ],
)


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="model directories, such as saved_models/NAME"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="where to write the files")
    parser.add_argument(
        "--stable",
        type=int,
        metavar="N",
        help="the version of the label stable (default: the newest that is not the canary)",
    )
    parser.add_argument(
        "--canary", type=int, metavar="N", help="the version of the label canary (default: none)"
    )
    parser.add_argument("--port", type=int, default=8501, help="for REST (default: 8501)")
    parser.add_argument("--grpc-port", type=int, default=8500, help="for gRPC (default: 8500)")
    parser.add_argument(
        "--base-path",
        default="/models",
        metavar="PATH",
        help="where the server sees the directory of the models (default: /models)",
    )
    parser.add_argument(
        "--cores",
        type=int,
        default=num_cores(),
        help="cores of the server (default: those here)",
    )
    parser.add_argument("--image", help="the container image (default: tensorflow/serving:2.20.0)")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the files."""
    if len(arguments.models) > 1 and (arguments.stable, arguments.canary) != (None, None):
        raise ValueError(
            "`--stable` and `--canary` must be given for one model only. Received: "
            f"{len(arguments.models)} models."
        )
    load_tensorflow()
    from keras_attn.serving import ServedModel, start_commands, write_server_config

    models = [
        ServedModel(Path(model), arguments.stable, arguments.canary) for model in arguments.models
    ]
    options = {"image": arguments.image} if arguments.image else {}
    files = write_server_config(
        models,
        arguments.output,
        base_path=arguments.base_path,
        port=arguments.port,
        grpc_port=arguments.grpc_port,
        num_cores=arguments.cores,
        **options,
    )
    commands = start_commands(
        Path(arguments.output),
        arguments.base_path,
        arguments.port,
        arguments.grpc_port,
        any(model.needs_xla for model in models),
    )
    if arguments.json:
        print_json({"files": [str(path) for path in files], "start": commands})
        return 0
    console = make_console()
    for path in files:
        say(console, f"wrote {path}")
    say(console, "start the server with one of:")
    for command in commands:
        say(console, f"  {command}")
    return 0
