"""What every test has: a quiet CPU-only TensorFlow, a seed, float32; and the real corpora."""

from __future__ import annotations

import atexit
import gc
import os
import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# TensorFlow and Keras read these when first imported, so they come first. A value set by hand wins.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "KERAS_ATTN_CACHE" not in os.environ:  # one cache of compiled programs for all workers of a run
    os.environ["KERAS_ATTN_CACHE"] = tempfile.mkdtemp(prefix="keras_attn_tests_")
    atexit.register(shutil.rmtree, os.environ["KERAS_ATTN_CACHE"], ignore_errors=True)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # share the cores instead of fighting for them
    _threads = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(_threads))

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


# Workers take whole files in this order. Were a long one last, one worker would wait for it.
LONG_FILES = [
    "test_kills.py",
    "test_multi_worker.py",
    "test_xla_export.py",
    "test_two_hundred_sentences.py",
    "test_development_server.py",
    "test_toy_tasks.py",
    "test_trainer.py",
    "test_distributed.py",
    "test_damage.py",
    "test_transformer.py",
    "test_ctranslate2.py",
    "test_rnn_seq2seq.py",
    "test_translator.py",
    "test_examples.py",
    "test_seq2seq_model.py",
    "test_training_step.py",
    "test_training_pipeline.py",
    "test_transformer_lm.py",
    "test_litert.py",
    "test_conv_seq2seq.py",
    "test_repository.py",
    "test_registered_classes.py",
]
# One worker takes these: they ask one server, or one translator whose graphs take long to trace.
ONE_SERVER_FILES = {
    "test_development_server.py",
    "test_export_saved_model.py",
    "test_malformed_requests.py",
    "test_model_card.py",
    "test_page.py",
    "test_saved_model_session.py",
    "test_server_counts.py",
    "test_serving_client.py",
    "test_signatures.py",
    "test_traffic_report.py",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives whole files to the workers, and all files of one server to the same worker."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # not above: pytest runs without it, too

    class Scheduler(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "one server" if Path(file).name in ONE_SERVER_FILES else file

    return Scheduler(config, log)


# Every graph that TensorFlow traces is a cycle. To take thousands of them apart costs Python's
# collector a third of the suite's time. So it runs only if a process has become large.
gc.disable()
MOST_KIBIBYTES = 8 * 2**20


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Sets aside what is there: Keras collects garbage, too, for each layer that it quantizes."""
    gc.freeze()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Collects the garbage after a file if there is much."""
    if nextitem is None or nextitem.path == item.path:
        return
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_KIBIBYTES:
        gc.unfreeze()
        gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first."""
    ranks = {name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture(autouse=True)
def fixed_seed_and_float32() -> Iterator[None]:
    """Starts every test from one seed, and gives back the dtype policy that it may have changed."""
    import keras  # not above: the process that only gives out the work does without

    policy = keras.config.dtype_policy()
    # Keras draws the seeds of weights and dropout from Python's generator. `set_random_seed` would
    # also seed TensorFlow, which then forgets every function that it has prepared to run.
    random.seed(20170612)
    np.random.seed(20170612)
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def corpora_directory() -> Path:
    """The directory of the real corpora, `multi30k/` and `tatoeba_en_de/`; skips without it."""
    named = os.environ.get("KERAS_ATTN_DATA")
    directory = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"no corpora in {directory}; set KERAS_ATTN_DATA to where they are")
    return directory
