"""What it means for a loop that others move its base branch on while it runs.

`base_sha` stays where the loop began: what it trusts is read there. What the loop is judged by is
compared with `diff_base`, the merge base with the base branch as it is now: the diff that a
reviewer reads, its size, what a finding's line comes from. So what others did, and what a merge or
a rebase brought into the work, is never counted as the loop's own.

The base branch is looked at before each round, before a review of commits that no worker of the
loop has reported (a person has pushed them), and when a reviewer approves. Work that does not merge
is never approved, unless the loop may not update its branch: the next worker finds the merge with
its conflicts, and resolves them. When it has failed at that twice, a person is asked.

A rule may ask that approved work holds the tip of its base branch. Then the loop merges it itself,
twice at most before a worker's next round: work whose base moves faster than that is approved, and
said to be behind. A merge that changes no file of the reviewed diff keeps the verdict, and only the
verify commands (and the checks) are repeated; another is reviewed once more, in the same round.
"""

from collections.abc import Sequence

from loop_kit.core.loop import passes
from loop_kit.core.loop.base_branch import BaseCompared, BaseMerged, BaseView, CompareBase
from loop_kit.core.loop.state import LoopState, Phase, Role
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import one_line

MAX_MERGES = 2
"""How often the base branch is merged into approved work before another round of a worker."""
_MAX_NAMED = 10


def due_comparison(state: LoopState, *, is_held: bool) -> CompareBase | None:
    """The look at the base branch that is due before anything else, if one is.

    An approval that `is_held` for checks is looked at again by each run that reads them.
    """
    seen, head = state.base, worked_on(state)
    if not state.base_branch:
        return None
    is_reviewed_now = state.state is Phase.AWAITING_REVIEW and not is_held
    if (is_reviewed_now or seen.round == state.round) and seen.head_sha == head:
        return None
    is_own = state.tip in {seen.head_sha, state.start_sha}
    return CompareBase(state.base_branch, head, state.compared_with if is_own else "")


def worked_on(state: LoopState) -> str:
    """The commit that the next agent works on: the last one reported, or work on top of it."""
    return state.wip.sha if state.wip else state.tip


def mergeable_tip(state: LoopState) -> str:
    """The tip of the base branch, where the work may merge it; '' where it may not, or is unknown.

    The loop then leaves its branch alone, and a worker's merge is refused as any other.
    """
    return state.base.tip if state.limits.update_branch == "when-needed" else ""


def commit_to_merge(state: LoopState) -> str:
    """The commit of the base branch whose merge the worker is to resolve; '' if there is none."""
    return mergeable_tip(state) if state.base.conflicts else ""


def conflict_words(state: LoopState) -> str:
    """The conflicts with the base branch in words: with what, and where."""
    return f"{state.base_branch} in {named_files(state.base.conflicts)}"


def may_merge(state: LoopState, role: Role) -> bool:
    """Whether the loop may merge the base branch into work that `role` has approved, as asked."""
    is_last = role is Role.SECOND_REVIEWER or not state.limits.second_reviewer
    verifies = state.verification is None or state.verification.passed
    may = state.limits.update_branch == "when-needed" and state.base.merges < MAX_MERGES
    return may and is_last and verifies and not passes.follows(state, role)


def has_merge_to_review(before: LoopState, state: LoopState) -> bool:
    """Whether the loop has merged the base branch since `before`, and that is to be reviewed."""
    return is_unreviewed_merge(state) and state.head_sha != before.head_sha


def is_unreviewed_merge(state: LoopState) -> bool:
    """Whether what is to be reviewed is a merge that the loop has made."""
    is_merge = bool(state.base.merges) and state.base.head_sha == state.head_sha
    is_open = bool(state.history) and state.history[-1].decision is None
    return is_merge and is_open and state.state is Phase.AWAITING_REVIEW


def keeps_verdict(state: LoopState, merged: BaseMerged) -> bool:
    """Whether what was reviewed is still what is approved, and verifies."""
    verified = merged.verification is not None and merged.verification.passed
    return not merged.changes_diff and (verified or not state.verify)


def take_merge(state: LoopState, merged: BaseMerged) -> LoopState:
    """The state after the merge of the base branch into the work."""
    changes = {"head_sha": merged.sha, "merges": state.base.merges + 1, "onto": state.head_sha}
    seen = state.base.model_copy(update=changes)
    return state.model_copy(
        update={
            "head_sha": merged.sha,
            "diff_base": state.base.tip,
            "base": seen,
            "verification": merged.verification,
        }
    )


def note_on_base(state: LoopState) -> str:
    """What an approval says of the base branch, in a sentence; '' if there is nothing to say."""
    if state.base.conflicts:
        return f"The work conflicts with {conflict_words(state)}."
    if state.base.behind:
        return f"The work is behind {state.base_branch}."
    return ""


def unresolved_stop(state: LoopState, message: str) -> str:
    """Why the loop stops for a person who is to resolve the conflicts, and how they can."""
    tip, branch, work = state.base.tip, state.base_branch, state.work_branch
    by_hand = f"To finish by hand, run `git merge {work}` on {branch}."
    if state.lease is not None:
        by_hand = (
            f"To resolve them yourself, merge {branch} (now {tip[:10]}) into {work} and push it;"
            " then start the loop again."
        )
    return (
        f"The worker did not resolve the conflicts with {conflict_words(state)}, in two attempts."
        f" {message} {by_hand}"
    )


def named_files(paths: Sequence[str]) -> str:
    """The first of these paths, and how many more there are."""
    more = len(paths) - _MAX_NAMED
    named = ", ".join(one_line(clean_text(path), 200) for path in paths[:_MAX_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def after_work(seen: BaseView, head_sha: str) -> BaseView:
    """What was seen, after a worker's commits up to `head_sha`."""
    return seen.model_copy(update={"head_sha": head_sha, "conflicts": (), "merges": 0})


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
        merges=state.base.merges,
        onto=state.base.onto,
        behind=event.is_required and event.merged is None,
    )
    return state.model_copy(update={"base": seen, "diff_base": event.merge_base or state.diff_base})
