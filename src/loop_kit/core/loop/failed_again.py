"""What a person is asked when agents cannot do a thing: hold a secret back, simplify, merge."""

from collections.abc import Mapping

from loop_kit.core.loop import base_moves, refused_secrets
from loop_kit.core.loop.messages import AttemptFailed, Failure
from loop_kit.core.loop.state import LoopState


def failed_again(state: LoopState, event: AttemptFailed) -> tuple[str, Mapping[str, object]] | None:
    """What a person is asked in place of the usual end of a failure, and what is recorded.

    A worker that changes nothing when asked to simplify finds the size right; one whose commits
    hold a secret again cannot do without it.
    """
    if event.failure is Failure.SECRET:
        refused = refused_secrets.refusal(state, event.message)
        recorded = {"reasons": ("push_refused",), "refusal": refused}
        return refused_secrets.explain_stop(refused), recorded
    if event.failure is Failure.UNFINISHED and base_moves.commit_to_merge(state):
        return base_moves.unresolved_stop(state, event.message), {"reasons": ("conflict",)}
    if event.failure is not Failure.NOOP or not state.simplify:
        return None
    error = f"The worker was asked to simplify the change and left it as it is. {event.message}"
    return error, {"reasons": ("diff_growth",), "simplify": False}
