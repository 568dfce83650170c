"""Where workspaces are: outside every repository, ours alone, apart from other repositories'."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests.adapters.conftest import Local, make_local

from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.workspaces.root import (
    job_roots,
    key_of,
    laptop_roots,
    repository_key,
    task_folder,
    usable_root,
)
from loop_kit.adapters.workspaces.space import Space
from loop_kit.errors import BadSetting

TEMPORARY = Path(tempfile.gettempdir())


def place_of(local: Local) -> Place:
    return Place(local.root, local.root / ".git", "", "main")


@pytest.mark.parametrize(
    ("environ", "system", "expected"),
    [
        ({"HOME": "/home/mona"}, "linux", "/home/mona/.cache/loop-kit"),
        ({"HOME": "/home/mona", "XDG_CACHE_HOME": "/fast"}, "linux", "/fast/loop-kit"),
        ({"HOME": "/Users/mona"}, "darwin", "/Users/mona/Library/Caches/loop-kit"),
        ({"HOME": "/x", "LOCALAPPDATA": "/mona/AppData/Local"}, "win32", None),
    ],
)
def test_a_laptop_uses_the_folder_that_its_system_has_for_caches(
    environ: dict[str, str], system: str, expected: str | None
) -> None:
    found = laptop_roots(environ, system)
    assert found[0] == Path(expected or "/mona/AppData/Local/loop-kit")
    assert found[1].parent == TEMPORARY


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "x", "XDG_CACHE_HOME": "y"}])
def test_without_a_home_it_is_the_temporary_folder(environ: dict[str, str]) -> None:
    (only,) = laptop_roots(environ, "linux")
    assert only.parent == TEMPORARY


def test_a_job_uses_what_is_beside_the_runners_temporary_folder() -> None:
    roots = job_roots({"RUNNER_TEMP": "/home/runner/work/_temp", "HOME": "/home/runner"})
    assert roots[0] == Path("/home/runner/work/_loop-kit")
    (only,) = job_roots({})
    assert only.parent == TEMPORARY


def test_a_login_and_a_spelling_do_not_count_and_another_repository_does() -> None:
    same = [
        "https://github.com/octo/demo",
        "https://github.com/octo/demo.git",
        "https://x:secret@github.com/octo/demo/",
    ]
    assert len({key_of(url) for url in same}) == 1
    assert key_of("https://github.com/octo/other") != key_of(same[0])
    assert len(key_of("git@github.com:octo/demo.git")) == 12


def test_a_repository_is_known_by_its_origin_and_without_remotes_by_its_path(
    local: Local, tmp_path: Path
) -> None:
    other = make_local(tmp_path / "other")
    git_dirs = local.root / ".git", other.root / ".git"
    assert repository_key(local.git.at(local.root), git_dirs[0]) != repository_key(
        other.git, git_dirs[1]
    )

    local.git.run("remote", "add", "mirror", "https://example.com/mirror")
    for each in (local, other):
        each.git.run("remote", "add", "origin", "https://github.com/octo/demo")

    keys = {
        repository_key(local.git.at(local.root), git_dirs[0]),
        repository_key(other.git.at(other.root), git_dirs[1]),
    }
    assert keys == {key_of("https://github.com/octo/demo")}


def test_the_path_of_a_task_is_short_and_two_long_ids_do_not_meet() -> None:
    root = Path("/r")
    assert task_folder(root, "0" * 12, "issue-7") == root / ("0" * 12) / "issue-7"
    long = [task_folder(root, "0" * 12, f"{'x' * 63}{n}").name for n in range(2)]
    assert len(set(long)) == 2
    assert [len(name) for name in long] == [24, 24]


def test_two_repositories_with_the_same_task_do_not_meet(local: Local, tmp_path: Path) -> None:
    other = make_local(tmp_path / "other")
    paths = []
    for each in (local, other):
        space = Space(each.git, place_of(each), (tmp_path / "root",))
        space.select("", "issue-7")
        paths.append(space.path)
    assert paths[0] != paths[1]
    assert {path.name for path in paths} == {"issue-7"}


def test_what_is_made_only_its_owner_may_enter(local: Local, tmp_path: Path) -> None:
    space = Space(local.git, place_of(local), (tmp_path / "deep" / "root",))
    space.select("", "issue-7")
    assert not (tmp_path / "deep").exists()
    folder = space.path
    modes = [each.stat().st_mode & 0o777 for each in (folder, *folder.parents[:2])]
    assert modes == [0o700, 0o700, 0o700]


@pytest.mark.parametrize("named", ["inside", ".", ".git/x", "../repository/inside"])
def test_a_root_inside_the_repository_is_refused(local: Local, named: str) -> None:
    with pytest.raises(BadSetting, match="inside the repository") as refused:
        usable_root(named, (), place_of(local))
    assert refused.value.exit_code == 3
    assert "--workspace-root" in refused.value.remedy
    assert not (local.root / "inside").exists()


def test_a_root_that_is_a_link_into_the_repository_is_refused(local: Local, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(local.root)
    with pytest.raises(BadSetting, match="inside the repository"):
        usable_root(str(tmp_path / "link" / "x"), (), place_of(local))


def test_a_link_to_a_folder_of_ones_own_is_followed(local: Local, tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "big disk")
    assert usable_root(str(tmp_path / "link"), (), place_of(local)) == tmp_path / "big disk"


def test_a_file_in_its_place_is_refused(local: Local, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="no folder"):
        usable_root(str(tmp_path / "file"), (), place_of(local))
    with pytest.raises(BadSetting, match="cannot be made"):
        usable_root(str(tmp_path / "file" / "x"), (), place_of(local))


def test_a_link_to_a_foreign_folder_is_refused(local: Local, tmp_path: Path) -> None:
    foreign = Path("/") if os.geteuid() else tmp_path / "foreign"
    if not os.geteuid():
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
    (tmp_path / "link").symlink_to(foreign)
    with pytest.raises(BadSetting, match="belongs to another account"):
        usable_root(str(tmp_path / "link"), (), place_of(local))


def test_a_default_that_cannot_be_used_gives_way_to_the_next(local: Local, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    defaults = (tmp_path / "file" / ".cache", local.root / "inside", tmp_path / "temporary")
    assert usable_root("", defaults, place_of(local)) == tmp_path / "temporary"
