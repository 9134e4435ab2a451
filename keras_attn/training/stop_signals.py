"""SIGINT and SIGTERM: recorded during an update, handled after it."""

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(KeyboardInterrupt):
    """A signal has stopped training.

    Args:
        number: int. The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StopSignals:
    """Records the first SIGINT or SIGTERM inside `with`; a second one interrupts at once.

    An interrupt during an update may leave weights and counters of different updates, so nothing is
    saved after it. While `deferred` is False, the first signal also interrupts at once. Only the
    main thread of a process gets signals; in other threads this class does nothing.

    Args:
        show: callable. Takes a line of text to show.

    Attributes:
        deferred: bool. Whether the first signal is only recorded.
        received: int or None. The signal that was recorded.
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
        """Installs the handlers; call it again after a strategy replaces the one for SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            self._before.setdefault(number, signal.getsignal(number))
            signal.signal(number, self._handle)

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None or not self.deferred:
            raise TrainingInterrupted(number)
        self.received = number
        # What reads the output may have got the signal, too. An error here would end the update.
        with contextlib.suppress(Exception, SystemExit):
            self._show("stopping after this update; a second signal stops at once, saving nothing")
