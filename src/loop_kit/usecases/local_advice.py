"""What continues a loop that stopped on a laptop: what to fix, and the options of the command."""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.loop.policy import budget_to_continue, exceeded_budget
from loop_kit.core.loop.resuming import operator_limits
from loop_kit.core.loop.state import Limits, LoopState, Outcome

_BUDGETS = ("max_cost_usd", "max_minutes", "max_tokens")
_REFUSED = {"scope", "protected_path"}


def options_to_resume(state: LoopState) -> list[str]:
    """The options without which `--resume` would stop again at once."""
    if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
        return ["--max-rounds", str(state.round)]
    if state.outcome is Outcome.VERIFY_UNAVAILABLE:
        return ["--refresh-card"]
    if "budget" in state.reasons and exceeded_budget(state.limits, state.usage):
        wanted = budget_to_continue(state.limits, state.usage)
        return [f"--{wanted.name}", f"{wanted.limit + wanted.amount:.10g}"]
    return []


def before_resuming(state: LoopState) -> list[str]:
    """What to do before the loop is continued, a line each."""
    if state.outcome is Outcome.VERIFY_UNAVAILABLE:
        return ["Correct the command in the task card, or install its program."]
    if state.outcome is Outcome.SETUP_FAILED and state.failed_setup is not None:
        return ["Correct --workspace-setup, or workspace_setup in config.yaml, or what it needs."]
    if _REFUSED & set(state.reasons):
        return ["To allow the change, edit the task card and add --refresh-card to the command."]
    if state.outcome is Outcome.WORKER_NOOP:
        return ["To say more in the task card first, edit it and add --refresh-card."]
    return []


def limits_to_resume(limits: Limits, flags: Mapping[str, Any], recorded: LoopState) -> Limits:
    """The limits of a loop that a person continues: what they typed now counts, over the card too.

    A budget that is not typed again stays as it was recorded.
    """
    before = operator_limits(recorded)
    typed = {name: flags[name] for name in (*_BUDGETS, "max_rounds") if name in flags}
    kept = {name: getattr(before, name) for name in _BUDGETS if getattr(limits, name) is None}
    return limits.model_copy(update={**kept, **typed})
