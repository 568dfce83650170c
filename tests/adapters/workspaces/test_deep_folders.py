"""Folders inside one another, deeper than a program can follow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.files.special_files import remove_special_files

LONG = "d" * 60
"""So many of these are a path that no program can open."""


def nest(top: Path, depth: int, name: str) -> None:
    """Folders called `name` inside one another, with a file in each."""
    top.mkdir(exist_ok=True)
    inside = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inside)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
        below = os.open(name, os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = below
    os.close(inside)


@pytest.mark.parametrize("name", ["folder", LONG])
def test_folders_deeper_than_a_program_can_follow_are_removed(tmp_path: Path, name: str) -> None:
    deep = tmp_path / "deep"
    nest(deep, 1500, name)

    remove(deep)

    assert not deep.exists()


def test_no_name_that_somebody_chose_keeps_deep_folders(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    nest(deep, 1500, "folder")
    for number in range(1, 40):
        nest(deep / f"{number}.flat", 3, f"{number}.flat")

    remove(deep)

    assert not deep.exists()


def test_folders_that_no_path_reaches_are_taken_out_of_a_workspace(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    nest(workspace, 300, LONG)

    remove_special_files(workspace)

    assert (workspace / LONG / LONG / "file").exists()
    assert list(tmp_path.iterdir()) == [workspace]
    depth = 0
    for folder, _, _ in os.walk(workspace):
        depth = max(depth, folder.count(LONG))
    assert depth < 70
