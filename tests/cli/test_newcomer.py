"""What somebody who tries the tool for the first time stumbles over."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.harness import assert_refused

if TYPE_CHECKING:
    from tests.cli.harness import Repo


def test_the_command_that_continues_is_printed_with_its_mode_and_agents(repo: Repo) -> None:
    repo.plan({"worker": [{"stderr": "authentication failed"}, {"exit": 1}]})

    failed = repo.run("--worker-backend", "claude")

    printed = next(line for line in failed.out.splitlines() if line.endswith("--resume"))
    assert printed.strip().startswith("loop run --auto-dispatch")
    assert "--worker-backend claude" in printed


def test_a_loop_out_of_rounds_prints_how_to_give_it_one_more(repo: Repo) -> None:
    repo.run("--max-rounds", "0")

    assert "--max-rounds 1 --resume" in repo.run("--max-rounds", "0").out


def test_a_new_start_over_an_unfinished_loop_says_so(repo: Repo) -> None:
    repo.run("--max-rounds", "0")

    assert "--resume would have continued it" in repo.run().err


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_card_that_never_ends_is_refused_at_once(repo: Repo, path: str) -> None:
    os.mkfifo(repo.root / "pipe")

    assert_refused(repo.loop("run", path), 3, "not a regular file")


def test_a_misspelt_required_key_is_named(repo: Repo) -> None:
    (repo.root / "card.json").write_text('{"task_id": "T-1", "gaol": "x"}')

    assert_refused(repo.loop("run", "card.json"), 3, "unknown key 'gaol'", "Did you mean 'goal'?")


def test_a_misspelt_variable_is_named(repo: Repo) -> None:
    refused = repo.loop("run", env={"LOOP_WORKER_BAKEND": "claude"})

    assert_refused(refused, 3, "LOOP_WORKER_BAKEND", "Did you mean LOOP_WORKER_BACKEND?")


def test_an_identity_with_which_git_would_not_commit_is_refused_before_anybody_is_paid(
    repo: Repo,
) -> None:
    (repo.home / ".gitconfig").unlink()
    repo.git("config", "user.email", "rita@example.org")
    repo.git("config", "user.useConfigOnly", "true")

    assert_refused(repo.run(), 3, "user.name is missing", "git config user.name")
    assert repo.names == []
    assert "user.name is missing" in repo.loop("doctor").text

    repo.git("config", "user.name", "Your Name")
    assert repo.run().code == 0


def test_people_who_do_the_work_themselves_need_no_identity_of_git(repo: Repo) -> None:
    repo.git("config", "user.useConfigOnly", "true")
    (repo.home / ".gitconfig").unlink()
    result = repo.loop("run", "--timeout", "1")
    assert repo.ended == ("done", "worker_timeout"), result.text


def test_clones_commit_with_the_identity_of_the_repository(repo: Repo) -> None:
    (repo.home / ".gitconfig").unlink()
    repo.git("config", "user.name", "Rita")
    repo.git("config", "user.email", "rita@example.org")

    done = repo.run("--apply", "never")

    assert done.code == 0, done.text
    assert "The work is on the branch loop/T-001/work." in done.out
    assert (
        repo.git("log", "-1", "--format=%an <%ae>", "loop/T-001/work") == "Rita <rita@example.org>"
    )
    assert repo.git("log", "--format=%s", "HEAD").count("\n") == 1


def test_a_verify_command_that_fails_at_the_base_is_reported(repo: Repo) -> None:
    repo.card(verify=["test -e proof"])

    assert "It fails: test -e proof (exit code 1)" in repo.run("--max-rounds", "1").out


def test_two_fresh_commands_after_init_lead_to_a_card(repo: Repo) -> None:
    subprocess.run(["rm", "-r", str(repo.folder)], check=True)
    repo.loop("init")
    example = repo.folder / "examples" / "task_card.json"
    (repo.folder / "task_card.json").write_bytes(example.read_bytes())

    assert repo.run().code == 0


def test_what_a_card_asks_for_in_vain_is_reported(repo: Repo) -> None:
    repo.card(depends_on=["T-000"], limits={"max_diff_growth": 2})

    said = repo.run().out

    assert "The card's depends_on is kept, but this version does not act on it." in said
    assert "limits.max_diff_growth" in said
