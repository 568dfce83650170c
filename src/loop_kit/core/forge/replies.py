"""The one line that answers a command, where it was written."""

from loop_kit.core.forge.advice import next_step
from loop_kit.core.loop.answers import change, consequence, left_ids
from loop_kit.core.loop.commands import DECISIONS, Command
from loop_kit.core.loop.decisions import sort_ids
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.resuming import retried_role
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.core.text.harmless import code

MAX_REPLY = 1_000
_CHANGED = (
    *("state", "round", "outcome", "limits", "findings", "retry_with", "card_sha256", "verify"),
)


def command_reply(mark: str, command: Command, before: LoopState, after: LoopState) -> str:
    """What the command has changed, and what is next; `mark` is the marker of the reply."""
    return f"{mark}\n{command_answer(command, before, after)}"


def command_answer(command: Command, before: LoopState, after: LoopState) -> str:
    """What the command has changed, and what is next, in one line."""
    changed = f"{change(command, before, after)}{consequence(command, before, after)}"
    return f"`/loop {command.verb}`: {changed}{_next_of_stopped(after)}"


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
        left = left_ids(command, recorded)
        reads = " ".join([reads, *left])
    return f"{mark}\n`/loop {command.verb}`: {reads}"


def decision_problem(command: Command, recorded: LoopState) -> str | None:
    """Why the decision changes nothing at all, if it does not."""
    if command.verb not in DECISIONS or sort_ids(recorded.findings, command).applies:
        return None
    return f"`/loop {command.verb}` changes nothing: {' '.join(left_ids(command, recorded))}"


def has_effect(before: LoopState, after: LoopState) -> bool:
    """Whether a command changed anything about the loop."""
    return any(getattr(before, name) != getattr(after, name) for name in _CHANGED)


def declined_reply(mark: str, sentence: str) -> str:
    """Why nothing could be done; `sentence` is harmless in a comment."""
    return f"{mark}\n{sentence}"


def _next_of_stopped(after: LoopState) -> str:
    """What a person can do about a loop that does not run."""
    return f" Next: {next_step(after)}" if after.state is Phase.DONE else ""
