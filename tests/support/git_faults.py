"""What a test can make go wrong on the way to the git server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Endpoint = Literal["info/refs", "git-upload-pack", "git-receive-pack"]
Kind = Literal["status", "reset", "cut", "lost", "refused"]


@dataclass(frozen=True)
class GitFault:
    """What happens to one request.

    It is answered with `status`, its connection is `reset` before anything is done, its answer is
    `cut` in the middle or `lost`, or the push is `refused` for a `reason`.
    """

    kind: Kind
    status: int = 500
    reason: str = ""


class GitFaults:
    """The faults that are still to come, in order; a `forecast` is asked when there are none."""

    def __init__(self) -> None:
        self.forecast: Callable[[str], GitFault | None] | None = None
        self._faults: list[tuple[Endpoint, GitFault]] = []

    def add(self, endpoint: Endpoint, fault: GitFault, times: int = 1) -> None:
        self._faults += [(endpoint, fault)] * times

    def take(self, endpoint: str) -> GitFault | None:
        for number, (where, fault) in enumerate(self._faults):
            if where == endpoint:
                del self._faults[number]
                return fault
        return self.forecast(endpoint) if self.forecast else None
