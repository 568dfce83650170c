"""Measures what an attempt spends its time on, from its stream while it runs."""

from collections.abc import Mapping

from loop_kit.core.agent.activity import Activity
from loop_kit.core.agent.timing import PhaseTimer
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.ports import Clock, Reporter

_NOT_OBSERVED = {"latency_ms": None, "status": "not_observed"}


class AttemptMetrics:
    """A reporter that passes everything on, and reports when the agent did what first.

    The events and their fields are those of agent-task-runner: `dispatch_first_stdout`,
    `dispatch_first_meaningful_action`, `dispatch_first_work_action`, `dispatch_phase_metrics`.
    """

    def __init__(
        self, reporter: Reporter, clock: Clock, state: LoopState, about: Mapping[str, object]
    ) -> None:
        self._reporter = reporter
        self._clock = clock
        self._state = state
        self._about = about
        self._started = clock.seconds()
        self._timer = PhaseTimer()
        self._seen: set[str] = set()

    @property
    def seconds(self) -> float:
        """Seconds since the attempt started."""
        return self._clock.seconds() - self._started

    def end(self, *, reported: bool) -> None:
        """Report the metrics of the attempt; `reported` when it left a report."""
        for name in ("first_stdout", "first_meaningful_action", "first_work_action"):
            if name not in self._seen:
                self._report(f"dispatch_{name}", _NOT_OBSERVED)
        now = self._ms()
        self._report("dispatch_phase_metrics", self._timer.metrics(now if reported else None, now))

    def note(self, message: str) -> None:
        """Passed on."""
        self._reporter.note(message)

    def warn(self, message: str) -> None:
        """Passed on."""
        self._reporter.warn(message)

    def fail(self, message: str) -> None:
        """Passed on."""
        self._reporter.fail(message)

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """Passed on."""
        self._reporter.event(name, state, data)

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """Passed on."""
        self._reporter.start_attempt(role, round_, attempt, backend)

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """Passed on."""
        self._reporter.end_attempt(role, seconds, note)

    def output(self, role: Role, line: str) -> None:
        """Passed on; the first line is the end of the start-up."""
        self._first("first_stdout", {})
        self._timer.stdout(self._ms())
        self._reporter.output(role, line)

    def activity(self, role: Role, activity: Activity) -> None:
        """Passed on; the first piece of work is the end of reading the prompt."""
        if activity.verb != "Session":
            self._first("first_meaningful_action", {})
        if activity.category is not None:
            self._first("first_work_action", {"category": activity.category})
            self._timer.action(activity.category, self._ms())
        self._reporter.activity(role, activity)

    def _first(self, name: str, more: Mapping[str, object]) -> None:
        if name not in self._seen:
            self._seen.add(name)
            self._report(f"dispatch_{name}", {"latency_ms": self._ms(), **more})

    def _report(self, name: str, data: Mapping[str, object]) -> None:
        self._reporter.event(name, self._state, {**self._about, **data})

    def _ms(self) -> int:
        return round(self.seconds * 1000)
