"""Runs claim, agents and publish as the workflow of three jobs does, on runners of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.conftest import BOT, Hub, JobResult
from tests.e2e.events import Event

FOLDER = "loop-kit-bundle"
READER = "reader"

Tamper = Callable[[Path], None]


@dataclass(frozen=True)
class Run:
    """The jobs of one workflow run; those that the workflow skips are None."""

    claim: JobResult
    agents: JobResult | None
    publish: JobResult | None
    bundle: Path

    @property
    def agents_log(self) -> str:
        assert self.agents is not None, self.claim.log
        return self.agents.log

    @property
    def published(self) -> JobResult:
        assert self.publish is not None, self.claim.log
        return self.publish


def admit_reader(hub: Hub) -> None:
    """Let the token of the agents' job read, and nothing else."""
    hub.git.add_token(READER, BOT, "read")
    hub.api.set_permissions(READER, {"contents": "read"})


def claim(hub: Hub, event: Event | None = None, sender: str = "mona", **inputs: Any) -> JobResult:
    return hub.job(sender, event=event, phase="claim", **inputs)


def later(
    hub: Hub,
    phase: str,
    first: JobResult,
    bundle: Path | None = None,
    attempt: int = 1,
    tamper: Tamper | None = None,
    kill_after_push: int = 0,
    env: Mapping[str, str] | None = None,
    **inputs: Any,
) -> JobResult:
    """Run a later job of the run that `first` began; `bundle` is what it downloads.

    `tamper` does to that what an agents' job which was lost to its agents could.
    """
    run = {"GITHUB_RUN_ID": first.checkout.parent.name, "GITHUB_RUN_ATTEMPT": str(attempt)}
    env = {**(env or {}), **run}
    if phase == "agents":
        env["INPUT_GITHUB_TOKEN"] = READER
    if phase == "publish":
        folder = hub.root / f"download-{len(hub.jobs)}" / FOLDER
        folder.mkdir(parents=True)
        if bundle is not None and bundle.exists():
            shutil.copytree(bundle, folder, dirs_exist_ok=True)
        if tamper is not None:
            tamper(folder)
        env["RUNNER_TEMP"] = str(folder.parent)
    named: dict[str, Any] = {"phase": phase, "task_id": first.outputs["task-id"], **inputs}
    return hub.job(env=env, kill_after_push=kill_after_push, **named)


def uploaded(job: JobResult) -> Path:
    """What the workflow takes as artifact from a job's runner."""
    return job.checkout.parent / "temp" / FOLDER


def run(hub: Hub, tamper: Tamper | None = None, event: Event | None = None, **inputs: Any) -> Run:
    """One workflow run; `tamper` changes the bundle on its way."""
    admit_reader(hub)
    first = claim(hub, event, **inputs)
    if first.outputs.get("continue") != "true":
        return Run(first, None, None, Path("nowhere"))
    agents = later(hub, "agents", first, **inputs)
    bundle = uploaded(agents)
    return Run(first, agents, later(hub, "publish", first, bundle, tamper=tamper, **inputs), bundle)


def claimed(hub: Hub) -> tuple[JobResult, JobResult]:
    """The first two jobs of the workflow run that the last dispatch asked for."""
    asked: dict[str, Any] = {
        k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()
    }
    admit_reader(hub)
    first = claim(hub, sender=BOT, **asked)
    return first, later(hub, "agents", first)


def continued(hub: Hub) -> Run:
    """The workflow run that the last dispatch asked for."""
    first, agents = claimed(hub)
    return Run(first, agents, later(hub, "publish", first, uploaded(agents)), uploaded(agents))
