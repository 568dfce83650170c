"""Spaces the writes of a long series; a round makes fewer than a series, and never waits.

GitHub asks for a second between writes ("Best practices for using the REST API"), and it counts
them over minutes: what gets a program limited is a series, such as a sweep over many loops.
"""

from collections.abc import Callable

BURST = 10


class Spacing:
    """Lets a burst of writes pass, and lets those that follow come one in `seconds`."""

    def __init__(
        self, seconds: float, sleep: Callable[[float], None], now: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._now = now
        self._left = float(BURST)
        self._at = now()

    def wait(self) -> None:
        """Wait until the next write may be made."""
        if not self._seconds:
            return
        self._refill()
        if self._left < 1:
            self._sleep((1 - self._left) * self._seconds)
            self._refill()
            self._left = max(self._left, 1)
        self._left -= 1

    def _refill(self) -> None:
        before, self._at = self._at, self._now()
        self._left = min(BURST, self._left + (self._at - before) / self._seconds)
