"""SIGINT and SIGTERM: noted during an update, and obeyed after it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(KeyboardInterrupt):
    """A training that was told to stop, and has saved where it was.

    Args:
        number: int. The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StopSignals:
    """While in use, a first SIGINT or SIGTERM is noted; a second one interrupts at once.

    Interrupting at once may leave weights and counts of different updates, so nothing is saved
    then. Outside `deferred` the first one interrupts at once as well. Only a process's main thread
    gets signals; in others this does nothing.

    Args:
        show: callable. Takes a line of text to show.

    Attributes:
        received: int or None. The signal that was noted.
    """

    def __init__(self, show: Callable[[str], None] = lambda line: None) -> None:
        self._show = show
        self._before: dict[int, Any] = {}
        self.deferred = False
        self.received: int | None = None

    def __enter__(self) -> "StopSignals":
        self.install()
        return self

    def install(self) -> None:
        """Installs the handlers; again, after a strategy of several workers has taken SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            self._before.setdefault(number, signal.getsignal(number))
            signal.signal(number, self._note)

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None or not self.deferred:
            raise TrainingInterrupted(number)
        self.received = number
        self._show("stopping after this update; once more stops at once, and saves nothing")
