"""How many programs of git a round starts, and how often it waits for the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import ISSUE, Repo, Steps
from tests.support import cost_meter
from tests.support.cost_meter import METER, Costs
from tests.support.fork_server import PRELUDE

MAX_GIT = 8
MAX_SYNCS = 5
MAX_GIT_IN_ALL = 16
UNCERTAIN = "diff"
"""Not asked where all files of the reviewer are certainly as they were, which needs some time."""

EACH = {"reset": 1, "ls-files": 2, "read-tree": 1}
TAKEN_OVER = {**EACH, "index-pack": 1}
LEFT = {**EACH, "add": 1, "diff-index": 1, "write-tree": 1}
COMMITTED: Steps = [{"sh": "git add --all"}, {"commit": "Value"}]
REWRITTEN: Steps = [{"sh": "git add --all"}, {"commit": "Value, fixes #1"}]
NOWHERE = {name: ISSUE[name] for name in ("severity", "scenario", "required_change")}


def sent_back(round_: int, issue: dict[str, Any]) -> Steps:
    issue = {**issue, "reason": f"wrong {'abcdefgh'[round_] * 9}"}
    fixed = [{"id": f"F{round_ - 1}", "status": "fixed"}] if round_ > 1 else []
    report = {"decision": "changes_required", "summary": "no", "dispositions": fixed}
    return [{"report": {**report, "blocking_issues": [issue]}}]


def costs(repo: Repo, folder: Path, rounds: int, last: Steps, issue: dict[str, Any]) -> Costs:
    """What a run of that many rounds costs."""
    plan = {f"reviewer/{number}": sent_back(number, issue) for number in range(1, rounds)}
    for number in range(1, rounds + 1):
        write = {"write": {"calc.py": f"VALUE = {number}\n", f"new{number}.py": "A = 1\n"}}
        plan[f"worker/{number}"] = [write, *last, {"report": {}}]
    repo.plan(plan)
    result = repo.run(env={PRELUDE: cost_meter.__file__, METER: str(folder)})
    assert result.code == 0, result.text
    return cost_meter.read(folder)


@pytest.mark.parametrize(
    ("last", "issue", "expected"),
    [
        (COMMITTED, NOWHERE, TAKEN_OVER),
        (REWRITTEN, ISSUE, TAKEN_OVER),
        (COMMITTED, {**ISSUE, "line": 2}, {**TAKEN_OVER, "blame": 1}),
        ([], NOWHERE, LEFT),
    ],
    ids=["committed", "rewritten and a new line is wrong", "an old line is wrong", "left to us"],
)
def test_one_round_more_costs_at_most_eight_programs_of_git_and_five_syncs(
    make_repo: Callable[[Path], Repo],
    tmp_path: Path,
    last: Steps,
    issue: dict[str, Any],
    expected: dict[str, int],
) -> None:
    found = []
    for rounds in (2, 3):
        folder = tmp_path / f"rounds-{rounds}"
        folder.mkdir()
        repo = make_repo(folder)
        found.append(costs(repo, folder / "costs", rounds, last, issue))
        repo.close()
        assert found[-1].git[UNCERTAIN] <= rounds
    first, second = found
    programs = Counter(second.git)
    programs.subtract(first.git)
    del programs[UNCERTAIN]
    assert {name: count for name, count in programs.items() if count} == expected
    assert programs.total() + 1 <= MAX_GIT
    assert second.syncs - first.syncs == MAX_SYNCS


def test_a_run_of_one_round_starts_at_most_sixteen_programs_of_git(
    make_repo: Callable[[Path], Repo], tmp_path: Path
) -> None:
    repo = make_repo(tmp_path)
    programs = costs(repo, tmp_path / "costs", 1, COMMITTED, NOWHERE).git
    assert programs.total() - programs[UNCERTAIN] + 1 <= MAX_GIT_IN_ALL, programs
    repo.close()
