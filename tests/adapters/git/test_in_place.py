"""The user's own work tree: what is theirs stays theirs, and what a worker left is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.in_place import InPlace
from loop_kit.adapters.git.work_tree import read_status, require_clean
from loop_kit.core.loop.state import Role
from loop_kit.errors import DirtyWorktree, StateRefused
from loop_kit.ports import Workspace


def opened(local: Local, role: Role = Role.WORKER, sha: str = "") -> Workspace:
    return InPlace(local.git, local.root, ".loop", IDENTITY).open(role, sha or local.head)


def changed_in(local: Local, sha: str) -> list[str]:
    out = local.git.run("diff", "--name-only", "--no-renames", "-z", f"{sha}^", sha).out
    return sorted(os.fsdecode(name) for name in out.split(b"\x00") if name)


def status(local: Local) -> list[str]:
    return local.git.text("status", "--porcelain").splitlines()


def test_the_workspace_is_the_repository_itself(local: Local) -> None:
    assert opened(local).path == local.root


def test_what_a_worker_left_is_committed_and_the_tree_is_clean_afterwards(local: Local) -> None:
    workspace, before = opened(local), local.head
    local.write("a.py", "changed\n")
    local.write("new.py", "new\n")
    (local.root / "run.sh").unlink()

    head = workspace.collect("Leftovers")

    assert (local.head, status(local)) == (head, [])
    assert local.git.text("rev-parse", "HEAD^") == before
    assert changed_in(local, head) == ["a.py", "new.py", "run.sh"]
    assert local.git.text("log", "-1", "--format=%ae %s") == "user@example.com Leftovers"


def test_an_author_is_set_where_git_knows_none(local: Local) -> None:
    local.git.run("config", "--unset", "user.email")
    workspace = opened(local)
    local.write("new.py", "new\n")
    workspace.collect("Leftovers")
    assert local.git.text("log", "-1", "--format=%ae %ce") == "loop@example.com loop@example.com"


def test_the_users_own_changes_are_never_committed_and_stay_as_they_were(local: Local) -> None:
    local.commit({"staged.py": "1\n", "dirty.py": "1\n"})
    local.write("staged.py", "mine\n")
    local.git.run("add", "staged.py")
    local.write("dirty.py", "mine\n")
    local.write("notes.txt", "mine\n")
    before = status(local)
    workspace = opened(local)
    local.write("work.py", "work\n")
    local.write("a.py", "work\n")

    head = workspace.collect("Leftovers")

    assert changed_in(local, head) == ["a.py", "work.py"]
    assert status(local) == before
    assert (local.root / "dirty.py").read_text() == "mine\n"


def test_commits_of_the_worker_and_its_leftovers_are_both_kept(local: Local) -> None:
    workspace = opened(local)
    mine = local.commit({"done.py": "done\n"}, "Mine")
    assert workspace.collect("Leftovers") == mine
    local.write("left.py", "left\n")
    head = workspace.collect("Leftovers")
    assert local.git.text("rev-parse", f"{head}^") == mine


def test_a_rename_is_two_paths(local: Local) -> None:
    workspace = opened(local)
    (local.root / "a.py").rename(local.root / "b.py")
    assert changed_in(local, workspace.collect("Rename")) == ["a.py", "b.py"]
    assert status(local) == []


ODD = ["with space", "new\nline", "-u", ":(top)x", "*", "ümlaut", "tab\there", '"quoted"', "a\\b"]


def test_odd_names_are_only_names(local: Local) -> None:
    workspace = opened(local)
    for name in ODD:
        local.write(f"odd/{name}", "x\n")
    os.close(os.open(os.fsencode(local.root) + b"/odd/\xff\xfe", os.O_CREAT | os.O_WRONLY))

    head = workspace.collect("Odd")

    expected = sorted([*(f"odd/{name}" for name in ODD), "odd/\udcff\udcfe"])
    assert changed_in(local, head) == expected
    assert status(local) == []


def test_a_file_that_was_staged_and_deleted_again_is_no_failure(local: Local) -> None:
    workspace = opened(local)
    local.write("gone.py", "x\n")
    local.write("kept.py", "x\n")
    local.git.run("add", "--all")
    (local.root / "gone.py").unlink()
    assert changed_in(local, workspace.collect("Leftovers")) == ["kept.py"]


def test_where_only_a_file_is_gone_nothing_of_the_users_is_committed(local: Local) -> None:
    local.write("notes.txt", "mine\n")
    local.commit({})
    local.write("a.py", "mine\n")
    local.write("more.txt", "mine\n")
    workspace = opened(local)
    (local.root / "run.sh").unlink()
    assert changed_in(local, workspace.collect("Leftovers")) == ["run.sh"]
    assert status(local) == [" M a.py", "?? more.txt"]


def test_only_the_mode_may_change(local: Local) -> None:
    workspace = opened(local)
    (local.root / "a.py").chmod(0o755)
    assert changed_in(local, workspace.collect("Mode")) == ["a.py"]


def test_ignored_files_and_the_loops_own_folder_stay_out(local: Local) -> None:
    local.commit({".gitignore": "*.log\n"})
    workspace, before = opened(local), local.head
    local.write("x.log", "noise\n")
    local.write(".loop/work_report.json", "{}")
    assert workspace.collect("Nothing") == before


def test_nothing_left_means_no_commit(local: Local) -> None:
    workspace, before = opened(local), local.head
    (local.root / "a.py").touch()
    assert workspace.collect("Nothing") == before


def test_a_branch_that_somebody_moved_is_refused_with_what_to_do(local: Local) -> None:
    base = local.head
    local.commit({"theirs.py": "x\n"})
    with pytest.raises(StateRefused, match=f"the loop left it at {base[:10]}"):
        opened(local, Role.REVIEWER, base)
    local.git.run("checkout", "--quiet", "--orphan", "other")
    local.commit({"other.py": "x\n"})
    with pytest.raises(StateRefused):
        opened(local, Role.WORKER, base)


def test_commits_that_an_interrupted_worker_made_are_taken_up(local: Local) -> None:
    base = local.head
    mine = local.commit({"half.py": "x\n"})
    assert opened(local, Role.WORKER, base).collect("Nothing") == mine


def test_looking_and_new_files_keep_the_fingerprint(local: Local) -> None:
    workspace = opened(local, Role.REVIEWER)
    before = workspace.fingerprint()
    local.write("cache/x.pyc", "x")
    (local.root / "a.py").touch()
    local.git.run("status")
    assert workspace.fingerprint() == before


def test_changes_that_were_there_before_are_part_of_the_fingerprint(local: Local) -> None:
    local.write("a.py", "mine\n")
    workspace = opened(local, Role.REVIEWER)
    before = workspace.fingerprint()
    assert workspace.fingerprint() == before
    local.write("a.py", "more\n")
    assert workspace.fingerprint() != before


def test_a_change_that_git_is_configured_to_overlook_changes_the_fingerprint(local: Local) -> None:
    for flag in ("--assume-unchanged", "--skip-worktree"):
        workspace = opened(local, Role.REVIEWER)
        before = workspace.fingerprint()
        local.git.run("update-index", flag, "a.py")
        local.write("a.py", f"hidden by {flag}\n")
        assert workspace.fingerprint() != before, flag


def test_uncommitted_changes_are_listed_and_untracked_files_do_not_count(local: Local) -> None:
    local.write("untracked.txt", "x\n")
    require_clean(read_status(local.git, ".loop"))
    for number in range(25):
        local.write(f"f{number:02}", "x\n")
    local.git.run("add", "--all")
    with pytest.raises(DirtyWorktree, match="and 6 more") as refused:
        require_clean(read_status(local.git, ".loop"))
    assert "26 tracked file(s)" in refused.value.sentence
    assert refused.value.exit_code == 4


def test_a_conflict_counts_as_uncommitted(local: Local, tmp_path: Path) -> None:
    base = local.head
    local.commit({"a.py": "ours\n"})
    git = Git(local.root, {**environment(tmp_path), **IDENTITY.environment()})
    git.run("checkout", "--quiet", "-b", "other", base)
    local.commit({"a.py": "theirs\n"})
    git.run("merge", "main", ok=(1,))
    found = read_status(local.git, ".loop")
    assert found.tracked == ("a.py",)
    with pytest.raises(DirtyWorktree):
        require_clean(found)
