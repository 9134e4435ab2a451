"""Processes on this machine are told who they are, and one that fails fails the whole."""

import json
import sys

import pytest

from keras_attn.cli import local_workers
from keras_attn.cli.local_workers import run_local_workers, worker_environment


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_each_worker_has_the_same_cluster_and_its_own_number(tmp_path):
    program = (
        "import json, os; config = json.loads(os.environ['TF_CONFIG']); "
        f"open(r'{tmp_path}/' + str(config['task']['index']), 'w').write(json.dumps(config))"
    )
    assert run_local_workers(python(program), 3) == 0
    configs = [json.loads((tmp_path / str(index)).read_text()) for index in range(3)]
    assert configs[0]["cluster"] == configs[1]["cluster"] == configs[2]["cluster"]
    assert len(set(configs[0]["cluster"]["worker"])) == 3


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("import os, sys; sys.exit(3 * (os.environ['KERAS_ATTN_WORKER'] == '1'))", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_status_is_that_of_the_first_that_failed(program, status):
    assert run_local_workers(python(program), 2) == status


def test_the_last_lines_of_one_that_failed_are_shown(capfd):
    program = (
        "import os, sys; index = os.environ['KERAS_ATTN_WORKER']; "
        "sys.stderr.buffer.write(b'caf\\xe9 ' * (index == '1')); sys.stderr.buffer.flush(); "
        "print('why it failed', file=sys.stderr); sys.exit(index == '1')"
    )
    assert run_local_workers(python(program), 2) == 1
    assert "[worker 1] caf\ufffd why it failed" in capfd.readouterr().err


def test_those_that_do_not_end_by_themselves_are_ended(monkeypatch):
    monkeypatch.setattr(local_workers, "_GRACE_SECONDS", 0.5)
    program = "import os, time; time.sleep(600 * int(os.environ['KERAS_ATTN_WORKER'])); 1 / 0"
    assert run_local_workers(python(program), 2) == 1


def test_cores_are_shared_out_unless_the_user_did(monkeypatch):
    monkeypatch.setattr(local_workers, "num_cores", lambda: 8)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    assert worker_environment(["a:1", "b:1"], 0)["TF_NUM_INTRAOP_THREADS"] == "4"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    assert worker_environment(["a:1", "b:1"], 0)["TF_NUM_INTRAOP_THREADS"] == "1"
