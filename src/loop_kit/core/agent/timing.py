"""Where the time of an attempt goes: until the first word, the first action, the report.

The names are those of agent-task-runner, whose users compare runs by them. What was not observed
is None and counts as missing; it is never reported as zero.
"""

from collections.abc import Iterable, Mapping, Sequence

from loop_kit.core.agent.category import CATEGORIES, Category
from loop_kit.frozen import frozen

PHASES = ("startup_ms", "context_to_work_ms", "work_to_artifact_ms", "total_ms")
MAX_MS = 10**15
"""What is more is no time: thirty thousand years."""
SUBPHASES = tuple(f"{name}_ms" for name in CATEGORIES)


class PhaseTimer:
    """Turns the events of one attempt into its metrics; all times in ms since its start.

    It stores sums, not events, so that an endless stream costs nothing. Times are
    reported in their order; one that goes back counts as the one before.
    """

    def __init__(self) -> None:
        self._first_stdout: int | None = None
        self._first_action: int | None = None
        self._active: Category | None = None
        self._since = 0
        self._spent = dict.fromkeys(CATEGORIES, 0)
        self._counts = dict.fromkeys(CATEGORIES, 0)

    def stdout(self, ms: int) -> None:
        """The agent wrote something; only the first time counts."""
        if self._first_stdout is None:
            self._first_stdout = max(0, ms)

    def action(self, category: Category, ms: int) -> None:
        """The agent began to do something; what it did before ends here."""
        now = max(ms, self._since)
        if self._first_action is None:
            self._first_action = now
        if self._active is not None:
            self._spent[self._active] += now - self._since
        self._active, self._since = category, now
        self._counts[category] += 1

    def metrics(self, artifact_ms: int | None, total_ms: int) -> dict[str, int | None]:
        """The metrics of the attempt; `artifact_ms` is when its report was there, if ever.

        Without a report, the last action lasted until the end.
        """
        spent = dict(self._spent)
        if self._active is not None:
            end = total_ms if artifact_ms is None else artifact_ms
            spent[self._active] += max(0, end - self._since)
        found: dict[str, int | None] = {
            "startup_ms": self._first_stdout,
            "context_to_work_ms": _between(self._first_stdout, self._first_action),
            "work_to_artifact_ms": _between(self._first_action, artifact_ms),
            "total_ms": max(0, total_ms),
        }
        for name in CATEGORIES:
            found[f"{name}_ms"] = spent[name] if self._counts[name] else None
            found[f"{name}_count"] = self._counts[name]
        return found


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, end - start)


@frozen
class MetricSummary:
    """One metric over many attempts; None when no attempt has it. Percentiles: nearest rank."""

    count: int
    missing: int
    avg: float | None
    p50: float | None
    p95: float | None


def summaries(
    rows: Iterable[Mapping[str, object]], names: Sequence[str] = (*PHASES, *SUBPHASES)
) -> dict[str, MetricSummary]:
    """A summary for each of `names`; what is no number of milliseconds is missing."""
    found: dict[str, list[float]] = {name: [] for name in names}
    total = 0
    for row in rows:
        total += 1
        for name, values in found.items():
            value = _number(row.get(name))
            if value is not None:
                values.append(value)
    return {name: _summary(values, total) for name, values in found.items()}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MAX_MS else None


def _summary(values: list[float], total: int) -> MetricSummary:
    count = len(values)
    if not count:
        return MetricSummary(0, total, None, None, None)
    values.sort()
    p50, p95 = (values[-(-percent * count // 100) - 1] for percent in (50, 95))
    return MetricSummary(count, total - count, sum(values) / count, p50, p95)
