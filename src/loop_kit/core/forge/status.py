"""Current status at a glance: the status comment, the commit status, the labels.

All of it is made from the state at the moment of posting, never from the moment of intending: a
post that was left open for a day shows the status of today.
"""

from typing import Literal

from loop_kit.core.forge.advice import next_step
from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.figures import clock_time, usage_text
from loop_kit.core.forge.findings import final_sections, folded, open_table
from loop_kit.core.forge.heading import doing, heading
from loop_kit.core.forge.notes import status_notes
from loop_kit.core.forge.question import findings_table, question, question_lines, take_over
from loop_kit.core.forge.render import branch, marker
from loop_kit.core.forge.rounds import review_link, rounds_table, usage_table
from loop_kit.core.forge.stops import refused_report, stop_links, stop_sections
from loop_kit.core.forge.verdict import verdict_lines
from loop_kit.core.loop import outbox
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.second_review import who_approved
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.core.text.harmless import code, cut, inline
from loop_kit.core.text.plain_words import title
from loop_kit.core.text.sanitize import MAX_BODY, fence
from loop_kit.frozen import frozen

STATUS_CONTEXT = "loop-kit"
MAX_STATUS = 140
_COMMANDS = ("`/loop pause`", "`/loop stop`")

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
    now = heading(state)
    text = title(" · ".join([now.words, *now.facts]), MAX_STATUS)
    if state.outcome is None:
        return "pending", text
    return ("success" if state.outcome is Outcome.APPROVED else "failure"), text


def status_comment(state: LoopState, context: PostContext | None = None) -> str:
    """The one comment on the pull request, which is updated."""
    context = context or PostContext()
    table, said = rounds_table(state, context), verdict_lines(state)
    parts = [
        marker(state.task_id, outbox.STATUS_COMMENT),
        f"### {heading(state, context).text}",
        "",
        *lead(state, context),
        *(["", *said] if said else []),
        *open_table(state, context),
        *(["", *table] if table else []),
        *stop_sections(state),
        *status_notes(state),
        *final_sections(state, context),
        *findings_table(state),
        *usage_table(state),
        *(take_over(state.work_branch) if question(state) else []),
        *_details(state, context),
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


def lead(state: LoopState, context: PostContext) -> list[str]:
    """Why the loop stopped, and what a person does next."""
    why = [inline(state.error, 1000), ""] if state.error and state.outcome else []
    said = [*why, *_approvers(state), *_next(state, context)]
    return [*said, *refused_report(state, context), *stop_links(state, context)]


def _approvers(state: LoopState) -> list[str]:
    """Who approved, where two were to be asked."""
    approved = state.outcome is Outcome.APPROVED and state.history
    who = who_approved(state.history[-1]) if approved else None
    return [f"Approved by {inline(who.rstrip('.'), 500)}.", ""] if who else []


def _next(state: LoopState, context: PostContext) -> list[str]:
    """The question of a stopped loop, or else what is next, with the links that it needs."""
    asked = question_lines(state)
    if asked:
        return asked
    if state.outcome is None and state.state is not Phase.PAUSED:
        held = [next_step(state).capitalize(), ""] if is_approval_held(state) else []
        return [*held, " · ".join([*_progress(state, context), *_COMMANDS])]
    links = _links(state, context) if state.outcome is Outcome.APPROVED else []
    return [" ".join([f"**Next:** {next_step(state)}", " · ".join(links)]).rstrip()]


def _progress(state: LoopState, context: PostContext) -> list[str]:
    """Since when somebody works, or has to, and where that can be watched.

    The next job is dispatched right after the round, and nothing is posted when it begins.
    """
    if is_approval_held(state):
        return []
    works = doing(state, context) is not None
    url = context.run(state.lease.run_id) if works and state.lease else context.runs
    words = "Log" if works else "Runs"
    attempts = state.history[-1].attempts if state.history else ()
    ended = attempts[-1].ended_at if attempts else state.started_at
    at = clock_time(state.attempt.started_at if works and state.attempt else ended)
    return [*([f"Since {at}"] if at else []), *([f"[{words}]({url})"] if url else [])]


def _links(state: LoopState, context: PostContext) -> list[str]:
    last = state.history[-1] if state.history else None
    changes = context.changes(state.pull_request)
    review = review_link(state, last.round, context) if last else None
    named = (("Changes", changes), ("Last review", review))
    return [f"[{words}]({url})" for words, url in named if url]


def _details(state: LoopState, context: PostContext) -> list[str]:
    """What is looked for when something is odd, folded."""
    where = link(f"`{branch(state)}`", context.branch(branch(state)))
    lines = [
        f"- The state and all reports are on the branch {where}; `loop fetch {state.task_id}`"
        " gets them on a laptop.",
        f"- Used so far: {usage_text(state.usage)}.",
        *([f"- Sandbox: {inline(state.sandbox, 200)}"] if state.sandbox else []),
    ]
    return folded("Where the state is, and how to debug it on a laptop", lines)


def status_reply(mark: str, state: LoopState, context: PostContext | None = None) -> str:
    """The answer to `/loop status`; `mark` is its marker."""
    context = context or PostContext()
    run = state.lease.run_id if state.lease else ""
    parts = [
        mark,
        f"### {heading(state, context).text}",
        "",
        *lead(state, context),
        *open_table(state, context),
        "",
        f"- Loop {code(state.task_id)}, {pull_words(state, context) or 'no pull request yet'}",
        f"- Used so far: {usage_text(state.usage)}.",
        *([f"- {link(f'Run {run}', context.run(run))} works on it."] if run else []),
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


def refusal(sentence: str, remedy: str, page: str) -> str:
    """Why no loop is started, what to do, and where there is more; the remedy may be a card."""
    parts = [REFUSED, "### No review loop was started", "", inline(sentence, 1000), ""]
    parts += _remedy_lines(remedy)
    parts += ["", f"Then put the label on again. [About this message]({page})"]
    return cut("\n".join(parts), MAX_BODY - 512)


def _remedy_lines(remedy: str) -> list[str]:
    """A remedy, and in a fence what can be copied from it."""
    text, _, example = remedy.partition("\n\n")
    return [inline(text, 2000), *(["", fence(example)] if example else [])]


def pull_words(state: LoopState, context: PostContext) -> str:
    """The pull request, or why there is none; '' where it is not opened yet."""
    if state.pull_request is not None:
        return link(f"pull request #{state.pull_request}", context.pull(state.pull_request))
    opened = outbox.item_of(state, outbox.PULL_REQUEST)
    return inline(opened.why, 1000) if opened is not None and opened.why else ""
