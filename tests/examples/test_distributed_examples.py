"""The manifests name as many workers as they start, and the TF_CONFIG that training reads."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from keras_attn.cli.main import build_parser

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "distributed"


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


def assert_pod(pod: dict[str, Any], container: str) -> dict[str, Any]:
    """What both kinds of job need of a pod: its volumes, and time to save."""
    assert pod["terminationGracePeriodSeconds"] >= 60
    only = pod["containers"][0]
    assert only["name"] == container and ":" in only["image"]
    mounts = {mount["name"]: mount for mount in only["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]} == {"data", "runs"}
    assert only["ports"][0]["containerPort"] == 2222
    return only


def assert_command(words: list[str]) -> None:
    """A command line that the program itself accepts."""
    assert words[0] == "keras-attn"
    arguments = build_parser().parse_args(words[1:])
    assert arguments.command == "train" and arguments.resume
    assert arguments.output == "/runs/captions"


@pytest.mark.parametrize("index", [0, 1])
def test_a_jobset_tells_each_pod_who_it_is(index):
    job = load("jobset.yaml")
    assert (job["apiVersion"], job["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (replicated,) = job["spec"]["replicatedJobs"]
    spec = replicated["template"]["spec"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    only = assert_pod(pod, "train")
    script = only["args"][0]
    export, _, command = script.partition(" exec ")
    printed = subprocess.run(
        ["/bin/sh", "-c", f"{export} printenv TF_CONFIG"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "JOB_COMPLETION_INDEX": str(index)},
    ).stdout  # fmt: skip
    config = json.loads(printed)
    assert config["task"] == {"type": "worker", "index": index}
    # JobSet's names: <jobset>-<replicated job>-<job index>-<pod index>.<jobset>
    name, group = job["metadata"]["name"], replicated["name"]
    assert config["cluster"]["worker"] == [
        f"{name}-{group}-0-{pod}.{name}:2222" for pod in range(spec["parallelism"])
    ]
    assert_command(command.split())


def test_a_tfjob_starts_workers_alone():
    job = load("tfjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    (kind,) = job["spec"]["tfReplicaSpecs"]
    assert kind == "Worker"
    worker = job["spec"]["tfReplicaSpecs"][kind]
    assert worker["replicas"] == 2 and worker["restartPolicy"] == "OnFailure"
    assert_command(assert_pod(worker["template"]["spec"], "tensorflow")["command"])


@pytest.mark.parametrize("hosts", [["alpha:2222", "beta:2222"], ["a:1", "b:2", "c:3"]])
def test_a_host_is_told_the_cluster_and_its_number(hosts):
    for index in range(len(hosts)):
        printed = subprocess.run(
            [str(EXAMPLES / "hosts.sh"), str(index), *hosts],
            capture_output=True, text=True, check=True,
            env={**os.environ, "COMMAND": "printenv TF_CONFIG"},
        ).stdout  # fmt: skip
        assert json.loads(printed) == {
            "cluster": {"worker": hosts},
            "task": {"type": "worker", "index": index},
        }
