"""Agents in rooms, through `loop run`: what the user reads when the room is in an agent's way."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest
from tests.cli.harness import Repo

KEYS = {"CODEX_API_KEY": "sk-codex-0123456789", "ANTHROPIC_API_KEY": "sk-claude-0123456789"}


@pytest.fixture
def confined(repo: Repo) -> Repo:
    """A repository whose agents are confined; only what the fake ones play from is shared."""
    repo.extra = {"LOOP_SANDBOX": "required", "LOOP_SHARED_CACHES": str(repo.fake)}
    return repo


def test_an_agent_that_may_not_write_somewhere_says_which_settings_help(confined: Repo) -> None:
    outside = Path("/usr/loop-kit-test")
    confined.plan({"worker/1/1": [{"sh": f"touch {outside} || true"}, {"exit": 1}]})

    done = confined.run()

    assert done.code == 0, done.text
    assert "Name a cache in `shared_caches`" in done.text
    assert not outside.exists()


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("none", "network: none leaves codex without its model."),
        ("model-only", "network: model-only works for claude with an API key alone"),
    ],
)
def test_a_network_with_which_an_agent_cannot_work_is_refused_before_one_starts(
    confined: Repo, network: str, why: str
) -> None:
    key = {"CODEX_API_KEY": KEYS["CODEX_API_KEY"]}
    confined.extra |= {**key, "LOOP_NETWORK": network}

    done = confined.run("--worker-backend", "codex", "--reviewer-backend", "claude")

    assert done.code == 2, done.text
    assert why in done.text
    assert confined.calls == []


def test_an_agent_whose_model_proxy_ends_is_ended_with_a_sentence_and_tried_again(
    confined: Repo,
) -> None:
    confined.extra |= {**KEYS, "LOOP_NETWORK": "model-only"}
    confined.plan({"worker/1/1": [{"gate": "stuck"}]})
    process = confined.start()
    confined.reached("stuck")
    below = psutil.Process(process.pid).children(recursive=True)
    for each in below:
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if each.cmdline()[-1:] == ["model"]:
                each.kill()

    text, _ = process.communicate(timeout=60)

    assert process.returncode == 0, text
    assert "The proxy that holds the model key has ended, so the agent had no model." in text
    assert confined.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]
    assert not [key for call in confined.calls for key in KEYS.values() if key in str(call)]
