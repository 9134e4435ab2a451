"""The models of the development server, which loads and unloads their versions as it runs."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_attn.serving.saved_model_session import SessionError
from keras_attn.serving.server.models_config import check_config, wanted_versions
from keras_attn.serving.server.servable import Servable, ServingContext, State
from keras_attn.serving.status_code import StatusCode

_ENDED_TO_REMEMBER = 5


class ModelStore:
    """Finds the version for a request, and watches the directories of the models.

    A new version is loaded before the old one is unloaded, so one of them can always answer. A
    version that did not load is tried again as soon as its files change.

    Args:
        config: ModelServerConfig.
        context: `ServingContext`.
        poll_seconds: float. The time between checks of the directories.

    Raises:
        ValueError: if a server would refuse the configuration.
    """

    def __init__(
        self, config: ModelServerConfig, context: ServingContext, poll_seconds: float = 1.0
    ) -> None:
        check_config(config)
        self._context, self._poll_seconds = context, poll_seconds
        self._configs = {model.name: model for model in config.model_config_list.config}
        self._base_paths = {model.base_path for model in self._configs.values()}
        self._versions: dict[str, dict[int, Servable]] = {name: {} for name in self._configs}
        self._failed: dict[tuple[str, int], object] = {}
        self._unreadable: set[str] = set()
        self._lock = asyncio.Lock()
        self._is_stopping = False
        self._poller: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None

    @property
    def names(self) -> list[str]:
        """list of str. The names of the models."""
        return list(self._configs)

    def is_available(self, name: str) -> bool:
        """Whether a version of the model answers requests."""
        return any(one.state == State.AVAILABLE for one in self._versions[name].values())

    async def start(self) -> None:
        """Loads the models and starts to watch their directories."""
        await self.poll()
        self._poller = asyncio.create_task(self._poll_forever())

    async def poll(self) -> None:
        """Loads new versions and unloads those that are no longer wanted."""
        async with self._lock:
            for name in sorted(self._versions):
                if self._is_stopping:
                    return
                try:
                    await self._update(name)
                    self._unreadable.discard(name)
                except OSError as error:  # reported once, until it can be read again
                    if name not in self._unreadable:
                        self._context.say(f"the versions of {name} cannot be read: {error}")
                    self._unreadable.add(name)

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Finds the version that answers a request.

        Args:
            name: str. The model.
            version: int or None. None for the newest available version.
            label: str or None.

        Returns:
            `Servable`.

        Raises:
            SessionError: NOT_FOUND or INVALID_ARGUMENT, with TensorFlow Serving's message.
        """
        if label is not None and name in self._configs:
            labels = self._configs[name].version_labels
            if label not in labels:
                raise SessionError(
                    StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
                )
            version = labels[label]
        available = {
            number: servable
            for number, servable in self._versions.get(name, {}).items()
            if servable.state == State.AVAILABLE
        }
        chosen = max(available, default=None) if version is None else version
        if chosen is None or chosen not in available or name not in self._configs:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise SessionError(StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        return available[chosen]

    def status(self, name: str, version: int | None = None) -> list[Servable]:
        """The versions of a model, newest first, including those that have ended.

        Raises:
            SessionError: NOT_FOUND.
        """
        versions = self._versions.get(name, {})
        if not versions:
            raise SessionError(StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        if version is not None and version not in versions:
            raise SessionError(
                StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}"
            )
        chosen = sorted(versions, reverse=True) if version is None else [version]
        return [versions[number] for number in chosen]

    async def reload(self, config: ModelServerConfig) -> None:
        """Replaces the configuration: labels, policies, and the choice of served models.

        TensorFlow Serving lets this request name any path. Here only the paths that the server was
        started with are allowed, so that no request reaches other files.

        Args:
            config: ModelServerConfig.

        Raises:
            SessionError: if a server would refuse it, or it names another path.
        """
        try:
            check_config(config)
        except ValueError as error:
            raise SessionError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        models = config.model_config_list.config
        for model in models:
            if model.base_path not in self._base_paths:
                raise SessionError(
                    StatusCode.PERMISSION_DENIED,
                    f"`base_path` must be one that the server was started with: "
                    f"{sorted(self._base_paths)}. Received: {model.base_path!r}.",
                )
            self._check_labels(model)
        self._configs = {model.name: model for model in models}
        for name in self._configs:
            self._versions.setdefault(name, {})
        # If the client disconnects, the work on a version must not stop halfway.
        self._reloading = asyncio.create_task(self.poll())
        await asyncio.shield(self._reloading)

    def stop_loading(self) -> None:
        """Loads no version any more, except the one that is being loaded."""
        self._is_stopping = True

    async def close(self) -> None:
        """Stops watching the directories and unloads everything."""
        async with self._lock:  # so no version is being loaded or unloaded
            if self._poller is not None:
                self._poller.cancel()
            for versions in self._versions.values():
                for servable in versions.values():
                    await servable.unload()

    def _check_labels(self, model: model_server_config_pb2.ModelConfig) -> None:
        """Checks that labels move only to available versions."""
        for label, version in model.version_labels.items():
            servable = self._versions.get(model.name, {}).get(version)
            if servable is None or servable.state != State.AVAILABLE:
                raise SessionError(
                    StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label {label} to version {version} of model "
                    f"{model.name}, which is not currently available for inference",
                )

    async def _poll_forever(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.poll()
            except Exception as error:  # the next poll may succeed
                self._context.say(f"the models could not be looked at: {error!r}")

    async def _update(self, name: str) -> None:
        versions, config = self._versions[name], self._configs.get(name)
        wanted = {} if config is None else await asyncio.to_thread(wanted_versions, config)
        for version, directory in sorted(wanted.items()):
            if self._is_stopping:
                return
            if await self._is_new(name, version, directory):
                before = await asyncio.to_thread(_fingerprint, directory)
                servable = versions[version] = Servable(name, version, directory, self._context)
                await servable.load()
                if servable.state == State.END:
                    self._failed[name, version] = before
        if self._configs.get(name) is not config:
            return  # reloaded meanwhile: its own poll follows, and decides what is unloaded
        states = {version: servable.state for version, servable in versions.items()}
        if wanted and not any(states.get(version) == State.AVAILABLE for version in wanted):
            return  # no new version answers yet: keep the old ones
        for version, servable in versions.items():
            if version not in wanted and states[version] == State.AVAILABLE:
                await servable.unload()
        ended = [
            version
            for version in sorted(versions)
            if versions[version].state == State.END and version not in wanted
        ]
        for version in ended[:-_ENDED_TO_REMEMBER]:
            del versions[version]

    async def _is_new(self, name: str, version: int, directory: Path) -> bool:
        servable = self._versions[name].get(version)
        if servable is None or servable.state != State.END:
            return servable is None
        if servable.error is None:
            return True  # was unloaded, is wanted again
        # In a thread: a slow disk must not keep the event loop from answering.
        return self._failed.get((name, version)) != await asyncio.to_thread(_fingerprint, directory)


def _fingerprint(directory: Path) -> object:
    """A value that changes if a file of the version changes."""
    found = []
    for path in sorted(directory.rglob("*")):
        with contextlib.suppress(OSError):  # removed meanwhile
            status = path.stat()
            found.append((str(path), status.st_size, status.st_mtime_ns))
    return found
