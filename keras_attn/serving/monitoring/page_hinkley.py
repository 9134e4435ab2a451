"""A sequential test for whether a mean has moved, and since when."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class PageHinkley:
    """The test of Page (1954) and Hinkley (1971), for a mean that falls or rises.

    For a rise, the test sums how far the values are from their mean so far, less a tolerance, and
    compares the sum with its smallest value so far. The sum stays near that value unless the mean
    has moved. For a fall, the signs are changed.

    Args:
        delta: float. The tolerance: smaller moves are ignored.
        threshold: float. How far the sum may be from its extreme. A higher threshold gives fewer
            false alarms, but later alarms.
        least: int. The minimum number of values before the first alarm.

    Attributes:
        since: int or None. After an alarm, the number of values before the move began.
        has_fallen: bool. Whether the first alarm was of a fall.

    Example:

    >>> test = PageHinkley(delta=0.01, threshold=2.0)
    >>> [test.update(value) for value in [0.0] * 50 + [1.0] * 3].index(True), test.since
    (52, 50)
    """

    delta: float = 0.05
    threshold: float = 20.0
    least: int = 30
    since: int | None = dataclasses.field(default=None, init=False)
    has_fallen: bool = dataclasses.field(default=False, init=False)

    def __post_init__(self) -> None:
        self._count, self._mean = 0, 0.0
        self._rise = self._fall = 0.0
        # The extremes of the sums, and the number of values up to each.
        self._lowest, self._highest = (0.0, 0), (0.0, 0)

    def update(self, value: float) -> bool:
        """Adds one value to the test.

        Args:
            value: float.

        Returns:
            bool. Whether the mean has moved.
        """
        self._count += 1
        self._mean += (value - self._mean) / self._count
        self._rise += value - self._mean - self.delta
        self._fall += value - self._mean + self.delta
        if self._rise < self._lowest[0]:
            self._lowest = (self._rise, self._count)
        if self._fall > self._highest[0]:
            self._highest = (self._fall, self._count)
        risen = self._rise - self._lowest[0] > self.threshold
        fallen = self._highest[0] - self._fall > self.threshold
        if (risen or fallen) and self._count >= self.least:
            if self.since is None:
                self.since = self._lowest[1] if risen else self._highest[1]
                self.has_fallen = not risen
            return True
        return False
