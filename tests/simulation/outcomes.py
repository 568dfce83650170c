"""What became of many loops: approvals and stops, right and false, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from tests.simulation.experiment import Case, run_all
from tests.simulation.policies import rules_without
from tests.simulation.runner import STOPS, Policy, Result
from tests.simulation.statistics import Estimate, mean_of, share


@dataclass(frozen=True)
class Outcomes:
    """The loops that ran under one policy."""

    policy: str
    loops: tuple[Result, ...]

    @property
    def approvals(self) -> list[Result]:
        return [loop for loop in self.loops if loop.approved]

    @property
    def right_approvals(self) -> Estimate:
        return share(sum(loop.is_right for loop in self.approvals), len(self.loops))

    @property
    def clean_approvals(self) -> Estimate:
        """The right approvals of which the reviewer left no recorded finding out."""
        found = sum(loop.is_right and not loop.ignored for loop in self.approvals)
        return share(found, len(self.loops))

    @property
    def kept(self) -> Estimate:
        """Of the approvals, those that list findings for later."""
        approvals = self.approvals
        return share(sum(loop.kept > 0 for loop in approvals), len(approvals))

    @property
    def false_approvals(self) -> Estimate:
        return share(sum(not loop.is_right for loop in self.approvals), len(self.loops))

    @property
    def hidden(self) -> Estimate:
        """Of the approvals, those that hide a blocker."""
        approvals = self.approvals
        return share(sum(not loop.is_right for loop in approvals), len(approvals))

    @property
    def audited(self) -> Estimate:
        """Of the approvals, those that a careful review of both vendors would not have given."""
        approvals = self.approvals
        return share(sum(loop.fails_audit for loop in approvals), len(approvals))

    @property
    def ignored(self) -> Estimate:
        """Of the approvals, those with a recorded finding that nobody said was dealt with."""
        approvals = self.approvals
        return share(sum(loop.ignored > 0 for loop in approvals), len(approvals))

    @property
    def stops(self) -> Estimate:
        return share(sum(loop.stopped for loop in self.loops), len(self.loops))

    @property
    def wrong_stops(self) -> Estimate:
        """The false stops, of all loops."""
        return share(sum(loop.false_stop for loop in self.loops), len(self.loops))

    @property
    def rounds(self) -> Estimate:
        return mean_of([loop.rounds for loop in self.loops])

    @property
    def calls(self) -> Estimate:
        return mean_of([loop.calls for loop in self.loops])

    @property
    def wasted_calls(self) -> Estimate:
        """Calls per loop that cannot succeed."""
        return mean_of([loop.calls for loop in self.loops if loop.cannot])

    @property
    def growth(self) -> Estimate:
        return mean_of([loop.growth for loop in self.loops])


def observe(todo: Sequence[Case], pool: Executor | None = None) -> Outcomes:
    """Run these loops of one policy, and those that were stopped once more without what did it."""
    loops = run_all(todo, pool)
    stopped = [n for n, loop in enumerate(loops) if loop.stopped]
    again = [(todo[n][0], unstopped(todo[n][1], loops[n]), todo[n][2]) for n in stopped]
    for n, other in zip(stopped, run_all(again, pool), strict=True):
        loops[n] = replace(loops[n], false_stop=other.approved and other.is_right)
    return Outcomes(todo[0][1].name, tuple(loops))


def unstopped(policy: Policy, loop: Result) -> Policy:
    """The policy without the rules that stopped this loop."""
    names = STOPS & {*loop.reasons}
    off = {name: getattr(rules_without(name), name) for name in names}
    rules = policy.limits.rules.model_copy(update=off)
    return replace(policy, limits=policy.limits.model_copy(update={"rules": rules}))


def of_population(outcomes: Outcomes, name: str) -> Outcomes:
    """Its loops of one population."""
    loops = tuple(loop for loop in outcomes.loops if loop.population == name)
    return Outcomes(outcomes.policy, loops)
