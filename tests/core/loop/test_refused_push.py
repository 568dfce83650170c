"""A refused push: sent back to the worker once where it can help, else kept for a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core import builders as b

from loop_kit.core.forge.acknowledgement import acknowledgement
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop.effects import RunAgent
from loop_kit.core.loop.entering import Start, resume
from loop_kit.core.loop.machine import outstanding, transition
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.core.loop.refused_push import TAKE_UP
from loop_kit.core.loop.state import (
    Lease,
    Limits,
    LoopState,
    Outcome,
    Phase,
    Role,
    Wip,
    parse_state,
)

CONTENT, SECRET, RULE = RefusalKind.CONTENT, RefusalKind.SECRET, RefusalKind.RULE
ABOUT_CONTENT = (CONTENT, SECRET)
OTHERS = tuple(kind for kind in RefusalKind if kind not in ABOUT_CONTENT)


def refused(kind: RefusalKind, state: LoopState | None = None, *, kept: bool = True) -> LoopState:
    """The work of round 1 after its push was refused."""
    state = state or b.awaiting_review()
    started = transition(state, b.attempted(Role.REVIEWER))
    return transition(started, b.push_refused(kind, kept=kept))


def refused_twice(kind: RefusalKind) -> LoopState:
    again = transition(refused(kind), b.attempted(Role.WORKER))
    return refused(kind, transition(again, b.work_reported(1, 3)))


def retried(recorded: LoopState, tip: str, *, has_held: bool = True) -> LoopState:
    """The loop after a person's retry, with the work branch at `tip`."""
    card = b.card()
    asked = Start(card, b.START, b.START, Limits(), fresh=False, lease=Lease(holder="holder-2"))
    known = recorded.model_copy(update={"card_sha256": card.sha256})
    return resume(asked, known, tip, (), b.LATER, has_held=has_held).steps[-1].after


@pytest.mark.parametrize("kind", ABOUT_CONTENT)
def test_content_goes_back_to_the_worker_with_the_words_of_the_server(kind: RefusalKind) -> None:
    before = b.awaiting_review()

    after = refused(kind, before)

    effect = outstanding(after, posts=False)
    assert isinstance(effect, RunAgent)
    assert (effect.role, effect.round, effect.attempt) == (Role.WORKER, 1, 2)
    assert effect.work_sha == before.head_sha
    assert "GH013: no" in effect.feedback
    assert "a.py:3" in effect.feedback
    assert (after.branch_tip, after.history) == (after.start_sha, ())
    assert after.usage == before.usage


@pytest.mark.parametrize("kind", OTHERS)
def test_what_the_worker_cannot_help_is_left_to_a_person(kind: RefusalKind) -> None:
    before = b.awaiting_review()

    after = refused(kind, before)

    assert (after.outcome, after.reasons) == (Outcome.NEEDS_HUMAN, ("push_refused",))
    assert after.resume_phase is Phase.AWAITING_REVIEW
    assert after.held is not None
    assert after.held.sha == before.head_sha
    assert after.branch_tip == after.start_sha
    assert after.attempt is not None
    assert (after.attempt.number, after.attempt.claimed) == (0, False)


def test_content_that_is_refused_again_is_kept_for_a_person() -> None:
    after = refused_twice(CONTENT)

    assert after.reasons == ("push_refused",)
    assert after.held is not None
    assert "/loop retry pushes them" in after.error


def test_commits_with_a_secret_are_not_kept_and_their_round_is_done_again() -> None:
    after = refused_twice(SECRET)

    assert (after.held, after.resume_phase) == (None, Phase.AWAITING_WORK)
    assert after.attempt is not None
    assert "GH013: no" in after.attempt.feedback


def test_work_in_progress_that_is_refused_goes_back_too() -> None:
    before = b.awaiting_work().model_copy(update={"wip": Wip(sha=b.sha(8), commits=1)})
    started = transition(before, b.attempted(Role.WORKER))

    after = transition(started, b.push_refused(CONTENT))

    assert after.wip is None
    assert after.attempt is not None
    assert (after.attempt.work_sha, after.attempt.claimed) == (b.sha(8), False)


def test_a_refused_state_branch_never_sends_the_work_back() -> None:
    after = transition(b.awaiting_review(), b.push_refused(CONTENT, of_state=True))

    assert after.reasons == ("push_refused",)
    assert TAKE_UP in after.error


def test_too_large_commits_are_pushed_with_the_one_command_of_the_message() -> None:
    assert TAKE_UP in refused(RULE, kept=False).error


def test_the_state_with_a_refusal_survives_a_round_trip() -> None:
    after = refused(RULE)

    assert parse_state(after.to_json()) == after


def test_a_retry_pushes_the_kept_commits_and_goes_on_with_the_review() -> None:
    recorded = refused(RULE)

    after = retried(recorded, recorded.branch_tip)

    assert (after.state, after.held) == (Phase.AWAITING_REVIEW, None)
    assert after.branch_tip == recorded.head_sha


def test_commits_that_a_person_pushed_are_the_work() -> None:
    recorded = refused(RULE, kept=False)

    after = retried(recorded, recorded.head_sha, has_held=False)

    assert (after.state, after.head_sha) == (Phase.AWAITING_REVIEW, recorded.head_sha)


def test_other_commits_that_a_person_pushed_instead_are_accepted() -> None:
    recorded = refused(RULE)

    after = retried(recorded, b.sha(77))

    assert (after.state, after.head_sha) == (Phase.AWAITING_REVIEW, b.sha(77))


def test_a_retry_without_the_commits_says_how_to_push_them_and_keeps_that_state() -> None:
    recorded = refused(RULE, kept=False)

    after = retried(recorded, recorded.branch_tip, has_held=False)

    assert (after.outcome, after.reasons) == (Outcome.NEEDS_HUMAN, ("push_refused",))
    assert after.held == recorded.held
    assert TAKE_UP in after.error


def test_a_push_that_is_refused_after_a_retry_goes_back_to_the_worker_once_more() -> None:
    recorded = refused_twice(CONTENT)

    after = refused(CONTENT, retried(recorded, recorded.branch_tip))

    assert after.state is Phase.AWAITING_WORK


def test_the_posts_quote_the_server_and_the_docs_have_the_command() -> None:
    after = refused(RULE)
    page = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text("utf-8")

    assert "GH013: no" in acknowledgement(after)
    assert "GH013: no" in status_comment(after)
    assert TAKE_UP in page
