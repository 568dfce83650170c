"""What it means for a loop that others move its base branch on while it runs.

`base_sha` stays where the loop began: what it trusts is read there. What the loop is judged by is
compared with `diff_base`, the merge base with the base branch as it is now: the diff that a
reviewer reads, its size, what a finding's line comes from. So what others did, and what a merge or
a rebase brought into the work, is never counted as the loop's own.

The base branch is looked at before each round, before a review of commits that no worker of the
loop has reported (a person has pushed them), and when a reviewer approves. Work that does not merge
is never approved, unless the loop may not update its branch: the next worker finds the merge with
its conflicts, and resolves them. When it has failed at that twice, a person is asked.
"""

from collections.abc import Sequence

from loop_kit.core.loop.base_branch import BaseCompared, BaseView, CompareBase
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import one_line

_MAX_NAMED = 10


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


def commit_to_merge(state: LoopState) -> str:
    """The commit of the base branch whose merge the worker is to resolve; '' if there is none."""
    merges = state.limits.update_branch == "when-needed" and bool(state.base.conflicts)
    return state.base.tip if merges else ""


def conflict_words(state: LoopState) -> str:
    """The conflicts with the base branch in words: with what, and where."""
    return f"{state.base_branch} in {named_files(state.base.conflicts)}"


def unresolved_stop(state: LoopState, message: str) -> str:
    """Why the loop stops for a person who is to resolve the conflicts, and how they can."""
    tip, branch = state.base.tip, state.work_branch
    return (
        f"The worker did not resolve the conflicts with {conflict_words(state)}, in two attempts."
        f" {message} To resolve them yourself, merge {state.base_branch} (now {tip[:10]}) into"
        f" {branch} and push it; then start the loop again."
    )


def named_files(paths: Sequence[str]) -> str:
    """The first of these paths, and how many more there are."""
    more = len(paths) - _MAX_NAMED
    named = ", ".join(one_line(clean_text(path), 200) for path in paths[:_MAX_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def look_again(seen: BaseView) -> BaseView:
    """What was seen, where the branch is to be looked at before the next attempt of a worker."""
    return seen.model_copy(update={"round": 0})


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
