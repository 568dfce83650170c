"""Folders inside one another, deeper than a program can follow."""

from __future__ import annotations

import os
from pathlib import Path

from loop_kit.adapters.removal import remove

DEPTH = 1100


def test_folders_deeper_than_a_program_can_follow_are_removed(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    inside = os.open(deep, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("folder", dir_fd=inside)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
        below = os.open("folder", os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = below
    os.close(inside)

    remove(deep)

    assert not deep.exists()
