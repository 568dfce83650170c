"""What must be durable before what: the order in which the engine touches the world."""

from __future__ import annotations

import pytest
from tests.engine.world import BLOCKER, CARD, Fuse, World, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.state import Outcome, Phase, Role
from loop_kit.engine.options import Continuation
from loop_kit.errors import ForgeUnavailable, StateRefused
from loop_kit.ports import Assignment, PushRejected

MARKERS = ["<!-- loop-kit:T-001:review-r1 -->", "<!-- loop-kit:T-001:review-r2 -->"]


def calls_of(world: World) -> list[str]:
    """The calls of one job, each named once."""
    fuse = Fuse()
    world.job(fuse)
    return [step.removeprefix("before ") for step in fuse.passed if step.startswith("before ")]


def test_two_jobs_take_a_card_to_an_approval_and_post_each_review_once(world: World) -> None:
    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert (world.asked(Role.WORKER), world.asked(Role.REVIEWER)) == ([1, 2], [1, 2])
    assert world.posted() == MARKERS
    assert len(world.forge.pulls) == 1
    assert [inputs["round"] for _, _, inputs in world.forge.dispatches] == ["2"]
    assert world.server.work_tip == state.head_sha


def test_the_attempt_is_recorded_and_synced_before_its_agent_runs(world: World) -> None:
    calls = calls_of(world)

    for index, call in enumerate(calls):
        if call == "agent.run":
            before = calls[:index]
            saved = len(before) - before[::-1].index("store.save")
            synced = len(before) - before[::-1].index("store.sync")
            assert saved < synced


def test_the_worker_is_never_running_while_the_server_does_not_know_of_it(world: World) -> None:
    seen: list[tuple[Role, int]] = []

    def watching(job: Assignment) -> Act:
        recorded = world.server.recorded[-1]
        assert recorded.attempt is not None
        seen.append((recorded.attempt.role, recorded.attempt.number))
        return two_rounds(job)

    world.script = watching
    world.job()

    assert seen == [(Role.WORKER, 1), (Role.REVIEWER, 1)]


def test_the_work_is_durable_before_the_reviewer_is_paid(world: World) -> None:
    tips: list[str] = []

    def watching(job: Assignment) -> Act:
        tips.append(world.server.work_tip)
        return two_rounds(job)

    world.script = watching
    state = world.job()

    assert tips == [world.base, state.head_sha]


def test_the_lease_and_the_attempt_are_pushed_before_the_base_is_verified(world: World) -> None:
    world.verify = ("a.py",)
    seen: list[tuple[str, int]] = []

    def checking(where: str) -> None:
        if where == "before verifier.verify" and not seen:
            recorded = world.server.recorded[-1]
            assert recorded.lease
            assert recorded.attempt
            seen.append((recorded.lease.holder, recorded.attempt.number))

    fuse = Fuse()
    fuse.burn = checking  # type: ignore[method-assign]
    world.job(fuse)

    assert seen == [("holder-1", 1)]
    assert [job.attempt for job in world.jobs] == [1, 1]


@pytest.mark.parametrize("verify", [(), ("a.py",)], ids=["no verify", "verify"])
def test_a_round_pushes_four_times(world: World, verify: tuple[str, ...]) -> None:
    world.verify = verify
    assert calls_of(world).count("store.sync") == 4


def test_a_local_run_claims_nothing_before_the_base_is_verified(world: World) -> None:
    world.local, world.verify = True, ("a.py",)
    calls = calls_of(world)
    assert "store.sync" not in calls[: calls.index("verifier.verify")]


def test_a_command_that_comes_with_the_claim_costs_no_second_attempt(world: World) -> None:
    world.verify = ("a.py",)
    engine = world.engine()
    engine.begin(world.start(), world.load())
    extend = Command(comment=1, verb="extend", by="mona", rounds=2)
    world.server.files[extend.path] = extend.to_json()

    state = engine.run(last_round=1)

    assert (state.added_rounds, extend.path in world.server.files) == (2, False)
    assert [job.attempt for job in world.jobs] == [1, 1]


def test_a_card_that_is_refreshed_with_the_claim_is_what_the_worker_gets(world: World) -> None:
    world.verify = ("a.py",)
    engine = world.engine()
    engine.begin(world.start(), world.load())
    card = CARD.model_copy(update={"goal": "It works faster"})
    refresh = Command(comment=1, verb="refresh", by="mona", card=card, verify=world.verify)
    world.server.files[refresh.path] = refresh.to_json()

    engine.run(last_round=1)

    assert "It works faster" in world.jobs[0].prompt
    assert [job.attempt for job in world.jobs] == [2, 1]


def test_intents_are_synced_before_anything_is_posted(world: World) -> None:
    calls = calls_of(world)

    posted = calls.index("forge.open_pull_request")
    assert calls[posted - 1] == "store.sync"


def test_the_dispatch_comes_last_of_all(world: World) -> None:
    calls = calls_of(world)

    assert calls[-3:] == ["store.sync", "store.commands", "forge.dispatch"]
    assert calls.count("forge.dispatch") == 1


def test_nothing_is_looked_up_on_the_forge_for_intents_of_this_very_run(world: World) -> None:
    assert not [call for call in calls_of(world) if call.startswith("forge.find")]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_after_a_rejected_push_nothing_more_happens(world: World, nth: int) -> None:
    syncs = 0
    fuse = Fuse()
    engine = world.engine(fuse)
    world.server.state = b""
    state = engine.begin(world.start(), world.load())
    original = fuse.burn

    def rejecting(where: str) -> None:
        nonlocal syncs
        syncs += where == "before store.sync"
        original(where)
        if syncs == nth and where == "before store.sync":
            raise PushRejected("lost")

    fuse.burn = rejecting  # type: ignore[method-assign]
    with pytest.raises(PushRejected):
        _run_and_hand_over(world, engine, state.round)

    assert fuse.passed[-1] == "before store.sync"
    assert len(world.jobs) == min(nth - 1, 2)
    assert len(world.posted()) == (1 if nth == 4 else 0)
    assert world.forge.dispatches == []


def _run_and_hand_over(world: World, engine: object, last_round: int) -> None:
    engine.run(last_round=last_round)  # type: ignore[attr-defined]
    engine.hand_over(world.forge, Continuation("loop.yml", "main"))  # type: ignore[attr-defined]


def test_a_second_run_that_began_at_the_same_state_loses_at_its_first_push(world: World) -> None:
    late = world.engine()
    late.begin(world.start(), world.load())
    world.job()
    asked = len(world.jobs)

    with pytest.raises(PushRejected):
        late.run(last_round=1)

    assert len(world.jobs) == asked


def test_a_forge_that_does_not_answer_leaves_the_posts_outstanding_and_the_loop_running(
    world: World,
) -> None:
    down = Fuse()
    burn = down.burn

    def failing(where: str) -> None:
        burn(where)
        if where == "before forge.post_review":
            raise ForgeUnavailable("GitHub does not answer.", "Later.")

    down.burn = failing  # type: ignore[method-assign]
    state = world.job(down)

    assert (state.state, state.continue_to) == (Phase.AWAITING_WORK, 2)
    assert {item.key: item.status for item in state.outbox} == {
        "pull-request": "done",
        "review-r1": "pending",
        "commit-status": "pending",
        "status-comment": "pending",
    }
    assert any("stays outstanding" in warning for warning in world.reporter.warnings)

    assert world.to_the_end().outcome is Outcome.APPROVED
    assert world.posted() == MARKERS


def test_posts_left_open_by_the_last_job_are_made_by_a_run_on_the_approved_loop(
    world: World,
) -> None:
    world.job()
    fuse = Fuse()
    burn = fuse.burn

    def failing(where: str) -> None:
        burn(where)
        if where.startswith("before forge.post"):
            raise ForgeUnavailable("GitHub does not answer.", "Later.")

    fuse.burn = failing  # type: ignore[method-assign]
    assert world.job(fuse).outcome is Outcome.APPROVED
    assert world.posted() == MARKERS[:1]

    world.job()

    assert world.posted() == MARKERS
    assert world.asked(Role.WORKER) == [1, 2]


def test_a_refused_pull_request_is_warned_of_once_and_does_not_stop_the_loop(world: World) -> None:
    world.forge.pulls_allowed = False

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert {item.key: item.status for item in state.outbox} == {
        "pull-request": "refused",
        "review-r1": "refused",
        "review-r2": "refused",
        "commit-status": "done",
        "status-comment": "refused",
    }
    assert len([w for w in world.reporter.warnings if "compare/main" in w]) == 1


def test_without_a_forge_the_posts_stay_outstanding_and_the_agents_go_on(world: World) -> None:
    engine = world.engine()
    engine.posts._publisher = None
    engine.begin(world.start(), world.load())

    state = engine.run(last_round=1)

    assert (state.round, state.state) == (2, Phase.AWAITING_WORK)
    assert {item.status for item in state.outbox} == {"pending"}


def test_a_run_without_a_loop_to_continue_is_refused(world: World) -> None:
    start = world.start()
    world.server.state = b""

    with pytest.raises(StateRefused, match="no recorded loop"):
        world.engine().begin(
            type(start)(CARD, world.base, world.base, world.limits, fresh=False), None
        )


def test_the_dispatches_are_capped(world: World) -> None:
    world.limits = world.limits.model_copy(update={"max_dispatches": 0})

    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("budget",))
    assert world.forge.dispatches == []


def test_the_rounds_are_capped_and_the_open_findings_counted(world: World) -> None:
    def never_content(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return two_rounds(job)
        blocker = {**BLOCKER, "reason": f"wrong in round {job.round}", "criterion": "C1"}
        return Act({"decision": "changes_required", "blocking_issues": [blocker]})

    world.script = never_content
    state = world.to_the_end()

    assert state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert world.asked(Role.WORKER) == [1, 2, 3]
    assert "3 findings are open" in state.error
