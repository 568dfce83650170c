"""Current status at a glance: the status comment, the commit status, the labels.

All of it is made from the state at the moment of posting, never from the moment of intending: a
post that was left open for a day shows the status of today.
"""

from typing import Literal

from loop_kit.core.card.task import TaskCard
from loop_kit.core.forge.advice import (
    STOP,
    failed_setup,
    next_step,
    refused_change,
    refused_push,
    refused_report,
)
from loop_kit.core.forge.findings import final_sections
from loop_kit.core.forge.question import question, question_lines
from loop_kit.core.forge.render import branch, headline, marker, rounds_table, usage_text
from loop_kit.core.forge.verdict import verdict_lines
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.core.text.harmless import cut, inline, quote
from loop_kit.core.text.plain_words import title
from loop_kit.core.text.sanitize import MAX_BODY, fence
from loop_kit.frozen import frozen

STATUS_CONTEXT = "loop-kit"
MAX_STATUS = 140
_JOB_TOKEN = "github-actions[bot]"  # noqa: S105

REFUSED = "<!-- loop-kit:refused -->"
"""The marker of the comment that says why no loop was started."""

UNDISPATCHED = "undispatched"
"""The key of the comment that says why the next round was not started."""

StatusState = Literal["pending", "success", "failure"]


@frozen
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
    text = title(headline(state), MAX_STATUS)
    if state.outcome is None:
        return "pending", text
    return ("success" if state.outcome is Outcome.APPROVED else "failure"), text


def status_comment(state: LoopState) -> str:
    """The one comment on the pull request, which is updated."""
    parts = [
        marker(state.task_id, outbox.STATUS_COMMENT),
        f"### Review loop `{state.task_id}`",
        "",
        inline(headline(state), 1000),
        "",
        *_asks(state),
        *rounds_table(state),
        "",
        f"Used so far: {usage_text(state)}.",
        "",
        *_next(state),
        *([f"- **To stop it:** {STOP}"] if state.outcome is None else []),
        *verdict_lines(state),
        f"- **CI:** {_ci(state)}",
        *([f"- **Sandbox:** {inline(state.sandbox, 200)}"] if state.sandbox else []),
        f"- **Everything else:** `state.json` and `archive/` on the branch `{branch(state)}`.",
        *refused_report(state),
        *final_sections(state),
        *refused_change(state),
        *refused_push(state),
        *failed_setup(state),
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


def acknowledgement(state: LoopState, card: TaskCard | None = None) -> str:
    """The one comment on the issue that the `card` came from, which is updated."""
    parts = [
        marker(state.task_id, outbox.ACKNOWLEDGEMENT),
        f"### Review loop `{state.task_id}`",
        "",
        inline(headline(state), 1000),
        "",
        *_asks(state),
        *([f"- **Pull request:** {_pull(state)}"] if _pull(state) else []),
        *_next(state),
        *([f"- **To stop it:** {STOP}"] if state.outcome is None else []),
        *_card_note(state),
        *refused_report(state),
        *refused_change(state),
        *refused_push(state),
        *failed_setup(state),
        *_verify_note(state, card.verify if card else ()),
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


def _asks(state: LoopState) -> list[str]:
    """The question of a stopped loop, before everything else."""
    lines = question_lines(state)
    return [*lines, ""] if lines else []


def _next(state: LoopState) -> list[str]:
    """What is next, where that is no question."""
    return [] if question(state) else [f"- **Next:** {next_step(state)}"]


def status_reply(mark: str, state: LoopState) -> str:
    """The answer to `/loop status`; `mark` is its marker."""
    parts = [
        mark,
        f"`{state.task_id}`: {inline(headline(state), 1000)}",
        "",
        f"- **Next:** {next_step(state)}",
        *([f"- **Pull request:** {_pull(state)}"] if _pull(state) else []),
        f"- **Used so far:** {usage_text(state)}.",
        *([f"- **Running:** run {state.lease.run_id}."] if state.lease else []),
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


def undispatched(mark: str, state: LoopState, sentence: str, remedy: str) -> str:
    """Why the next round was not started, though all of this one is saved; `mark` is its marker."""
    parts = [
        mark,
        f"### Round {state.round} of `{state.task_id}` was not started",
        "",
        inline(sentence, 1000),
        "",
        *_remedy_lines(remedy),
        "",
        "What was done is saved. Then comment `/loop retry`.",
    ]
    return cut("\n".join(parts), MAX_BODY - 512)


def refusal(sentence: str, remedy: str) -> str:
    """Why no loop is started, and what to do; the remedy may be a card to copy."""
    parts = [REFUSED, "### No review loop was started", "", inline(sentence, 1000), ""]
    parts += _remedy_lines(remedy)
    parts += ["", "Then put the label on again."]
    return cut("\n".join(parts), MAX_BODY - 512)


def _remedy_lines(remedy: str) -> list[str]:
    """A remedy, and in a fence what can be copied from it."""
    text, _, example = remedy.partition("\n\n")
    return [inline(text, 2000), *(["", fence(example)] if example else [])]


def _pull(state: LoopState) -> str:
    """The pull request's number, or why there is none."""
    if state.pull_request is not None:
        return f"#{state.pull_request}"
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    return inline(opened.why, 1000) if opened is not None and opened.why else ""


def _card_note(state: LoopState) -> list[str]:
    if state.outcome is Outcome.APPROVED:
        return []
    return [
        "- **The task** is what this issue said when the loop was started. An edit counts only"
        " after `/loop refresh`."
    ]


def _verify_note(state: LoopState, asked: tuple[str, ...]) -> list[str]:
    """The commands that run, to the letter: those of an issue were written by an outsider."""
    if state.outcome is Outcome.APPROVED:
        return []
    is_ignored = bool(asked) and asked != state.verify
    note = "The verify commands of this issue do not run: the repository has its own."
    parts = ["", note] if is_ignored else []
    if state.verify:
        whose = "of this issue" if asked == state.verify else "of the repository"
        parts += ["", f"Verify commands {whose}, run in each round:", ""]
        parts.append(quote("\n".join(state.verify)))
    return parts


def _ci(state: LoopState) -> str:
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    if opened is not None and opened.by == _JOB_TOKEN:
        return (
            "GitHub starts no checks by itself for what a job's own token pushes. Approve the"
            " waiting runs where GitHub offers it, or close and reopen the pull request; the"
            " token of a GitHub App as `github-token` makes them start by themselves."
        )
    return "checks run on each push as they do for any other push."
