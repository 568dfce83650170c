"""On a laptop too, the fresh round of a stalled loop is done by the backend that the rule names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.harness import SENT_BACK, Repo, Steps

NOT_FIXED: Steps = [
    {
        "report": {
            "decision": "changes_required",
            "summary": "not yet",
            "dispositions": [{"id": "F1", "status": "not_fixed", "note": "still 0"}],
        }
    }
]


@pytest.fixture
def stuck(repo: Repo) -> Repo:
    """A loop whose third round is the fresh one, and whose fourth is a usual one."""
    (repo.folder / "config.yaml").write_text("rules:\n  stalled: {rounds: 1, backend: claude}\n")
    other: Steps = [
        {
            "report": {
                **SENT_BACK[0]["report"],
                "blocking_issues": [
                    {"severity": "high", "reason": "another", "required_change": "fix it"}
                ],
                "dispositions": [{"id": "F1", "status": "fixed"}],
            }
        }
    ]
    repo.plan({"reviewer/1": SENT_BACK, "reviewer/2": NOT_FIXED, "reviewer/3": other})
    return repo


def programs(repo: Repo) -> list[str]:
    """The program of each worker."""
    return [Path(call.argv[0]).name for call in repo.calls if call.role == "worker"]


def test_the_fresh_round_has_the_named_worker_and_the_next_one_the_usual(stuck: Repo) -> None:
    result = stuck.run("--max-rounds", "4")

    assert result.code == 0, result.text
    assert programs(stuck) == ["codex", "codex", "claude", "codex"]
    assert "claude" in result.text


def test_without_its_program_the_usual_worker_does_it_and_a_warning_names_the_other(
    stuck: Repo,
) -> None:
    (stuck.bin / "claude").unlink()

    result = stuck.run("--max-rounds", "4")

    assert result.code == 0, result.text
    assert programs(stuck) == ["codex"] * 4
    assert "not that of stalled.backend: `claude` cannot run here" in result.text
