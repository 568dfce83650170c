"""Notes below the table of the status comment: what is special about this loop, each folded.

A note is our own words, made from the state. Its summary says all that most people need.
"""

from typing import NamedTuple

from loop_kit.core.forge.findings import folded
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.core.text.harmless import inline

_JOB_TOKEN = "github-actions[bot]"  # noqa: S105
_START_CHECKS = (
    "GitHub starts no checks by itself for what a job's own token pushes. Approve the waiting runs"
    " where GitHub offers it, or close and reopen the pull request; the token of a GitHub App as"
    " `github-token` makes them start by themselves."
)


class Note(NamedTuple):
    """A `summary` on one line, and what a click shows below it."""

    summary: str
    text: str


def notes(state: LoopState) -> tuple[Note, ...]:
    """What is special about this loop, the most important first."""
    if state.outcome is Outcome.APPROVED and state.checks.note:
        said = inline(state.checks.note, 500)
        return (Note(f"{said[0].upper()}{said[1:]}", _START_CHECKS),)
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    by_job = opened is not None and opened.by == _JOB_TOKEN
    return (Note("Checks do not start by themselves: how to start them", _START_CHECKS),) * by_job


def status_notes(state: LoopState) -> list[str]:
    """The lines of the notes."""
    return [line for note in notes(state) for line in folded(note.summary, [note.text])]
