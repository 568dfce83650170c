"""The command with which a person takes over a stopped loop puts its work in their hands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.core import builders as b

from loop_kit.core.forge.question import take_over
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop.state import Limits, LoopState, Source

WEIRD = "loop/a;$(touch${IFS}pwned)/work"


def stopped(branch: str) -> LoopState:
    state = b.after(b.awaiting_review(Limits(max_rounds=1)), b.rejected(1))
    return state.model_copy(update={"source": Source(kind="issue", ref="7"), "work_branch": branch})


def test_a_loop_without_a_work_branch_offers_nothing_to_take_over() -> None:
    assert "take over" not in "\n".join(take_over(stopped("").work_branch))


@pytest.mark.parametrize("branch", ["loop/issue-7/work", WEIRD])
def test_the_command_switches_to_the_work_and_does_nothing_else(
    branch: str, tmp_path: Path
) -> None:
    (command,) = re.findall(r"`(git fetch .*?)`", status_comment(stopped(branch)))
    hub, clone = tmp_path / "hub", tmp_path / "clone"
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}

    def run(*words: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(words, cwd=cwd, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("git", "init", "-q", "--initial-branch=main", str(hub))
    author = ("-c", "user.name=Mona", "-c", "user.email=mona@example.org")
    run("git", *author, "commit", "-q", "--allow-empty", "--message=base", cwd=hub)
    run("git", "clone", "-q", str(hub), str(clone))
    run("git", "branch", branch, cwd=hub)

    run("sh", "-c", command, cwd=clone)

    assert run("git", "branch", "--show-current", cwd=clone) == branch
    assert not (clone / "pwned").exists()
