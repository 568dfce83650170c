"""A `git` on PATH that writes down each call of a job, and can say that others own every file."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitLog:
    """The calls of git below one folder; a call that git makes of itself is not among them.

    Where a call is about the folder `foreign`, git takes everything for another user's.
    """

    folder: Path
    foreign: str = ""

    def environment(self) -> dict[str, str]:
        """What a job needs to find this git first; `git-lfs` is there too, and only tells."""
        real = shutil.which("git")
        about = f'case "$PWD $GIT_DIR $*" in *{self.foreign}*)'
        owner = f"{about} export GIT_TEST_ASSUME_DIFFERENT_OWNER=1;; esac\n" if self.foreign else ""
        self._program("git", f'{owner}echo "$@" >>{self.folder}/calls\nexec {real} "$@"\n')
        self._program("git-lfs", f'echo "$@" >>{self.folder}/lfs\nexit 1\n')
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    @property
    def calls(self) -> list[str]:
        return self._lines("calls")

    @property
    def lfs_calls(self) -> list[str]:
        return self._lines("lfs")

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text("utf-8", "replace").splitlines() if path.exists() else []

    def _program(self, name: str, body: str) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}")
        path.chmod(0o755)
