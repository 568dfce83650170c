"""An agent's own git, on a machine whose configuration waits for a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Hosted, environment

from loop_kit.adapters.process import process
from loop_kit.core.agent.environment import agent_environment
from loop_kit.ports import Workspace

WAITING = """
[core]
    editor = "sleep 600 #"
    askPass = "sleep 600 #"
    pager = "sleep 600 #"
    splitIndex = true
    fsmonitor = true
[sequence]
    editor = "sleep 600 #"
[commit]
    gpgSign = true
[tag]
    gpgSign = true
[gpg]
    program = /nowhere/gpg
"""


def git(workspace: Workspace, tmp_path: Path, *args: str) -> process.Completed:
    """Git as an agent runs it, which has a few seconds."""
    (tmp_path / ".gitconfig").write_text(WAITING)
    env = agent_environment(environment(tmp_path, EDITOR="sleep 600 #"), ["EDITOR"])
    env |= IDENTITY.environment()
    return process.run(["git", *args], cwd=workspace.path, env=env, timeout=20)


@pytest.mark.parametrize(
    "args",
    [
        ("commit", "--amend", "--quiet"),
        ("commit", "--all", "--quiet", "-m", "Mine"),
        ("rebase", "--quiet", "--interactive", "--root"),
        ("tag", "--annotate", "v1", "-m", "One"),
        ("revert", "--no-edit", "HEAD"),
        ("--paginate", "log"),
    ],
    ids=lambda args: args[0],
)
def test_no_command_opens_an_editor_a_pager_or_asks_for_a_signature(
    workspace: Workspace, tmp_path: Path, args: tuple[str, ...]
) -> None:
    (workspace.path / "run.sh").write_text("changed\n")
    if args[0] in {"rebase", "revert"}:
        assert git(workspace, tmp_path, "checkout", "--quiet", ".").code == 0
    done = git(workspace, tmp_path, *args)
    assert (done.code, done.err) == (0, b"")


def test_a_commit_without_a_message_fails_at_once(workspace: Workspace, tmp_path: Path) -> None:
    done = git(workspace, tmp_path, "commit", "--allow-empty")
    assert b"empty commit message" in done.err


def test_a_server_that_wants_a_password_is_no_reason_to_wait(
    workspace: Workspace, hosted: Hosted, tmp_path: Path
) -> None:
    done = git(workspace, tmp_path, "ls-remote", f"{hosted.server.url}/octo/private")
    assert done.code == 128


def test_the_work_is_collected_whatever_index_the_users_git_would_write(
    workspace: Workspace, tmp_path: Path
) -> None:
    (workspace.path / "a.py").write_text("changed\n")
    assert git(workspace, tmp_path, "add", "--all").code == 0
    assert not list((workspace.path / ".git").glob("sharedindex.*"))
    assert workspace.fingerprint()
