"""Notes below the table of the status comment: what is special about this loop, each folded.

A note is our own words, made from the state. Its summary says all that most people need.
"""

from html import escape
from typing import NamedTuple

from loop_kit.core.forge.findings import folded
from loop_kit.core.loop import outbox
from loop_kit.core.loop.base_moves import named_files
from loop_kit.core.loop.checking import DID_NOT_RUN
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.core.text.plain_words import title

_JOB_TOKEN = "github-actions[bot]"  # noqa: S105
_START_CHECKS = (
    "GitHub starts no checks by itself for what a job's own token pushes. Approve the waiting runs"
    " where GitHub offers it, or close and reopen the pull request; the token of a GitHub App as"
    " `github-token` makes them start by themselves."
)

_NOT_READ = "The loop has approved without them: look at the checks before you merge."
_LEFT_ALONE = (
    "The loop was not to update its branch. Merge the base branch and resolve the conflicts before"
    " you merge the pull request."
)
_BEHIND = (
    "A rule asks that a pull request holds the tip of its base branch before it is merged, and that"
    " moves faster than the loop can review and check. Use “Update branch” when you merge."
)


_PROVES_NOTHING = "The verify commands passed before the work too, so they prove nothing about it"
_ADD_A_COMMAND = (
    "Add a command to the card that fails without the change, such as a test of what is asked for,"
    " and comment `/loop refresh`."
)


class Note(NamedTuple):
    """A plain `summary`, which is not trusted, and our own text that a click shows below it."""

    summary: str
    text: str


def notes(state: LoopState) -> tuple[Note, ...]:
    """What is special about this loop, the most important first."""
    return (*_notes_on_base(state), *_notes_on_checks(state), *_notes_on_verify(state))


def _notes_on_base(state: LoopState) -> tuple[Note, ...]:
    """What an approved pull request lacks before it can be merged, if its base moved on."""
    if state.outcome is not Outcome.APPROVED:
        return ()
    branch = state.base_branch
    if state.base.conflicts:
        files = named_files(state.base.conflicts)
        return (Note(f"Conflicts with {branch} in {files}", _LEFT_ALONE),)
    return (Note(f"Behind {branch}", _BEHIND),) if state.base.behind else ()


def _notes_on_checks(state: LoopState) -> tuple[Note, ...]:
    """Why an approval counts without checks, or how those of this loop are started."""
    if state.outcome is Outcome.APPROVED and state.checks.note:
        said = state.checks.note
        text = _START_CHECKS if said.startswith(DID_NOT_RUN) else _NOT_READ
        return (Note(f"{said[0].upper()}{said[1:]}", text),)
    if state.waiting_for:
        return ()
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    by_job = opened is not None and opened.by == _JOB_TOKEN
    return (Note("Checks do not start by themselves: how to start them", _START_CHECKS),) * by_job


def _notes_on_verify(state: LoopState) -> tuple[Note, ...]:
    """That the verify commands say nothing, where they passed at the base already."""
    passed = bool(state.verify) and state.baseline is not None and state.baseline.passed
    return (Note(_PROVES_NOTHING, _ADD_A_COMMAND),) * passed


def status_notes(state: LoopState) -> list[str]:
    """The lines of the notes."""
    return [line for n in notes(state) for line in folded(_summary(n.summary), [n.text])]


def _summary(text: str) -> str:
    """Plain text in a line of HTML, where no code span makes it harmless."""
    return escape(title(text, 500), quote=False)
