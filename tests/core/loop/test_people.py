"""What people write in reviews: findings in their name, remarks on findings, and what ends them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import Disposition, ReportedIssue, ReviewReport
from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop.conversation import Conversation, PersonPost
from loop_kit.core.loop.findings import Finding, apply_review, open_findings, record_responses
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.outbox import posts_at_start
from loop_kit.core.loop.people import MAX_NEW, command_in, read_conversation
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.core.secrets.redaction import Redactor

REQUEST = PersonPost(-7, 7, "mona", "Use add() here", "changes_requested")
COMMENT = PersonPost(8, 7, "mona", "Why b?", "commented", "a.py", 3, root=8, thread="T8")


def sent_back() -> LoopState:
    """Round 2 waits for its worker, who is to fix F1."""
    state = b.after(b.awaiting_work(publishes=True), b.work_reported(1, 1), b.rejected(1))
    return state.model_copy(update={"pull_request": 1})


def read(state: LoopState, *posts: PersonPost, **more: Any) -> LoopState:
    event = read_conversation(state, Conversation(posts, **more))
    return state if event is None else transition(state, event)


def newest(state: LoopState) -> Finding:
    return state.findings[-1]


def reviewed(state: LoopState, number: int, status: Any, *issues: ReportedIssue) -> LoopState:
    """The state after the worker fixed something and the reviewer disposed of F2."""
    report = ReviewReport(
        task_id=state.task_id,
        round=number,
        decision="changes_required",
        blocking_issues=issues or (ReportedIssue(reason="another thing", scenario="it fails"),),
        dispositions=(Disposition(id="F2", status=status),),
    )
    reported = b.after(state, b.work_reported(number, number))
    return transition(reported, b.ReviewReported(report, b.AT))


def test_a_request_for_changes_and_a_comment_block_under_the_name_of_who_wrote_them() -> None:
    state = read(sent_back(), REQUEST, COMMENT)
    request, comment = state.findings[-2:]
    assert (request.id, request.by, request.reason) == ("F2", "mona", "Use add() here")
    assert (request.severity, request.blocking, request.required) == ("high", True, True)
    assert (comment.id, comment.file, comment.line) == ("F3", "a.py", 3)
    assert [f.id for f in open_findings(state.findings)] == ["F1", "F2", "F3"]


def test_each_text_is_read_once() -> None:
    state = read(sent_back(), REQUEST, COMMENT)
    assert read_conversation(state, Conversation((REQUEST, COMMENT))) is None


def test_a_comment_and_a_review_of_the_same_number_are_two_texts() -> None:
    state = read(sent_back(), REQUEST)
    same = COMMENT._replace(id=7, root=7)
    assert len(read(state, REQUEST, same).findings) == len(state.findings) + 1


def test_many_texts_are_taken_in_portions() -> None:
    many = [COMMENT._replace(id=n, root=n) for n in range(100, 100 + MAX_NEW + 5)]
    state = read(sent_back(), *many)
    assert len(state.findings) == 1 + MAX_NEW
    assert len(read(state, *many).findings) == 1 + MAX_NEW + 5
    assert len(posts_at_start(state)) == 10


def test_what_is_written_under_an_approval_is_for_later() -> None:
    state = read(
        sent_back(), REQUEST._replace(state="approved"), COMMENT._replace(state="approved")
    )
    assert (newest(state).blocking, newest(state).below) == (False, "written under an approval")
    assert len(state.findings) == 2


def test_an_approval_withdraws_what_that_person_asked_for_and_nothing_else() -> None:
    state = read(sent_back(), REQUEST, COMMENT, REQUEST._replace(id=-9, review=9, by="rolf"))
    approval = PersonPost(-20, 20, "mona", "Fine now", "approved")
    state = read(state, approval)
    assert [(f.id, f.status) for f in state.findings] == [
        *(("F1", "open"), ("F2", "withdrawn"), ("F3", "withdrawn"), ("F4", "open")),
    ]
    assert newest(read(sent_back(), REQUEST, approval)).closed_why == "mona approved"


def test_a_dismissed_review_blocks_no_longer() -> None:
    dismissed = REQUEST._replace(state="dismissed")
    state = read(read(sent_back(), REQUEST, COMMENT), dismissed)
    assert [f.status for f in state.findings] == ["open", "withdrawn", "withdrawn"]
    assert len(read(sent_back(), dismissed).findings) == 1


def test_a_conversation_that_is_resolved_settles_its_finding() -> None:
    state = read(read(sent_back(), COMMENT), COMMENT, resolved=frozenset({8}))
    assert (newest(state).status, newest(state).closed_why) == (
        "withdrawn",
        "its conversation was resolved",
    )
    assert len(read(sent_back(), COMMENT, resolved=frozenset({8})).findings) == 1


def test_an_answer_reaches_the_agents_with_its_finding() -> None:
    answer = COMMENT._replace(id=12, root=5, body="Not this way", finding="F1")
    state = read(sent_back(), answer)
    (finding,) = state.findings
    assert [(r.by, r.text) for r in finding.remarks] == [("mona", "Not this way")]


def test_an_answer_below_a_persons_own_finding_opens_it_again_unless_that_is_resolved() -> None:
    fixed = reviewed(read(sent_back(), COMMENT), 2, "fixed")
    assert fixed.findings[1].status == "fixed"
    answer = COMMENT._replace(id=12, root=8, body="It still says b")
    again = read(fixed, answer)
    assert again.findings[1].status == "open"
    assert again.findings[1].remarks[0].text == "It still says b"
    resolved = read(fixed, answer, resolved=frozenset({8}))
    assert resolved.findings[1].status == "fixed"


def test_a_reviewer_can_say_that_it_is_fixed_and_cannot_withdraw_it() -> None:
    state = read(sent_back(), REQUEST)
    assert reviewed(state, 2, "fixed").findings[1].status == "fixed"
    assert reviewed(state, 2, "withdrawn").findings[1].status == "open"
    assert reviewed(state, 2, "upheld").findings[1].status == "open"


def test_a_reviewer_that_raises_it_again_leaves_the_words_of_the_person() -> None:
    state = read(sent_back(), COMMENT)
    again = ReportedIssue(id="F2", reason="b is unused", file="b.py", line=9, required_change="x")
    finding = reviewed(state, 2, "not_fixed", again).findings[1]
    assert (finding.reason, finding.file, finding.note) == ("Why b?", "a.py", "b is unused")
    assert finding.required_change == ""


def test_a_person_whose_name_is_one_of_ours_is_no_verification() -> None:
    state = read(sent_back(), REQUEST._replace(by="verify"))
    assert newest(state).by == "verify (a person)"


@pytest.mark.parametrize("body", ["/loop stop", "/LOOP Stop", "\n/Loop STOP\r\n"])
def test_a_command_is_known_in_any_case(body: str) -> None:
    command = command_in(COMMENT._replace(body=body))
    assert isinstance(command, Command)
    assert (command.verb, command.by) == ("stop", "mona")


def test_commands_of_comments_and_of_reviews_have_numbers_of_their_own() -> None:
    posts = (COMMENT._replace(id=7, body="/loop stop"), REQUEST._replace(body="/loop stop"))
    numbers = {c.comment for post in posts if isinstance(c := command_in(post), Command)}
    assert len(numbers | {7}) == 3
    assert isinstance(command_in(REQUEST._replace(body="/loop stopp")), Misspelt)
    assert command_in(REQUEST._replace(body="> /loop stop")) is None


def test_a_command_is_answered_where_it_was_written_and_is_no_finding() -> None:
    state = sent_back()
    event = read_conversation(state, Conversation((COMMENT._replace(body="/loop extend 1"),)))
    assert event is not None
    state = transition(state, replace(event, answers=((8, "4 rounds are allowed now."),)))
    (item,) = posts_at_start(state)
    assert (item.key, item.to, item.text) == ("reply-c8", "T8", "4 rounds are allowed now.")
    assert len(state.findings) == 1


def test_when_a_person_withdraws_the_last_finding_the_worker_has_nothing_to_do() -> None:
    state = read(sent_back(), COMMENT)
    state = state.model_copy(update={"findings": (*state.findings[1:],)})
    state = read(state, COMMENT, resolved=frozenset({8}))
    assert state.state is Phase.AWAITING_REVIEW


def test_a_loop_that_stopped_keeps_what_it_reads_and_stays_stopped() -> None:
    state = read(transition(sent_back(), b.halted(Outcome.NEEDS_HUMAN)), REQUEST)
    assert (state.state, newest(state).id) == (Phase.DONE, "F2")


def test_secrets_in_a_review_are_not_recorded() -> None:
    from loop_kit.core.loop.clean import clean_event
    from loop_kit.core.secrets.forms import Forms

    event = read_conversation(sent_back(), Conversation((REQUEST._replace(body="use tok-123456"),)))
    assert event is not None
    cleaned = clean_event(event, Redactor(Forms({"TOKEN": "tok-123456"})))
    assert "tok-123456" not in repr(cleaned)


def test_a_worker_that_disputes_it_is_not_heard() -> None:
    from loop_kit.core.agent.reports import Response

    state = read(sent_back(), REQUEST)
    disputed = record_responses(state.findings, [Response(id="F2", action="disputed")])
    assert not disputed[1].is_disputed
    bare = b.review(2, "approve")
    assert apply_review(disputed, bare)[1].status == "open"
    approval = b.review(2, "approve", dispositions=(b.said("F2", "fixed"),))
    assert apply_review(disputed, approval)[1].status == "fixed"
