"""Reads the checks of a loop's head from the forge; what they mean is decided in the core.

A forge that refuses is a missing permission: the loop does without checks and says so. One that
does not answer says nothing about them: an approval stays held until somebody reads them.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from loop_kit.core.checks.reading import Check, Summary, counted, summarize
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.checks_read import ChecksRead, ReadChecks
from loop_kit.core.loop.machine import Step, transition
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.engine.conclusion import conclude_checks
from loop_kit.engine.journal import Journal
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import Clock, Forge, Reporter, Store

if TYPE_CHECKING:
    from loop_kit.engine.cancellation import CancellationCheck

MAX_LOGS = 5
"""The failed checks whose logs are fetched: one request each."""


class ChecksReader:
    """Asks the forge, once per head and phase of a run."""

    def __init__(
        self, forge: Forge, clock: Clock, reporter: Reporter, own_workflows: Collection[str]
    ) -> None:
        self._forge = forge
        self._clock = clock
        self._reporter = reporter
        self._own = frozenset(own_workflows)
        self._read: tuple[object, ...] = ()

    def now(self) -> str:
        """The time, as it is recorded."""
        return self._clock.now()

    def has_read(self, state: LoopState) -> bool:
        """Whether this run has asked about the head, in this phase of the loop."""
        return self._read == _key(state)

    def read(self, state: LoopState, effect: ReadChecks, *, logs: bool = True) -> ChecksRead | None:
        """The checks of the head with the logs of what failed; None if the forge is down."""
        self._read = _key(state)
        if state.limits.checks == "ignore":
            return ChecksRead(self._clock.now(), ignored=True)
        try:
            return self._ask(state, effect, logs=logs)
        except ForgeRefused as error:
            if "checks" not in state.left_out:
                self._reporter.warn(f"The checks are not read in this loop: {error}")
            return ChecksRead(
                self._clock.now(), unread=f"checks were not read: {error.sentence} {error.remedy}"
            )
        except ForgeUnavailable as error:
            self._reporter.warn(f"The checks cannot be read now: {error}")
            return None

    def _ask(self, state: LoopState, effect: ReadChecks, *, logs: bool) -> ChecksRead:
        checks = counted(self._forge.checks(effect.sha), self._own)
        required = self._required(state) if effect.is_approval else ()
        expected = (*required, *state.checks.expected_on(effect.sha)) if effect.is_approval else ()
        found = summarize(checks, expected)
        if logs and not (effect.is_approval and found.pending):
            checks = self._with_logs(checks, found)
        return ChecksRead(
            at=self._clock.now(),
            checks=checks,
            required=required,
            triggers=not found.missing or self._forge.starts_checks(),
            start_by=self._clock.later(60 * state.limits.rules.checks.start_minutes),
            deadline=self._clock.later(state.limits.checks_timeout),
        )

    def _required(self, state: LoopState) -> tuple[str, ...]:
        """What the rules of the base branch require; nothing where there can be no rules."""
        try:
            return self._forge.required_checks(state.base_branch) if state.base_branch else ()
        except ForgeRefused as error:
            self._reporter.note(f"The required checks are not known: {error.sentence}")
            return ()

    def _with_logs(self, checks: tuple[Check, ...], found: Summary) -> tuple[Check, ...]:
        wanted = {check.job for check in found.failed[:MAX_LOGS] if check.job}
        return tuple(
            replace(check, log=self._log(check)) if check.job in wanted else check
            for check in checks
        )

    def _log(self, check: Check) -> str:
        try:
            return self._forge.check_log(check.job)
        except (ForgeRefused, ForgeUnavailable) as error:
            self._reporter.note(f"The log of {check.name} cannot be read: {error.sentence}")
            return ""


def record_checks(
    reader: ChecksReader,
    effect: ReadChecks,
    journal: Journal,
    reviewer: ReviewerPass,
    store: Store,
    cancellation: "CancellationCheck | None",
    look: Callable[[LoopState], BaseCompared | None],
) -> None:
    """Read the checks and record what follows; a wait whose pull request was closed ends.

    `look` compares what they approve with the base branch.
    """
    before, now = journal.state, reader.now()
    event = reader.read(before, effect)
    stop = cancellation.find(before) if cancellation and before.waiting_for else None
    if stop is not None:
        journal.stop(stop)
    elif event is not None:
        after = transition(before, event)
        base = look(before) if after.outcome is Outcome.APPROVED else None
        step = _step(journal, replace(event, base=base))
        journal.record(step, conclude_checks(reviewer, store, before, step.after, now))


def _step(journal: Journal, event: ChecksRead) -> Step:
    clean = journal.clean(event)
    return Step(clean, transition(journal.state, clean))


def _key(state: LoopState) -> tuple[object, ...]:
    return state.head_sha, state.state, state.round
