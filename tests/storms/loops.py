"""A loop of two rounds in each of the three ways to run one, killed at a point and then finished.

Each way gives what an undisturbed loop leaves behind, and what must be equal to it after a kill.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.harness import TWO_ROUNDS, Repo
from tests.e2e import three_jobs
from tests.e2e.conftest import BOT, REPOSITORY
from tests.e2e.test_crashes_in_ci import runs
from tests.storms import crash_points
from tests.support.fork_server import PRELUDE

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult

MAX_JOBS = 8
KILLED = -9


@dataclass(frozen=True)
class Ending:
    """What a loop has come to, whatever happened on the way."""

    outcome: str
    tree: str
    rounds: tuple[Any, ...]
    findings: tuple[tuple[str, str], ...]
    posts: tuple[tuple[str, int], ...] = ()
    labels: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


@dataclass
class Kill:
    """Which process of a loop dies, and at which of its points; or none, and they are listed."""

    trace: Path
    process: int = 0
    point: str = ""
    started: int = 0

    def environment(self) -> dict[str, str]:
        """The environment of the next process."""
        self.started += 1
        found = {PRELUDE: crash_points.__file__}
        if not self.point:
            return {**found, crash_points.TRACE: f"{self.trace}-{self.started}"}
        return {**found, crash_points.AT: self.point} if self.started == self.process else {}

    def points(self) -> list[tuple[int, str]]:
        """What an undisturbed loop has passed: the number of the process, and the point."""
        return [
            (number, point)
            for number in range(1, self.started + 1)
            for point in Path(f"{self.trace}-{number}").read_text("utf-8").splitlines()
        ]


@dataclass
class Result:
    """How a loop ended, how many processes were killed, and which agents were called.

    `paid_again` are those that were called after the kill although their result was saved.
    """

    ending: Ending
    kills: int
    calls: list[str]
    paid_again: set[str]


def saved(state: dict[str, Any]) -> set[str]:
    """The agents whose result is recorded, as "worker 1"."""
    records = state.get("history", [])
    worked = {f"worker {record['round']}" for record in records}
    return worked | {f"reviewer {r['round']}" for r in records if r.get("decision")}


def ending(state: dict[str, Any], tree: str, **more: Any) -> Ending:
    return Ending(
        outcome=state["outcome"],
        tree=tree,
        rounds=tuple((r["round"], r["decision"], r.get("verified")) for r in state["history"]),
        findings=tuple((f["id"], f["status"]) for f in state["findings"]),
        **more,
    )


def run_locally(repo: Repo, kill: Kill) -> Result:
    """`loop run`, and `loop run --resume` after a kill."""
    repo.plan(TWO_ROUNDS)
    first = repo.run(env=kill.environment())
    before, paid = set[str](), len(repo.calls)
    if first.code == KILLED:
        path = repo.folder / "state.json"
        before = saved(json.loads(path.read_bytes())) if path.exists() else set()
        resumed = repo.run(*(("--resume",) if path.exists() else ()))
        assert resumed.code == 0, resumed.text
    else:
        assert first.code == 0, first.text
    state = repo.state
    calls = [f"{call.role} {call.round}" for call in repo.calls]
    leftovers = [
        name
        for name in repo.tree()
        if name.startswith(("archive/", "handoff/", "runtime/")) or name.endswith(".tmp")
    ]
    tree = repo.git("rev-parse", f"{state['head_sha']}^{{tree}}")
    end = ending(state, tree, leftovers=tuple(leftovers))
    return Result(end, int(first.code == KILLED), calls, before & set(calls[paid:]))


def run_in_one_job(hub: Hub, ledger: Path, kill: Kill) -> Result:
    """`loop action`, and another job after a kill, as a person or the sweep starts it."""
    before, paid = set[str](), 0
    for _ in range(MAX_JOBS):
        job = _next_job(hub, kill)
        if job.code == KILLED:
            _end_run(hub, job)
            before, paid = saved(_state(hub)), len(runs(ledger))
        else:
            assert job.code == 0, job.log
        if _state(hub).get("state") == "done" and job.code == 0:
            break
    return _result(hub, ledger, before, paid)


def _next_job(hub: Hub, kill: Kill) -> JobResult:
    last = hub.jobs[-1] if hub.jobs else None
    if last is not None and last.code == 0 and last.outputs.get("continue") == "true":
        return hub.continued(env=kill.environment())  # type: ignore[arg-type]
    known = {"task_id": "T-001"} if _state(hub) else {}
    return hub.job(env=kill.environment(), **known)


def run_in_three_jobs(hub: Hub, ledger: Path, kill: Kill) -> Result:
    """Claim, agents and publish; what the workflow does after a kill, then a person's retry."""
    three_jobs.admit_reader(hub)
    before, paid = set[str](), 0

    def watched(start: Callable[[dict[str, str]], JobResult]) -> JobResult:
        nonlocal before, paid
        job = start(kill.environment())
        if job.code == KILLED:
            before, paid = saved(_state(hub)), len(runs(ledger))
        return job

    dispatches = 0
    for _ in range(MAX_JOBS):
        asked: dict[str, str] = {"task_id": "T-001"} if _state(hub) else {}
        sender = "mona"
        if len(hub.api.dispatches) > dispatches:
            dispatches = len(hub.api.dispatches)
            sender = BOT
            inputs = hub.api.dispatches[-1].inputs
            asked = {k.replace("-", "_"): v for k, v in inputs.items()}
        claimed = watched(lambda env: hub.job(sender, env, phase="claim", **asked))  # noqa: B023
        if claimed.code == 0 and claimed.outputs.get("continue") == "true":
            _agents_and_publish(hub, claimed, watched)
        _end_run(hub, claimed)
        if _state(hub).get("state") == "done" and _state(hub).get("outcome") == "approved":
            break
    return _result(hub, ledger, before, paid)


def _agents_and_publish(
    hub: Hub,
    claimed: JobResult,
    watched: Callable[[Callable[[dict[str, str]], JobResult]], JobResult],
) -> None:
    """The later jobs of a workflow run; a publish that was killed is run again."""

    def later(phase: str, env: dict[str, str], attempt: int = 1) -> JobResult:
        bundle = three_jobs.uploaded(agents) if phase == "publish" else None
        return three_jobs.later(hub, phase, claimed, bundle, attempt, env=env)

    agents = watched(lambda env: later("agents", env))
    for attempt in (1, 2):
        published = watched(lambda env: later("publish", env, attempt))  # noqa: B023
        if published.code != KILLED:
            return


def _state(hub: Hub) -> dict[str, Any]:
    raw = hub.bare.file("loop/T-001/state", "state.json")
    state: dict[str, Any] = json.loads(raw) if raw else {}
    return state


def _end_run(hub: Hub, job: JobResult) -> None:
    hub.end_run(job.checkout.parent.name)


def _result(hub: Hub, ledger: Path, before: set[str], paid: int) -> Result:
    state, calls = _state(hub), runs(ledger)
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    bodies = [
        *(review.body for review in pull.reviews),
        *(comment.body for review in pull.reviews for comment in review.comments),
        *(comment.body for comment in pull.issue.comments),
    ]
    posts = Counter(body.splitlines()[0] for body in bodies)
    tree = hub.bare.git("rev-parse", "loop/T-001/work^{tree}").strip()
    end = ending(
        state,
        tree,
        posts=tuple(sorted(posts.items())),
        labels=(*sorted(pull.issue.labels), "draft" if pull.draft else "ready"),
        leftovers=tuple(sorted(name for name in hub.bare.branches())),
    )
    kills = sum(job.code == KILLED for job in hub.jobs)
    return Result(end, kills, calls, before & set(calls[paid:]))
