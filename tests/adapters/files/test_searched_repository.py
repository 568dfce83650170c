"""A pipe in a repository is found although the folder it is in was searched a moment ago."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loop_kit.adapters.files.searched_repository import SpecialFiles

SETTLED = 0.03
"""Seconds after which a folder that was changed is trusted."""


def replace_by_a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return (folder / "pipe").rename(folder / "file")


def set_the_times_back(folder: Path) -> Path:
    about = folder.stat()
    os.mkfifo(folder / "pipe")
    os.utime(folder, ns=(about.st_atime_ns, about.st_mtime_ns))
    return folder / "pipe"


def put_it_deeper(folder: Path) -> Path:
    (folder / "new" / "inner").mkdir(parents=True)
    os.mkfifo(folder / "new" / "inner" / "pipe")
    return folder / "new" / "inner" / "pipe"


def replace_the_folder(folder: Path) -> Path:
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def link_to_a_pipe(folder: Path) -> Path:
    (folder.parents[1] / "elsewhere").unlink()
    os.mkfifo(folder.parents[1] / "elsewhere")
    return folder / "link"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in a repository, with a file and a link in it that leads outside."""
    inner = tmp_path / "repository" / "objects"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (tmp_path / "elsewhere").touch()
    (inner / "link").symlink_to(tmp_path / "elsewhere")
    return inner


@pytest.mark.parametrize("has_link", [True, False], ids=["beside a link", "alone"])
@pytest.mark.parametrize("is_linked", [False, True], ids=["folder", "link to it"])
@pytest.mark.parametrize(
    "attack",
    [replace_by_a_pipe, set_the_times_back, put_it_deeper, replace_the_folder, link_to_a_pipe],
)
def test_what_came_since_is_found(
    folder: Path, attack: Callable[[Path], Path], *, has_link: bool, is_linked: bool
) -> None:
    if not has_link and attack is not link_to_a_pipe:
        (folder / "link").unlink()
    repository = folder.parent
    if is_linked:
        repository = folder.parents[1] / "linked"
        repository.symlink_to(folder.parent)
    special = SpecialFiles(repository)
    for _ in range(2):
        time.sleep(SETTLED)
        assert special.find() == frozenset()

    found = repository / attack(folder).relative_to(folder.parent)

    assert special.find() == {found}
    time.sleep(SETTLED)
    assert special.find() == {found}
    found.unlink()
    assert special.find() == frozenset()


def test_what_came_at_once_after_a_search_is_found(folder: Path) -> None:
    special = SpecialFiles(folder.parent)
    for number in range(50):
        (folder / f"{number}").touch()
        assert special.find() == frozenset()
        os.mkfifo(folder / "pipe")
        assert special.find() == {folder / "pipe"}
        (folder / "pipe").unlink()
