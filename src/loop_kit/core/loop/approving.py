"""What an approval is worth while the base branch moves: merged, resolved or reviewed again."""

from loop_kit.core.loop import base_moves, checking
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.messages import MergeLeftOut, ReviewReported
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
    if merged is None or base_moves.keeps_verdict(state, merged):
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
    )


def with_base(approved: LoopState, event: ReviewReported) -> LoopState:
    """Approved work with the merge that keeps its verdict, and what is to be said of the base."""
    merged = event.base.merged if event.base else None
    taken = base_moves.take_merge(approved, merged) if merged else approved
    text = base_moves.note_on_base(taken)
    if merged:
        text = (
            f"{approved.base_branch} was merged in at {approved.base.tip[:10]}, for a rule asks for"
            " it: no file of the reviewed diff changed, and the verdict is kept."
        )
    if not text:
        return taken
    notes = (*taken.history[-1].rules, RuleNote(rule=_RULE, text=text))
    return update(taken, history=update_round(taken.history, taken.round, rules=notes))


def is_approved_by_merge(state: LoopState) -> bool:
    """Whether what is approved is a merge that kept the verdict of the commit before it."""
    approved = state.outcome is Outcome.APPROVED and bool(state.history)
    return approved and state.history[-1].head_sha != state.head_sha


def leave_out_merge(state: LoopState, event: MergeLeftOut) -> LoopState:
    """Approved work without the merge that its branch cannot take: the commit that was reviewed."""
    if not is_approved_by_merge(state):
        return state
    record = state.history[-1]
    base = state.base.model_copy(update={"head_sha": record.head_sha, "behind": True})
    text = f"{event.why} The work is behind {state.base_branch}."
    notes = tuple(note for note in record.rules if note.rule != _RULE)
    return update(
        state,
        head_sha=record.head_sha,
        diff_base=record.diff_base,
        base=base,
        verification=None,
        history=update_round(
            state.history, record.round, rules=(*notes, RuleNote(rule=_RULE, text=text))
        ),
    )


def resolve_conflicts(approved: LoopState, at: str) -> LoopState:
    """The next round of approved work that does not merge, or the end if there is none left."""
    again = end_if_rounds_used_up(update(begin_round(approved), waiting_for=()), at)
    if again.is_running:
        return again
    where = base_moves.conflict_words(approved)
    return update(again, error=f"The approved work conflicts with {where}. {again.error}")
