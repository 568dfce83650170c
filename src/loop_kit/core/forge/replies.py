"""The one line that answers a command, where it was written."""

from loop_kit.core.forge.advice import next_step
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.state import Limits, LoopState, Phase

MAX_REPLY = 1_000


def command_reply(mark: str, command: Command, before: LoopState, after: LoopState) -> str:
    """What the command has changed, and what is next; `mark` is the marker of the reply."""
    changed = _change(command, before, after)
    return f"{mark}\n`/loop {command.verb}`: {changed}{_consequence(command, before, after)}"


def queued_reply(mark: str, command: Command, run_id: str) -> str:
    """That the run `run_id` reads the command."""
    return f"{mark}\n`/loop {command.verb}`: run {run_id} reads it before it starts an agent."


def declined_reply(mark: str, sentence: str) -> str:
    """Why nothing could be done; `sentence` is harmless in a comment."""
    return f"{mark}\n{sentence}"


def _change(command: Command, before: LoopState, after: LoopState) -> str:
    if command.verb == "extend":
        return f"{after.limits.max_rounds} rounds are allowed now. "
    if command.verb == "budget" and command.budget is not None:
        return _budget_change(command.budget, before.limits, after.limits)
    if command.verb == "refresh":
        return "the card counts as it is now. "
    return ""


def _budget_change(asked: Budget, before: Limits, after: Limits) -> str:
    name, unit, old, new = _limit(asked, before, after)
    if new is None:
        return f"this loop has no limit of {unit}. "
    if new == old:
        return f"the limit stays at {new:g} {unit}: that is its ceiling (`{name}-ceiling`). "
    return f"the limit is {new:g} {unit} now. "


def _limit(
    asked: Budget, before: Limits, after: Limits
) -> tuple[str, str, float | None, float | None]:
    if asked.cost_usd:
        return "max-cost-usd", "USD", before.max_cost_usd, after.max_cost_usd
    if asked.minutes:
        return "max-minutes", "agent minutes", before.max_minutes, after.max_minutes
    return "max-tokens", "tokens", before.max_tokens, after.max_tokens


def _consequence(command: Command, before: LoopState, after: LoopState) -> str:
    if after.is_running:
        continues = "continues" if before.is_running else "continues again"
        return f"Round {after.round} {continues}."
    if after.state is Phase.PAUSED:
        return "It is paused until somebody comments `/loop resume`."
    if command.verb == "stop" and before.outcome is None:
        return f"It is stopped. Next: {next_step(after)}"
    return f"It is stopped still. Next: {next_step(after)}"
