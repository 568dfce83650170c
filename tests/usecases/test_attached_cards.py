"""A card may be a file that is attached to the issue, fetched from GitHub without a token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import responses

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.errors import BadCard
from loop_kit.settings import Settings, for_laptop
from loop_kit.usecases.cards import Cards
from loop_kit.usecases.checkout import Checkout

LINK = "https://github.com/user-attachments/files/123/card.json"


@pytest.fixture
def cards(tmp_path: Path) -> Cards:
    server = Access("https://api.github.com", "https://github.com", "octo/demo", "token")
    git = Git(tmp_path, {})
    place = Place(tmp_path, tmp_path, "", "")
    checkout = Checkout(git, place, Remote("", "", ""))
    return Cards(checkout, GitHubForge(server), Settings(), "octo/demo", "main", for_laptop({}))


@responses.activate
def test_the_attached_file_is_the_card_where_the_text_holds_none(cards: Cards) -> None:
    responses.get(LINK, body=json.dumps({"goal": "Dates are right"}))

    card = cards.in_issue(7, "Dates", f"See [card.json]({LINK}).")

    assert (card.task_id, card.goal, card.title) == ("issue-7", "Dates are right", "Dates")
    assert "Authorization" not in responses.calls[0].request.headers


@responses.activate
def test_a_card_in_the_text_counts_before_any_file(cards: Cards) -> None:
    body = f"### Goal\n\nSums are right\n\n[card.json]({LINK})\n"
    assert cards.in_issue(7, "", body).goal.startswith("Sums are right")
    assert len(responses.calls) == 0


@responses.activate
def test_a_private_file_is_to_be_pasted(cards: Cards) -> None:
    responses.get(LINK, status=404)
    with pytest.raises(BadCard) as refused:
        cards.in_issue(7, "", f"[card.json]({LINK})")
    assert "block" in str(refused.value)


def test_two_attached_files_are_one_too_many(cards: Cards) -> None:
    other = LINK.replace("123", "124")
    with pytest.raises(BadCard, match="holds 2 attached files"):
        cards.in_issue(7, "", f"[a]({LINK}) [b]({other})")


@responses.activate
@pytest.mark.parametrize("content", ["{", "[]", '{"goal": 1}'])
def test_a_file_that_is_no_card_is_named(cards: Cards, content: str) -> None:
    responses.get(LINK, body=content)
    with pytest.raises(BadCard, match=r"card\.json"):
        cards.in_issue(7, "", f"[card.json]({LINK})")
