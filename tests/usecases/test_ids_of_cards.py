"""An id that is made from a number belongs to the issue or pull request of that number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.git_repository import BareRepository
from tests.usecases.test_attached_cards import cards

from loop_kit.core.ci.requests import PullFacts
from loop_kit.errors import BadCard
from loop_kit.usecases.cards import Cards

__all__ = ["cards"]


def block(task_id: str) -> str:
    return f'```json\n{{"task_id": "{task_id}", "goal": "Dates are right"}}\n```\n'


def pull(body: str) -> PullFacts:
    return PullFacts(7, "", "", body, "fix", "a" * 40, "octo/demo", "main", True, False)


@pytest.mark.parametrize("task_id", ["issue-2", "pr-7", "Issue-7", "issue-07"])
def test_an_issue_cannot_take_the_id_of_another(cards: Cards, task_id: str) -> None:
    with pytest.raises(BadCard, match=f"issue #7: the task_id {task_id} belongs to") as refused:
        cards.in_issue(7, "", block(task_id))
    assert refused.value.remedy == "Leave it out to get issue-7, or choose one of another form."


@pytest.mark.parametrize("task_id", ["issue-7", "T-7", "issue-7b", "fix-issue-2"])
def test_an_issue_may_name_itself_or_anything_else(cards: Cards, task_id: str) -> None:
    assert cards.in_issue(7, "", block(task_id)).task_id == task_id


@pytest.mark.parametrize("task_id", ["issue-7", "pr-2"])
def test_a_pull_request_cannot_take_the_id_of_another(cards: Cards, task_id: str) -> None:
    with pytest.raises(BadCard, match=f"pull request #7: the task_id {task_id} belongs to"):
        cards.in_pull(pull(block(task_id)), "")


def test_a_pull_request_may_name_itself(cards: Cards) -> None:
    assert cards.in_pull(pull(block("pr-7")), "").task_id == "pr-7"


def test_a_committed_card_cannot_take_the_id_of_an_issue(cards: Cards, tmp_path: Path) -> None:
    repository = BareRepository(tmp_path / ".git")
    repository.git("init", "--quiet")
    card = json.dumps({"task_id": "issue-2", "goal": "Dates are right"})
    sha = repository.commit_files("main", {".loop/task_card.json": card})
    with pytest.raises(BadCard, match=r"task_card\.json: the task_id issue-2 belongs to"):
        cards.committed(".loop/task_card.json", sha)
