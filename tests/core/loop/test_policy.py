"""Backoff, pauses and budgets."""

import pytest

from loop_kit.core.card.task import CardLimits
from loop_kit.core.loop.policy import (
    backoff,
    exceeded_budget,
    lower_limits,
    money_left,
    pause,
    seconds_left,
)
from loop_kit.core.loop.state import Attempt, Limits, Role, Usage


@pytest.mark.parametrize(
    ("base", "delays"),
    [
        (5, [5, 10, 20, 40, 60, 60]),
        (1, [1, 2, 4, 8, 16, 32]),
        (0, [1, 2, 4, 8, 16, 32]),
        (100, [60, 60, 60, 60, 60, 60]),
    ],
)
def test_each_retry_waits_twice_as_long_up_to_a_minute(base: float, delays: list[float]) -> None:
    assert [backoff(base, retry) for retry in range(1, 7)] == delays
    assert backoff(base, 1_000_000) == 60


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(0, 10), (3, 10), (90, 90), (1e9, 86_400), (-5, 10), (float("nan"), 10), (float("inf"), 10)],
)
def test_a_pause_is_as_long_as_the_backend_asks_and_never_shorter_than_ours(
    retry_after: float, seconds: float
) -> None:
    last = Attempt(role=Role.WORKER, retries=2, waits=True, retry_after=retry_after)
    assert pause(Limits(dispatch_retry_base_sec=5), last) == seconds
    assert pause(Limits(), last.model_copy(update={"waits": False})) == 0


@pytest.mark.parametrize(
    ("limits", "usage", "sentence"),
    [
        (Limits(max_minutes=2), Usage(agent_seconds=120), "2.0 of 2 agent minutes are used."),
        (Limits(max_minutes=2), Usage(agent_seconds=119), None),
        (Limits(max_tokens=10), Usage(tokens_in=6, tokens_out=4), "10 of 10 tokens are used."),
        (Limits(max_tokens=10), Usage(tokens_in=9), None),
        (Limits(max_cost_usd=1), Usage(cost_usd=1.004), "1.00 of 1.00 USD are used."),
        (Limits(max_cost_usd=1), Usage(cost_usd=0.99), None),
    ],
)
def test_a_budget_is_used_up_when_it_is_reached(
    limits: Limits, usage: Usage, sentence: str | None
) -> None:
    assert exceeded_budget(limits, usage) == sentence


def test_estimated_money_counts_against_the_budget_like_reported_money() -> None:
    limits = Limits(max_cost_usd=1.0)
    both = Usage(cost_usd=0.4, estimated_cost_usd=0.7)
    assert exceeded_budget(limits, both) == (
        "1.10 of 1.00 USD are used (0.70 of it estimated from tokens)."
    )
    assert money_left(limits, Usage(estimated_cost_usd=0.7)) == pytest.approx(0.3)
    assert exceeded_budget(limits, Usage(estimated_cost_usd=0.7)) is None


def test_what_is_unknown_or_unlimited_never_stops_a_loop() -> None:
    assert exceeded_budget(Limits(max_tokens=1, max_cost_usd=0.1), Usage(unreported=9)) is None
    spent = Usage(agent_seconds=1e9, tokens_in=10**12, cost_usd=1e6)
    assert exceeded_budget(Limits(), spent) is None


def test_a_card_lowers_limits_and_raises_none() -> None:
    operator = Limits(max_rounds=3, max_tokens=100, dispatch_retries=7)
    lower = CardLimits(max_rounds=2, max_tokens=50, max_minutes=5, max_cost_usd=1)
    got = lower_limits(operator, lower)
    assert (got.max_rounds, got.max_tokens, got.max_minutes, got.max_cost_usd) == (2, 50, 5, 1)
    assert got.dispatch_retries == 7
    higher = CardLimits(max_rounds=99, max_tokens=10**9)
    assert lower_limits(operator, higher) == operator
    assert lower_limits(operator, CardLimits()) == operator


def test_a_card_cannot_wake_a_loop_that_the_operator_allows_no_round() -> None:
    assert lower_limits(Limits(max_rounds=0), CardLimits(max_rounds=3)).max_rounds == 0


def test_what_is_left_of_a_budget_is_known_and_nothing_where_there_is_none() -> None:
    limits = Limits(max_cost_usd=2.0, max_minutes=10)
    used = Usage(cost_usd=0.5, agent_seconds=60)
    assert (money_left(limits, used), seconds_left(limits, used)) == (1.5, 540)
    assert (money_left(limits, Usage()), seconds_left(limits, Usage())) == (2.0, 600)
    assert (money_left(Limits(), used), seconds_left(Limits(), used)) == (None, None)
