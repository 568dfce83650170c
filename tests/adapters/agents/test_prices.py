"""What tokens cost by the table of prices, and what stays unknown."""

import json
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price

from loop_kit.adapters.agents.codex_model import used_model
from loop_kit.adapters.agents.prices import add_estimate
from loop_kit.core.loop.usage import Spent

MILLION = Spent(
    tokens_in=1_000_000,
    tokens_cached=400_000,
    tokens_out=10_000,
    backend="codex",
    model="gpt-5",
)


def test_tokens_are_priced_by_the_table_with_cached_ones_apart() -> None:
    spent = add_estimate(MILLION)
    assert spent.cost_usd is None
    assert spent.estimated_cost_usd == pytest.approx(0.6 * 1.25 + 0.4 * 0.125 + 0.01 * 10)


def test_many_requests_are_not_priced_as_one_that_is_too_long_for_the_usual_price() -> None:
    tiered = MILLION.model_copy(update={"model": "gpt-5.6-sol"})
    whole = Usage(input_tokens=1_000_000, cache_read_tokens=400_000, output_tokens=10_000)
    as_one = float(calc_price(whole, "gpt-5.6-sol", provider_id="openai").total_price)
    found = add_estimate(tiered).estimated_cost_usd
    assert found is not None
    assert found < 0.8 * as_one


@pytest.mark.parametrize(
    "changes",
    [
        {"model": None},
        {"model": "gpt-99-of-tomorrow"},
        {"model": "claude-opus-5"},
        {"tokens_in": None},
        {"cost_usd": 0.5},
        {"cost_usd": 0.0},
    ],
    ids=["no model", "unknown model", "of another provider", "no tokens", "reported", "free"],
)
def test_what_is_reported_or_has_no_price_is_not_estimated(changes: dict[str, object]) -> None:
    assert add_estimate(MILLION.model_copy(update=changes)).estimated_cost_usd is None


def test_a_model_with_its_provider_before_it_is_found() -> None:
    named = MILLION.model_copy(update={"backend": "opencode", "model": "openai/gpt-5"})
    assert add_estimate(named).estimated_cost_usd == add_estimate(MILLION).estimated_cost_usd


def test_the_model_is_read_from_the_record_of_the_conversation(tmp_path: Path) -> None:
    day = tmp_path / "sessions/2026/11/28"
    day.mkdir(parents=True)
    lines = [
        {"type": "session_meta", "payload": {"id": "t-1"}},
        {"timestamp": "x", "type": "turn_context", "payload": {"model": "gpt-5.6-sol"}},
    ]
    record = day / "rollout-2026-11-28T10-00-00-t-1.jsonl"
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert used_model(tmp_path, "t-1") == "gpt-5.6-sol"
    assert used_model(tmp_path, "t-2") is None
    assert used_model(tmp_path, "") is None
    hostile = {"type": "turn_context", "payload": {"model": "a\nb; rm"}}
    record.write_bytes(json.dumps(hostile).encode() + b"\n\xff turn_context")
    assert used_model(tmp_path, "t-1") is None
    record.unlink()
    record.symlink_to("/etc/passwd")
    assert used_model(tmp_path, "t-1") is None
