"""One cell from end to end: both engines, the same tokens, the object that `--json` promises."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_one_cell_has_both_engines_and_the_same_tokens(repository):
    command = [sys.executable, "benchmarks/decode.py", "--json", "--rounds", "1"]
    command += ["--cells", "tiny, V 8,000, 1 sentence, greedy", "--peers-python", sys.executable]
    finished = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-2000:]
    result = json.loads(finished.stdout)
    (cell,) = result["cells"]
    assert cell["equal_tokens"] == 1.0
    for peer in ("ctranslate2_float32", "ctranslate2_int8"):
        assert cell[peer] > 0
        ratio = cell["keras_attn"] / cell[peer]
        assert abs(cell[f"ratio_{peer}"] - ratio) < 1e-6 * ratio
        assert abs(result[f"geometric_mean_{peer}"] - ratio) < 1e-6 * ratio


def test_a_missing_environment_of_the_peers_is_told_with_how_to_make_it(repository):
    command = [sys.executable, "benchmarks/decode.py", "--peers-python", "no/such/python"]
    finished = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert finished.returncode == 1
    assert "no/such/python" in finished.stderr and "requirements-peers.txt" in finished.stderr
