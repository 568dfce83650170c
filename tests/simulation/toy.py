"""A toy of the same loops, to compare the engine with: the parameters, and nothing of an engine.

It has defects, a worker that fixes some and adds some, and a reviewer that finds some. There are no
ids, reports, sessions or failures: the rules know at once what each finding is about, where it is,
and whether it was fixed. So what the engine reaches less of than the toy is lost on the way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.simulation.statistics import Estimate, mean_of, share
from tests.simulation.traits import Population
from tests.simulation.world import geometric, poisson

STUCK = 3
"""Attempts after which a finding is stalled: two, and one in a fresh conversation."""
LATE = 3
"""The round from which on only what is severe or unmet blocks, also on lines of the last fix."""
TOGGLES = 2
"""Fixes running that take back the one before: the oscillation."""


@dataclass(frozen=True)
class ToyPolicy:
    """Which rules judge the loop; without them, only its rounds do."""

    rounds: int
    rules: bool = False
    second: bool = False
    stops: bool = True


@dataclass
class Bug:
    """A defect, or (`false`) what a reviewer takes for one."""

    origin: int
    production: bool
    high: bool
    criterion: bool
    seen_by: tuple[bool, bool]
    tested: bool = False
    false: bool = False
    open: bool = True
    attempts: int = 0


@dataclass(frozen=True)
class ToyResult:
    """How one loop ended."""

    approved: bool
    right: bool
    fails_audit: bool
    calls: int
    stopped: bool = False


@dataclass
class _Toy:
    people: Population
    policy: ToyPolicy
    rng: random.Random
    bugs: list[Bug] = field(default_factory=list)
    sent: list[Bug] = field(default_factory=list)
    toggles: int = 0
    calls: int = 0

    def run(self) -> ToyResult:
        for _ in range(geometric(self.rng, self.people.task.defects)):
            self.bugs.append(self._bug(1))
        if self.people.worker.hopeless:
            self.bugs.append(self._bug(1, production=True))
        verified = self._chance(self.people.task.verified) and self.policy.rules
        for number in range(1, self.policy.rounds + 1):
            self.calls += 2
            self._fix(number)
            if self._approves(number, verified=verified):
                return self._end(approved=True)
            if self.policy.rules and self.policy.stops and self._is_hopeless():
                return self._end(stopped=True)
        return self._end()

    def _chance(self, likely: float) -> bool:
        return self.rng.random() < likely

    def _end(self, *, approved: bool = False, stopped: bool = False) -> ToyResult:
        left = [bug for bug in self.bugs if bug.open and bug.production]
        audit = any(any(bug.seen_by) for bug in left)
        return ToyResult(approved, not left, audit, self.calls, stopped)

    def _bug(self, origin: int, *, production: bool = False, false: bool = False) -> Bug:
        traits, task = self.people.reviewer, self.people.task
        is_bug = production or (self._chance(task.production) and not false)
        first = production or self._chance(traits.sees)
        missed = (1 - traits.sees) * traits.second_sees
        other = (traits.sees - missed) / traits.sees if first else traits.second_sees
        return Bug(
            origin=origin,
            production=is_bug,
            high=self._chance(traits.high_production if is_bug else traits.high_other),
            criterion=is_bug and self._chance(task.criterion),
            seen_by=(first, production or self._chance(other)),
            tested=is_bug and self._chance(task.tested),
            false=false,
        )

    def _fix(self, number: int) -> None:
        worker, restores = self.people.worker, False
        for bug in self.sent:
            if bug.false and self._chance(worker.disputes_false):
                bug.open = not self._chance(self.people.reviewer.withdraws_false)
                continue
            restores |= bug.false and self.people.satisfied_once
            fresh = self.policy.rules and bug.attempts == STUCK - 1
            likely = worker.fixes * worker.decay ** (0 if fresh else bug.attempts)
            cannot = (bug.production and worker.hopeless) or self._chance(worker.shams)
            bug.attempts += 1
            bug.open = not (self._chance(likely) and not cannot)
            for _ in range(poisson(self.rng, worker.mints)):
                self.bugs.append(self._bug(number))
        self.toggles = self.toggles + 1 if restores else 0

    def _approves(self, number: int, *, verified: bool) -> bool:
        traits = self.people.reviewer
        self.sent = [b for b in self.sent if b.open and self._chance(traits.sees_unfixed)]
        if not self.policy.rules and self._chance(traits.agrees):
            return True
        new = self._found(number, second=False)
        agreed = self.policy.rules and self._chance(traits.agrees) and not self.sent
        self.sent += [] if agreed else new
        if not self.sent and self.policy.second:
            self.calls += 1
            found = self._found(number, second=True)
            self.sent += [] if self._chance(self.people.second.agrees) else found
        if not self.sent and verified:
            self.sent += [bug for bug in self.bugs if bug.open and bug.tested]
        return not self.sent

    def _found(self, number: int, *, second: bool) -> list[Bug]:
        traits = self.people.second if second else self.people.reviewer
        unknown = [bug for bug in self.bugs if bug.open and bug not in self.sent]
        late = 1 if number == 1 or second else traits.late
        left = traits.claims_last if self.policy.rules else traits.after_boast
        seen = traits.recall * (left if self.people.worker.boasts else 1)
        recall = {True: seen, False: seen * late}
        found = [
            b for b in unknown if b.seen_by[second] and self._chance(recall[b.origin == number])
        ]
        most = traits.verdict_first if self.policy.rules else 1
        again = not second and self.people.satisfied_once and number > 1
        if again or self._chance(min(traits.false, most)):
            place = number if again or self._chance(0.5) else 1
            found.append(self._bug(place, false=True))
        cap = traits.first_cap if self.policy.rules and (number == 1 or second) else traits.cap
        listed = sorted(found, key=lambda bug: not bug.high)[:cap]
        return [bug for bug in listed if self._blocks(bug, number)]

    def _blocks(self, bug: Bug, number: int) -> bool:
        is_first_fix = bug.origin == number < LATE
        above = number == 1 or is_first_fix or bug.high or bug.criterion
        return above or not self.policy.rules

    def _is_hopeless(self) -> bool:
        return self.toggles >= TOGGLES or any(bug.attempts >= STUCK for bug in self.sent)


def run_toy(people: Population, policy: ToyPolicy, seed: int) -> ToyResult:
    """The toy of loop `seed` of a population under a policy."""
    return _Toy(people, policy, random.Random(f"toy {people.name} {seed}")).run()


@dataclass(frozen=True)
class ToyOutcomes:
    """The toy's numbers over the mixture, under one policy."""

    right_approvals: Estimate
    audited: Estimate
    wrong_stops: Estimate
    wasted_calls: Estimate


def observe_toy(people: tuple[Population, ...], policy: ToyPolicy, loops: int) -> ToyOutcomes:
    """Run so many loops of each population."""
    ran = [(each, seed, run_toy(each, policy, seed)) for each in people for seed in range(loops)]
    approved = [end for _, _, end in ran if end.approved]
    on = ToyPolicy(policy.rounds, policy.rules, policy.second, stops=False)
    again = [run_toy(each, on, seed) for each, seed, end in ran if end.stopped]
    hopeless = [
        end.calls
        for each, _, end in ran
        if each.worker.hopeless or (each.satisfied_once and not (end.approved and end.right))
    ]
    return ToyOutcomes(
        right_approvals=share(sum(end.right for end in approved), len(ran)),
        audited=share(sum(end.fails_audit for end in approved), len(approved)),
        wrong_stops=share(sum(end.approved and end.right for end in again), len(ran)),
        wasted_calls=mean_of([float(calls) for calls in hopeless]),
    )
