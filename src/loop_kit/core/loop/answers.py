"""What a command of a person has changed about a loop, in words, and the log of such commands.

The answer to a comment says it, and the report of the loop lists it by rounds.
"""

from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import DECISIONS, Command
from loop_kit.core.loop.decisions import sort_ids
from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.loop.messages import Commanded
from loop_kit.core.loop.resuming import handle_command, retried_role, update
from loop_kit.core.loop.rounds import GivenCommand
from loop_kit.core.loop.state import Limits, LoopState, Phase
from loop_kit.core.text.harmless import code
from loop_kit.core.text.sanitize import one_line

MAX_GIVEN = 100
"""The newest commands that are kept."""

_MAX_WORDS = 600
_DECIDED = {
    "waive": "waived: real, but not blocking",
    "dismiss": "dismissed: wrong",
    "require": "required: right, and not to be disputed again",
}


def carry_out(state: LoopState, event: Commanded) -> LoopState:
    """The state after the command, which is logged with its answer; a question is not."""
    after, command = handle_command(state, event), event.command
    if after is state or command.verb == "status":
        return after
    answer = f"{change(command, state, after)}{consequence(command, state, after)}"
    given = GivenCommand(
        round=max(state.last_round, 1),
        by=command.by,
        at=command.at or event.at,
        asked=one_line(_asked(command), _MAX_WORDS),
        answer=one_line(answer, _MAX_WORDS),
    )
    return update(after, commands=(*state.commands, given)[-MAX_GIVEN:])


def change(command: Command, before: LoopState, after: LoopState) -> str:
    """What is different now; empty, or a sentence with a space after it."""
    if command.verb == "extend":
        return f"{after.limits.max_rounds} rounds are allowed now. "
    if command.verb == "budget" and command.budget is not None:
        return _budget_change(command.budget, before.limits, after.limits)
    if command.verb == "refresh":
        return "the card counts as it is now. "
    if command.backend:
        role = retried_role(before, command).words
        since = "the next job" if before.is_running else "now"
        return f"the {role} is {code(command.backend)} from {since} on. "
    if command.verb in DECISIONS:
        decided = () if after.findings == before.findings else _decided_ids(command, before)
        return " ".join([*decided, *left_ids(command, before), ""]).lstrip()
    return ""


def consequence(command: Command, before: LoopState, after: LoopState) -> str:
    """Whether the loop runs now."""
    if after.is_running and _is_reviewed_again(before, after):
        return f"Round {after.round} is a review of the same commit: nothing is left that blocks."
    if after.is_running:
        continues = "continues" if before.is_running else "continues again"
        return f"Round {after.round} {continues}."
    if after.state is Phase.PAUSED:
        return "It is paused until somebody comments `/loop resume`."
    if command.verb == "stop" and before.outcome is None:
        return "It is stopped."
    return "It is still stopped."


def left_ids(command: Command, before: LoopState) -> list[str]:
    """Why the other ids that a decision names are left as they were."""
    ids = sort_ids(before.findings, command)
    left = []
    if ids.unknown:
        still = ", ".join(f.id for f in before.findings if f.status == "open")
        known = f"open are {still}" if still else "none is open"
        left.append(f"{_listed(ids.unknown)} no finding of this loop: {known}.")
    left += [f"{finding.id} was {_how_closed(finding)} already." for finding in ids.closed]
    if ids.verified:
        left.append(
            f"{_listed(ids.verified)} what the verify commands found, and an approval needs them to"
            " pass: correct them in the card and comment `/loop refresh`, or have them fixed."
        )
    if ids.same:
        left.append(f"{_listed(ids.same)} {_DECIDED[command.verb].partition(':')[0]} already.")
    return left


def _asked(command: Command) -> str:
    """The command as somebody would write it."""
    words = ["/loop", command.verb, *command.findings]
    if command.rounds:
        words.append(str(command.rounds))
    if command.budget is not None:
        words.append(command.budget.words)
    if command.backend:
        words += ["with", command.backend, *(("as", command.role.words) if command.role else ())]
    return " ".join([*words, *(("because", command.because) if command.because else ())])


def _decided_ids(command: Command, before: LoopState) -> list[str]:
    ids = sort_ids(before.findings, command).applies
    if not ids:
        return []
    verb = "is" if len(ids) == 1 else "are"
    return [f"{', '.join(ids)} {verb} {_DECIDED[command.verb]}."]


def _listed(ids: tuple[str, ...]) -> str:
    return f"{', '.join(ids)} {'is' if len(ids) == 1 else 'are'}"


def _how_closed(finding: Finding) -> str:
    return f"{finding.status} in round {finding.closed_round}"


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


def _is_reviewed_again(before: LoopState, after: LoopState) -> bool:
    """Whether the command has left the worker of the round that is next without work."""
    awaited = before.resume_phase or before.state
    skipped = awaited is Phase.AWAITING_WORK and after.state is Phase.AWAITING_REVIEW
    return skipped and not open_findings(after.findings)
