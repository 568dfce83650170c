"""docs/scale.md: its text, with tables computed from counts, limits and simulated loops."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.scale.counts import COUNTED
from tests.scale.limits import (
    ADVISED_BRANCHES,
    ADVISED_PUSHES,
    APP,
    HOUR,
    JOB_TOKEN,
    JOB_TOKEN_CLOUD,
    MINUTE,
    PERSON,
    PLANS,
    QUEUED_RUNS,
    TOKENS,
)
from tests.scale.model import AGENTS_SECONDS, ROUNDS, START_SECONDS, Result, Scenario, simulate

from loop_kit.core.ci.sweeping import MAX_LOOPS

TEXT = Path(__file__).with_name("page.md")
DAY = 24 * HOUR
SWEEP_SECONDS = 30 * MINUTE
KEPT_DAYS = 30

STORM = tuple(
    Scenario(f"{plan}: {runners} jobs at once", 1_000, 10_000, 10 * MINUTE, runners, JOB_TOKEN)
    for plan, runners in PLANS.items()
)
"""A label on a thousand issues of an organisation with ten thousand repositories."""
TOKEN_STORM = tuple(
    Scenario(token.name, 1_000, 10_000, 10 * MINUTE, PLANS["your own"], token)
    for token in (JOB_TOKEN, APP, PERSON)
)
ONE_REPOSITORY = tuple(
    Scenario(f"{loops} loops, {token.name}", loops, 1, 10 * MINUTE, PLANS["Enterprise"], token)
    for loops in (20, 50, 100, 500)
    for token in (JOB_TOKEN, JOB_TOKEN_CLOUD)
)
DAYS = tuple(
    Scenario(f"{loops:,} loops a day, {token.name}", loops, 10_000, DAY, PLANS["Enterprise"], token)
    for loops in (1_000, 5_000)
    for token in (JOB_TOKEN, APP)
)


class Row(NamedTuple):
    """A result in words."""

    name: str
    half: str
    end: str
    waited: str
    github: str
    busiest: str


def text() -> str:
    """The page."""
    return TEXT.read_text("utf-8").format(
        counts=_counts(),
        limits=_limits(),
        assumptions=_assumptions(),
        storm=_table("runners", STORM),
        token_storm=_table("token", TOKEN_STORM),
        one_repository=_table("in one repository", ONE_REPOSITORY),
        days=_table("load", DAYS),
        **_sums(),
    )


def _counts() -> str:
    rows = (("first", COUNTED.first), ("later", COUNTED.steady), ("approving", COUNTED.approving))
    return "\n".join(
        [
            "| round | requests | of them that write | pushes |",
            "|---|---|---|---|",
            *(f"| {name} | {job.requests} | {job.writes} | {job.pushes} |" for name, job in rows),
        ]
    )


def _limits() -> str:
    rows = []
    for token in TOKENS:
        whose = "all repositories together" if token.shared else "each repository"
        writes = ", ".join(
            f"{w.units} in {'a minute' if w.seconds == MINUTE else 'an hour'}" for w in token.writes
        )
        rows.append(f"| {token.name} | {whose} | {token.per_hour:,} | {writes} |")
    head = ["| token | counted for | requests an hour | that write |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _assumptions() -> str:
    shares = ", ".join(f"{share:.0%} take {number}" for number, share in ROUNDS)
    median, spread = AGENTS_SECONDS
    return (
        f"of loops of at most three rounds {shares}; agents and verify take"
        f" {median / MINUTE:.0f} minutes a round in the median (log-normal, {spread:g});"
        f" a job needs {START_SECONDS:.0f} seconds before"
    )


def _table(name: str, scenarios: tuple[Scenario, ...]) -> str:
    head = [
        f"| {name} | half done after | all done after | longest wait for a runner"
        " | held runners while waiting for GitHub | most requests of a token in an hour |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *("| " + " | ".join(_row(simulate(one))) + " |" for one in scenarios)])


def _row(result: Result) -> Row:
    return Row(
        result.scenario.name,
        _time(result.half),
        _time(result.end),
        _time(result.waited_for_runners),
        f"{result.waited_for_github / HOUR:,.0f} h",
        f"{result.busiest_hour:,}",
    )


def _time(seconds: float) -> str:
    return f"{seconds / HOUR:,.1f} h" if seconds >= HOUR else f"{seconds / MINUTE:.0f} min"


def _sums() -> dict[str, str]:
    rounds = sum(number * share for number, share in ROUNDS)
    pushes = COUNTED.steady.pushes
    hourly = ADVISED_PUSHES.units * (HOUR / ADVISED_PUSHES.seconds) / pushes
    loop_bytes = COUNTED.state_bytes + (rounds - 2) * COUNTED.round_bytes
    return {
        "storm_queue": f"{1_000 / QUEUED_RUNS.units * QUEUED_RUNS.seconds:.0f}",
        "rounds_an_hour": f"{hourly:.0f}",
        "loops_an_hour": f"{hourly / rounds:.0f}",
        "refs": str(COUNTED.refs),
        "loops_a_day": f"{ADVISED_BRANCHES / COUNTED.refs / KEPT_DAYS:.0f}",
        "loop_kilobytes": f"{loop_bytes / 1000:.0f}",
        "round_kilobytes": f"{COUNTED.round_bytes / 1000:.0f}",
        "thousand_megabytes": f"{1_000 * loop_bytes / 1e6:.0f}",
        "carried": str(MAX_LOOPS),
        "sweeps": f"{1_000 / MAX_LOOPS:.0f}",
        "sweep_hours": f"{1_000 / MAX_LOOPS * SWEEP_SECONDS / HOUR:.0f}",
    }
