"""The engine with a git server that refuses: the state is saved alone, nothing is paid twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.engine.world import BLOCKER, World, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.push_refusal import Place, PushRefusal, RefusalKind
from loop_kit.core.loop.state import Outcome, Role, parse_state
from loop_kit.ports import Assignment, PushRefused

KEY = "AKIA0EXAMPLE0KEY0000"
Refuses = Callable[[str, Mapping[str, bytes]], PushRefusal | None]


def refusal(kind: RefusalKind, *places: Place, of_state: bool = False) -> PushRefusal:
    return PushRefusal(
        kind=kind,
        branch="loop/T-001/state" if of_state else "loop/T-001/work",
        sentence="The git server refused.",
        remedy="Change the rule.",
        words="GH013: no",
        places=places,
        of_state=of_state,
    )


def new_work(world: World, kind: RefusalKind) -> Refuses:
    """Refuse every push of commits that a worker made."""
    return lambda work, _: refusal(kind) if work not in {"", world.base} else None


def test_a_refused_push_saves_the_state_alone_and_releases_the_lease(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.server.refuses = new_work(world, RefusalKind.RULE)

    state = world.job()

    assert parse_state(world.server.state) == state
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("push_refused",))
    assert (state.lease, state.continue_to) == (None, None)
    assert world.server.work_tip == world.base
    assert world.asked(Role.WORKER) == [1]
    assert world.asked(Role.REVIEWER) == []


def test_when_the_rule_is_lifted_the_saved_commits_are_pushed_and_reviewed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.server.refuses = new_work(world, RefusalKind.RULE)
    world.job()
    world.server.refuses = lambda work, files: None

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert world.asked(Role.WORKER) == [1, 2]
    assert "unpushed.bundle" not in world.server.files


def test_content_goes_back_to_the_worker_in_the_same_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    refusals = iter([refusal(RefusalKind.CONTENT)])
    refuses = new_work(world, RefusalKind.CONTENT)
    world.server.refuses = lambda work, files: refuses(work, files) and next(refusals, None)

    state = world.job()

    assert world.asked(Role.WORKER) == [1, 1]
    assert "GH013: no" in world.jobs[1].prompt
    assert state.history[0].decision == "changes_required"


def secretive(job: Assignment) -> Act:
    if job.role is Role.REVIEWER and job.round == 1:
        blocker = {**BLOCKER, "reason": f"never write {KEY}"}
        return Act({"decision": "changes_required", "blocking_issues": [blocker]})
    return two_rounds(job)


def quoted_key(_: str, files: Mapping[str, bytes]) -> PushRefusal | None:
    places = [
        Place(path=name, line=n)
        for name, raw in files.items()
        for n, line in enumerate(raw.decode().split("\n"), 1)
        if KEY in line
    ]
    return refusal(RefusalKind.SECRET, *places, of_state=True) if places else None


def test_a_review_that_quotes_a_secret_never_blocks_the_state(tmp_path: Path) -> None:
    world = World(tmp_path, script=secretive)
    world.server.refuses = quoted_key

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert KEY not in world.server.state.decode()
    assert not any(KEY in post for post in world.posted())


def test_a_state_that_is_refused_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.server.refuses = lambda work, files: refusal(RefusalKind.RULE, of_state=True)
    engine = world.engine()
    engine.begin(world.start(), world.load())

    with pytest.raises(PushRefused):
        engine.run(last_round=1)

    assert engine.give_up().reasons == ("push_refused",)
    assert world.jobs == []
