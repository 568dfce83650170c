"""The real agents in rooms without a network, whose keys a proxy has: fresh and resumed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.conftest import MakeBench
from tests.real.harness import Agent, Bench
from tests.real.scripts import TWO_ROUNDS
from tests.support.scripted_model import ScriptedModel

PAIRS: tuple[tuple[Agent, Agent], ...] = (("codex", "claude"), ("opencode", "codex"))
KEYS = {
    "CODEX_API_KEY": "sk-real-codex-0123456789",
    "OPENAI_API_KEY": "sk-real-open-0123456789",
    "ANTHROPIC_API_KEY": "sk-real-claude-0123456789",
}


@pytest.fixture(params=PAIRS, ids="-".join)
def confined(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_bench: MakeBench
) -> Iterator[tuple[Bench, tuple[Agent, Agent]]]:
    """A loop of two rounds in rooms without a network."""
    pair = request.param
    with ScriptedModel(TWO_ROUNDS) as model:
        bench = make_bench(tmp_path_factory.mktemp("model-only"), model)
        for name in ("OPENCODE_CONFIG", "SCRIPTED_KEY", "HTTP_PROXY", "HTTPS_PROXY"):
            bench.extra.pop(name, None)
        (bench.home / ".codex" / "config.toml").write_text('model = "scripted-1"\n')
        bench.extra |= {
            **KEYS,
            "LOOP_AGENT_ENV": "ANTHROPIC_*,OPENAI_*",
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "LOOP_NETWORK": "model-only",
            "LOOP_SANDBOX": "required",
        }
        yield bench, pair
        bench.close()
    assert model.failures == []


def test_two_rounds_are_approved_and_no_key_is_seen(
    confined: tuple[Bench, tuple[Agent, Agent]],
) -> None:
    bench, pair = confined
    models = {"opencode": "openai/scripted-1", "codex": "scripted-1", "claude": "scripted-1"}
    named = (f"--worker-model={models[pair[0]]}", f"--reviewer-model={models[pair[1]]}")

    result = bench.review(*pair, *named)

    assert result.code == 0, result.text
    assert bench.ended == ("done", "approved")
    assert "network: model-only" in result.text
    assert bench.resumed() == ["resume_miss", "resume_miss", "resume_hit", "resume_hit"]
    assert bench.served.keys <= {*KEYS.values()}
    assert len(bench.served.keys) == len({*pair})
    for role in ("worker", "reviewer"):
        assert not [key for key in KEYS.values() if key in bench.transcript(role)]
