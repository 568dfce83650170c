"""A workspace in which no program runs, so that there is nothing to lay out, compare or remove."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from loop_kit.ports import Fingerprint


class Unwatched:
    """What such workspaces have in common."""

    environment: Mapping[str, str] = MappingProxyType({})

    def agent_ended(self) -> None:
        """Nothing to do: it has left nothing open."""

    def fingerprint(self) -> Fingerprint:
        """Always the same."""
        return Fingerprint()

    def tracked(self, paths: Collection[str]) -> frozenset[str]:
        """None: nothing is laid out."""
        del paths
        return frozenset()

    def close(self) -> None:
        """Nothing was opened."""
