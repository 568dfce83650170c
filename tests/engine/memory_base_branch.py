"""The base branch without git: a test moves it, and says what does not merge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loop_kit.errors import BranchRefused
from loop_kit.ports import Comparison


@dataclass
class MemoryBaseBranch:
    """Branches by name; `comparisons` by the tip and the head that are compared."""

    tips: dict[str, str] = field(default_factory=dict)
    comparisons: dict[tuple[str, str], Comparison] = field(default_factory=dict)
    changes: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    down: bool = False
    merged: Callable[[str, str, str], str] = lambda tip, head, message: ""
    compared: list[tuple[str, str]] = field(default_factory=list)

    def tip(self, branch: str) -> str | None:
        if self.down:
            raise BranchRefused("The git server does not answer.", "Try again.")
        return self.tips.get(branch)

    def changed(self, older: str, newer: str) -> frozenset[str]:
        return self.changes.get((older, newer), frozenset())

    def merge(self, tip: str, head: str, message: str) -> str:
        return self.merged(tip, head, message)

    def compare(self, tip: str, head: str) -> Comparison | None:
        self.compared.append((tip, head))
        return self.comparisons.get((tip, head))
