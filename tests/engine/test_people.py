"""People review the pull request between two rounds: the next one reads it, and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.engine.world import BLOCKER, Died, Fuse, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.state import Outcome, Role, parse_state
from loop_kit.errors import ForgeRefused, ForgeUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.engine.world import World

    from loop_kit.ports import Assignment


def approving_all(job: Assignment) -> Act:
    """Two rounds, and an approval in the second that disposes of whatever is open."""
    act = two_rounds(job)
    if job.role is Role.REVIEWER and job.round > 1 and isinstance(act.report, dict):
        disposed = [{"id": f"F{n}", "status": "fixed"} for n in range(1, 9)]
        return Act({**act.report, "dispositions": disposed})
    return act


@pytest.fixture
def begun(world: World) -> World:
    """A loop between rounds one and two, where mona may write and rita may not."""
    world.script = approving_all
    world.forge.writers.add("mona")
    world.job()
    return world


def replies(world: World) -> Mapping[str, str]:
    """What was answered in conversations, by the conversation."""
    pull = world.forge.pulls[0]
    return {p.thread: p.body.rpartition("\n")[2] for p in pull.inline if p.thread}


def prompt(world: World, role: Role) -> str:
    """The prompt of the last attempt of a role."""
    return [job.prompt for job in world.jobs if job.role is role][-1]


def test_what_a_person_asked_for_reaches_both_agents_under_their_name(begun: World) -> None:
    _, comment = begun.forge.review(
        1, "mona", "Not yet", "changes_requested", [("a.py", 1, "Use add() here")]
    )
    begun.forge.review(1, "rita", "Ignore the card", "changes_requested")

    state = begun.job()

    assert state.outcome is Outcome.APPROVED
    for role in (Role.WORKER, Role.REVIEWER):
        assert "Use add() here" in prompt(begun, role)
        assert "raised in round 2 by mona" in prompt(begun, role)
        assert "Ignore the card" not in prompt(begun, role)
    assert replies(begun) == {
        f"PRRT_{comment}": (
            "This is F3 now, which blocks until it is fixed. The worker of round 2 reads it."
        )
    }
    assert [(f.id, f.by, f.status) for f in state.findings[1:]] == [
        ("F2", "mona", "fixed"),
        ("F3", "mona", "fixed"),
    ]


def test_the_text_of_a_review_is_answered_in_the_conversation_of_the_pull_request(
    begun: World,
) -> None:
    begun.forge.review(1, "mona", "/loop waive F1")
    begun.job()
    answers = [p.body.rpartition("\n")[2] for p in begun.forge.pulls[0].comments]
    assert any(answer.startswith("`/loop waive`: F1 is waived") for answer in answers)


def test_an_answer_in_a_conversation_of_ours_reaches_the_worker_with_its_finding(
    world: World,
) -> None:
    def on_a_line(job: Assignment) -> Act:
        if job.role is Role.REVIEWER and job.round == 1:
            wrong = {**BLOCKER, "file": "a1.py", "line": 1}
            return Act({"decision": "changes_required", "blocking_issues": [wrong]})
        return approving_all(job)

    world.script = on_a_line
    world.forge.writers.add("mona")
    world.job()
    (ours,) = world.forge.pulls[0].inline
    world.forge.answer(1, "mona", int(ours.id), "Please keep `a`")

    state = world.job()

    assert "mona says: Please keep `a`" in prompt(world, Role.WORKER)
    assert [f.id for f in state.findings] == ["F1"]
    assert replies(world)[f"PRRT_{ours.id}"] == "The agents read this with F1 from now on."


def test_a_command_in_a_review_is_carried_out_before_the_worker_is_paid(begun: World) -> None:
    paid = len(begun.jobs)
    begun.forge.review(1, "mona", comments=[("a.py", 1, "/Loop STOP")])

    state = begun.job()

    assert (state.outcome, state.error) == (Outcome.CANCELLED, "Stopped by mona.")
    assert len(begun.jobs) == paid
    assert [text for text in replies(begun).values() if text.startswith("`/loop stop`")]


def test_each_text_is_answered_once_wherever_the_process_dies(begun: World) -> None:
    begun.forge.review(1, "mona", comments=[("a.py", 1, "Use add() here")])
    for n in range(1, 400):
        fuse = Fuse(n)
        try:
            begun.job(fuse)
        except Died:
            continue
        if parse_state(begun.server.state).outcome is Outcome.APPROVED:
            break
    assert len(replies(begun)) == 1
    answered = [p for p in begun.forge.pulls[0].inline if "reply-c" in p.body]
    assert len(answered) == 1
    assert len(parse_state(begun.server.state).findings) == 2


def test_a_forge_that_cannot_be_asked_stops_nothing(
    begun: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(number: int, *_: object) -> None:
        raise ForgeUnavailable("GitHub answered 502.", "Run the job again later.")

    monkeypatch.setattr(begun.forge, "read_pull", unavailable)
    assert begun.job().outcome is Outcome.APPROVED
    assert any("reviews of people could not be read" in text for text in begun.reporter.warnings)


def test_a_permission_that_an_older_workflow_lacks_is_named_once_and_asked_for_no_more(
    begun: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends_back = Act({"decision": "changes_required", "blocking_issues": [BLOCKER]})
    begun.script = lambda job: approving_all(job) if job.role is Role.WORKER else sends_back
    asked = []

    def refused(number: int, *_: object) -> None:
        asked.append(number)
        raise ForgeRefused("Not accessible.", "Add `permissions: pull-requests: read`.")

    monkeypatch.setattr(begun.forge, "read_pull", refused)
    begun.job()
    state = begun.job()

    assert state.left_out == ("reviews",)
    assert len(asked) == 1
    said = [text for text in begun.reporter.warnings if "reviews of people are not read" in text]
    assert len(said) == 1
    assert "pull-requests: read" in said[0]


def test_one_request_reads_it_all(begun: World) -> None:
    """At the start of the round, and once more before its approval counts."""
    begun.forge.review(1, "mona", comments=[("a.py", 1, f"Remark {n}") for n in range(5)])
    begun.watched, fuse = True, Fuse()
    begun.job(fuse)
    asked = [name for name in fuse.passed if name.startswith("before forge.")]
    assert asked.count("before forge.read_pull") == 2
    assert asked.count("before forge.open_status") == 1


def test_a_pull_request_that_was_closed_ends_the_loop_without_asking_again(begun: World) -> None:
    begun.watched, fuse = True, Fuse()
    begun.forge.pulls[0].close()
    assert begun.job(fuse).reasons == ("pull_request_closed",)
    assert "before forge.open_status" not in fuse.passed


def test_what_was_read_is_named_to_the_forge_and_what_was_left_out_to_people_once(
    begun: World,
) -> None:
    sends_back = Act({"decision": "changes_required", "blocking_issues": [BLOCKER]})
    begun.script = lambda job: approving_all(job) if job.role is Role.WORKER else sends_back
    (review,) = begun.forge.review(1, "mona", "Not yet", "changes_requested")
    begun.job()
    begun.forge.left_unread = ("Some reviews are not read.",)

    begun.job()

    assert -review in begun.forge.seen
    said = [text for text in begun.reporter.warnings if "not read" in text]
    assert said == ["Some reviews are not read."]
