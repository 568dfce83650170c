"""What a test can make go wrong on the way to GitHub, and how much of its rate a token has left."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What happens to the next `times` requests that fit."""

    method: str
    path: re.Pattern[str]
    status: int
    times: int
    headers: Mapping[str, str]
    drop_before: bool
    drop_after: bool
    cut: bool = False

    @property
    def message(self) -> str:
        if self.status == 401:
            return "Bad credentials"
        if self.status in {403, 429}:
            return (
                "You have exceeded a secondary rate limit. "
                "Please wait a few minutes before you try again."
            )
        return "Server Error"


def any_fault(
    method: str,
    status: int = 500,
    *,
    drop_before: bool = False,
    drop_after: bool = False,
    cut: bool = False,
) -> Fault:
    """A fault of the next request, whatever it is for."""
    return Fault(method, re.compile(""), status, 1, {}, drop_before, drop_after, cut)


class FaultPlan:
    """The faults that are still to come, in order; a `forecast` is asked when there are none."""

    def __init__(self) -> None:
        self.forecast: Callable[[str, str], Fault | None] | None = None
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.times and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return self.forecast(method, path) if self.forecast else None


@dataclass
class Quota:
    """The requests that a token may make in an hour."""

    limit: int
    used: int = 0
    reset: int = field(default_factory=lambda: int(time.time()) + 3600)

    def spend(self) -> bool:
        """Count one request and tell whether there was room for it."""
        self.used += 1
        return self.used <= self.limit

    def headers(self) -> dict[str, str]:
        used = min(self.used, self.limit)
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.limit - used),
            "x-ratelimit-used": str(used),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-resource": "core",
        }
