"""What the engine asks git about findings and fixes, and what of it is in the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import World, approval, two_rounds
from tests.fakes import Act, MemoryRepository

from loop_kit.core.loop.provenance import Spot
from loop_kit.core.loop.state import Growth, Limits, Outcome, Role
from loop_kit.errors import GitFailed
from loop_kit.ports import Assignment


class AskedRepository(MemoryRepository):
    """Remembers what it was asked about, and fails if it is to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Spot, ...]] = []
        self.fails = False

    def origins(
        self, bases: Sequence[str], heads: Sequence[str], places: Sequence[Spot]
    ) -> Mapping[Spot, str | None]:
        self.asked.append(tuple(places))
        if self.fails:
            raise GitFailed("git hangs.", "Look for a lock.")
        return super().origins(bases, heads, places)


WORDS = iter(
    ("overflow", "rounding", "naming", "locking", "caching", "parsing", "sorting", "hashing")
)
"""Findings that have no word in common, so that none is taken for another one."""


def issue(file: str = "", line: int | None = None, id_: str = "") -> dict[str, Any]:
    return {
        "id": id_,
        "file": file,
        "line": line,
        "severity": "high",
        "criterion": "C1",
        "reason": next(WORDS),
        "scenario": "it fails",
    }


OLD = "".join(f"old line {number}\n" for number in range(1, 5))
ROUND_1 = "first work, long enough to count\n"
ROUND_2 = "the fix of round 2\n"
TREES = {1: OLD + ROUND_1, 2: OLD + ROUND_1 + ROUND_2, 3: OLD + ROUND_1}
FOUND = {
    1: [issue("a.py", 1), issue("a.py", 5), issue("a.py", 9), issue()],
    2: [issue("a.py", 6), issue("a.py", 2), issue("gone.py", 1), issue("a.py", 5, "F2")],
    3: [],
}


def three_rounds(job: Assignment) -> Act:
    if job.role is Role.WORKER:
        tree = {"a.py": TREES[job.round].encode(), "tests/test_a.py": b"test\n" * job.round}
        return Act({"notes": "done"}, tree, commit=f"Round {job.round}")
    if not FOUND[job.round]:
        return approval(job)
    return Act({"decision": "changes_required", "blocking_issues": FOUND[job.round]})


@pytest.fixture
def repository() -> AskedRepository:
    return AskedRepository()


def world(tmp_path: Path, repository: AskedRepository, script: Any = three_rounds) -> World:
    made = World(
        tmp_path, script, repository=repository, limits=Limits(max_rounds=3, evidence="strict")
    )
    made.base = repository.commit("", {"a.py": OLD.encode()}, "Base")
    return made


def test_every_finding_has_the_round_that_wrote_its_line(
    tmp_path: Path, repository: AskedRepository
) -> None:
    state = world(tmp_path, repository).to_the_end()

    assert [finding.provenance for finding in state.findings] == [
        *("pre-existing", "first-work", "nowhere", "nowhere"),
        *("fix-of-round-2", "pre-existing", "nowhere"),
    ]


def test_git_is_asked_only_about_new_findings_and_once_a_round(
    tmp_path: Path, repository: AskedRepository
) -> None:
    world(tmp_path, repository).to_the_end()
    assert repository.asked == [
        (Spot("a.py", 1), Spot("a.py", 5), Spot("a.py", 9)),
        (Spot("a.py", 6), Spot("a.py", 2), Spot("gone.py", 1)),
    ]


def test_a_loop_without_findings_asks_git_nothing(
    tmp_path: Path, repository: AskedRepository
) -> None:
    def approves(job: Assignment) -> Act:
        return two_rounds(job) if job.role is Role.WORKER else approval(job)

    state = world(tmp_path, repository, approves).to_the_end()
    assert state.outcome is Outcome.APPROVED
    assert repository.asked == []


def test_a_git_that_fails_costs_the_answer_and_not_the_round(
    tmp_path: Path, repository: AskedRepository
) -> None:
    repository.fails = True
    loop = world(tmp_path, repository)

    state = loop.to_the_end()

    assert {finding.provenance for finding in state.findings if finding.file} == {""}
    assert any("git hangs." in warning for warning in loop.reporter.warnings)


def test_the_size_of_the_whole_change_is_recorded_with_its_tests_apart(
    tmp_path: Path, repository: AskedRepository
) -> None:
    history = world(tmp_path, repository).to_the_end().history
    assert [record.growth for record in history] == [
        Growth(source=5, tests=1),
        Growth(source=6, tests=2),
        Growth(source=5, tests=3),
    ]


def test_a_fix_that_takes_back_the_last_one_is_recorded_from_round_3_on(
    tmp_path: Path, repository: AskedRepository
) -> None:
    history = world(tmp_path, repository).to_the_end().history
    assert [record.restores for record in history] == [(), (), ("a.py",)]


def to_and_fro(job: Assignment) -> Act:
    """Each round adds the line of round 2 to the file, or removes it again."""
    if job.role is Role.WORKER:
        tree = {"a.py": TREES[3 if job.round % 2 else 2].encode()}
        return Act({"notes": "done"}, tree, commit=f"Round {job.round}")
    words = ("overflow", "rounding", "naming", "locking")[job.round - 1]
    return Act(
        {"decision": "changes_required", "blocking_issues": [{**FOUND[1][1], "reason": words}]}
    )


def test_fixes_to_and_fro_in_the_same_lines_are_recorded_and_end_as_a_question(
    tmp_path: Path, repository: AskedRepository
) -> None:
    loop = world(tmp_path, repository, to_and_fro)
    loop.limits = Limits(max_rounds=9)
    state = loop.to_the_end()

    assert [record.restores for record in state.history] == [(), (), ("a.py",), ("a.py",)]
    assert [record.restores_again for record in state.history] == [(), (), (), ("a.py",)]
    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("stalled",))
    assert "as 2 fixes running have done" in state.error
