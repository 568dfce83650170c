"""A login file that a program has renewed, or that an agent has exchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loop_kit.core.agent.login_file import renewed_login

CODEX: dict[str, Any] = {
    "OPENAI_API_KEY": None,
    "tokens": {"id_token": "i", "access_token": "a", "refresh_token": "r", "account_id": "me"},
    "last_refresh": "2026-01-01T00:00:00Z",
}
CLAUDE: dict[str, Any] = {
    "claudeAiOauth": {
        "accessToken": "a",
        "refreshToken": "r",
        "expiresAt": 1,
        "scopes": ["user:inference"],
        "subscriptionType": "max",
    }
}
OPENCODE: dict[str, Any] = {
    "anthropic": {"type": "oauth", "access": "a", "refresh": "r", "expires": 1},
    "openai": {"type": "api", "key": "sk-1"},
}


def renewed(before: dict[str, Any], after: object) -> dict[str, Any] | None:
    found = renewed_login(json.dumps(before).encode(), json.dumps(after).encode())
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    ("login", "part", "tokens"),
    [
        (CODEX, "tokens", {"access_token": "a2", "refresh_token": "r2"}),
        (CLAUDE, "claudeAiOauth", {"accessToken": "a2", "refreshToken": "r2", "expiresAt": 2}),
        (OPENCODE, "anthropic", {"access": "a2", "refresh": "r2", "expires": 2}),
    ],
    ids=["codex", "claude", "opencode"],
)
def test_new_tokens_of_the_same_login_are_taken_over(
    login: dict[str, Any], part: str, tokens: dict[str, Any]
) -> None:
    after = {**login, part: {**login[part], **tokens}}
    assert renewed(login, after) == after


def test_nothing_but_tokens_is_taken_over() -> None:
    stolen = {"tokens": {**CODEX["tokens"], "account_id": "evil", "access_token": "a2"}}
    after = {**CODEX, **stolen, "OPENAI_API_KEY": "sk-evil", "more": 1}
    expected = {**CODEX, "tokens": {**CODEX["tokens"], "access_token": "a2"}}
    assert renewed(CODEX, after) == expected
    other_key = {**OPENCODE, "openai": {"type": "api", "key": "sk-evil"}}
    assert renewed(OPENCODE, other_key) is None


@pytest.mark.parametrize(
    "after",
    [
        *(CODEX, {}, [], None, {**CODEX, "tokens": None}, {**CODEX, "last_refresh": 5}),
        {**CODEX, "tokens": {**CODEX["tokens"], "access_token": ""}},
        {**CODEX, "tokens": {**CODEX["tokens"], "access_token": "a\n"}},
    ],
)
def test_what_is_not_the_login_with_new_tokens_is_not_taken_over(after: object) -> None:
    assert renewed(CODEX, after) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_not_taken_over(raw: bytes) -> None:
    assert renewed_login(json.dumps(CODEX).encode(), raw) is None
    assert renewed_login(raw, json.dumps(CODEX).encode()) is None
