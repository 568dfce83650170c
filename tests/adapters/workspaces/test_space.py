"""The folder of a task's workspaces: locked by the run that uses it, removed when it is over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.test_root import place_of

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.workspaces.space import (
    Marker,
    Space,
    folders_below,
    read_marker,
    remove_unused,
)
from loop_kit.adapters.workspaces.takeover import incoming_ref
from loop_kit.errors import BadSetting


def space(local: Local, root: Path, task: str = "T-1") -> Space:
    one = Space(local.git, place_of(local), (root,))
    one.select("", task)
    return one


def fill(folder: Path) -> None:
    for name in ("workspace", "worker", "snapshot-1"):
        (folder / name).mkdir()
        (folder / name / "file").write_text(name)
    (folder / "worker.prepared").write_text("")


def test_at_the_end_nothing_is_left(local: Local, tmp_path: Path) -> None:
    one = space(local, tmp_path / "root")
    fill(one.path)
    one.close()
    assert list((tmp_path / "root").iterdir()) == []
    one.close()


def test_what_a_workspace_kept_by_a_ref_is_let_go_with_it(local: Local, tmp_path: Path) -> None:
    one = space(local, tmp_path)
    ref = incoming_ref(one.path / "workspace")
    local.git.set_ref(ref, local.head)
    one.close(resumable=True)
    assert local.git.text("rev-parse", ref) == local.head
    again = space(local, tmp_path)
    assert again.path.is_dir()
    again.close()
    assert local.git.text("for-each-ref", "refs/loop-kit") == ""


def test_the_workers_files_wait_for_the_next_run_of_the_task(local: Local, tmp_path: Path) -> None:
    one = space(local, tmp_path)
    folder = one.path
    fill(folder)
    one.close(resumable=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("loop-kit.json", "worker", "worker.prepared"),
    ]

    other = space(local, tmp_path, "T-2")
    assert other.path != folder
    assert (folder / "worker" / "file").exists()
    again = space(local, tmp_path)
    assert again.path == folder
    assert (folder / "worker" / "file").read_text() == "worker"


def test_a_second_run_of_the_task_works_beside_the_first(local: Local, tmp_path: Path) -> None:
    first, second = space(local, tmp_path), space(local, tmp_path)
    fill(first.path)
    assert second.path.name == "T-1~2"
    assert not remove_unused(first.path)
    second.close()
    assert (first.path / "workspace" / "file").exists()


@pytest.mark.parametrize("resumable", [False, True])
def test_a_cache_that_is_emptied_while_a_run_uses_it_is_made_again(
    local: Local, tmp_path: Path, resumable: bool
) -> None:
    one = space(local, tmp_path / "root")
    folder = one.path
    remove(tmp_path / "root")
    assert one.path == folder
    assert space(local, tmp_path / "root").path != folder
    remove(tmp_path / "root")
    one.close(resumable=resumable)
    assert not folder.exists()


def crash(one: Space, root: Path) -> Path:
    """Let a process that uses the folder end without an end, as SIGKILL does."""
    child = os.fork()
    if not child:
        fill(one.path)
        os._exit(0)
    os.waitpid(child, 0)
    (marker,) = root.glob("*/T-1/loop-kit.json")
    return marker.parent


def test_what_a_crashed_run_left_the_next_run_removes(local: Local, tmp_path: Path) -> None:
    folder = crash(space(local, tmp_path), tmp_path)
    other = space(local, tmp_path, "T-2")
    assert other.path.exists()
    assert not folder.exists()


def test_of_its_own_task_a_run_takes_over_the_workers_files_alone(
    local: Local, tmp_path: Path
) -> None:
    folder = crash(space(local, tmp_path), tmp_path)
    again = space(local, tmp_path)
    assert again.path == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        *("loop-kit.json", "worker", "worker.prepared"),
    ]


def test_the_files_of_another_clone_of_the_same_remote_are_not_taken_over(
    local: Local, tmp_path: Path
) -> None:
    from tests.adapters.conftest import make_local

    other = make_local(tmp_path / "other")
    for each in (local, other):
        each.git.run("remote", "add", "origin", "https://github.com/octo/demo")
    one = space(local, tmp_path / "root")
    fill(one.path)
    one.close(resumable=True)

    second = space(other, tmp_path / "root")

    assert [path.name for path in second.path.iterdir()] == ["loop-kit.json"]


def test_a_folder_that_we_did_not_make_is_neither_used_nor_removed(
    local: Local, tmp_path: Path
) -> None:
    one = space(local, tmp_path)
    folder = one.path
    one.close()
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine\n")

    with pytest.raises(BadSetting, match="no folder that loop-kit made"):
        _ = space(local, tmp_path).path

    assert list(folders_below(folder.parent)) == []
    assert (folder / "thesis.txt").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"task_id": 1}', "\0", '{"x": 1}'])
def test_a_marker_that_is_none_marks_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "loop-kit.json").write_text(content)
    assert read_marker(tmp_path) is None


def test_a_link_to_a_marked_folder_is_not_one(local: Local, tmp_path: Path) -> None:
    one = space(local, tmp_path / "root")
    (tmp_path / "link").symlink_to(one.path)
    assert read_marker(tmp_path / "link") is None
    assert isinstance(read_marker(one.path), Marker)


def test_a_lock_file_that_somebody_removed_lets_nobody_in(local: Local, tmp_path: Path) -> None:
    one = space(local, tmp_path / "root")
    folder = one.path
    folder.with_name("T-1.lock").unlink()

    assert not remove_unused(folder)
    assert space(local, tmp_path / "root").path.name == "T-1~2"
    assert folder.exists()


def test_no_mode_outside_is_changed_by_removing_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine\n")
    outside.chmod(0o400)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    folder.chmod(0o500)
    remove(folder)
    assert outside.stat().st_mode & 0o777 == 0o400
    assert make_room(folder) == folder
