"""The server's configuration is what its protocol buffers and YAML readers accept, and agrees."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.cli.main import main
from keras_attn.serving import ServedModel, models_config, start_commands, write_server_config
from keras_attn.serving.warmup import BATCH_SIZES

# BatchingParameters of TensorFlow Serving, which its Python package does not contain: names and
# types of the fields (the text form has no numbers).
WRAPPED = (
    "max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads",
)  # fmt: skip


@pytest.fixture
def models(tmp_path) -> Path:
    for name in ("en_de/1", "en_de/2", "en_de/10", "en_de/.export-3", "g2p/4"):
        (tmp_path / "models" / name).mkdir(parents=True)
    return tmp_path / "models"


def batching_parameters(text: str):
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    wrapper = file.message_type.add(name="Wrapper")
    wrapper.field.add(name="value", number=1, type=3, label=1)  # an optional int64
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(WRAPPED, start=1):
        message.field.add(name=name, number=number, type=11, label=1, type_name=".Wrapper")
    message.field.add(name="allowed_batch_sizes", number=9, type=3, label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))
    return text_format.Parse(text, kind())


def test_models_versions_and_labels_are_read_back_by_the_servers_own_protocol(models) -> None:
    served = [ServedModel(models / "en_de", stable=2, canary=10), ServedModel(models / "g2p")]
    text = models_config(served, "/somewhere/")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    one, other = config.model_config_list.config
    assert (one.name, one.base_path) == ("en_de", "/somewhere/en_de")
    assert one.model_platform == "tensorflow"
    assert list(one.model_version_policy.specific.versions) == [2, 10]
    assert dict(one.version_labels) == {"stable": 2, "canary": 10}
    assert dict(other.version_labels) == {"stable": 4}
    assert not one.HasField("logging_config")  # a stock server refuses it


def test_the_newest_version_is_stable_but_for_the_canary(models) -> None:
    assert ServedModel(models / "en_de").labels == {"stable": 10}
    assert ServedModel(models / "en_de", canary=10).labels == {"stable": 2, "canary": 10}
    assert ServedModel(models / "g2p", canary=4).labels == {"stable": 4, "canary": 4}


def test_the_files_agree_with_one_another(models, tmp_path) -> None:
    output = tmp_path / "config"
    files = write_server_config(
        [ServedModel(models / "en_de")], output, port=9001, grpc_port=9000, num_cores=3
    )
    assert sorted(path.name for path in output.iterdir()) == sorted(path.name for path in files)
    batching = batching_parameters((output / "batching.config").read_text())
    assert list(batching.allowed_batch_sizes) == list(BATCH_SIZES)
    assert batching.max_batch_size.value == BATCH_SIZES[-1]  # the server checks it
    assert batching.num_batch_threads.value == 3
    compose = yaml.safe_load((output / "docker-compose.yml").read_text())["services"]["serving"]
    config_map, deployment, service = yaml.safe_load_all((output / "kubernetes.yaml").read_text())
    for name in ("models.config", "batching.config", "monitoring.config"):
        assert config_map["data"][name].strip() == (output / name).read_text().strip()
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == compose["command"]
    assert {"--port=9000", "--rest_api_port=9001"} < set(compose["command"])
    assert f"{models.resolve()}:/models:ro" in compose["volumes"]
    assert container["volumeMounts"][0]["mountPath"] == "/models"
    assert container["image"] == compose["image"] == "tensorflow/serving:2.20.0"
    assert compose["cpus"] == 3 and container["resources"]["requests"]["cpu"] == "3"
    probe = container["readinessProbe"]["httpGet"]["path"]
    assert probe == "/v1/models/en_de/labels/stable/metadata"
    assert [port["port"] for port in service["spec"]["ports"]] == [9001, 9000]
    prometheus = deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"]
    assert f'path: "{prometheus}"' in (output / "monitoring.config").read_text()
    names = {flag.partition("=")[0] for flag in compose["command"]}
    assert "--allow_version_labels_for_unavailable_models" in names  # labels before the models load


def test_a_version_that_needs_xla_gets_the_flag(models, tmp_path) -> None:
    record = models / "en_de" / "2" / "assets.extra" / "keras_attn.json"
    record.parent.mkdir()
    for content, needs in (("{", False), ("[]", False), ('{"xla": true}', True)):
        record.write_text(content)
        assert ServedModel(models / "en_de", canary=2).needs_xla is needs
    assert not ServedModel(models / "en_de").needs_xla
    write_server_config([ServedModel(models / "en_de", canary=2)], tmp_path / "config")
    for name in ("docker-compose.yml", "kubernetes.yaml"):
        assert "- --xla_cpu_compilation_enabled" in (tmp_path / "config" / name).read_text()
    (models / "en_de" / "2").rename(models / "en_de" / "00000002")  # to a server, the same version
    assert ServedModel(models / "en_de", canary=2).needs_xla


def test_files_that_are_there_are_never_replaced(models, tmp_path) -> None:
    (tmp_path / "kubernetes.yaml").write_text("mine")
    with pytest.raises(ValueError, match="must not contain kubernetes.yaml yet"):
        write_server_config([ServedModel(models / "en_de")], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kubernetes.yaml", "models"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda models: ServedModel(models / "en_de", canary=3), "`canary`.*1, 2, 10.*: 3"),
        (lambda models: ServedModel(models / "nothing"), "numbered versions.*keras-attn export"),
        (lambda models: ServedModel(models / "en_de" / "1"), "numbered versions"),
        (lambda models: write_server_config([], models / "out"), "at least one model"),
        (
            lambda models: write_server_config([ServedModel(models / "en_de")] * 2, models / "o"),
            "different names",
        ),
        (
            lambda models: write_server_config(
                [ServedModel(models / "g2p")], models / "o", port=8500
            ),
            "must be different",
        ),
        (
            lambda models: write_server_config(
                [ServedModel(models / "g2p")], models / "o", base_path="models"
            ),
            "`base_path` must be an absolute path.*'models'",
        ),
        (
            lambda models: write_server_config(
                [ServedModel(models / "g2p")], models / "o", base_path="/"
            ),
            "`base_path` must be an absolute path below the root",
        ),
    ],
)
def test_what_no_server_could_start_with_is_refused(models, make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make(models)


def test_the_commands_can_be_typed_where_a_name_has_a_blank(tmp_path) -> None:
    docker, server = start_commands(tmp_path / "my files", "/models", 8501, 8500)
    assert shlex.split(docker)[3] == str(tmp_path / "my files" / "docker-compose.yml")
    flags = shlex.split(server, comments=True)
    assert f"--model_config_file={tmp_path / 'my files' / 'models.config'}" in flags


def test_a_name_that_is_none_for_a_url_is_refused(tmp_path) -> None:
    (tmp_path / "En De" / "1").mkdir(parents=True)
    with pytest.raises(ValueError, match="lowercase letters.*'En De'"):
        ServedModel(tmp_path / "En De")


def test_the_command_writes_the_files_and_says_how_to_start(models, tmp_path, capsys) -> None:
    output = tmp_path / "serving"
    command = ["serve-config", str(models / "en_de"), "--canary", "10", "--output", str(output)]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["start"] == start_commands(output, "/models", 8501, 8500)
    assert all(Path(path).is_file() for path in printed["files"])
    assert main(command) == 2
    assert "must not contain models.config yet" in capsys.readouterr().err
    several = ["serve-config", str(models / "en_de"), str(models / "g2p"), "--stable", "1"]
    assert main([*several, "--output", str(output)]) == 2
    assert "for one model only" in capsys.readouterr().err
