"""Cards that are pushed to the default branch start their loops."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import CARD, REPOSITORY, Hub
from tests.e2e.events import Event, pushed

ZEROS = "0" * 40


def push(hub: Hub, files: dict[str, str]) -> Event:
    before = hub.bare.head("main")
    hub.bare.commit_files("main", files, "Add cards")
    return pushed(before, hub.bare.head("main"))


def card(task_id: str, **more: Any) -> str:
    return json.dumps({**CARD, "task_id": task_id, **more})


def test_one_pushed_card_is_worked_on_by_the_same_job(hub: Hub) -> None:
    result = hub.job(event=push(hub, {".loop/tasks/a.yml": yaml.safe_dump(json.loads(card("A")))}))

    assert result.outputs["task-id"] == "A", result.log
    assert hub.state("A")["source"]["ref"] == ".loop/tasks/a.yml"
    assert hub.continued().outputs["outcome"] == "approved"


def test_several_pushed_cards_get_a_job_each_and_this_one_runs_no_round(hub: Hub) -> None:
    files = {f".loop/tasks/{name}.json": card(name.upper()) for name in "abc"}
    result = hub.job(event=push(hub, files))

    assert result.code == 0, result.log
    assert [d.inputs["task-id"] for d in hub.api.dispatches] == ["A", "B", "C"]
    assert {d.inputs["round"] for d in hub.api.dispatches} == {"1"}
    for task_id in "ABC":
        state = hub.state(task_id)
        assert (state["starter"], state["continue_to"], "lease" in state) == ("mona", 1, False)
        assert state["usage"]["rounds"] == 0
    assert len(hub.git.pushes) == 3

    first = hub.continued()
    assert first.outputs["task-id"] == "C"
    second = hub.continued()
    assert second.outputs["outcome"] == "approved", second.log


def test_more_than_ten_cards_are_reported_and_left(hub: Hub) -> None:
    files = {f".loop/tasks/c{n:02}.json": card(f"C-{n}") for n in range(12)}
    result = hub.job(event=push(hub, files))
    assert len(hub.api.dispatches) == 10
    assert "12 task cards; the first 10" in result.log


def test_a_card_that_waits_for_another_is_not_started(hub: Hub) -> None:
    files = {
        ".loop/tasks/a.json": card("A"),
        ".loop/tasks/b.json": card("B", depends_on=["A"]),
    }
    result = hub.job(event=push(hub, files))
    assert "B waits for A" in result.log
    assert [d.inputs["task-id"] for d in hub.api.dispatches] == ["A"]


def test_an_edited_card_of_a_loop_does_not_start_it_again(hub: Hub) -> None:
    hub.job(event=push(hub, {".loop/tasks/a.json": card("A")}))
    pushes = len(hub.git.pushes)
    result = hub.job(event=push(hub, {".loop/tasks/a.json": card("A", goal="Something else")}))
    assert "A has a loop" in result.log
    assert (result.code, len(hub.git.pushes)) == (0, pushes)


def test_a_broken_card_does_not_keep_the_others_from_starting(hub: Hub) -> None:
    files = {
        ".loop/tasks/a.json": card("A"),
        ".loop/tasks/b.json": "{",
        ".loop/tasks/c.json": card("C"),
    }
    result = hub.job(event=push(hub, files))
    assert result.code == 3
    assert ".loop/tasks/b.json" in result.log
    assert [d.inputs["task-id"] for d in hub.api.dispatches] == ["A", "C"]


def test_a_push_without_cards_asks_for_nothing(hub: Hub) -> None:
    result = hub.job(event=push(hub, {"calc.md": "x", ".loop/tasks/deep/er.json": card("D")}))
    assert (result.code, hub.git.pushes, hub.api.dispatches) == (0, [], [])
    assert "no task card" in result.log


def test_the_first_push_of_a_branch_counts_all_its_cards(hub: Hub) -> None:
    hub.bare.commit_files("main", {".loop/tasks/a.json": card("A")}, "Add a card")
    result = hub.job(event=pushed(ZEROS, hub.bare.head("main")))
    assert [d.inputs["task-id"] for d in hub.api.dispatches] == ["T-001", "A"], result.log


@pytest.mark.parametrize("ref", ["refs/heads/feature", "refs/tags/v1"])
def test_a_push_elsewhere_is_not_for_us(hub: Hub, ref: str) -> None:
    head = hub.bare.head("main")
    result = hub.job(event=pushed(ZEROS, head, ref=ref))
    assert (result.code, hub.git.pushes) == (0, [])


def test_a_push_by_somebody_who_may_not_write_starts_nothing(hub: Hub) -> None:
    hub.bare.commit_files("main", {".loop/tasks/a.json": card("A")}, "Add a card")
    result = hub.job(event=pushed(ZEROS, hub.bare.head("main"), sender="rita"))
    assert (result.code, hub.git.pushes) == (6, [])
    assert REPOSITORY in result.log
