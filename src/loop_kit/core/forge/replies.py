"""The one line that answers a command, where it was written."""

from loop_kit.core.forge.advice import next_step
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import DECISIONS, Command
from loop_kit.core.loop.decisions import sort_ids
from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.loop.resuming import retried_role
from loop_kit.core.loop.state import Limits, LoopState, Phase
from loop_kit.core.text.harmless import code

MAX_REPLY = 1_000
_DECIDED = {
    "waive": "waived: real, but not blocking",
    "dismiss": "dismissed: wrong",
    "require": "required: right, and not to be disputed again",
}
_CHANGED = (
    *("state", "round", "outcome", "limits", "findings", "retry_with", "card_sha256", "verify"),
)


def command_reply(mark: str, command: Command, before: LoopState, after: LoopState) -> str:
    """What the command has changed, and what is next; `mark` is the marker of the reply."""
    return f"{mark}\n{command_answer(command, before, after)}"


def command_answer(command: Command, before: LoopState, after: LoopState) -> str:
    """What the command has changed, and what is next, in one line."""
    changed = _change(command, before, after)
    return f"`/loop {command.verb}`: {changed}{_consequence(command, before, after)}"


def post_answer(state: LoopState, post: int) -> str:
    """What became of a person's text in a review, in one line."""
    raised = next((f for f in state.findings if f.post == post), None)
    if raised is not None:
        return _raised_answer(state, raised)
    about = next((f for f in state.findings if any(r.post == post for r in f.remarks)), None)
    if about is None:
        return "Read."
    return f"The agents read this with {about.id} from now on."


def _raised_answer(state: LoopState, finding: Finding) -> str:
    if finding.status != "open":
        return f"This is {finding.id}, {finding.status} in round {finding.closed_round}."
    if not finding.blocking:
        return f"This is kept for later as {finding.id}, for it is written under an approval."
    then = f"Next: {next_step(state)}"
    if state.is_running:
        role = "worker" if state.state is Phase.AWAITING_WORK else "reviewer"
        then = f"The {role} of round {state.round} reads it."
    return f"This is {finding.id} now, which blocks until it is fixed. {then}"


def queued_reply(mark: str, command: Command, recorded: LoopState, run_id: str) -> str:
    """That the run `run_id` reads the command; what it cannot do is said now."""
    reads = f"run {run_id} reads it before it starts an agent."
    if command.backend:
        role = retried_role(recorded, command).words
        reads = (
            f"run {run_id} records it, and the {role} is {code(command.backend)} after that run."
        )
    if command.verb in DECISIONS:
        left = _left_ids(command, recorded)
        reads = " ".join([reads, *left])
    return f"{mark}\n`/loop {command.verb}`: {reads}"


def decision_problem(command: Command, recorded: LoopState) -> str | None:
    """Why the decision changes nothing at all, if it does not."""
    if command.verb not in DECISIONS or sort_ids(recorded.findings, command).applies:
        return None
    return f"`/loop {command.verb}` changes nothing: {' '.join(_left_ids(command, recorded))}"


def has_effect(before: LoopState, after: LoopState) -> bool:
    """Whether a command changed anything about the loop."""
    return any(getattr(before, name) != getattr(after, name) for name in _CHANGED)


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
    if command.backend:
        role = retried_role(before, command).words
        since = "the next job" if before.is_running else "now"
        return f"the {role} is {code(command.backend)} from {since} on. "
    if command.verb in DECISIONS:
        return " ".join([*_decided_ids(command, before), *_left_ids(command, before), ""])
    return ""


def _decided_ids(command: Command, before: LoopState) -> list[str]:
    ids = sort_ids(before.findings, command).applies
    if not ids:
        return []
    verb = "is" if len(ids) == 1 else "are"
    return [f"{', '.join(ids)} {verb} {_DECIDED[command.verb]}."]


def _left_ids(command: Command, before: LoopState) -> list[str]:
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


def _consequence(command: Command, before: LoopState, after: LoopState) -> str:
    if after.is_running and _is_reviewed_again(before, after):
        return f"Round {after.round} is a review of the same commit: nothing is left that blocks."
    if after.is_running:
        continues = "continues" if before.is_running else "continues again"
        return f"Round {after.round} {continues}."
    if after.state is Phase.PAUSED:
        return "It is paused until somebody comments `/loop resume`."
    if command.verb == "stop" and before.outcome is None:
        return f"It is stopped. Next: {next_step(after)}"
    return f"It is still stopped. Next: {next_step(after)}"


def _is_reviewed_again(before: LoopState, after: LoopState) -> bool:
    """Whether the command has left the worker of the round that is next without work."""
    awaited = before.resume_phase or before.state
    skipped = awaited is Phase.AWAITING_WORK and after.state is Phase.AWAITING_REVIEW
    return skipped and not open_findings(after.findings)
