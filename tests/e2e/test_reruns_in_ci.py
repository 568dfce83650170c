"""What a job left undone is done when it is run again, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import BOT, REPOSITORY, TWO_ROUNDS
from tests.e2e.events import commented, dispatched, labelled
from tests.e2e.test_issues_in_ci import opened
from tests.e2e.test_pushed_cards_in_ci import card, push

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub

STILL_WRONG = {
    "decision": "changes_required",
    "summary": "not yet",
    "dispositions": [{"id": "F1", "status": "not_fixed"}],
    "blocking_issues": [
        {
            "id": "F1",
            "severity": "high",
            "file": "calc.py",
            "line": 6,
            "reason": "still",
            "scenario": "double(2) is 6",
            "required_change": "multiply by 2",
        }
    ],
}


def lose_dispatches(hub: Hub) -> None:
    hub.api.fail_next("POST", "dispatches", status=500, times=9)


def asked(hub: Hub) -> dict[str, str]:
    """The inputs of the newest dispatch, as arguments."""
    return {name.replace("-", "_"): v for name, v in hub.api.dispatches[-1].inputs.items()}


def test_a_continuation_whose_dispatch_failed_dispatches_when_it_is_run_again(
    make_hub: MakeHub,
) -> None:
    review: dict[str, Any] = {"role": "reviewer", "round": 2, "steps": [{"report": STILL_WRONG}]}
    hub = make_hub(script={"scenes": [*TWO_ROUNDS["scenes"][:3], review]})
    hub.job()
    event = dispatched(hub.api.dispatches[-1].inputs, BOT)
    inputs = asked(hub)
    lose_dispatches(hub)
    second = hub.job(event=event, **inputs)
    assert (hub.state()["continue_to"], len(hub.api.dispatches)) == (3, 1), second.log
    hub.api.clear_failures()

    again = hub.rerun(event, second, **inputs)

    assert len(hub.api.dispatches) == 2, again.log
    assert hub.state()["usage"]["rounds"] == 2


def test_a_command_whose_dispatch_failed_dispatches_when_it_is_run_again(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), worker_backend="command", worker_command="false")
    event = commented(issue, hub.api.comment(REPOSITORY, issue.number, "mona", "/loop retry"))
    lose_dispatches(hub)
    first = hub.job(event=event)
    assert (hub.state("issue-1")["continue_to"], hub.api.dispatches) == (2, []), first.log
    hub.api.clear_failures()

    again = hub.rerun(event, first)

    assert len(hub.api.dispatches) == 1, again.log


def test_a_push_job_that_died_continues_when_it_is_run_again(hub: Hub) -> None:
    event = push(hub, {".loop/tasks/a.json": card("A")})
    died = hub.job(event=event, kill_after_push=2)
    hub.git.after_push.pop()

    again = hub.rerun(event, died)

    assert again.outputs["continue"] == "true", again.log
    assert again.outputs["record-name"] == "loop-A-r1-try2"
    assert hub.state("A")["usage"]["rounds"] == 1


def test_two_pushed_cards_of_one_id_start_one_loop(hub: Hub) -> None:
    result = hub.job(
        event=push(hub, {".loop/tasks/a.json": card("A"), ".loop/tasks/b.json": card("A")})
    )
    assert [one.inputs["task-id"] for one in hub.api.dispatches] == ["A"]
    assert "A is the id of another card too" in result.log


def test_an_approved_loop_gets_its_posts_although_somebody_pushed_meanwhile(hub: Hub) -> None:
    hub.job()
    inputs = asked(hub)
    died = hub.job(sender=BOT, kill_after_push=3, **inputs)
    hub.git.after_push.pop()
    hub.end_run(died.checkout.parent.name)
    state = hub.state()
    assert state["outcome"] == "approved", died.log
    hub.bare.commit_files("loop/T-001/work", {"human.md": "x"}, "Mine")

    again = hub.job(
        sender=BOT,
        task_id="T-001",
        round=str(state["round"]),
        expected_state=str(state["seq"]),
    )

    assert {item["status"] for item in hub.state()["outbox"]} == {"done"}, again.log
    assert hub.bare.file("loop/T-001/work", "human.md") == b"x"
