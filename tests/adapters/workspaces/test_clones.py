"""Isolated clones: whatever an agent does to its clone, ours is not run by it and not fooled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, workplace

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.cloner import BRANCH, Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.fingerprints import plain_refs
from loop_kit.adapters.workspaces.verifier import CloneVerifier
from loop_kit.core.loop.state import Role
from loop_kit.errors import GitFailed
from loop_kit.ports import Workspace

Act = Callable[[Path, Git], object]


def agent_git(path: Path) -> Git:
    """Git as an agent has it: with everything its clone is configured to."""
    return Git(path, {**environment(path), **IDENTITY.environment()})


def files_at(local: Local, sha: str) -> dict[str, str]:
    names = local.git.text("ls-tree", "-r", "--name-only", sha).splitlines()
    return {name: local.git.text("cat-file", "blob", f"{sha}:{name}") for name in names}


def test_a_clone_holds_the_tree_at_the_commit_and_no_way_to_push(
    workspace: Workspace, local: Local
) -> None:
    git = agent_git(workspace.path)
    assert git.text("rev-parse", "HEAD") == local.head
    assert git.text("branch", "--show-current") == BRANCH
    assert git.text("status", "--porcelain") == ""
    assert os.access(workspace.path / "run.sh", os.X_OK)
    assert not (workspace.path / ".git" / "hooks").exists()
    with pytest.raises(GitFailed):
        git.run("push", "origin", "HEAD:refs/heads/stolen")
    assert "stolen" not in local.git.text("for-each-ref")


def test_a_clone_knows_no_credential_of_the_checkout(cloner: Cloner, local: Local) -> None:
    local.git.run("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic s3cret")
    local.git.run("remote", "add", "origin", "https://x:s3cret@github.com/octo/demo")
    path = cloner.clone("one", local.head)
    held = [p.read_bytes() for p in (path / ".git").rglob("*") if p.is_file()]
    assert not [content for content in held if b"s3cret" in content]


def test_a_commit_that_no_branch_has_can_be_cloned(cloner: Cloner, local: Local) -> None:
    tree = local.git.text("rev-parse", "HEAD^{tree}")
    who = IDENTITY.environment()
    sha = local.git.text("commit-tree", tree, "-p", local.head, "-m", "Loose", env=who)
    assert agent_git(cloner.clone("loose", sha)).text("rev-parse", "HEAD") == sha


def test_a_commit_that_is_not_here_leaves_no_half_made_clone(
    cloner: Cloner, tmp_path: Path
) -> None:
    with pytest.raises(GitFailed):
        cloner.clone("none", "1" * 40)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_commits_come_home_and_leftovers_are_committed_on_top_by_us(
    workspace: Workspace, local: Local
) -> None:
    git, path = agent_git(workspace.path), workspace.path
    (path / "done.py").write_text("done\n")
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "Mine")
    (path / "left.py").write_text("left\n")
    (path / "a.py").unlink()

    head = workspace.collect("Leftovers").head

    assert set(files_at(local, head)) == {"done.py", "left.py", "run.sh"}
    log = local.git.text("log", "--format=%an %s", f"{local.head}..{head}").splitlines()
    assert log == ["loop Leftovers", "loop Mine"]


def test_a_clean_clone_yields_the_agents_own_head(workspace: Workspace, local: Local) -> None:
    assert workspace.collect("Nothing").head == local.head
    git = agent_git(workspace.path)
    git.run("commit", "--quiet", "--allow-empty", "--message", "Mine")
    assert workspace.collect("Nothing").head == git.text("rev-parse", "HEAD")


def test_an_ignored_file_that_was_committed_survives_and_other_ignored_ones_stay_out(
    local: Local, cloner: Cloner
) -> None:
    local.write(".gitignore", "*.log\n")
    local.write("kept.log", "kept\n")
    local.git.run("add", "--force", "kept.log")
    base = local.commit({"b.py": "b\n"})
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, base)
    (workspace.path / "new.log").write_text("noise\n")
    (workspace.path / "b.py").write_text("changed\n")

    found = files_at(local, workspace.collect("Leftovers").head)

    assert found["kept.log"] == "kept"
    assert "new.log" not in found


def test_what_the_home_folder_ignores_is_no_reason_to_drop_work(
    local: Local, cloner: Cloner
) -> None:
    ignore = local.root.parent / ".config" / "git" / "ignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("*.py\n")
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, local.head)
    (workspace.path / "new.py").write_text("new\n")
    assert "new.py" in files_at(local, workspace.collect("Leftovers").head)


def test_work_of_a_failed_attempt_is_laid_over_uncommitted(local: Local, cloner: Cloner) -> None:
    clones = Clones(workplace(cloner), IDENTITY)
    first = clones.open(Role.WORKER, local.head)
    (first.path / "half.py").write_text("half\n")
    (first.path / "a.py").unlink()
    half = first.collect("Half").head
    first.close()

    second = clones.open(Role.WORKER, local.head, half)

    git = agent_git(second.path)
    assert git.text("rev-parse", "HEAD") == local.head
    assert git.text("status", "--porcelain").split() == ["D", "a.py", "A", "half.py"]
    assert "half.py" in files_at(local, second.collect("Again").head)


def edit_in_secret(path: Path, _: Git) -> None:
    """Change bytes and put size and times back."""
    file = path / "a.py"
    about = file.stat()
    file.write_text("ONE\ntwo\nthree\n")
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def edit_what_is_assumed_unchanged(path: Path, git: Git) -> None:
    git.run("update-index", "--assume-unchanged", "a.py")
    (path / "a.py").write_text("hidden\n")


def edit_what_is_skipped(path: Path, git: Git) -> None:
    git.run("update-index", "--skip-worktree", "a.py")
    (path / "a.py").write_text("hidden\n")


def stage_a_file(path: Path, git: Git) -> None:
    (path / "n").touch()
    git.run("add", "n")


def replace_by_a_link(path: Path, _: Git) -> None:
    (path / "a.py").unlink()
    (path / "a.py").symlink_to("run.sh")


TOUCHES: dict[str, Act] = {
    "a commit": lambda path, git: git.run("commit", "--quiet", "--allow-empty", "-m", "x"),
    "another HEAD": lambda path, git: git.run("checkout", "--quiet", "--detach"),
    "a new branch": lambda path, git: git.run("branch", "more"),
    "a tag": lambda path, git: git.run("tag", "v1"),
    "the index": lambda path, git: git.run("rm", "--quiet", "--cached", "a.py"),
    "a staged file": stage_a_file,
    "tracked bytes": lambda path, git: (path / "a.py").write_text("x\n"),
    "tracked bytes in secret": edit_in_secret,
    "a deletion": lambda path, git: (path / "a.py").unlink(),
    "a mode": lambda path, git: (path / "run.sh").chmod(0o644),
    "a link in place of a file": replace_by_a_link,
    "what is assumed unchanged": edit_what_is_assumed_unchanged,
    "what is skipped": edit_what_is_skipped,
}


@pytest.mark.parametrize("act", TOUCHES.values(), ids=TOUCHES)
def test_whatever_a_reviewer_touches_changes_the_fingerprint(
    workspace: Workspace, act: Act
) -> None:
    before = workspace.fingerprint()
    act(workspace.path, agent_git(workspace.path))
    assert workspace.fingerprint() != before


def test_new_files_and_looking_around_change_nothing(workspace: Workspace) -> None:
    before = workspace.fingerprint()
    (workspace.path / "__pycache__").mkdir()
    (workspace.path / "__pycache__" / "x.pyc").write_bytes(b"x")
    (workspace.path / "notes.txt").write_text("notes\n")
    git = agent_git(workspace.path)
    git.run("status")
    git.run("log", "--stat")
    (workspace.path / "a.py").touch()
    git.run("update-index", "-q", "--refresh")
    assert workspace.fingerprint() == before


def test_a_reviewers_workspace_is_gone_once_closed_whatever_its_modes(
    cloner: Cloner, local: Local
) -> None:
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.REVIEWER, local.head)
    locked = workspace.path / "locked"
    locked.mkdir()
    (locked / "x").touch()
    locked.chmod(0)
    workspace.close()
    assert not workspace.path.exists()
    left = {path.name for path in workspace.path.parent.rglob("*")}
    assert left <= {"spare", "a.py", "run.sh"}


def test_remove_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "no such thing")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_a_verify_command_prints_names_files_as_git_does(local: Local, cloner: Cloner) -> None:
    command = 'echo "$PWD/a.py:1: wrong"; pwd; exit 1'
    (result,) = verifier(cloner).verify(local.head, [command], 60).results
    assert result.tail == "a.py:1: wrong\n.\n"


def test_the_failing_tests_of_a_junit_report_that_a_command_names_come_first(
    local: Local, cloner: Cloner, tmp_path: Path
) -> None:
    report = "<t><testcase classname='calc' name='double'><failure/></testcase></t>"
    (tmp_path / "elsewhere.xml").write_text(report, "utf-8")
    head = local.commit({"old.xml": report})
    write = f'echo "{report}" >out.xml; echo red; false --junitxml=out.xml'
    link = f"ln -s {tmp_path}/elsewhere.xml out.xml; false --junitxml=out.xml"
    stale = "false --junitxml=old.xml"
    shown = {
        command: verifier(cloner).verify(head, [command], 60).results[0].tail
        for command in (write, link, stale)
    }
    assert shown == {write: "Failing tests: calc::double\nred\n", link: "", stale: ""}


def verifier(cloner: Cloner, **environ: str) -> CloneVerifier:
    return CloneVerifier(workplace(cloner), {"PATH": os.environ["PATH"], **environ})


def test_verify_runs_up_to_the_first_failure_in_a_fresh_clone(cloner: Cloner, local: Local) -> None:
    local.write("a.py", "not committed\n")
    commands = ["grep -q one a.py", "echo no >&2; exit 3", "true"]
    verification = verifier(cloner).verify(local.head, commands, 60)
    assert [(r.exit_code, r.tail.strip()) for r in verification.results] == [(0, ""), (3, "no")]
    assert not verification.passed


def test_verify_sees_its_environment_and_no_secret(
    cloner: Cloner, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    verification = verifier(cloner, LANG="C").verify(local.head, ["env"], 60)
    assert "s3cret" not in verification.results[0].tail
    assert "LANG=C" in verification.results[0].tail


def running(word: str) -> list[int]:
    """The processes with `word` in their command line."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(word in part for part in each.cmdline()):
                found.append(each.pid)
    return found


def test_verify_in_time_and_what_it_leaves_behind_dies(
    cloner: Cloner, local: Local, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    daemon = f"setsid sh -c ': >{started}; sleep 300; :' >/dev/null 2>&1 &"
    command = f"{daemon} while [ ! -e {started} ]; do sleep 0.05; done"
    verification = verifier(cloner).verify(local.head, [command, "sleep 300"], 3)
    assert [r.exit_code for r in verification.results] == [0, 124]
    assert "--verify-timeout" in verification.results[1].tail
    assert started.exists()
    assert running(str(started)) == []
    left = {path.name for path in (tmp_path / "scratch").rglob("*")}
    assert left <= {"spare", "a.py", "run.sh"}


def test_verify_cannot_kill_what_it_has_not_started(cloner: Cloner, local: Local) -> None:
    """The command kills only where it is in another namespace than this test."""
    victim = subprocess.Popen(["sleep", "300"])
    here = Path("/proc/self/ns/pid").readlink()
    kill = f'sleep 300 & test "$(readlink /proc/self/ns/pid)" = "{here}" || kill -9 -1; echo over'
    try:
        verification = verifier(cloner).verify(local.head, [kill, "grep -q one a.py"], 60)
        assert [(r.exit_code, r.tail) for r in verification.results] == [(0, "over\n"), (0, "")]
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_verify_keeps_the_end_of_what_is_printed(cloner: Cloner, local: Local) -> None:
    command = r"yes | head -c 1000000; printf '\377\0end'"
    tail = verifier(cloner).verify(local.head, [command], 60).results[0].tail
    assert tail.endswith("��end")
    assert len(tail) <= 4096


def test_a_missing_verify_command_is_reported_by_its_code(cloner: Cloner, local: Local) -> None:
    unavailable = verifier(cloner).verify(local.head, ["no-such-command"], 60).unavailable
    assert unavailable is not None
    assert unavailable.exit_code == 127


def test_refs_are_read_from_files_as_git_lists_them_and_packed_ones_by_git(
    workspace: Workspace, local: Local
) -> None:
    git, inside = agent_git(workspace.path), workspace.path / ".git"
    listed = local.git.run("ls-remote", "--quiet", "--symref", str(inside)).out
    assert plain_refs(inside) == listed
    before = workspace.fingerprint()

    git.run("pack-refs", "--all")

    assert plain_refs(inside) is None
    assert workspace.fingerprint() == before
    git.run("tag", "v1")
    assert workspace.fingerprint() != before
