"""A finding that stays is given to another backend for one round, where one is named."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS, MakeHub

STUCK = {
    "decision": "changes_required",
    "summary": "not yet",
    "dispositions": [{"id": "F1", "status": "not_fixed", "note": "it triples"}],
}
TRIED = [
    {"edit": {"path": "calc.py", "find": "a * 3", "replace": "3 * a"}},
    {"commit": "Try"},
    {"report": {"notes": "tried", "files_changed": ["calc.py"]}},
]
FIXED = [
    {"edit": {"path": "calc.py", "find": "3 * a", "replace": "a * 2"}},
    {"commit": "Double"},
    {"report": {"notes": "fixed", "files_changed": ["calc.py"]}},
]
SCENES: list[dict[str, Any]] = TWO_ROUNDS["scenes"]
SCRIPT = {
    "scenes": [
        *SCENES[:2],
        {
            "role": "worker",
            "round": 2,
            "steps": TRIED,
        },
        {"role": "reviewer", "round": 2, "steps": [{"report": STUCK}]},
        {**SCENES[2], "round": 3, "steps": FIXED},
        {**SCENES[3], "round": 3},
    ]
}
RULES = "rules:\n  stalled: {rounds: 1, backend: %s}\n"


@pytest.mark.parametrize(
    ("backend", "outcome", "log"),
    [
        ("command", "worker_dispatch_failed", ""),
        ("nobody", "approved", "not that of stalled.backend: `nobody` is no backend of this job"),
    ],
)
def test_the_fresh_round_is_done_by_the_backend_that_the_rule_names(
    make_hub: MakeHub, backend: str, outcome: str, log: str
) -> None:
    hub = make_hub(script=SCRIPT, files={".loop/config.yaml": RULES % backend})
    inputs = {"worker_command": "false", "worker_backend": "scripted", "dispatch_retries": "0"}
    hub.job(**inputs)
    hub.continued(**inputs)
    assert hub.state()["fresh_round"] is True

    result = hub.continued(**inputs)

    assert result.outputs["outcome"] == outcome, result.log
    assert log in result.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    page = f"{hub.git.url}/{REPOSITORY}/actions/runs/{result.checkout.parent.name}"
    links = f"#worker-dispatch-failed) · [log]({page}) · [record]({page}#artifacts)"
    assert any(links in each.body for each in pull.issue.comments) == (outcome != "approved")
