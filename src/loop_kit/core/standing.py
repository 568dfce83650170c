"""How the loop stands, where a glance is enough: the status comment, the commit status, the labels.

All of it is made from the state at the moment of posting, never from the moment of intending: a
post that was left open for a day shows how the loop stands today.
"""

from dataclasses import dataclass
from typing import Literal

from loop_kit.core import outbox
from loop_kit.core.render import branch, headline, marker, rounds_table, used
from loop_kit.core.sanitize import MAX_BODY, cut, inline, one_line
from loop_kit.core.state import LoopState, Outcome

STATUS_CONTEXT = "loop-kit"
MAX_STATUS = 140
_JOB_TOKEN = "github-actions[bot]"  # noqa: S105

StatusState = Literal["pending", "success", "failure"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label; `color` is six hexadecimal digits, `description` at most 100 characters."""

    name: str
    color: str
    description: str


LABELS = (
    Label(outbox.APPROVED_LABEL, "0e8a16", "The review loop approved this; a person merges it"),
    Label(outbox.PERSON_LABEL, "fbca04", "The review loop stopped and waits for a person"),
    Label(outbox.FAILED_LABEL, "d93f0b", "The review loop failed and can be continued"),
)


def wanted_label(state: LoopState) -> Label | None:
    """The label that shows the outcome, or None when there is none to show."""
    name = outbox.label_of(state.outcome)
    return next((label for label in LABELS if label.name == name), None)


def commit_status(state: LoopState) -> tuple[StatusState, str]:
    """The state of the commit status and its description."""
    said = one_line(headline(state), MAX_STATUS)
    if state.outcome is None:
        return "pending", said
    return ("success" if state.outcome is Outcome.APPROVED else "failure"), said


def status_comment(state: LoopState) -> str:
    """The one comment on the pull request that is kept up to date."""
    parts = [
        marker(state.task_id, outbox.STATUS_COMMENT),
        f"### Review loop `{state.task_id}`",
        "",
        inline(headline(state), 1000),
        "",
        *rounds_table(state),
        "",
        f"Used so far: {used(state)}.",
        "",
        f"- **Next:** {_next(state)}",
        *([f"- **To stop it:** {_STOP}"] if state.outcome is None else []),
        f"- **CI:** {_ci(state)}",
        f"- **Everything else:** `state.json` and `archive/` on the branch `{branch(state)}`.",
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


_STOP = (
    "cancel its run under *Actions*, or the next one before it starts."
    " What is recorded stays, and a later run can continue it."
)


def _next(state: LoopState) -> str:
    if state.outcome is None:
        return f"round {state.round} runs in the next job of the workflow."
    if state.outcome is Outcome.APPROVED:
        ready = outbox.item_of(state, outbox.READY)
        if ready is not None and ready.status == "refused":
            return "click **Ready for review**, which this job's token may not do, and then merge."
        return "a person reads and merges it; the loop never does."
    again = f"run the workflow again with `task-id: {state.task_id}`"
    if outbox.label_of(state.outcome) == outbox.PERSON_LABEL:
        return f"a person decides. To go on where it stopped, {again}."
    return f"mend what failed, then {again}: it goes on where it stopped."


def _ci(state: LoopState) -> str:
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    if opened is not None and opened.by == _JOB_TOKEN:
        return (
            "GitHub starts no checks by itself for what a job's own token pushes. Approve the"
            " waiting runs where GitHub offers it, or close and reopen the pull request; the"
            " token of a GitHub App as `github-token` makes them start by themselves."
        )
    return "checks run on each push as they do for anybody's."
