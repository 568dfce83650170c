"""Which cards a plan starts, and the reasons of all the others."""

from __future__ import annotations

import pytest
from tests.core.builders import sha

from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci.planning import (
    MAX_READY,
    CardAt,
    LoopStatus,
    Plan,
    plan_cards,
    task_ids_to_look_up,
)
from loop_kit.core.loop.state import LoopState, Outcome, Phase

RUNNING = LoopStatus("running")
OVER = LoopStatus("done", is_over=True)


def at(task_id: str, *depends_on: str, path: str = "") -> CardAt:
    card = TaskCard(task_id=task_id, goal="g", depends_on=depends_on)
    return CardAt(path or f".loop/tasks/{task_id}.yml", card)


def ready(plan: Plan) -> list[str]:
    return [each.task_id for each in plan.ready]


def waits(plan: Plan) -> dict[str, str]:
    return {each.task_id: each.why for each in plan.waiting}


def test_a_card_of_which_there_is_nothing_yet_is_ready() -> None:
    assert plan_cards([at("A")], {}, ()) == Plan(ready=(at("A"),))


def test_without_cards_the_plan_is_empty() -> None:
    assert plan_cards([], {"B": RUNNING}, {"C"}) == Plan()


def test_ready_cards_come_in_the_order_of_their_paths() -> None:
    cards = [at("A", path="c.yml"), at("B", path="a.yml"), at("C", path="b.yml")]
    assert ready(plan_cards(cards, {}, ())) == ["B", "C", "A"]
    assert plan_cards(cards, {}, ()) == plan_cards(cards[::-1], {}, ())


def test_a_card_whose_loop_exists_or_whose_work_was_merged_is_not_started_again() -> None:
    plan = plan_cards([at("A"), at("B"), at("C")], {"A": RUNNING, "B": OVER}, {"C"})
    assert ready(plan) == []
    assert waits(plan) == {"A": "running", "B": "done", "C": "done"}


@pytest.mark.parametrize(
    ("merged", "expected"),
    [((), ["A", "B"]), (("A",), ["B"]), (("A", "B"), ["C"]), (("B",), ["A"])],
)
def test_a_card_is_ready_when_all_it_depends_on_is_merged(
    merged: tuple[str, ...], expected: list[str]
) -> None:
    assert ready(plan_cards([at("A"), at("B"), at("C", "A", "B")], {}, merged)) == expected


def test_a_card_names_everything_that_it_waits_for_once() -> None:
    plan = plan_cards([at("A"), at("B"), at("C", "B", "A", "B")], {}, ())
    assert waits(plan) == {"C": "waits for B; waits for A"}


def test_an_approved_loop_that_nobody_merged_keeps_what_needs_it_waiting() -> None:
    plan = plan_cards([at("A"), at("B", "A")], {"A": OVER}, ())
    assert waits(plan) == {"A": "done", "B": "waits for A"}


def test_a_dependency_may_be_a_loop_without_a_card_of_its_own() -> None:
    plan = plan_cards([at("B", "issue-7")], {"issue-7": RUNNING}, ())
    assert waits(plan) == {"B": "waits for issue-7"}
    assert ready(plan_cards([at("B", "issue-7")], {}, {"issue-7"})) == ["B"]


def test_a_dependency_of_which_there_is_nothing_is_named() -> None:
    said = "depends on T-009, of which there is no card and no merged pull request"
    assert waits(plan_cards([at("A", "T-009")], {}, ())) == {"A": said}


def test_what_nobody_could_tell_never_counts_as_merged() -> None:
    plan = plan_cards([at("A"), at("B", "A", "C")], {}, None)
    assert ready(plan) == ["A"]
    assert waits(plan)["B"].count("unknown whether it is merged: give GITHUB_TOKEN") == 2


def test_of_a_loop_under_way_nobody_needs_to_be_asked_whether_it_is_merged() -> None:
    assert waits(plan_cards([at("B", "A")], {"A": RUNNING}, None)) == {"B": "waits for A"}
    assert "give GITHUB_TOKEN" in waits(plan_cards([at("B", "A")], {"A": OVER}, None))["B"]


def test_a_circle_is_named_in_the_direction_of_the_dependencies() -> None:
    cards = [at("C", "A"), at("A", "B"), at("B", "C"), at("D", "A"), at("E")]
    plan = plan_cards(cards, {}, ())
    said = "its dependencies run in a circle: A -> B -> C -> A"
    assert waits(plan) == {"A": said, "B": said, "C": said, "D": "waits for A"}
    assert ready(plan) == ["E"]


def test_each_circle_is_named_and_one_may_be_of_a_single_card() -> None:
    plan = plan_cards([at("A", "A"), at("B", "C"), at("C", "B")], {}, ())
    assert waits(plan)["A"].endswith("circle: A -> A")
    assert waits(plan)["B"].endswith("circle: B -> C -> B")
    assert waits(plan)["C"] == waits(plan)["B"]


def test_a_circle_that_was_cut_by_a_merge_is_none() -> None:
    plan = plan_cards([at("A", "B"), at("B", "A")], {}, {"A"})
    assert ready(plan) == ["B"]


def test_waiting_cards_are_listed_after_what_they_wait_for() -> None:
    cards = [at("A", "B"), at("B", "C"), at("C"), at("D", "X", path=".a.yml")]
    plan = plan_cards(cards, {"C": RUNNING}, ())
    assert [each.task_id for each in plan.waiting] == ["D", "C", "B", "A"]


def test_two_cards_of_one_id_are_both_refused_with_their_paths() -> None:
    plan = plan_cards([at("A", path="x.yml"), at("A", path="y.json"), at("B", "A")], {}, ())
    assert [each.path for each in plan.refused] == ["x.yml", "y.json"]
    assert all("x.yml, y.json" in each.why for each in plan.refused)
    assert waits(plan) == {"B": "waits for A"}


def test_a_plan_holds_what_a_matrix_takes_and_says_that_there_is_more() -> None:
    cards = [at(f"T-{number:04}") for number in range(MAX_READY + 2)]
    plan = plan_cards(cards, {}, ())
    assert ready(plan) == [each.task_id for each in cards[:MAX_READY]]
    assert set(waits(plan).values()) == {"it is ready, but one plan starts at most 256 cards"}


def test_only_cards_without_a_loop_and_what_they_need_is_asked_of_the_forge() -> None:
    cards = [at("A"), at("B", "A", "Z"), at("C", "Y")]
    assert task_ids_to_look_up(cards, {"A": OVER, "C": RUNNING}) == {"A", "B", "Z"}


@pytest.mark.parametrize(
    ("state", "why", "is_over"),
    [
        (LoopState(state=Phase.AWAITING_WORK), "running", False),
        (LoopState(state=Phase.AWAITING_REVIEW), "running", False),
        (LoopState(state=Phase.PAUSED), "paused", False),
        (LoopState(state=Phase.DONE, outcome=Outcome.APPROVED), "done", True),
        (LoopState(state=Phase.DONE, outcome=Outcome.NEEDS_HUMAN), "needs a person", True),
        (LoopState(state=Phase.DONE, outcome=Outcome.MAX_ROUNDS_EXHAUSTED), "needs a person", True),
    ],
)
def test_a_loop_is_seen_as_its_state_says(state: LoopState, why: str, *, is_over: bool) -> None:
    assert LoopStatus.of(state) == LoopStatus(why, is_over)


def test_a_failed_loop_tells_its_outcome_and_what_continues_it() -> None:
    state = LoopState(state=Phase.DONE, outcome=Outcome.WORKER_TIMEOUT, head_sha=sha(1))
    said = LoopStatus.of(state).why
    assert said == "ended with worker_timeout: `/loop retry` continues it"


def test_a_state_that_cannot_be_read_starts_nothing_again() -> None:
    plan = plan_cards([at("A")], {"A": LoopStatus.unreadable("not JSON")}, ())
    assert waits(plan) == {"A": "its state cannot be read: not JSON"}


def test_a_thousand_cards_in_one_circle_are_planned_at_once() -> None:
    names = [f"T-{number:04}" for number in range(1000)]
    cards = [at(name, names[number - 1]) for number, name in enumerate(names)]
    plan = plan_cards(cards, {}, ())
    assert len(plan.waiting) == 1000
    assert plan.waiting[0].why.startswith("its dependencies run in a circle: T-0000 -> T-0999 -> ")
    assert plan.waiting[0].why.endswith(" -> T-0993 -> (992 others) -> T-0000")
