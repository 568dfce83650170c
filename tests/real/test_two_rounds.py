"""A loop that is sent back once and then approved, with each agent as worker and as reviewer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.harness import ISSUE
from tests.real.conftest import MakeBench
from tests.real.harness import Agent, Bench, Role, foreign
from tests.real.scripts import TWO_ROUNDS
from tests.support.scripted_model import ScriptedModel

PAIRS: tuple[tuple[Agent, Agent], ...] = (
    ("codex", "claude"),
    ("claude", "opencode"),
    ("opencode", "codex"),
)
RESUMES = {"codex": "resume {} -", "claude": "--resume {}", "opencode": "-s {}"}
ROLES: tuple[Role, Role] = ("worker", "reviewer")


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def approved(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_bench: MakeBench,
) -> Iterator[tuple[Bench, tuple[Agent, Agent]]]:
    """A loop that took two rounds; the tests here only look at it."""
    pair = request.param
    with ScriptedModel(TWO_ROUNDS) as model:
        bench = make_bench(tmp_path_factory.mktemp("two-rounds"), model)
        bench.extra["LOOP_SANDBOX"] = "auto"
        result = bench.review(*pair)
        assert result.code == 0, result.text
        yield bench, pair
        bench.close()
    assert model.failures == []


Approved = tuple[Bench, tuple[Agent, Agent]]


def test_the_loop_ends_approved_with_both_commits(approved: Approved) -> None:
    bench, _ = approved
    assert bench.ended == ("done", "approved")
    assert bench.state["round"] == 2
    assert bench.git("log", "--format=%s", "-3").splitlines() == [
        "Set the value",
        "Set the value",
        "calc.py",
    ]
    assert bench.git("show", "HEAD:calc.py") == "VALUE = 2"
    assert bench.state["head_sha"] == bench.head


def test_each_agent_is_called_once_a_round_and_nothing_is_asked_twice(approved: Approved) -> None:
    bench, _ = approved
    for role, turns in zip(ROLES, (4, 3), strict=True):
        assert len(bench.commands(role)) == 2
        for round_ in (1, 2):
            asked = [each.asked.turn for each in bench.served.of(f"{role} {round_}")]
            assert asked == list(range(turns))
    assert {each.outcome for each in bench.served.exchanges} == {"served"}


def test_every_request_holds_the_whole_prompt_of_its_turn(approved: Approved) -> None:
    bench, _ = approved
    assert len(bench.served.exchanges) == 14
    assert [each.script for each in bench.served.exchanges if not each.whole] == []


def test_the_fix_list_reaches_the_model_in_round_two(approved: Approved) -> None:
    bench, _ = approved
    prompt = bench.served.of("worker 2")[0].asked.prompt
    for told in ("F1", ISSUE["reason"], ISSUE["required_change"]):
        assert str(told) in prompt
    assert str(ISSUE["reason"]) not in bench.served.of("worker 1")[0].asked.prompt


def test_round_two_goes_on_in_the_conversation_of_round_one(approved: Approved) -> None:
    bench, pair = approved
    assert bench.resumed() == ["resume_miss", "resume_miss", "resume_hit", "resume_hit"]
    for role, agent in zip(ROLES, pair, strict=True):
        held = bench.state["sessions"][role]
        assert (held["backend"], held["started_round"]) == (agent, 1)
        first, second = bench.commands(role)
        asked = RESUMES[agent].format(held["session_id"])
        assert asked in second
        assert asked not in first
        again = bench.served.of(f"{role} 2")[0].asked
        assert again.prompts[0] == bench.served.of(f"{role} 1")[0].asked.prompt
        assert len(again.prompts) == 2


def test_tokens_are_counted_once(approved: Approved) -> None:
    bench, _ = approved
    spent = [each.spent for each in bench.served.exchanges if each.spent]
    usage = bench.state["usage"]
    assert usage["tokens_in"] == sum(each.read for each in spent)
    assert usage["tokens_out"] == sum(each.wrote for each in spent)
    assert usage["unreported"] == 0


def test_money_is_counted_once_where_an_agent_tells_it(approved: Approved) -> None:
    bench, pair = approved
    told = 0.0
    for role, agent in zip(ROLES, pair, strict=True):
        if agent == "claude":
            told += bench.events(role, "result")[-1]["total_cost_usd"]
        elif agent == "opencode":
            told += sum(event["part"]["cost"] for event in bench.events(role, "step_finish"))
    assert told > 0
    assert bench.state["usage"]["cost_usd"] == pytest.approx(told)


def test_nothing_but_the_model_is_asked_and_no_process_is_left(approved: Approved) -> None:
    bench, pair = approved
    assert foreign(bench, pair) == []
    assert bench.alive() == []
