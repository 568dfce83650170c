"""Commands in comments, and what is answered on an issue or a pull request.

While another run holds the loop, a command is put into its inbox, which it reads before it spends
anything; otherwise this run takes the loop, carries the command out and continues from there. Who
may not command gets no answer at all: strangers must not make us answer.
"""

from collections.abc import Callable

from loop_kit.core.card.issue import find_card
from loop_kit.core.card.issue_sections import Origin
from loop_kit.core.card.task import check_task_id
from loop_kit.core.ci.requests import Comment
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.heading import state_words
from loop_kit.core.forge.render import headline, marker
from loop_kit.core.forge.replies import (
    command_reply,
    declined_reply,
    has_effect,
    queued_reply,
)
from loop_kit.core.forge.status import REFUSED, refusal, status_reply
from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.core.text.harmless import inline
from loop_kit.errors import BadCard, ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports import PushRejected
from loop_kit.ports.forge import Reaction
from loop_kit.usecases.cards import Cards
from loop_kit.usecases.commands import command_problem, with_current_card
from loop_kit.usecases.job import Loop, LoopJob
from loop_kit.usecases.job_context import JobContext

_TRIES = 5
"""How often a loop is loaded that is written to while a command is put into its inbox."""


def handle_comment(job: LoopJob, cards: Cards, request: Comment) -> LoopState | None:
    """Do what a comment asks; None when no round was run for it."""
    context, command = job.context, request.command
    if not all(job.authority.may(login) for login in context.invocation.people):
        asked = context.invocation
        context.log.note(f"{asked.people[0]} may not write to {asked.repository}: nothing to do.")
        return None
    reply = Reply(context, request)
    if isinstance(command, Misspelt):
        context.log.note(command.sentence)
        reply.decline("", command.sentence)
        return None
    task_id = _task_id(job, request)
    for _ in range(_TRIES):
        try:
            return _apply_or_queue(job, cards, request, command, job.load(task_id), reply)
        except PushRejected:
            context.log.note(f"{task_id} was written meanwhile: looking again.")
        except LoopError as error:
            reply.refuse(task_id, command, error)
            raise
    why = f"{task_id} changes faster than the command can be recorded: comment it again."
    context.log.warn(why)
    reply.decline(task_id, why)
    return None


def refuse(context: JobContext, number: int, error: LoopError) -> None:
    """Say on an issue or a pull request why no loop is started; always in the same comment."""
    text = refusal(error.sentence, error.remedy, error.page)
    if context.settings.dry_run:
        context.log.note(f"Dry run: #{number} would get a comment on why no loop is started.")
        return
    try:
        known = context.forge.find_post(number, REFUSED) or ""
        context.forge.put_comment(number, known, text, REFUSED)
    except (ForgeRefused, ForgeUnavailable) as failure:
        context.log.warn(f"The comment on #{number} could not be written: {failure}")


def _apply_or_queue(
    job: LoopJob, cards: Cards, request: Comment, command: Command, loop: Loop, reply: "Reply"
) -> LoopState | None:
    context, recorded = job.context, loop.recorded
    if recorded is None or request.number not in _numbers(recorded):
        why = f"#{request.number} has no loop that can be commanded."
        context.log.note(why)
        reply.decline("", why)
        return None
    if command.verb == "status":
        _reply(context, request, recorded)
        return None
    live = job.is_live(recorded.lease)
    if request.id in recorded.handled_commands:
        context.log.note(f"/loop {command.verb} was carried out already.")
        reply.repeat(recorded)
        return _continue_lost_run(job, loop, recorded, live=live)
    why_not = command_problem(context, loop.card, recorded, command)
    if why_not is not None:
        context.log.note(why_not)
        reply.decline(recorded.task_id, why_not)
        return None
    if command.verb == "refresh":
        command = with_current_card(context, cards, command, recorded, request)
    if live:
        _queue_command(context, loop, command, reply)
        return None
    return _carry_out(job, loop, recorded, command, reply)


def _carry_out(
    job: LoopJob, loop: Loop, recorded: LoopState, command: Command, reply: "Reply"
) -> LoopState | None:
    """Take the loop and continue from the command; whatever happens, it is answered."""
    try:
        state = job.work(loop, command=command, answer=reply.to(command, recorded))
    except KeyboardInterrupt:
        _report_cancelled(loop, reply)
        raise
    if state is not None and state.outcome is Outcome.INTERRUPTED:
        _report_cancelled(loop, reply)
    return state


def _report_cancelled(loop: Loop, reply: "Reply") -> None:
    """Answer that a job was cancelled before it could save what the command has changed."""
    if loop.is_untouched:
        why = "the job was cancelled or shut down before that could be saved. Comment it again."
        reply.decline(loop.task_id, why)


def _continue_lost_run(
    job: LoopJob, loop: Loop, recorded: LoopState, *, live: bool
) -> LoopState | None:
    """Continue if the run that carried the command out died after that; None if it did not."""
    if job.has_handed_over(recorded):
        return job.dispatch_again(loop)
    died = recorded.lease is not None and not live
    return job.round(loop, retries=False) if died else None


def _queue_command(context: JobContext, loop: Loop, command: Command, reply: "Reply") -> None:
    if context.settings.dry_run:
        context.log.note(f"Dry run: the command is for the inbox of {loop.task_id}.")
        return
    loop.store.drop(command)
    recorded = loop.recorded
    assert recorded is not None  # noqa: S101
    run = recorded.lease.run_id if recorded.lease else ""
    context.log.note(f"Run {run} is running: it reads the command before it spends anything.")
    reply.react("eyes")
    reply.post(loop.task_id, lambda mark: queued_reply(mark, command, recorded, run))


def _task_id(job: LoopJob, request: Comment) -> str:
    """Which loop a comment is about; the loop itself is asked whether that is so."""
    prefix = f"{job.context.settings.branch_prefix}/"
    if request.on_pull:
        facts = job.context.forge.pull(request.number)
        head = facts.head if facts else ""
        if head.startswith(prefix) and head.endswith("/work"):
            return _check_task_id(head.removeprefix(prefix).removesuffix("/work"), request)
    known = job.context.forge.loop_of(request.number)
    if known:
        return known
    origin = Origin("pull request" if request.on_pull else "issue", request.number)
    try:
        card = find_card(request.body, origin)
    except BadCard:
        card = None
    return card.task_id if card else origin.task_id


def _check_task_id(task_id: str, request: Comment) -> str:
    try:
        return check_task_id(task_id)
    except ValueError:
        return f"pr-{request.number}"


class Reply:
    """The one answer to a comment; written again, it replaces what it said before."""

    def __init__(self, context: JobContext, request: Comment) -> None:
        self._context = context
        self._request = request
        self._key = f"command-{request.id}"
        self._known = ""
        self._is_posted = False

    def to(self, command: Command, before: LoopState) -> Callable[[LoopState], None]:
        """What answers `command` when the state after it is known."""

        def answer(after: LoopState) -> None:
            self.react("+1" if has_effect(before, after) else "confused")
            self.post(before.task_id, lambda mark: command_reply(mark, command, before, after))

        return answer

    def decline(self, task_id: str, sentence: str) -> None:
        """Answer that nothing could be done; `sentence` is harmless in a comment."""
        self.react("confused")
        self.post(task_id, lambda mark: declined_reply(mark, sentence))

    def refuse(self, task_id: str, command: Command, error: LoopError) -> None:
        """Answer with an error that ends this job, unless the command is answered already."""
        if self._is_posted:
            return
        remedy = error.remedy.partition("\n\n")[0]
        why = inline(f"{error.sentence} {remedy}", 1000)
        self.decline(task_id, f"`/loop {command.verb}` changed nothing: {why}")

    def repeat(self, recorded: LoopState) -> None:
        """Answer a command that an earlier run carried out, if that one did not answer it."""
        context, mark = self._context, marker(recorded.task_id, self._key)
        if context.settings.dry_run or context.forge.find_post(self._request.number, mark):
            return
        done = f"This was carried out already: {inline(state_words(recorded), 500)}."
        self.post(recorded.task_id, lambda mark: declined_reply(mark, done))

    def react(self, sign: Reaction) -> None:
        """Put a sign on the comment."""
        if not self._context.settings.dry_run:
            self._context.forge.react(self._request.id, sign)

    def post(self, task_id: str, text: Callable[[str], str]) -> None:
        """Write the answer; `text` is given its marker. A command is carried out without it too."""
        context, number = self._context, self._request.number
        if context.settings.dry_run:
            return
        mark = marker(task_id, self._key) if task_id else f"<!-- loop-kit:{self._key} -->"
        self._is_posted = True
        forge = context.forge
        try:
            if not self._known and context.invocation.attempt > 1:
                self._known = forge.find_post(number, mark) or ""
            self._known = forge.put_comment(number, self._known, text(mark), mark)
        except (ForgeRefused, ForgeUnavailable) as failure:
            context.log.warn(f"The answer on #{number} could not be written: {failure}")


def _numbers(recorded: LoopState) -> set[int | None]:
    return {recorded.source.issue, recorded.source.pull, recorded.pull_request}


def _reply(context: JobContext, request: Comment, recorded: LoopState) -> None:
    if context.settings.dry_run:
        context.log.note(f"Dry run: {headline(recorded)}")
        return
    mark = marker(recorded.task_id, f"command-{request.id}")
    again = context.invocation.attempt > 1
    known = (context.forge.find_post(request.number, mark) or "") if again else ""
    reply = status_reply(mark, recorded, PostContext(context.forge.page))
    context.forge.put_comment(request.number, known, reply, mark)
