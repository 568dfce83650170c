"""What a review does to a loop, and the review that is done without.

A review is judged once all of it is there: all passes of its reviewer, and of an approval the
second reviewer's.
"""

from loop_kit.core.loop import base_moves, checking, passes, second_review, sessions
from loop_kit.core.loop.approving import resolve_conflicts, review_of_merge, with_base
from loop_kit.core.loop.attempts import record_attempt
from loop_kit.core.loop.handlers import attempt_of, expect_attempt
from loop_kit.core.loop.messages import PassSkipped, ReviewReported, SecondReviewSkipped
from loop_kit.core.loop.resuming import (
    IllegalTransition,
    begin_round,
    end_if_rounds_used_up,
    end_loop,
    update,
    update_round,
)
from loop_kit.core.loop.state import LoopState, Outcome, Role
from loop_kit.core.loop.verdict import Verdict, judge_review

_SHOW_OR_APPROVE = (
    "If one of them has to be fixed now, report it again by its id, with the severity, or the"
    " criterion that is not met, that makes it block, and with how it fails. Otherwise approve:"
    " what is kept for later is not lost."
)


def accept_review(state: LoopState, event: ReviewReported) -> LoopState:
    """End the loop, begin the next round, or wait for another pass or the second reviewer."""
    expect_attempt(state, event.role)
    if event.base is not None:
        state = base_moves.record_comparison(state, event.base)
    state = record_attempt(state, event.role, event.at, event.spent)
    used = state.usage.plus(event.spent)
    kept = sessions.keep_session(state, event.role, event.session)
    return _decide_whole(update(state, usage=used, sessions=kept), event)


def skip_pass(state: LoopState, event: PassSkipped) -> LoopState:
    """Let what the reviewer has reported count without the further pass."""
    if state.further is None:
        raise IllegalTransition("no further pass is awaited")
    return _decide_whole(state, event)


def _decide_whole(state: LoopState, event: ReviewReported | PassSkipped) -> LoopState:
    """Judge all passes of a reviewer as one review."""
    whole = passes.whole_review(state, event)
    assert isinstance(whole, ReviewReported)  # noqa: S101
    noted = passes.with_note(state, event)
    return _decide_round(update(noted, further=None), whole)


def skip_second_review(state: LoopState, event: SecondReviewSkipped) -> LoopState:
    """Let the approval of the first reviewer count alone, unless the second is required."""
    if state.second is None:
        raise IllegalTransition("no second review is awaited")
    if not second_review.is_dispensable(state.limits, Role.SECOND_REVIEWER):
        why = second_review.explain_missing(state, event.why)
        return end_loop(state, Outcome.REVIEWER_DISPATCH_FAILED, why, event.at)
    alone = state.second.model_copy(update={"missed": event.why})
    first = ReviewReported(alone.report, event.at, reviewer=alone.reviewer)
    return _decide_round(update(state, second=alone), first)


def _decide_round(state: LoopState, event: ReviewReported) -> LoopState:
    """The state after a review that is paid for, as the rules judge it."""
    verdict = judge_review(state, event)
    decision = verdict.decision
    asked = _await_more(state, event, verdict) or _ask_again(state, event, verdict)
    if asked is None and decision == "approve":
        asked = review_of_merge(update(state, findings=verdict.findings), event)
    if asked is not None:
        return asked
    known = {finding.id for finding in state.findings}
    recorded = {
        "decision": decision,
        "new_findings": tuple(f.id for f in verdict.findings if f.id not in known),
        "rules": (*state.rule_notes, *verdict.notes),
        "reviews": second_review.verdicts(state, event),
    }
    reviewed = update(
        state,
        findings=verdict.findings,
        usage=state.usage.model_copy(update={"rounds": state.usage.rounds + 1}),
        attempt=None,
        second=None,
        round_details=update_round(state.round_details, state.round, review_decision=decision),
        history=update_round(state.history, state.round, **recorded),
        rule_notes=(),
        fresh_round=False,
        simplify=False,
    )
    if decision == "approve" and base_moves.commit_to_merge(reviewed):
        return resolve_conflicts(reviewed, event.at)
    if decision == "approve":
        return checking.hold_or_approve(with_base(reviewed, event.base), event.at)
    stop = verdict.stop
    if stop is None:
        return end_if_rounds_used_up(_next_round(reviewed, verdict), event.at)
    stopped = begin_round(reviewed)
    return end_loop(stopped, Outcome.NEEDS_HUMAN, stop.text, event.at, reasons=(stop.stop,))


def _await_more(state: LoopState, event: ReviewReported, verdict: Verdict) -> LoopState | None:
    """The state that waits for another pass, or for the second reviewer."""
    if verdict.stop is None and passes.is_due(state, event):
        return passes.await_pass(state, event)
    if verdict.decision == "approve" and second_review.is_second_review_due(state, event):
        return second_review.await_second_review(state, event)
    return None


def _ask_again(state: LoopState, event: ReviewReported, verdict: Verdict) -> LoopState | None:
    """The state in which a reviewer is asked once more, as nothing that it requires blocks.

    Most of them have only missed the bar; a person is asked when it was no oversight.
    """
    attempt, stop = attempt_of(state, event.role), verdict.stop
    may_ask = event.is_repeatable and state.limits.rules.bar.asks_again and not attempt.repairs
    if stop is None or stop.stop != "bar" or not may_ask:
        return None
    again = {"repairs": 1, "feedback": f"{stop.text} {_SHOW_OR_APPROVE}", "claimed": False}
    asked = attempt.model_copy(update={**again, "waits": False, "report_refused": False})
    return update(state, findings=verdict.findings, attempt=asked)


def _next_round(reviewed: LoopState, verdict: Verdict) -> LoopState:
    """The next round, in a fresh conversation or to simplify where a rule asks for that."""
    again = begin_round(reviewed)
    if verdict.asks_for("fresh") and not verdict.asks_for("simplify"):
        left = sessions.drop_session(again, Role.WORKER)
        again = update(again, fresh_round=True, sessions=left)
    return update(again, simplify=verdict.asks_for("simplify"))
