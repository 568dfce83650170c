"""A round without a worker: nothing blocks any more, and an approval is still checked.

When a person has closed the last finding that blocked, or all that is left is below the bar, or
approved work merges with its base branch again, a worker would have nothing to do. The next round
is then a review of the same commit, which may approve it, and may find something: nobody but the
reviewer approves.
"""

from loop_kit.core.loop.base_moves import commit_to_merge
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.state import LoopState, Phase, RoundDetail, RoundRecord

NOTE = "The worker had nothing to do: nothing was left that blocks."


def skip_worker(state: LoopState) -> LoopState:
    """`state`, or the review of its last commit when its worker would have nothing to do."""
    if not _has_nothing_to_do(state):
        return state
    last = state.history[-1]
    record = RoundRecord(
        round=state.round,
        parent_sha=last.head_sha,
        head_sha=state.head_sha,
        verified=last.verified if last.head_sha == state.head_sha else None,
        growth=last.growth,
        notes=(NOTE,),
        kind="review",
        attempts=state.attempts,
    )
    return state.model_copy(
        update={
            "state": Phase.AWAITING_REVIEW,
            "attempt": None,
            "attempts": (),
            "round_details": (*state.round_details, RoundDetail(round=state.round)),
            "history": (*state.history, record),
        }
    )


def _has_nothing_to_do(state: LoopState) -> bool:
    """Whether the worker's next round would have nothing to fix, simplify or finish.

    A loop of agent-task-runner has no ledger: its worker has a fix list all the same.
    """
    begun = state.wip is not None or state.held is not None or bool(state.refusal)
    reviewed = bool(state.history) and state.history[-1].round == state.round - 1
    return (
        state.state is Phase.AWAITING_WORK
        and reviewed
        and (bool(state.findings) or state.history[-1].decision == "approve")
        and not open_findings(state.findings)
        and not (begun or state.simplify or commit_to_merge(state))
    )
