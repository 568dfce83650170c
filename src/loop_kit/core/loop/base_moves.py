"""What it means for a loop that others move its base branch on while it runs.

`base_sha` stays where the loop began: what it trusts is read there. What the loop is judged by is
compared with `diff_base`, the merge base with the base branch as it is now: the diff that a
reviewer reads, its size, what a finding's line comes from. So what others did, and what a merge or
a rebase brought into the work, is never counted as the loop's own.

The base branch is looked at before each round, and before a review of commits that no worker of
the loop has reported: a person has pushed them.
"""

from loop_kit.core.loop.base_branch import BaseCompared, BaseView, CompareBase
from loop_kit.core.loop.state import LoopState, Phase


def due_comparison(state: LoopState) -> CompareBase | None:
    """The look at the base branch that is due before an agent is started, if one is."""
    seen, head = state.base, worked_on(state)
    if not state.base_branch:
        return None
    is_same_round = state.state is Phase.AWAITING_REVIEW or seen.round == state.round
    if is_same_round and seen.head_sha == head:
        return None
    is_own = state.tip in {seen.head_sha, state.start_sha}
    return CompareBase(state.base_branch, head, state.compared_with if is_own else "")


def worked_on(state: LoopState) -> str:
    """The commit that the next agent works on: the last one reported, or work on top of it."""
    return state.wip.sha if state.wip else state.tip


def compared_commits(state: LoopState) -> tuple[str, ...]:
    """The commits with which the next round compares the work, the base of the loop aside."""
    found = dict.fromkeys((*(record.diff_base for record in state.history[-2:]), state.diff_base))
    return tuple(sha for sha in found if sha not in {"", state.base_sha})


def record_comparison(state: LoopState, event: BaseCompared) -> LoopState:
    """Record how the work compares with the base branch; what nobody could say is as before."""
    seen = BaseView(
        round=state.round,
        head_sha=event.head_sha,
        tip=event.tip,
        conflicts=event.conflicts,
    )
    return state.model_copy(update={"base": seen, "diff_base": event.merge_base or state.diff_base})
