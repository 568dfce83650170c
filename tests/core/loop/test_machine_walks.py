"""Random walks over the table: what must hold after any sequence of events."""

import random
from collections.abc import Callable

import pytest
from tests.core import builders as b

from loop_kit.core.agent.report_values import DispositionStatus
from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.effects import (
    Claim,
    Publish,
    RunAgent,
    Verify,
)
from loop_kit.core.loop.machine import TABLE, outstanding, transition
from loop_kit.core.loop.messages import (
    BaseVerified,
    Event,
    HandedOver,
    HeadVerified,
    LeaseTaken,
    Published,
    ReviewReported,
)
from loop_kit.core.loop.state import (
    Lease,
    Limits,
    LoopState,
    Outcome,
    Phase,
    Role,
    Spent,
    parse_state,
)

STEPS = 60
RUNNING = {Phase.AWAITING_WORK: Role.WORKER, Phase.AWAITING_REVIEW: Role.REVIEWER}


class Walk:
    """One loop that random events happen to."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.commits = 0
        self.max_rounds = self.random.randint(0, 4)
        self.state = LoopState()
        self.reviewed: set[int] = set()

    def event(self) -> Event:
        """Any event that the table has for this state."""
        if self.state.state is Phase.IDLE:
            return b.task_started(
                self.limits(),
                verify=self.random.choice(((), ("check 1",))),
                publishes=self.random.random() < 0.5,
            )
        if self.state.state is Phase.DONE:
            return self.random.choice((self.resume, self.lease, self.hand_over, self.post))()
        likely = (self.progress, self.progress, self.progress, self.fail, self.fail)
        rare = (
            self.attempt,
            self.halt,
            b.unprepared,
            self.resume,
            self.lease,
            self.hand_over,
            self.post,
        )
        return self.random.choice((*likely, *rare))()

    def limits(self) -> Limits:
        return Limits(max_rounds=self.max_rounds, dispatch_retries=self.random.randint(0, 2))

    def resume(self) -> Event:
        if self.state.outcome is Outcome.APPROVED:
            return self.post()
        self.max_rounds += self.random.randint(0, 1)
        pushed = ""
        if self.random.random() < 0.2 and self.state.head_sha:
            self.commits += 1
            pushed = b.sha(self.commits)
        return b.resumed(self.limits(), pushed)

    def lease(self) -> Event:
        return LeaseTaken(Lease(holder=f"h{self.random.randint(1, 9)}"))

    def hand_over(self) -> Event:
        return HandedOver(self.random.choice((None, self.state.round)))

    def post(self) -> Event:
        pending = [item for item in self.state.outbox if item.status == "pending"]
        if not pending:
            return self.lease()
        status = self.random.choice(("done", "refused"))
        return Published(self.random.choice(pending).model_copy(update={"status": status}))

    def halt(self) -> Event:
        return b.halted(self.random.choice([o for o in Outcome if o is not Outcome.APPROVED]))

    def attempt(self) -> Event:
        return b.attempted(RUNNING[self.state.state])

    def fail(self) -> Event:
        role = RUNNING[self.state.state]
        failure = self.random.choice(b.AGENT_FAILURES[role])
        return b.failed(role, failure, repairable=self.random.random() < 0.8)

    def progress(self) -> Event:
        if self.state.state is Phase.AWAITING_REVIEW:
            return self.before_verdict() or self.verdict()
        if self.state.verify and self.state.baseline is None:
            return BaseVerified(b.verified(0, self.random.choice((0, 1, 127))), b.AT)
        self.commits += 1
        checked = b.verified(self.commits, self.random.choice((0, 1)), tail="tail")
        return b.work_reported(
            self.state.round,
            self.commits,
            verification=checked if self.state.verify else None,
            spent=Spent(agent_seconds=1, tokens_in=self.random.choice((None, 5))),
        )

    def before_verdict(self) -> HeadVerified | None:
        effect = outstanding(self.state)
        if not isinstance(effect, Verify):
            return None
        failed = self.random.choice((0, 1))
        result = b.verified(0, failed).model_copy(update={"sha": effect.sha})
        return HeadVerified(result)

    def verdict(self) -> ReviewReported:
        if self.random.random() < 0.3:
            return b.approved(self.state.round)
        ids = [finding.id for finding in self.state.findings]
        issues = [
            ReportedIssue(id=self.random.choice(["", "F77", *ids]), reason=f"reason {n}")
            for n in range(self.random.randint(0, 3))
        ]
        statuses: tuple[DispositionStatus, ...] = ("fixed", "not_fixed", "withdrawn", "upheld")
        disposed = tuple(b.said(i, self.random.choice(statuses)) for i in ids)
        return b.rejected(self.state.round, *issues, dispositions=disposed)


def walked(seed: int, check: Callable[[LoopState, Event, LoopState], None]) -> Walk:
    walk = Walk(seed)
    for _ in range(STEPS):
        event = walk.event()
        before, walk.state = walk.state, transition(walk.state, event)
        assert walk.state.state in TABLE[before.state][type(event)][1]
        check(before, event, walk.state)
    return walk


@pytest.mark.parametrize("seed", range(40))
def test_a_state_says_exactly_one_thing_about_how_it_stands(seed: int) -> None:
    def check(before: LoopState, event: Event, state: LoopState) -> None:
        assert state.seq == before.seq + 1
        assert (state.state is Phase.DONE) == (state.outcome is not None)
        if state.outcome is None:
            assert (state.error, state.failed_at, state.resume_phase) == ("", "", None)
        else:
            finished = state.outcome is Outcome.APPROVED
            assert (state.resume_phase is None) == finished == (state.failed_at == "")
            assert state.resume_phase in {None, *RUNNING}

    walked(seed, check)


@pytest.mark.parametrize("seed", range(40))
def test_any_state_survives_being_written_and_read(seed: int) -> None:
    def check(_: LoopState, event: Event, state: LoopState) -> None:
        again = parse_state(state.to_json())
        assert again == state
        assert outstanding(again) == outstanding(state)

    walked(seed, check)


@pytest.mark.parametrize("seed", range(40))
def test_history_is_only_ever_added_to(seed: int) -> None:
    def check(before: LoopState, event: Event, state: LoopState) -> None:
        rounds = [record.round for record in state.history]
        assert rounds == sorted(set(rounds)) == [d.round for d in state.round_details]
        assert [f.id for f in state.findings] == [f"F{n + 1}" for n in range(len(state.findings))]
        assert [f.id for f in before.findings] == [f.id for f in state.findings][
            : len(before.findings)
        ]
        assert {i.key for i in before.outbox} <= {i.key for i in state.outbox}
        assert len({i.key for i in state.outbox}) == len(state.outbox)
        if before.state is not Phase.IDLE:
            assert state.usage.rounds - before.usage.rounds == isinstance(event, ReviewReported)
            assert state.usage.agent_seconds >= before.usage.agent_seconds

    walked(seed, check)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_outstanding_never_pays_for_the_same_thing_twice(seed: int) -> None:
    worked: set[int] = set()

    def check(before: LoopState, event: Event, state: LoopState) -> None:
        if before.state is Phase.AWAITING_WORK and state.state is Phase.AWAITING_REVIEW:
            worked.add(state.round)
        effect = outstanding(state)
        if any(item.status == "pending" for item in state.outbox):
            assert isinstance(effect, Publish)
        elif state.state not in RUNNING:
            assert effect is None
        elif isinstance(effect, RunAgent):
            assert effect.role is RUNNING[state.state]
            assert effect.round == state.round <= state.limits.max_rounds
            assert not (effect.role is Role.WORKER and effect.round in worked)
            assert not (state.verify and state.baseline is None)
            if effect.role is Role.REVIEWER and state.verify:
                assert state.verification
                assert state.verification.sha == state.head_sha
            number = state.attempt.number if state.attempt else 0
            assert effect.attempt == number + (not effect.claimed)
        elif isinstance(effect, Claim):
            assert state.lease
            assert state.baseline is None
            assert not effect.attempt.claimed
        else:
            assert isinstance(effect, Verify)

    walked(seed, check)


def test_the_walks_reach_every_phase_and_most_outcomes() -> None:
    seen: set[str] = set()

    def check(before: LoopState, event: Event, state: LoopState) -> None:
        seen.add(state.state.value)
        if state.outcome:
            seen.add(state.outcome.value)

    for seed in range(200):
        walked(seed, check)
    assert seen >= {"awaiting_work", "awaiting_review", "done", *(o.value for o in Outcome)}
