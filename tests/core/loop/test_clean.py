"""An event is cleaned of secrets in every text of it, and ids stay."""

from dataclasses import replace

import pytest

from loop_kit.core.agent.reports import ReportedIssue, ReviewReport, WorkReport
from loop_kit.core.loop.clean import clean_event
from loop_kit.core.loop.messages import (
    AttemptFailed,
    Event,
    Failure,
    Halted,
    HeadVerified,
    PreparationFailed,
    PushWasRefused,
    ReviewReported,
    SecondReviewSkipped,
    Work,
    WorkReported,
)
from loop_kit.core.loop.push_refusal import Place, PushRefusal, RefusalKind
from loop_kit.core.loop.state import CommandResult, Outcome, Role, Verification
from loop_kit.core.secrets.redaction import Redactor

KEY = "s3cr3t-0123456789-token"
SHA = "0123456789abcdef" * 2 + "01234567"
AT = "2030-01-01T00:00:01Z"
REDACT = Redactor([KEY])
RESULT = CommandResult(command=f"make {KEY}", exit_code=1, tail=f"tail {KEY}")
WORK = WorkReport(task_id="T-1", round=1, head_sha=SHA, notes=f"notes {KEY}")
REVIEW = ReviewReport(
    task_id="T-1",
    round=1,
    decision="changes_required",
    summary=KEY,
    blocking_issues=(ReportedIssue(severity="high", file=f"a/{KEY}.py", reason=KEY),),
)
REFUSAL = PushRefusal(
    kind=RefusalKind.CONTENT,
    branch="loop/T-1/work",
    sentence=f"no {KEY}",
    remedy="Fix it.",
    words=KEY,
    places=(Place(path=KEY, line=1),),
)
EVENTS: list[Event] = [
    WorkReported(
        report=WORK,
        work=Work(head_sha=SHA, commits=(f"1234567 {KEY}",), notes=(KEY,)),
        at=AT,
        verification=Verification(sha=SHA, results=(RESULT,)),
    ),
    ReviewReported(report=REVIEW, at=AT, reviewer=KEY),
    AttemptFailed(role=Role.WORKER, failure=Failure.SCOPE, message=KEY, at=AT, refused_diff=KEY),
    HeadVerified(Verification(sha=SHA, results=(RESULT,))),
    PreparationFailed(KEY, AT, RESULT),
    SecondReviewSkipped(KEY, AT),
    Halted(Outcome.NEEDS_HUMAN, KEY, AT),
    PushWasRefused(REFUSAL, SHA, AT, False),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_text_of_an_event_is_cleaned_and_nothing_else_is_changed(event: Event) -> None:
    clean = clean_event(event, REDACT)

    assert type(clean) is type(event)
    assert KEY not in repr(clean).replace(f"make {KEY}", "")
    assert repr(event).replace(KEY, "***").replace("make ***", f"make {KEY}") == repr(clean)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_without_a_secret_stays_the_same_object(event: Event) -> None:
    assert clean_event(event, Redactor(["another-s3cret-value"])) is event


def test_an_id_is_left_although_it_has_a_part_of_a_secret() -> None:
    event = HeadVerified(Verification(sha=SHA, results=()))

    assert clean_event(event, Redactor([f"{SHA[:20]}-xyz"])) == replace(event)
