"""What a program gets instead of a network and a key, and whom that is refused."""

from __future__ import annotations

import json

import pytest

from loop_kit.adapters.agents.model_access import (
    ModelAccess,
    NoModel,
    model_access,
    refuse_no_network,
)

PLAIN = {"PATH": "/bin", "HTTPS_PROXY": "http://proxy:8080"}


def access(backend: str, model: str = "", **environ: str) -> ModelAccess:
    found = model_access(backend, {**PLAIN, **environ}, model, ())
    assert isinstance(found, ModelAccess)
    return found


@pytest.mark.parametrize(
    ("backend", "model", "key", "header", "url"),
    [
        ("codex", "", "CODEX_API_KEY", "authorization", "https://api.openai.com/v1"),
        ("claude", "", "ANTHROPIC_API_KEY", "x-api-key", "https://api.anthropic.com"),
        ("claude", "", "ANTHROPIC_AUTH_TOKEN", "authorization", "https://api.anthropic.com"),
        ("opencode", "openai/m", "OPENAI_API_KEY", "authorization", "https://api.openai.com/v1"),
        ("opencode", "anthropic/m", "ANTHROPIC_API_KEY", "x-api-key", "https://api.anthropic.com"),
    ],
)
def test_the_proxy_has_the_key_and_the_program_has_none(
    backend: str, model: str, key: str, header: str, url: str
) -> None:
    found = access(backend, model, **{key: "sk-real"})
    assert (found.upstream.key, found.upstream.header) == ("sk-real", header)
    assert (found.upstream.url, found.upstream.proxy) == (url, "http://proxy:8080")
    given = json.dumps([dict(found.environment), *found.args])
    assert "sk-real" not in given
    assert "proxy:8080" not in given
    assert "http://127.0.0.1:8719" in given


@pytest.mark.parametrize(
    ("backend", "environ", "model", "why"),
    [
        ("codex", {}, "", "not with a login"),
        ("codex", {"CODEX_ACCESS_TOKEN": "x"}, "", "not with a login"),
        ("claude", {"CLAUDE_CODE_OAUTH_TOKEN": "x"}, "", "not with a login"),
        ("claude", {"CLAUDE_CODE_USE_BEDROCK": "1"}, "", "signed"),
        ("claude", {"CLAUDE_CODE_USE_VERTEX": "1", "ANTHROPIC_API_KEY": "x"}, "", "signed"),
        ("opencode", {"OPENAI_API_KEY": "x"}, "", "begins with anthropic/ or openai/"),
        ("opencode", {"OPENAI_API_KEY": "x"}, "anthropic/m", "needs ANTHROPIC_API_KEY"),
        ("command", {}, "", "not known for backend=command"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(
    backend: str, environ: dict[str, str], model: str, why: str
) -> None:
    found = model_access(backend, {**PLAIN, **environ}, model, ())
    assert isinstance(found, NoModel)
    assert why in found.why
    assert "network: open" in found.why or "Use " in found.why


def test_a_provider_of_the_users_own_is_refused_for_codex() -> None:
    args = ("-c", "model_provider=mine")
    found = model_access("codex", {"CODEX_API_KEY": "x"}, "", args)
    assert isinstance(found, NoModel)
    assert "OPENAI_BASE_URL" in found.why


def test_no_network_at_all_is_refused_for_who_needs_a_model() -> None:
    assert "without its model" in refuse_no_network("claude")
    assert refuse_no_network("scripted") == ""
