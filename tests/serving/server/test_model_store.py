"""Versions come and go while the server runs; a model that answered goes on to answer."""

from __future__ import annotations

import asyncio
import functools
import shutil
import threading
import types
from pathlib import Path

import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server import model_store
from keras_attn.serving.server.batcher import BatchingOptions
from keras_attn.serving.server.model_store import ModelStore
from keras_attn.serving.server.models_config import (
    check_config,
    config_of_directory,
    read_models_config,
)
from keras_attn.serving.server.servable import Servable, ServingContext, State
from keras_attn.serving.server.server_metrics import ServerMetrics
from keras_attn.serving.server_config import ServedModel, models_config
from keras_attn.serving.status_code import StatusCode


class Loaded(Servable):
    """A version whose files are one file; it does not load if the file says so."""

    log: list[str] = []

    def _load(self) -> None:
        if (self.directory / "saved_model.pb").read_text() == "damaged":
            raise SessionError(StatusCode.DATA_LOSS, "damaged")
        self.log.append(f"loaded {self.version}")
        close = functools.partial(self.log.append, f"unloaded {self.version}")
        self._session = types.SimpleNamespace(run=None, signatures={}, close=close)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make_store(monkeypatch, said):
    monkeypatch.setattr(model_store, "Servable", Loaded)
    monkeypatch.setattr(Loaded, "log", [])

    def make(config):
        if isinstance(config, Path):
            config = config_of_directory(config)
        context = ServingContext(BatchingOptions(), ServerMetrics(), said.append)
        return ModelStore(config, context)

    return make


def add(directory: Path, version: str, content: str = "graph") -> Path:
    path = directory / version
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_text(content)
    return path


def config_of(directory: Path, policy: str = "", **labels: int) -> ModelServerConfig:
    config = ModelServerConfig()
    model = config.model_config_list.config.add(
        name="m", base_path=str(directory), model_platform="tensorflow"
    )
    if policy == "all":
        model.model_version_policy.all.SetInParent()
    for label, version in labels.items():
        model.version_labels[label] = version
    return config


def states(store: ModelStore, name: str = "m") -> dict[int, str]:
    return {one.version: one.state.name for one in store.status(name)}


def test_the_newest_version_is_loaded_and_replaced_by_a_newer_one(make_store, tmp_path) -> None:
    model = tmp_path / "m"
    for name in ("1", "2", "v7", ".export-9"):
        add(model, name)

    async def main():
        store = make_store(model)
        await store.poll()
        assert states(store) == {2: "AVAILABLE"} and store.find("m").version == 2
        add(model, "10")
        await store.poll()
        assert states(store) == {10: "AVAILABLE", 2: "END"} and store.find("m").version == 10
        assert Loaded.log == ["loaded 2", "loaded 10", "unloaded 2"]  # in this order
        shutil.rmtree(model / "10")
        await store.poll()
        assert states(store) == {10: "END", 2: "AVAILABLE"}
        await store.close()

    asyncio.run(main())


def test_a_damaged_version_changes_nothing_and_is_tried_again_when_repaired(
    make_store, tmp_path, said
) -> None:
    model = tmp_path / "m"
    add(model, "1")

    async def main():
        store = make_store(model)
        await store.poll()
        path = add(model, "2", "damaged")
        for _ in range(3):
            await store.poll()
        assert states(store) == {2: "END", 1: "AVAILABLE"} and store.find("m").version == 1
        assert store.status("m", 2)[0].error.code == StatusCode.DATA_LOSS
        assert [line for line in said if "2" in line] == ["m version 2 did not load: damaged"]
        (path / "saved_model.pb").write_text("repaired")
        await store.poll()
        assert store.find("m").version == 2

    asyncio.run(main())


def test_a_directory_that_goes_away_is_said_once_and_what_is_loaded_answers(
    make_store, tmp_path, said
) -> None:
    add(tmp_path / "m", "1")
    add(tmp_path / "n", "1")

    async def main():
        store = make_store(tmp_path)
        await store.poll()
        (tmp_path / "m").rename(tmp_path / "away")
        add(tmp_path / "n", "2")
        for _ in range(3):
            await store.poll()
        assert store.find("m").version == 1  # as TensorFlow Serving
        assert store.find("n").version == 2  # unlike there, other models are not held up
        assert sum("cannot be read" in line for line in said) == 1

    asyncio.run(main())


def test_an_empty_directory_unloads_the_model(make_store, tmp_path) -> None:
    path = add(tmp_path / "m", "1")

    async def main():
        store = make_store(tmp_path / "m")
        await store.poll()
        shutil.rmtree(path)
        await store.poll()
        assert states(store) == {1: "END"}
        with pytest.raises(SessionError, match=r"Servable not found for request: Latest\(m\)"):
            store.find("m")

    asyncio.run(main())


def test_versions_and_labels(make_store, tmp_path) -> None:
    for version in ("1", "2"):
        add(tmp_path / "m", version)

    async def main():
        store = make_store(config_of(tmp_path / "m", "all", stable=1, canary=2, next=3))
        await store.poll()
        assert store.find("m").version == 2
        assert store.find("m", 1).version == store.find("m", label="stable").version == 1
        for arguments, code, message in (
            (("m", 7), StatusCode.NOT_FOUND, r"Specific\(m, 7\)"),
            (("m", None, "next"), StatusCode.NOT_FOUND, r"Specific\(m, 3\)"),
            (("m", None, "old"), StatusCode.INVALID_ARGUMENT, "Unrecognized servable version"),
            (("x",), StatusCode.NOT_FOUND, r"Latest\(x\)"),
            (("x", None, "stable"), StatusCode.NOT_FOUND, "Servable not found"),
        ):
            with pytest.raises(SessionError, match=message) as raised:
                store.find(*arguments)
            assert raised.value.code == code
        for arguments, message in (
            (("x",), "Could not find any versions of model x"),
            (("m", 7), "Could not find version 7 of model m"),
        ):
            with pytest.raises(SessionError, match=message):
                store.status(*arguments)

    asyncio.run(main())


def waiting(monkeypatch, version: int) -> tuple[threading.Event, threading.Event]:
    """Makes the load of a version wait; returns events for that it has begun, and may go on."""
    begun, go_on, load = threading.Event(), threading.Event(), Loaded._load

    def wait(self) -> None:
        if self.version == version:
            begun.set()
            assert go_on.wait(30)
        load(self)

    monkeypatch.setattr(Loaded, "_load", wait)
    return begun, go_on


def test_a_reload_during_a_load_decides_what_is_unloaded(make_store, tmp_path, monkeypatch) -> None:
    model = tmp_path / "m"
    add(model, "1")

    async def main():
        store = make_store(config_of(model))
        await store.poll()
        add(model, "2")
        begun, go_on = waiting(monkeypatch, 2)
        loading = asyncio.create_task(store.poll())
        await asyncio.to_thread(begun.wait, 30)
        pinned = config_of(model, stable=1)
        pinned.model_config_list.config[0].model_version_policy.specific.versions.append(1)
        reloading = asyncio.create_task(store.reload(pinned))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(loading, reloading)
        assert "unloaded 1" not in Loaded.log and store.find("m", label="stable").version == 1
        assert states(store) == {2: "END", 1: "AVAILABLE"}

    asyncio.run(main())


def test_after_a_stop_only_the_version_that_has_begun_is_loaded(
    make_store, tmp_path, monkeypatch
) -> None:
    add(tmp_path / "m", "1")
    add(tmp_path / "n", "1")

    async def main():
        store = make_store(tmp_path)
        begun, go_on = waiting(monkeypatch, 1)
        loading = asyncio.create_task(store.start())
        await asyncio.to_thread(begun.wait, 30)
        store.stop_loading()
        go_on.set()
        await loading
        assert Loaded.log == ["loaded 1"]
        await store.close()
        assert Loaded.log == ["loaded 1", "unloaded 1"]

    asyncio.run(main())


def test_a_reload_moves_labels_and_reaches_no_other_path(make_store, tmp_path) -> None:
    for version in ("1", "2"):
        add(tmp_path / "m", version)
    add(tmp_path / "secret", "1")

    async def main():
        store = make_store(config_of(tmp_path / "m", "all", stable=2))
        await store.poll()
        await store.reload(config_of(tmp_path / "m", "all", stable=1))
        assert store.find("m", label="stable").version == 1
        for config, code in (
            (config_of(tmp_path / "m", "all", stable=7), StatusCode.FAILED_PRECONDITION),
            (config_of(tmp_path / "secret", "all"), StatusCode.PERMISSION_DENIED),
            (ModelServerConfig(), StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(SessionError) as raised:
                await store.reload(config)
            assert raised.value.code == code
        assert store.find("m", label="stable").version == 1
        await store.reload(config_of(tmp_path / "m"))  # the newest only
        assert states(store) == {2: "AVAILABLE", 1: "END"}

    asyncio.run(main())


def test_requests_that_run_are_finished_before_a_version_is_unloaded(make_store, tmp_path) -> None:
    add(tmp_path / "m", "1")

    async def main():
        store = make_store(tmp_path / "m")
        await store.poll()
        servable = store.find("m")
        answer = asyncio.get_running_loop().create_future()

        class Batcher:
            async def submit(self, *arguments):
                return await answer

            async def join(self):
                pass

        servable._batcher = Batcher()
        request = asyncio.create_task(servable.run("s", {}, None, None))
        await asyncio.sleep(0)
        unloading = asyncio.create_task(servable.unload())
        await asyncio.sleep(0.05)
        assert servable.state == State.UNLOADING and Loaded.log == ["loaded 1"]
        answer.set_result({"y": 1})
        assert await request == {"y": 1}
        await unloading
        assert servable.state == State.END and Loaded.log == ["loaded 1", "unloaded 1"]

    asyncio.run(main())


def test_a_client_that_goes_away_does_not_stop_a_load_halfway(
    make_store, tmp_path, monkeypatch
) -> None:
    add(tmp_path / "m", "1")
    begun, go_on = waiting(monkeypatch, 2)

    async def main():
        store = make_store(config_of(tmp_path / "m"))
        await store.start()
        add(tmp_path / "m", "2")
        reload = asyncio.create_task(store.reload(config_of(tmp_path / "m")))
        await asyncio.to_thread(begun.wait, 30)
        reload.cancel()
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0.1)
        assert not closing.done()  # the load is under way
        go_on.set()
        await closing
        assert Loaded.log == ["loaded 1", "loaded 2", "unloaded 1", "unloaded 2"]

    asyncio.run(main())


def test_a_version_that_is_completed_while_it_fails_to_load_is_tried_again(
    make_store, monkeypatch, tmp_path
) -> None:
    path = add(tmp_path / "m", "1", "damaged") / "saved_model.pb"
    load = Loaded._load

    def load_while_it_is_copied(servable):
        try:
            load(servable)
        finally:
            path.write_text("complete")

    monkeypatch.setattr(Loaded, "_load", load_while_it_is_copied)

    async def main():
        store = make_store(tmp_path / "m")
        await store.poll()
        assert states(store) == {1: "END"}
        await store.poll()
        assert states(store) == {1: "AVAILABLE"}
        await store.close()

    asyncio.run(main())


def test_files_are_read_and_freed_outside_the_thread_that_answers(
    make_store, monkeypatch, tmp_path
) -> None:
    add(tmp_path / "m", "1", "damaged")
    threads = []

    def in_thread(function):
        def call(*arguments):
            threads.append(threading.current_thread())
            return function(*arguments)

        return call

    for owner, name in ((model_store, "_fingerprint"), (Loaded, "_close"), (Loaded, "_load")):
        monkeypatch.setattr(owner, name, in_thread(getattr(owner, name)))

    async def main():
        store = make_store(tmp_path / "m")
        for _ in range(3):
            await store.poll()

    asyncio.run(main())
    assert len(threads) == 5 and threading.current_thread() not in threads


def test_versions_that_do_not_load_are_not_tried_again_and_again(
    make_store, tmp_path, said
) -> None:
    for version in range(1, 9):
        add(tmp_path / "m", str(version), "damaged")

    async def main():
        store = make_store(config_of(tmp_path / "m", "all"))
        for _ in range(3):
            await store.poll()

    asyncio.run(main())
    assert len(said) == 8


def test_directories_that_hold_no_model(tmp_path) -> None:
    add(tmp_path / "m", "1")
    (tmp_path / "empty").mkdir()
    for directory, message in (
        (tmp_path / "m" / "1", f"which is one version. Give {tmp_path / 'm'}"),
        (tmp_path / "empty", "which has none"),
        (tmp_path / "missing", "which is not a directory"),
    ):
        with pytest.raises(ValueError, match=message):
            config_of_directory(directory)


def test_the_file_that_serve_config_writes(tmp_path) -> None:
    for version in ("1", "2"):
        add(tmp_path / "m", version)
    path = tmp_path / "models.config"
    served = ServedModel(tmp_path / "m", stable=1, canary=2)
    path.write_text(models_config([served], str(tmp_path)))
    (model,) = read_models_config(path).model_config_list.config
    assert dict(model.version_labels) == {"stable": 1, "canary": 2}
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="`config` must be a ModelServerConfig as text"):
        read_models_config(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "must name at least one model"),
        ({"base_path": "relative"}, "`base_path` of m must be an absolute path"),
        ({"model_platform": "torch"}, "`model_platform` of m must be 'tensorflow'"),
    ],
)
def test_configurations_that_a_server_refuses(change, message, tmp_path) -> None:
    config = config_of(tmp_path)
    for name, value in change.items():
        setattr(config.model_config_list.config[0], name, value)
    with pytest.raises(ValueError, match=message):
        check_config(config)


def test_an_error_of_one_look_does_not_end_the_watch(make_store, monkeypatch, tmp_path) -> None:
    add(tmp_path / "m", "1")
    asked = []

    def failing(config):
        asked.append(config)
        if len(asked) == 2:
            raise RuntimeError("something")
        return {1: tmp_path / "m" / "1"}

    async def main():
        store = make_store(tmp_path / "m")
        store._poll_seconds = 0.01
        monkeypatch.setattr(model_store, "wanted_versions", failing)
        await store.start()
        while len(asked) < 4:
            await asyncio.sleep(0.01)
        await store.close()

    asyncio.run(asyncio.wait_for(main(), 20))
