"""A small GitHub with one repository, and jobs of `loop action` run in fresh checkouts of it."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e.events import Event, dispatched
from tests.support import programs
from tests.support.git_client import WorkingCopy
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer
from tests.support.openapi_contract import GitHubDescription
from tests.support.programs import LOOP, Program

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository

REPOSITORY = "octo/demo"
BOT = "github-actions[bot]"

WORKFLOW = """\
name: loop
on:
  workflow_dispatch:
    inputs:
      task: {type: string}
      task-id: {type: string}
      round: {type: string}
      expected-state: {type: string}
jobs: {}
"""

CALC = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 3\n"
TEST = """\
from calc import add, double

assert add(1, 2) == 3, 'add'
assert double(2) == 4, 'double'
"""

CARD = {
    "task_id": "T-001",
    "goal": "add and double are right",
    "in_scope": ["calc.py"],
    "out_of_scope": ["test_calc.py"],
    "acceptance_criteria": ["add(1, 2) is 3", "double(2) is 4"],
    "verify": [f"{sys.executable} -B test_calc.py"],
}


def _work(find: str, replace: str, message: str) -> list[dict[str, Any]]:
    return [
        {"edit": {"path": "calc.py", "find": find, "replace": replace}},
        {"commit": message},
        {"report": {"notes": message, "files_changed": ["calc.py"]}},
    ]


SENT_BACK = {
    "decision": "changes_required",
    "summary": "add is right, double is not",
    "blocking_issues": [
        {
            "severity": "high",
            "file": "calc.py",
            "line": 6,
            "reason": "double triples",
            "scenario": "double(2) is 6",
            "required_change": "multiply by 2",
        }
    ],
}
APPROVED = {
    "decision": "approve",
    "summary": "both are right",
    "files_examined": ["calc.py"],
    "criteria": [
        {"id": "C1", "met": True, "evidence": "seen"},
        {"id": "C2", "met": True, "evidence": "seen"},
    ],
    "dispositions": [{"id": "F1", "status": "fixed"}],
}

TWO_ROUNDS: dict[str, Any] = {
    "scenes": [
        {"role": "worker", "round": 1, "steps": _work("a - b", "a + b", "Add")},
        {"role": "reviewer", "round": 1, "steps": [{"report": SENT_BACK}]},
        {"role": "worker", "round": 2, "steps": _work("a * 3", "a * 2", "Double")},
        {"role": "reviewer", "round": 2, "steps": [{"report": APPROVED}]},
    ]
}


@dataclass(frozen=True)
class JobResult:
    """What one job left behind."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    checkout: Path


def read_outputs(path: Path) -> dict[str, str]:
    """Read GITHUB_OUTPUT as the runner does."""
    found: dict[str, str] = {}
    lines = iter(path.read_text("utf-8").splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value: list[str] = []
        for part in lines:
            if part == delimiter:
                break
            value.append(part)
        found[name] = "\n".join(value)
    return found


@dataclass
class Hub:
    """The two servers, the repository on them, and a way to run a job."""

    git: GitServer
    api: GitHubServer
    root: Path
    depth: int = 1
    command: tuple[str | Path, ...] = (LOOP, "action")
    jobs: list[JobResult] = field(default_factory=list)
    running: list[Program] = field(default_factory=list)
    patience: float = 90
    """How many seconds a job may take."""
    on_start: Callable[[], None] = lambda: None
    """Called with every job, after its checkout."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    @property
    def bare(self) -> BareRepository:
        return self.git.repository(REPOSITORY)

    def state(self, task_id: str = "T-001") -> dict[str, Any]:
        """The state as it is on the state branch."""
        raw = self.bare.file(f"loop/{task_id}/state", "state.json")
        assert raw is not None
        document: dict[str, Any] = json.loads(raw)
        return document

    def environment(
        self,
        inputs: Mapping[str, str],
        sender: str,
        folder: Path,
        event: Event | None = None,
    ) -> dict[str, str]:
        event = event or dispatched(inputs, sender)
        file = folder / "event.json"
        file.write_text(json.dumps(event.payload))
        named = {f"INPUT_{name.upper().replace('-', '_')}": v for name, v in inputs.items()}
        temp = folder / "temp"
        temp.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.api.url,
            "GITHUB_SERVER_URL": self.git.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": event.name,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_RUN_ID": folder.name,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTOR": event.sender,
            "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/loop.yml@refs/heads/main",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "RUNNER_TEMP": str(temp),
            "INPUT_GITHUB_TOKEN": "bot",
            "LOOP_SANDBOX": "off",
            "INPUT_WORKER_BACKEND": "scripted",
            "INPUT_REVIEWER_BACKEND": "scripted",
            **named,
        }

    def checkout(self) -> Path:
        """A fresh checkout, as actions/checkout leaves it; the server is not asked for it."""
        folder = self.root / str(next(self.numbers))
        folder.mkdir()
        options = (f"--depth={self.depth}",) if self.depth else ()
        here, there = f"file://{self.bare.path}", f"{self.git.url}/{REPOSITORY}"
        copy = WorkingCopy.clone(here, folder / "checkout", None, *options)
        config = copy.path / ".git" / "config"
        config.write_text(config.read_text().replace(here, there))
        return folder

    def job(
        self,
        sender: str = "mona",
        env: Mapping[str, str] | None = None,
        kill_after_push: int = 0,
        event: Event | None = None,
        **inputs: str,
    ) -> JobResult:
        """Run `loop action` in a fresh checkout, or kill it when a push was taken."""
        folder = self.checkout()
        checkout = folder / "checkout"
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        environ = self.environment(given, sender, folder, event)
        environ["GITHUB_WORKSPACE"] = str(checkout)
        environ["GITHUB_SHA"] = self.bare.head("main")
        log = folder / "log"
        self.on_start()
        with log.open("wb") as stream:
            child = programs.start(
                self.command, cwd=checkout, env={**environ, **(env or {})}, log=stream
            )
            self.running.append(child)
            if kill_after_push:
                self._kill_after(child, kill_after_push)
            child.wait(timeout=self.patience)
            self.running.remove(child)
        output, summary = folder / "output", folder / "summary.md"
        result = JobResult(
            code=child.wait(),
            log=log.read_text("utf-8", "replace"),
            outputs=read_outputs(output) if output.exists() else {},
            summary=summary.read_text() if summary.exists() else "",
            checkout=checkout,
        )
        self.jobs.append(result)
        return result

    def _kill_after(self, child: Program, number: int) -> None:
        """Kill the job, not its agents, the moment its push `number` was taken."""
        until = len(self.git.pushes) + number

        def kill(push: object) -> None:
            if len(self.git.pushes) >= until:
                child.kill()

        self.git.after_push.append(kill)

    def rerun(self, event: Event, result: JobResult, **inputs: str) -> JobResult:
        """Run the job of `result` again, as its second attempt."""
        run_id = result.checkout.parent.name
        env = {"GITHUB_RUN_ID": run_id, "GITHUB_RUN_ATTEMPT": "2"}
        return self.job(event=event, env=env, **inputs)

    def end_run(self, run_id: str, conclusion: str = "failure") -> None:
        """Let the API say that a run is over."""
        self.api.set_run(REPOSITORY, int(run_id), "completed", conclusion)

    def continued(self, **inputs: str) -> JobResult:
        """Run the job that the last dispatch asked for."""
        asked = {k.replace("-", "_"): v for k, v in self.api.dispatches[-1].inputs.items()}
        return self.job(sender=BOT, **asked, **inputs)


MakeHub = Callable[..., Hub]


@contextmanager
def hosting(folder: Path) -> Iterator[MakeHub]:
    """Make the repository with a card and a script; `mona` may write, `rita` may read."""
    with GitServer(folder / "hosted") as git, GitHubServer(git) as api:

        def make(
            script: Mapping[str, Any] = TWO_ROUNDS,
            card: Mapping[str, Any] = CARD,
            files: Mapping[str, str] | None = None,
        ) -> Hub:
            git.create_repository(REPOSITORY)
            for token, login in (("bot", BOT), ("mona-token", "mona")):
                git.add_token(token, login)
            api.add_user("rita")
            api.set_role(REPOSITORY, "mona", "write")
            api.set_role(REPOSITORY, "rita", "read")
            scopes = ("contents", "pull_requests", "issues", "statuses", "actions", "checks")
            api.set_permissions("bot", dict.fromkeys(scopes, "write"))
            tree = {
                "calc.py": CALC,
                "test_calc.py": TEST,
                ".loop/task_card.json": json.dumps(card),
                ".loop/script.yml": yaml.safe_dump(dict(script)),
                ".github/workflows/loop.yml": WORKFLOW,
                **(files or {}),
            }
            git.repository(REPOSITORY).commit_files("main", tree, "A calculator with two bugs")
            return Hub(git, api, folder)

        yield make
    description = GitHubDescription()
    problems = [
        problem
        for answer in api.answers
        if answer.path != "/graphql"
        for problem in description.check(answer.method, answer.path, answer.status, answer.body)
    ]
    assert problems == []


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[MakeHub]:
    """The maker of the one repository of a test."""
    with hosting(tmp_path) as make:
        yield make


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    """The repository with the two-round script."""
    return make_hub()
