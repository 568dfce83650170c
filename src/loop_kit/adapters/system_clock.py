"""The system's time."""

import time
from datetime import UTC, datetime, timedelta

_FORM = "%Y-%m-%dT%H:%M:%SZ"


class SystemClock:
    """The clock of this machine."""

    def now(self) -> str:
        """UTC as YYYY-MM-DDTHH:MM:SSZ."""
        return datetime.now(UTC).strftime(_FORM)

    def later(self, seconds: float) -> str:
        """UTC `seconds` from now, in the same form."""
        return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime(_FORM)

    def seconds(self) -> float:
        """A monotonic count of seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
