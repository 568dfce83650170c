"""Objects are read through git processes that stay, and lines of commits from their objects."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import Local, environment, make_local

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.history import History, NotPlain
from loop_kit.adapters.git.objects import Objects, TreeEntry
from loop_kit.adapters.git.raw_log import RawCommit, parse_log
from loop_kit.adapters.process import process
from loop_kit.errors import GitFailed

LOG = (
    *("log", "--format=%x01%m%H %P%x02%s", "--left-right", "--raw", "--no-renames", "--no-abbrev"),
    *("--root", "-z"),
)


def logged(local: Local, parent: str) -> list[RawCommit]:
    out = local.git.run(*LOG, f"{parent}...{local.head}", "--").out
    return parse_log(out.decode("utf-8", "surrogateescape"))[1]


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


def test_an_object_is_known_and_read_and_what_is_no_object_is_none(local: Local) -> None:
    objects, head = local.git.objects, local.head
    names = [f"{head}:a.py", f"{head}:nowhere", "0" * 40, f"{head}^{{tree}}", f"{head}:no such.py"]
    found = objects.info(names)
    assert [(about.kind, about.size) if about else None for about in found] == [
        ("blob", 14),
        None,
        None,
        ("tree", found[3].size if found[3] else 0),
        None,
    ]
    assert objects.read(f"{head}:a.py", "blob", 100) == b"one\ntwo\nthree\n"
    assert objects.read(f"{head}:a.py", "blob", 13) is None
    assert objects.read(f"{head}:a.py", "tree", 100) is None
    tree = objects.tree(f"{head}^{{tree}}") or {}
    assert [tree["run.sh"].mode, tree["a.py"].mode] == ["100755", "100644"]
    assert tree["a.py"] == TreeEntry("100644", found[0].oid if found[0] else "")
    assert objects.tree(f"{head}^{{tree}}") is tree
    assert objects.tree(f"{head}:a.py") is None


def test_more_names_than_a_pipe_holds_are_answered_in_their_order(local: Local) -> None:
    names = [f"{local.head}:{'x' * 200}{n}" for n in range(3000)]
    names[::500] = [f"{local.head}:a.py"] * 6
    found = local.git.objects.info(names)
    assert [n for n, about in enumerate(found) if about] == list(range(0, 3000, 500))


def test_an_object_that_another_process_packed_since_is_found(local: Local) -> None:
    objects = local.git.objects
    assert objects.info([local.head])[0]
    local.commit({"b.py": "b\n"}, "Later")
    local.git.run("gc", "--quiet", "--prune=now")
    assert objects.read(f"{local.head}:b.py", "blob", 100) == b"b\n"


def test_a_git_that_was_killed_is_started_again_and_one_that_nobody_holds_ends(
    tmp_path: Path,
) -> None:
    local = make_local(tmp_path / "repository")
    local.commit({"a.py": "a\n"}, "Start")
    objects, head = local.git.objects, local.head
    before = children()
    assert objects.info([head])[0]
    (pid,) = children() - before
    os.kill(pid, signal.SIGKILL)
    assert objects.info([f"{head}:a.py"])[0]
    assert len(children() - before) == 1
    del objects, local
    assert children() == before


def test_git_is_asked_once_about_what_never_changes(local: Local) -> None:
    objects, file = local.git.objects, f"{local.head}:a.py"
    before = children()
    assert objects.info([file])[0]
    assert objects.read(file, "blob", 100)
    for pid in children() - before:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert [about is not None for about in objects.info([file, file])] == [True, True]
        assert objects.read(file, "blob", 100) == b"one\ntwo\nthree\n"
    finally:
        for pid in children() - before:
            os.kill(pid, signal.SIGCONT)
    local.commit({"a.py": "new\n"}, "Next")
    (head,) = objects.info(["HEAD"])
    assert head is not None
    assert head.oid == local.head


def test_one_git_answers_everything_and_an_old_one_has_a_second_beside_it(
    local: Local, tmp_path: Path
) -> None:
    real = shutil.which("git")
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\ncase "$*" in *batch-command*) exit 129 ;; esac\nexec {real} "$@"\n')
    old.chmod(0o755)
    path = f"{old.parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(local.root.parent)
    for git, count in (Git(local.root, env), 1), (Git(local.root, {**env, "PATH": path}), 2):
        before = children()
        file = f"{local.head}:a.py"
        (about,) = git.objects.info([file])
        assert about is not None
        assert git.objects.info(["", f"{local.head}:b"]) == [None, None]
        assert git.objects.read(file, "blob", 100) == b"one\ntwo\nthree\n"
        assert b"".join(git.objects.stream(about.oid)) == b"one\ntwo\nthree\n"
        assert len(children() - before) == count
        with pytest.raises(GitFailed, match="could not read"):
            b"".join(git.objects.stream("0" * 40))


def test_a_commit_is_written_and_a_malformed_one_refused(local: Local, tmp_path: Path) -> None:
    tree = local.git.text("rev-parse", "HEAD^{tree}")
    who = "A <a@example.org> 1313584730 +0100"
    head = f"tree {tree}\nparent {local.head}\nauthor {who}\ncommitter {who}\n"
    for number in (1, 2):
        (tmp_path / "commit").write_text(f"{head}\nmessage {number}\n")
        sha = local.git.objects.write_commit(tmp_path / "commit")
        assert local.git.text("log", "-1", "--format=%s", sha) == f"message {number}"
    (tmp_path / "commit").write_text("no commit\n")
    with pytest.raises(GitFailed, match="hash-object"):
        local.git.objects.write_commit(tmp_path / "commit")


def test_no_secret_of_a_job_is_in_the_environment_of_a_git_that_stays(local: Local) -> None:
    shown = {**environment(local.root.parent), "GITHUB_TOKEN": "t0p", "INPUT_KEY": "t0p"}
    git = Git(local.root, shown, isolated=True, network=[("http.proxy", "http://me:t0p@proxy")])
    before = children()
    assert git.objects.info([local.head])[0]
    assert git.refs.move("refs/heads/other", local.head)
    started = children() - before
    assert len(started) == 2
    for pid in started:
        assert b"t0p" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_git_that_does_not_answer_is_ended_and_reported(tmp_path: Path) -> None:
    def start(*args: str) -> process.Dialogue:
        del args
        return process.start_dialogue(["sleep", "60"], cwd=tmp_path, env=dict(os.environ))

    with pytest.raises(GitFailed, match="before it had answered"):
        Objects(start, 0.1).info(["HEAD"])


def rename(local: Local) -> None:
    local.git.run("mv", "a.py", "c.py")
    local.commit({}, "\n  Two lines\nof a subject  \n\nand a body")


def replace_by_folder(local: Local) -> None:
    local.git.run("rm", "--quiet", "a.py")
    local.commit({"a.py/x": "x\n", "a.py-": "y\n", "a.pyx": "z\n"}, "Folder")
    local.git.run("rm", "--quiet", "-r", "a.py")
    local.commit({"a.py": "file again\n"}, "File")


def change_modes(local: Local) -> None:
    (local.root / "run.sh").chmod(0o644)
    (local.root / "link").symlink_to("a.py")
    local.commit({"tief/ünter/naïve\n.txt": "x"}, "Ümlaut \u2028 and \x1f")


def change_nothing(local: Local) -> None:
    local.git.run("commit", "--quiet", "--allow-empty", "--allow-empty-message", "--message=")


@pytest.mark.parametrize("act", [rename, replace_by_folder, change_modes, change_nothing])
def test_a_line_of_commits_is_read_as_git_logs_it(
    local: Local, act: Callable[[Local], None]
) -> None:
    parent = local.head
    act(local)
    local.commit({"sub/b.py": "b\n", "run.sh": "echo\n"}, "Next")
    assert History(local.git.objects).line(parent, local.head) == logged(local, parent)
    assert History(local.git.objects).line(parent, parent) == []


def merge(local: Local) -> None:
    local.git.run("checkout", "--quiet", "-b", "side", "HEAD")
    local.commit({"side.py": "s\n"}, "Side")
    local.git.run("checkout", "--quiet", "main")
    local.git.run("merge", "--quiet", "--no-ff", "--no-edit", "side")


def go_back(local: Local) -> None:
    local.commit({"b.py": "b\n"}, "On")
    local.git.run("checkout", "--quiet", "--orphan", "other")
    local.commit({"c.py": "c\n"}, "Other")


def use_another_encoding(local: Local) -> None:
    command = ("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "--quiet", "--allow-empty")
    local.git.run(*command, "--message=Title")


def commit_often(local: Local) -> None:
    for number in range(21):
        local.git.run("commit", "--quiet", "--allow-empty", f"--message={number}")


@pytest.mark.parametrize("act", [merge, go_back, use_another_encoding, commit_often])
def test_what_is_no_plain_line_is_left_to_git(local: Local, act: Callable[[Local], None]) -> None:
    parent = local.head
    act(local)
    with pytest.raises(NotPlain):
        History(local.git.objects).line(parent, local.head)
