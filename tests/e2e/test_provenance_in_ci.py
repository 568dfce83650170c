"""Jobs know which round wrote the line of a finding, although each begins in a shallow checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import CARD, MakeHub
from tests.e2e.shapes import ShapedHub

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult


def edits(find: str, replace: str) -> list[dict[str, Any]]:
    return [
        {"edit": {"path": "calc.py", "find": find, "replace": replace}},
        {"commit": f"Say {replace}"},
        {"report": {"notes": "done", "files_changed": ["calc.py"]}},
    ]


REASONS = iter(
    (
        "doubling multiplies by three",
        "an added zero does nothing",
        "no such place exists",
        "a factor has no name",
        "the docstring is missing",
        "overflow is ignored here",
        "the old bug returned",
        "nobody calls this function",
    )
)
"""Words that have nothing in common, so that no finding is taken for another one."""


def finds(*lines: int, fixed: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    issues = [
        {
            "severity": "high",
            "file": "calc.py",
            "line": line,
            "reason": next(REASONS),
            "scenario": f"line {line} fails",
            "criterion": "C1",
        }
        for line in lines
    ]
    report = {
        "decision": "changes_required",
        "summary": "not yet",
        "blocking_issues": issues,
        "dispositions": [{"id": id_, "status": "fixed"} for id_ in fixed],
    }
    return [{"report": report}]


SCRIPT = {
    "scenes": [
        {"role": "worker", "round": 1, "steps": edits("a - b", "a + b + 0")},
        {"role": "reviewer", "round": 1, "steps": finds(6, 2, 99)},
        {"role": "worker", "round": 2, "steps": edits("a * 3", "a * 2")},
        {"role": "reviewer", "round": 2, "steps": finds(6, 1, fixed=("F1", "F3"))},
        {"role": "worker", "round": 3, "steps": edits("a * 2", "a * 3")},
        {"role": "reviewer", "round": 3, "steps": finds(2, 6, 5, fixed=("F2", "F4", "F5"))},
    ]
}
PROVENANCE = [
    *("pre-existing", "first-work", "nowhere"),
    *("fix-of-round-2", "pre-existing"),
    *("first-work", "fix-of-round-3", "pre-existing"),
]
SHAPES = {
    "shallow": ("--depth=1",),
    "whole": (),
    "shallow and blobless": ("--depth=1", "--filter=blob:none"),
    "treeless": ("--filter=tree:0",),
}


def provenance(hub: Hub) -> list[str]:
    return [finding.get("provenance", "") for finding in hub.state()["findings"]]


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub(SCRIPT, {**CARD, "verify": []})


def log_of(hub: Hub, last: JobResult) -> str:
    return "\n".join([*(job.log for job in hub.jobs), last.log])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_finding_has_the_round_that_wrote_its_line(hub: Hub, shape: str) -> None:
    shaped = ShapedHub.of(hub, *SHAPES[shape])
    shaped.job()
    shaped.continued()
    last = shaped.continued()

    assert provenance(hub) == PROVENANCE, log_of(shaped, last)
    assert "Unknown which round" not in log_of(shaped, last)
    assert [record.get("restores", []) for record in hub.state()["history"]] == [
        [],
        [],
        ["calc.py"],
    ]


def test_three_jobs_judge_it_where_the_write_token_is(hub: Hub) -> None:
    three_jobs.run(hub)
    three_jobs.continued(hub)
    three_jobs.continued(hub)
    assert provenance(hub) == PROVENANCE, hub.jobs[-1].log
