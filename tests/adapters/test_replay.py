"""Ports that replay another job: nothing runs, and what was not reported counts as failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.builders import START, TASK, after, attempted, awaiting_work, sha, work_reported
from tests.fakes import MemoryServer, MemoryStore, RecordingReporter

from loop_kit.adapters.replay import (
    LateStore,
    ReplayedAgent,
    ReplayedSandbox,
    ReplayedVerifier,
    ReplayedWorkspaces,
)
from loop_kit.core.ci.bundle import Bundle, BundledWork, VerifyResult, VerifyResults
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.state import CommandResult, Outcome, Role, Spent
from loop_kit.errors import GitFailed
from loop_kit.ports import Assignment, Confinement, SandboxUnavailable, SetupFailed, WorkMoved


def job(folder: Path) -> Assignment:
    return Assignment(Role.WORKER, TASK, 1, 1, START, folder, folder, folder / "report.json", "")


STOP = Command(comment=7, verb="stop", by="mona")


def bundle(*verifications: VerifyResults) -> Bundle:
    return Bundle(version=1, task_id=TASK, round=1, holder="a", seq=1, verifications=verifications)


def test_a_replayed_agent_delivers_the_report_and_what_it_cost(tmp_path: Path) -> None:
    agent = ReplayedAgent('{"notes": "é"}', Spent(agent_seconds=3))

    ended = agent.run(job(tmp_path), RecordingReporter())

    assert (tmp_path / "report.json").read_text("utf-8") == '{"notes": "é"}'
    assert (ended.exit_code, ended.spent) == (0, Spent(agent_seconds=3))
    assert (agent.check(), agent.is_program) == ("", False)


def test_a_replayed_agent_without_a_report_delivers_none(tmp_path: Path) -> None:
    ReplayedAgent(None, Spent()).run(job(tmp_path), RecordingReporter())

    assert list(tmp_path.iterdir()) == []


def test_an_interruption_is_replayed_as_one(tmp_path: Path) -> None:
    agent = ReplayedAgent(None, Spent(), interrupted=True)

    with pytest.raises(KeyboardInterrupt):
        agent.run(job(tmp_path), RecordingReporter())


def test_a_replayed_workspace_holds_the_head_or_where_it_began(tmp_path: Path) -> None:
    work = BundledWork(head_sha=sha(7), report="{}", notes=("Left: a.log.",))
    worked = ReplayedWorkspaces(tmp_path, bundle().model_copy(update={"work": work}))
    idle = ReplayedWorkspaces(tmp_path, bundle())

    assert worked.open(Role.WORKER, sha(1)).collect("").head == sha(7)
    assert worked.open(Role.WORKER, sha(1)).collect("").notes == ("Left: a.log.",)
    assert idle.open(Role.WORKER, sha(1)).collect("").head == sha(1)
    assert idle.open(Role.WORKER, sha(1), "", sha(2)).collect("").head == sha(2)
    reviewed = worked.open(Role.REVIEWER, sha(7))
    assert reviewed.fingerprint() == reviewed.fingerprint() != ""


def test_a_preparation_that_failed_is_replayed_for_the_role_that_it_kept_from_work(
    tmp_path: Path,
) -> None:
    failed = VerifyResult(command="npm ci", exit_code=1, tail="no lock file")
    stopped = {"outcome": Outcome.SETUP_FAILED, "error": "It failed.", "failed_setup": failed}
    work = BundledWork(head_sha=sha(7), report="{}")
    before = ReplayedWorkspaces(tmp_path, bundle().model_copy(update=stopped))
    between = ReplayedWorkspaces(tmp_path, bundle().model_copy(update={**stopped, "work": work}))

    with pytest.raises(SetupFailed, match="It failed") as unprepared:
        before.prepare(sha(1))
    assert unprepared.value.result == CommandResult(
        command="npm ci", exit_code=1, tail="no lock file"
    )
    between.prepare(sha(1))
    assert between.open(Role.WORKER, sha(1)).collect("").head == sha(7)
    with pytest.raises(SetupFailed):
        between.open(Role.REVIEWER, sha(7))


def test_how_the_agents_were_confined_is_what_their_own_job_recorded() -> None:
    recorded = bundle().model_copy(update={"sandbox": "namespaces; network: open"})
    stopped = {"outcome": Outcome.SANDBOX_UNAVAILABLE, "error": "No room. Add it."}

    assert ReplayedSandbox(bundle()).confinement() is None
    assert ReplayedSandbox(recorded).confinement() == Confinement("namespaces; network: open")
    with pytest.raises(SandboxUnavailable, match="Add it"):
        ReplayedSandbox(bundle().model_copy(update=stopped)).confinement()


def test_what_a_job_owes_and_has_not_verified_is_failed_and_another_commit_waits() -> None:
    reported = VerifyResults(sha=sha(1), results=(VerifyResult(command="make", exit_code=0),))
    verifier = ReplayedVerifier(bundle(reported), [sha(1), sha(2)])

    assert verifier.verify(sha(1), ["make"], 1).passed
    assert not verifier.verify(sha(2), ["make"], 1).passed
    assert not verifier.verify(sha(1), ["make", "make test"], 1).passed
    assert verifier.verify(sha(2), [], 1).passed
    with pytest.raises(GitFailed, match="Nobody has verified"):
        verifier.verify(sha(3), ["make"], 1)


def saved(server: MemoryServer) -> LateStore:
    """A store in which a worker's attempt and its work were saved, and nothing was pushed."""
    late = LateStore(loaded(server), START)
    begun = after(awaiting_work(), attempted(Role.WORKER))
    late.save(begun, attempted(Role.WORKER))
    late.sync(START)
    assert server.recorded == []
    worked = after(begun, work_reported(1, 1))
    late.save(worked, work_reported(1, 1))
    late.save(after(worked, attempted(Role.REVIEWER)), attempted(Role.REVIEWER))
    return late


def loaded(server: MemoryServer) -> MemoryStore:
    server.state, server.work_tip = awaiting_work().to_json(), server.work_tip or START
    store = MemoryStore(server)
    assert store.load() == awaiting_work()
    return store


def test_an_attempt_is_pushed_with_its_work_and_not_before() -> None:
    server = MemoryServer()

    saved(server).sync(sha(1))

    assert len(server.recorded) == 3
    assert server.work_tip == sha(1)


def test_a_command_waits_until_what_was_paid_for_is_pushed() -> None:
    server = MemoryServer(files={STOP.path: STOP.to_json()})
    late = saved(server)
    assert late.waiting() == (STOP,)
    assert late.commands() == ()

    late.sync(sha(1))

    assert late.commands() == (STOP,)
    assert late.commands() == ()


def test_work_on_a_branch_that_a_person_pushed_to_is_not_pushed_over_it() -> None:
    server = MemoryServer(work_tip=sha(9))
    late = saved(server)

    with pytest.raises(WorkMoved):
        late.sync(sha(1))

    late.sync("")
    assert (server.work_tip, len(server.recorded)) == (sha(9), 3)
    assert late.keep_aside(sha(1)) == f"held-{sha(1)[:10]}"
