"""What an approval is worth while the base branch moves: merged, resolved or reviewed again."""

from typing import Any

from loop_kit.core.loop import base_moves, checking
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.checks_read import ChecksRead
from loop_kit.core.loop.messages import MergeLeftOut, ReviewReported
from loop_kit.core.loop.policy import exceeded_budget
from loop_kit.core.loop.resuming import begin_round, end_if_rounds_used_up, update, update_round
from loop_kit.core.loop.review_only import skip_worker
from loop_kit.core.loop.state import LoopState, Outcome, RuleNote

_RULE = "update-branch"


def record_comparison(state: LoopState, event: BaseCompared) -> LoopState:
    """Record how the work compares with the base branch; approved work may merge, or no more."""
    seen = base_moves.record_comparison(state, event)
    if checking.is_approval_held(state) and base_moves.commit_to_merge(seen):
        return resolve_conflicts(seen, event.at)
    return skip_worker(seen)


def review_of_merge(state: LoopState, event: ReviewReported) -> LoopState | None:
    """The same round at a merge of the base branch that has to be reviewed too; None without one.

    Called with what is approved; the ledger is that of the first review.
    """
    merged = event.base.merged if event.base else None
    if merged is None or base_moves.keeps_verdict(state, merged) or _is_spent(state):
        return None
    taken = base_moves.take_merge(state, merged)
    done = merged.verification
    moved = {
        "head_sha": merged.sha,
        "diff_base": taken.diff_base,
        "verified": done.passed if done else None,
        "verify_seconds": done.seconds if done else None,
    }
    return update(
        taken,
        history=update_round(taken.history, taken.round, **moved),
        attempt=None,
        second=None,
        further=None,
    )


def with_base(approved: LoopState, base: BaseCompared | None) -> LoopState:
    """Approved work with the merge that keeps its verdict, and what is to be said of the base."""
    merged = base.merged if base else None
    if merged is None or not base_moves.keeps_verdict(approved, merged):
        seen = approved.base.model_copy(update={"behind": approved.base.behind or bool(merged)})
        approved = update(approved, base=seen)
        text = base_moves.note_on_base(approved)
        return _with_note(approved, text) if text else approved
    return _with_note(
        base_moves.take_merge(approved, merged),
        f"{approved.base_branch} was merged in at {approved.base.tip[:10]}, for a rule asks for it:"
        " no file of the reviewed diff changed, and the verdict is kept.",
    )


def _with_note(state: LoopState, text: str) -> LoopState:
    """The state with this note on the base branch at its last round, in place of another."""
    notes = tuple(note for note in state.history[-1].rules if note.rule != _RULE)
    noted = (*notes, RuleNote(rule=_RULE, text=text))
    return update(state, history=update_round(state.history, state.history[-1].round, rules=noted))


def _is_spent(state: LoopState) -> bool:
    """Whether no budget is left for another review: what is approved is then behind."""
    return exceeded_budget(state.limits, state.usage) is not None


def accept_checks(state: LoopState, event: ChecksRead) -> LoopState:
    """The state after the checks of its head; what they approve may have to hold its base branch.

    The merge that keeps the verdict waits for checks of its own. Another is reviewed in a round
    without a worker, and left out where there is none left.
    """
    after = checking.accept_checks(state, event)
    base = event.base
    if base is None or after.outcome is not Outcome.APPROVED:
        return after
    seen = base_moves.record_comparison(state, base)
    if base.merged is not None:
        held = update(seen, checks=after.checks, waiting_for=())
        if base_moves.keeps_verdict(state, base.merged):
            return with_base(held, base)
        taken = base_moves.take_merge(held, base.merged)
        again = end_if_rounds_used_up(begin_round(taken), event.at)
        if again.is_running and not _is_spent(again):
            return skip_worker(again)
    behind = update(after, base=seen.base.model_copy(update={"behind": True}))
    return _with_note(behind, base_moves.note_on_base(behind))


def is_approved_by_merge(state: LoopState) -> bool:
    """Whether what is approved is a merge that kept the verdict of the commit before it."""
    approved = state.outcome is Outcome.APPROVED or checking.is_approval_held(state)
    return approved and bool(state.history) and state.history[-1].head_sha != state.head_sha


def leave_out_merge(state: LoopState, event: MergeLeftOut) -> LoopState:
    """Approved work without the merge that its branch cannot take: the commit that was reviewed."""
    if not is_approved_by_merge(state):
        return state
    record = state.history[-1]
    seen = {"head_sha": record.head_sha, "merges": base_moves.MAX_MERGES, "behind": True}
    base = state.base.model_copy(update=seen)
    without = update(
        state, head_sha=record.head_sha, diff_base=record.diff_base, base=base, verification=None
    )
    return _with_note(without, f"{event.why} The work is behind {state.base_branch}.")


def leave_out_unreviewed_merge(state: LoopState) -> LoopState:
    """The state without the merge that is to be reviewed, which its branch cannot take either.

    Where a round was begun for it alone, the approval of the round before is held again.
    """
    onto, record = state.base.onto, state.history[-1]
    base = state.base.model_copy(update={"head_sha": "", "merges": base_moves.MAX_MERGES})
    without: dict[str, Any] = {"head_sha": onto, "base": base, "verification": None}
    before = state.history[-2] if record.kind == "review" else None
    if before is None or (before.decision, before.head_sha) != ("approve", onto):
        history = update_round(state.history, record.round, head_sha=onto, verified=None)
        return update(state, history=history, **without)
    return update(
        state,
        round=before.round,
        diff_base=before.diff_base or state.diff_base,
        history=state.history[:-1],
        round_details=state.round_details[:-1],
        attempt=None,
        continue_to=None,
        **without,
    )


def resolve_conflicts(approved: LoopState, at: str) -> LoopState:
    """The next round of approved work that does not merge, or the end if there is none left."""
    again = end_if_rounds_used_up(update(begin_round(approved), waiting_for=()), at)
    if again.is_running:
        return again
    where = base_moves.conflict_words(approved)
    return update(again, error=f"The approved work conflicts with {where}. {again.error}")
