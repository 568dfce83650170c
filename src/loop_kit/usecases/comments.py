"""Commands in comments, and what is answered on an issue or a pull request.

While another run holds the loop, a command is put into its inbox, which it reads before it spends
anything; otherwise this run takes the loop, carries the command out and continues from there. Who
may not command gets no answer at all: strangers must not make us answer.
"""

from collections.abc import Callable

from loop_kit.core.card.issue import Origin, find_card
from loop_kit.core.card.task import TaskCard, check_task_id
from loop_kit.core.ci.requests import Comment, StartIssue
from loop_kit.core.forge.render import headline, marker
from loop_kit.core.forge.replies import command_reply, declined_reply, queued_reply
from loop_kit.core.forge.status import REFUSED, refusal, status_reply
from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.errors import BadCard, ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports import PushRejected
from loop_kit.ports.forge import Reaction
from loop_kit.usecases.cards import Cards
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
    if isinstance(command, Misspelt):
        _decline(context, request, command.sentence)
        return None
    reply = Reply(context, request)
    task_id = _task_id(job, request)
    for _ in range(_TRIES):
        try:
            return _apply_or_queue(job, cards, request, command, job.load(task_id), reply)
        except PushRejected:
            context.log.note(f"{task_id} was written meanwhile: looking again.")
    context.log.warn(
        f"{task_id} changes faster than the command can be recorded: comment it again."
    )
    _react(context, request, "confused")
    return None


def refuse(context: JobContext, number: int, error: LoopError) -> None:
    """Say on an issue or a pull request why no loop is started; always in the same comment."""
    text = refusal(error.sentence, error.remedy)
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
        _decline(context, request, f"#{request.number} has no loop that can be commanded.")
        return None
    is_handled = request.id in recorded.handled_commands
    if recorded.is_finished and command.verb != "status" and not is_handled:
        over = f"{recorded.task_id} is {recorded.outcome}: use a new task id for new work."
        _decline(context, request, over)
        return None
    if command.verb == "status":
        _reply(context, request, recorded)
        return None
    live = job.is_live(recorded.lease)
    if is_handled:
        context.log.note(f"/loop {command.verb} was carried out already.")
        return _continue_lost_run(job, loop, recorded, live=live)
    if command.verb == "refresh":
        command = _with_card(job, cards, request, command, recorded)
    if live:
        _queue_command(context, request, loop, command, reply)
        return None
    _react(context, request, "+1")
    try:
        state = job.work(loop, command=command, answer=reply.to(command, recorded))
    except KeyboardInterrupt:
        _report_cancelled(context, request, loop, reply)
        raise
    if state is not None and state.outcome is Outcome.INTERRUPTED:
        _report_cancelled(context, request, loop, reply)
    return state


def _report_cancelled(context: JobContext, request: Comment, loop: Loop, reply: "Reply") -> None:
    """Answer that a job was cancelled before it could save what the command has changed."""
    if not loop.is_untouched:
        return
    _react(context, request, "confused")
    why = "the job was cancelled or shut down before that could be saved. Comment it again."
    reply.post(loop.task_id, lambda mark: declined_reply(mark, why))


def _continue_lost_run(
    job: LoopJob, loop: Loop, recorded: LoopState, *, live: bool
) -> LoopState | None:
    """Continue if the run that carried the command out died after that; None if it did not."""
    if job.has_handed_over(recorded):
        return job.dispatch_again(loop)
    died = recorded.lease is not None and not live
    return job.round(loop, retries=False) if died else None


def _decline(context: JobContext, request: Comment, why: str) -> None:
    context.log.note(why)
    _react(context, request, "confused")
    Reply(context, request).post("", lambda mark: declined_reply(mark, why))


def _queue_command(
    context: JobContext, request: Comment, loop: Loop, command: Command, reply: "Reply"
) -> None:
    if context.settings.dry_run:
        context.log.note(f"Dry run: the command is for the inbox of {loop.task_id}.")
        return
    loop.store.drop(command)
    _react(context, request, "eyes")
    lease = loop.recorded.lease if loop.recorded else None
    run = lease.run_id if lease else ""
    context.log.note(f"Run {run} is running: it reads the command before it spends anything.")
    reply.post(loop.task_id, lambda mark: queued_reply(mark, command, run))


def _with_card(
    job: LoopJob, cards: Cards, request: Comment, command: Command, recorded: LoopState
) -> Command:
    """A `refresh` with the card as it is now, and its verify commands."""
    try:
        card = _reread(cards, request, recorded)
    except LoopError as error:
        refuse(job.context, request.number, error)
        raise
    verify = job.context.loop_settings(card, recorded.base_sha).verify
    return command.model_copy(update={"card": card, "verify": verify})


def _reread(cards: Cards, request: Comment, recorded: LoopState) -> TaskCard:
    """The card as it is now, where it came from."""
    source = recorded.source
    if source.issue is not None:
        same = source.issue == request.number
        title, body = (request.title, request.body) if same else ("", None)
        card = cards.of_issue(StartIssue(source.issue, title, body, labelled=False)).card
    elif source.pull is not None:
        pull = cards.open_pull(source.pull)
        card = cards.in_pull(pull, recorded.base_sha)
    else:
        card = cards.committed(source.ref, cards.tip(recorded.base_branch)).card
    if card.task_id != recorded.task_id:
        raise BadCard(
            f"The card is {card.task_id} now, the loop is {recorded.task_id}.",
            "Give it back its task_id, or start a loop of its own for it.",
        )
    return card


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


def _react(context: JobContext, request: Comment, sign: Reaction) -> None:
    if not context.settings.dry_run:
        context.forge.react(request.id, sign)


class Reply:
    """The one answer to a comment; written again, it replaces what it said before."""

    def __init__(self, context: JobContext, request: Comment) -> None:
        self._context = context
        self._request = request
        self._known = ""

    def to(self, command: Command, before: LoopState) -> Callable[[LoopState], None]:
        """What answers `command` when the state after it is known."""

        def answer(after: LoopState) -> None:
            self.post(before.task_id, lambda mark: command_reply(mark, command, before, after))

        return answer

    def post(self, task_id: str, text: Callable[[str], str]) -> None:
        """Write the answer; `text` is given its marker. A command is carried out without it too."""
        context, number = self._context, self._request.number
        if context.settings.dry_run:
            return
        key = f"command-{self._request.id}"
        mark = marker(task_id, key) if task_id else f"<!-- loop-kit:{key} -->"
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
    context.forge.put_comment(request.number, known, status_reply(mark, recorded), mark)
