"""docs/scale.md is what its generator writes, and what is simulated keeps the limits."""

from __future__ import annotations

import pytest
from tests import pages
from tests.scale.counts import Counts, Job
from tests.scale.limits import APP, HOUR, JOB_TOKEN, MINUTE, Token, Window
from tests.scale.model import Scenario, simulate
from tests.scale.page import text

COUNTS = Counts(Job(10, 6, 4), Job(10, 6, 4), Job(12, 6, 4), 2, 30_000, 10_000)


def test_the_page_is_what_its_generator_writes() -> None:
    assert pages.text("docs/scale.md") == text(), "make scale"


@pytest.mark.parametrize("token", [JOB_TOKEN, APP])
def test_no_token_asks_more_than_it_may(token: Token) -> None:
    result = simulate(Scenario("", 300, 1, MINUTE, 300, token), COUNTS)

    assert 0 < result.busiest_hour <= token.per_hour


def test_every_loop_ends_and_every_round_is_a_job() -> None:
    result = simulate(Scenario("", 200, 200, MINUTE, 20, JOB_TOKEN), COUNTS)

    assert 200 <= result.jobs <= 600
    assert result.half < result.end
    assert result.runner_seconds <= 20 * result.end


def test_more_runners_never_make_loops_wait_longer_for_one() -> None:
    few, many = (
        simulate(Scenario("", 200, 200, MINUTE, runners, JOB_TOKEN), COUNTS)
        for runners in (10, 200)
    )

    assert few.waited_for_runners > HOUR / 4
    assert many.waited_for_runners == 0
    assert many.end < few.end


def test_a_limit_of_writes_alone_makes_jobs_wait() -> None:
    tight = Token("", shared=True, per_hour=100_000, writes=(Window(60, HOUR),))
    loose = tight._replace(writes=(Window(100_000, HOUR),))
    held, free = (simulate(Scenario("", 50, 50, MINUTE, 50, t), COUNTS) for t in (tight, loose))

    assert held.waited_for_github > HOUR
    assert free.waited_for_github == 0
    assert held.end >= (held.jobs * 6 - 60) / 60 * HOUR


def test_the_same_seed_gives_the_same_result() -> None:
    scenario = Scenario("", 50, 10, MINUTE, 20, JOB_TOKEN)

    assert simulate(scenario, COUNTS) == simulate(scenario, COUNTS)
    assert simulate(scenario, COUNTS, seed=2) != simulate(scenario, COUNTS)
