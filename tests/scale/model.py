"""Loops that wait for runners and for GitHub's limits, event by event.

A loop asks for a runner, its job asks GitHub at its beginning and at its end and lets agents work
between, and its next round is queued as a job of its own. Runners are given in the order in which
they were asked for. A request that a limit does not allow yet waits for it in its job, as the
engine does with `retry-after`: the runner is held meanwhile.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable
from typing import NamedTuple

from tests.scale.counts import COUNTED, Counts, Job
from tests.scale.limits import HOUR, Token, Window

ROUNDS = ((1, 0.33), (2, 0.26), (3, 0.41))
"""Of three at most: the mixture of docs/convergence.md, whose mean is about two."""
START_SECONDS = 25.0
"""A runner, its checkout and the set-up of an agent."""
AGENTS_SECONDS = (480.0, 0.6)
"""Median and spread of a log-normal round of a worker, verify and a reviewer."""
REQUEST_SECONDS = 0.3


class Scenario(NamedTuple):
    """So many loops, begun within so many seconds, in so many repositories."""

    name: str
    loops: int
    repositories: int
    within: float
    runners: int
    token: Token


class Result(NamedTuple):
    """What became of a scenario; times are seconds."""

    scenario: Scenario
    half: float
    """When half of the loops were done."""
    end: float
    jobs: int
    runner_seconds: float
    waited_for_runners: float
    """The longest wait of a job."""
    waited_for_github: float
    """Of all jobs together, while they held a runner."""
    busiest_hour: int
    """The most requests of one token in an hour."""


class _Bucket:
    """What one token may ask for: each request gets the next time that its windows allow."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self._windows = windows
        self._given: list[float] = []

    def reserve(self, now: float) -> float:
        """When the request may be made that is asked for `now`, after all that were before."""
        given = self._given
        when = max(now, given[-1]) if given else now
        for window in self._windows:
            if len(given) >= window.units:
                when = max(when, given[-window.units] + window.seconds)
        given.append(when)
        return when

    def busiest(self, seconds: float) -> int:
        """The most requests within so many seconds."""
        given = self._given
        return max(
            (i + 1 - bisect_right(given, t - seconds + 1e-6) for i, t in enumerate(given)),
            default=0,
        )


class _Job(NamedTuple):
    """A round of a loop that takes so many, and the requests that it makes next."""

    loop: int
    round: int
    rounds: int
    requests: int = 0
    writes: int = 0
    closing: bool = False


class _World:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, counts: Counts, seed: int) -> None:
        self.scenario = scenario
        self.counts = counts
        self.draw = random.Random(seed)
        token = scenario.token
        self.all = defaultdict[int, _Bucket](lambda: _Bucket((Window(token.per_hour, HOUR),)))
        self.writes = defaultdict[int, _Bucket](lambda: _Bucket(token.writes))
        self.queue: deque[tuple[float, _Job]] = deque()
        self.free = scenario.runners
        self.events: list[tuple[float, int, Callable[[float, _Job], None], _Job]] = []
        self.serial = 0
        self.done: list[float] = []
        self.jobs = 0
        self.held = self.longest = self.waited = 0.0

    def run(self) -> Result:
        scenario = self.scenario
        for loop in range(scenario.loops):
            rounds = self.draw.choices([n for n, _ in ROUNDS], [share for _, share in ROUNDS])[0]
            self._at(self.draw.uniform(0, scenario.within), self._asked, _Job(loop, 1, rounds))
        while self.events:
            now, _, happen, job = heapq.heappop(self.events)
            happen(now, job)
            while self.free and self.queue:
                asked, waiting = self.queue.popleft()
                self.free -= 1
                self.jobs += 1
                self.longest = max(self.longest, now - asked)
                self.held -= now
                self._at(now + START_SECONDS, self._began, waiting)
        return self._result()

    def _asked(self, now: float, job: _Job) -> None:
        self.queue.append((now, job))

    def _began(self, now: float, job: _Job) -> None:
        cost = self._cost(job)
        self._ask(now, job._replace(requests=cost.requests // 2, writes=cost.writes // 3))

    def _worked(self, now: float, job: _Job) -> None:
        cost = self._cost(job)
        requests, writes = cost.requests - cost.requests // 2, cost.writes - cost.writes // 3
        self._ask(now, job._replace(requests=requests, writes=writes, closing=True))

    def _ask(self, now: float, job: _Job) -> None:
        """Make the next request, of which the last ones write; after them the job continues."""
        if job.requests == 0:
            median, spread = AGENTS_SECONDS
            work = 0.0 if job.closing else median * self.draw.lognormvariate(0, spread)
            self._at(now + work, self._ended if job.closing else self._worked, job)
        elif job.requests <= job.writes:
            when = self.writes[self._token(job)].reserve(now)
            self.waited += when - now
            self._at(when, self._send, job)
        else:
            self._send(now, job)

    def _send(self, now: float, job: _Job) -> None:
        when = self.all[self._token(job)].reserve(now)
        self.waited += when - now
        left = job._replace(requests=job.requests - 1)
        self._at(when + REQUEST_SECONDS, self._ask, left)

    def _token(self, job: _Job) -> int:
        return 0 if self.scenario.token.shared else job.loop % self.scenario.repositories

    def _ended(self, now: float, job: _Job) -> None:
        self.free += 1
        self.held += now
        if job.round < job.rounds:
            self._asked(now, _Job(job.loop, job.round + 1, job.rounds))
        else:
            self.done.append(now)

    def _cost(self, job: _Job) -> Job:
        if job.round == job.rounds:
            return self.counts.approving
        return self.counts.first if job.round == 1 else self.counts.steady

    def _at(self, when: float, happen: Callable[[float, _Job], None], job: _Job) -> None:
        self.serial += 1
        heapq.heappush(self.events, (when, self.serial, happen, job))

    def _result(self) -> Result:
        done = sorted(self.done)
        return Result(
            scenario=self.scenario,
            half=done[len(done) // 2],
            end=done[-1],
            jobs=self.jobs,
            runner_seconds=self.held,
            waited_for_runners=self.longest,
            waited_for_github=self.waited,
            busiest_hour=max(bucket.busiest(HOUR) for bucket in self.all.values()),
        )


def simulate(scenario: Scenario, counts: Counts = COUNTED, seed: int = 1) -> Result:
    """Run `scenario`; the same seed gives the same result."""
    return _World(scenario, counts, seed).run()
