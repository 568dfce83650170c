"""`loop sweep`, through the installed command, with a git server and an API on the loopback."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.harness import Repo, Result, assert_refused
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.core.loop.state import LoopState, Outcome, Phase

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository

REPOSITORY = "octo/demo"
WORKFLOW = """\
on:
  workflow_dispatch:
    inputs:
      task-id: {type: string}
      round: {type: string}
      expected-state: {type: string}
jobs: {}
"""
MINUTES, DAYS = 60, 24 * 3600


@dataclass
class Team:
    """A scratch repository whose `origin` is on a server, and the API beside it."""

    repo: Repo
    git: GitServer
    api: GitHubServer

    @property
    def bare(self) -> BareRepository:
        return self.git.repository(REPOSITORY)

    @property
    def token(self) -> dict[str, str]:
        """The environment of somebody who may ask the API."""
        return {
            "GITHUB_TOKEN": "bot",
            "GITHUB_SERVER_URL": self.git.url,
            "GITHUB_API_URL": self.api.url,
        }

    def loop_of(self, task_id: str, seconds: int, prefix: str = "loop", **fields: Any) -> None:
        """Put a loop on the server without progress for so long, with one commit of work."""
        start = self.bare.head("main") or ""
        branch, work = f"{prefix}/{task_id}/state", f"{prefix}/{task_id}/work"
        head = self.bare.commit_files(work, {f"{task_id}.py": "x\n"}, parent=start)
        made = LoopState(
            task_id=task_id,
            seq=1,
            round=1,
            start_sha=start,
            base_sha=start,
            head_sha=head,
            work_branch=work,
            **fields,
        )
        card = json.dumps({"task_id": task_id, "goal": "x"})
        self.bare.commit_files(branch, {"state.json": made.to_json(), "task_card.json": card})
        said = self.bare.git("cat-file", "commit", self.bare.head(branch) or "")
        then = f"\\1 {int(time.time()) - seconds} "
        old = re.sub(r"^(committer .*>) \d+ ", then, said, count=1, flags=re.MULTILINE)
        sha = self.bare.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=old.encode())
        self.bare.set_branch(branch, sha.strip())

    def state(self, task_id: str, prefix: str = "loop") -> dict[str, Any]:
        raw = self.bare.file(f"{prefix}/{task_id}/state", "state.json")
        found: dict[str, Any] = json.loads(raw or b"{}")
        return found

    def sweep(self, *args: str, **env: str) -> Result:
        """The sweep of somebody with a token."""
        return self.repo.loop("sweep", *args, env={**self.token, **env})


@pytest.fixture
def team(tmp_path: Path, repo: Repo) -> Iterator[Team]:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        path = git.create_repository(REPOSITORY, "trunk")
        git.add_token("bot", "mona")
        git.add_token("mona", "mona")
        url = f"{git.url}/{REPOSITORY}"
        pair = base64.b64encode(b"x-access-token:mona").decode()
        repo.git(
            "config", "--global", f"http.{git.url}/.extraHeader", f"Authorization: Basic {pair}"
        )
        repo.git("push", "--quiet", str(path), "main", "main:trunk")
        repo.git("remote", "add", "origin", url)
        api.set_role(REPOSITORY, "mona", "admin")
        team = Team(repo, git, api)
        team.bare.commit_files("trunk", {".github/workflows/loop.yml": WORKFLOW})
        yield team


def parsed(done: Result) -> dict[str, Any]:
    assert done.out.count("\n") == 1
    body: dict[str, Any] = json.loads(done.out)
    return body


def test_a_loop_without_progress_gets_a_job_on_the_default_branch(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, state=Phase.AWAITING_WORK)
    team.loop_of("B", 9 * MINUTES, state=Phase.AWAITING_WORK)

    done = team.sweep("--workflow", "loop.yml")

    assert done.code == 0, done.text
    (dispatch,) = team.api.dispatches
    state = team.state("A")
    assert (dispatch.workflow, dispatch.ref) == ("loop.yml", "trunk")
    assert dispatch.inputs == {
        "task-id": "A",
        "round": "1",
        "expected-state": str(state["seq"]),
    }
    assert state["usage"]["dispatches"] == 1
    assert done.out == (
        "A  Round 1 of 3 · worker is next: its job was lost. dispatched: Round 1 is dispatched.\n"
        "2 loops: 1 dispatched, 1 need nothing.\n"
    )


def test_a_program_gets_one_object(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, state=Phase.AWAITING_WORK)
    body = parsed(team.sweep("--workflow", "loop.yml", "--json"))
    assert (body["loops"], body["left"]) == (1, 0)
    assert [(row["task-id"], row["did"]) for row in body["swept"]] == [("A", "dispatched")]


def test_a_rehearsal_needs_no_workflow_and_changes_nothing(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, state=Phase.AWAITING_WORK)
    before = team.bare.branches()
    body = parsed(team.sweep("--dry-run", "--json"))
    assert [row["did"] for row in body["swept"]] == ["dry run"]
    assert (team.bare.branches(), team.api.dispatches) == (before, [])


def test_the_repository_of_the_user_stays_as_it_was(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, state=Phase.AWAITING_WORK)
    before = team.repo.git("for-each-ref"), team.repo.git("status", "--porcelain", "--ignored")
    below = team.repo.root / "src" / "deep"
    below.mkdir(parents=True)
    env = {**team.token, "LOOP_WORKER_BACKEND": "manual"}
    done = team.repo.loop("sweep", "--workflow=loop.yml", cwd=below, env=env)
    assert done.code == 0, done.text
    after = team.repo.git("for-each-ref"), team.repo.git("status", "--porcelain", "--ignored")
    assert after == before
    assert team.repo.git("rev-parse", "--is-shallow-repository") == "false"
    assert len(team.api.dispatches) == 1


def test_the_branches_of_what_was_closed_a_month_ago_are_deleted(team: Team) -> None:
    team.loop_of("A", 31 * DAYS, state=Phase.DONE, outcome=Outcome.APPROVED)
    pull = team.api.open_pull(REPOSITORY, "A", "loop/A/work", "main", "mona")
    team.api.close(REPOSITORY, pull.number, at=dt.datetime.now(dt.UTC) - dt.timedelta(days=31))
    done = team.sweep("--workflow", "loop.yml")
    assert done.code == 0, done.text
    assert set(team.bare.branches()) == {"main", "trunk"}
    assert "deleted: loop/A/state, loop/A/work." in done.out


def test_without_a_workflow_nothing_can_be_dispatched(team: Team) -> None:
    assert_refused(team.sweep(), 3, "Which workflow runs the rounds", "--workflow loop.yml")
    assert team.git.requests == []


def test_the_workflow_and_the_prefix_may_be_configured(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, prefix="bots", state=Phase.AWAITING_WORK)
    config = "branch-prefix: bots\ncontinue-workflow: loop.yml\n"
    (team.repo.folder / "config.yaml").write_text(config)
    done = team.sweep()
    assert done.code == 0, done.text
    assert team.state("A", "bots")["continue_to"] == 1
    assert len(team.api.dispatches) == 1


def test_without_a_token_the_remedy_names_it(team: Team) -> None:
    done = team.repo.loop("sweep", "--workflow", "loop.yml")
    assert_refused(done, 3, "GitHub cannot be asked", "Set GITHUB_TOKEN")
    in_job = {**job(team), "GITHUB_TOKEN": ""}
    assert_refused(team.repo.loop("sweep", env=in_job), 3, "There is no token", "GITHUB_TOKEN")


def test_a_git_server_that_does_not_answer_is_exit_code_6(team: Team) -> None:
    team.repo.git("remote", "set-url", "origin", "http://me:hunter2@127.0.0.1:9/octo/demo")
    env = {"GITHUB_SERVER_URL": "http://127.0.0.1:9"}
    done = team.sweep("--workflow", "loop.yml", **env)
    assert_refused(done, 6, "The git server does not answer", "Check the network")
    assert "hunter2" not in done.text


def test_a_state_that_cannot_be_read_is_reported_after_the_others_were_looked_after(
    team: Team,
) -> None:
    team.bare.commit_files("loop/A/state", {"state.json": '{"task_id": "\x1b[2J"'})
    team.loop_of("B", 11 * MINUTES, state=Phase.AWAITING_WORK)
    done = team.sweep("--workflow", "loop.yml")
    assert done.code == 5
    assert "\nError: state.json on loop/A/state cannot be read" in done.err
    assert "\x1b" not in done.text
    assert [dispatch.inputs["task-id"] for dispatch in team.api.dispatches] == ["B"]


def test_a_warning_is_one_line_for_people_and_an_annotation_for_a_runner(team: Team) -> None:
    waiting = [{"key": "status-comment"}]
    done = {"state": Phase.DONE, "outcome": Outcome.CANCELLED, "publishes": True}
    team.loop_of("A", 11 * MINUTES, pull_request=77, outbox=waiting, **done)
    said = team.sweep("--workflow", "loop.yml")
    assert (said.code, "\nWarning: " in f"\n{said.err}", "::warning" in said.err) == (
        0,
        True,
        False,
    )
    team.loop_of("B", 11 * MINUTES, pull_request=77, outbox=waiting, **done)
    assert "::warning " in team.repo.loop("sweep", env=job(team)).err


def job(team: Team) -> dict[str, str]:
    """The environment of a job on a schedule that has this repository checked out."""
    return {
        **team.token,
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_REF": "refs/heads/trunk",
        "GITHUB_RUN_ID": "1234",
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/loop.yml@refs/heads/trunk",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }


def test_in_a_job_it_does_what_the_action_does_on_a_schedule(team: Team) -> None:
    team.loop_of("A", 11 * MINUTES, state=Phase.AWAITING_WORK)
    done = team.repo.loop("sweep", "--json", env=job(team))
    assert done.code == 0, done.text
    assert parsed(done)["swept"][0]["did"] == "dispatched"
    (dispatch,) = team.api.dispatches
    assert (dispatch.workflow, dispatch.ref) == ("loop.yml", "trunk")


def test_a_job_on_a_branch_of_an_agent_sweeps_nothing(team: Team) -> None:
    env = {**job(team), "GITHUB_REF": "refs/heads/loop/A/work"}
    assert_refused(team.repo.loop("sweep", env=env), 6, "an agent may have written the workflow")
    assert team.git.requests == []
