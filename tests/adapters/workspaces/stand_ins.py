"""What a workspace is made with where a test is about something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loop_kit.ports import SetupFailed


@dataclass(frozen=True)
class Scratch:
    """A folder for clones that nobody shares."""

    folder: Path

    @property
    def path(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder


class Unprepared:
    """Nothing is prepared."""

    settings = ""

    def key(self, sha: str) -> str | None:
        """Nothing depends on the commit."""
        del sha
        return None

    def source(self, sha: str) -> str:
        """The commit itself."""
        return sha

    def check(self, sha: str) -> None:
        """Nothing can be wrong."""

    def check_commands(self, commands: Sequence[str], environ: Mapping[str, str]) -> None:
        """No command can be wrong."""

    def prepare(self, path: Path, sha: str) -> None:
        """The clone is all."""

    def failure(self, sha: str) -> SetupFailed | None:
        """Nothing can fail."""
        del sha
        return None

    def environment(self, path: Path, sha: str, *, trusts_work: bool) -> Mapping[str, str]:
        """Nothing was prepared."""
        del path, sha, trusts_work
        return {}
