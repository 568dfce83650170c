"""One invocation of the action: what the event asks, whether it may, and then the engine."""

import shutil
from collections.abc import Mapping

from loop_kit.actions.events import read_request
from loop_kit.adapters.runner.job import Job, read_job, read_payload
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci.requests import (
    Comment,
    NotForUs,
    PushedCards,
    Request,
    Resume,
    StartFile,
    StartIssue,
    StartPull,
    SweepAll,
)
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState, Phase, Source
from loop_kit.errors import BadCard, BranchRefused, ForgeRefused
from loop_kit.settings import for_job
from loop_kit.usecases.authority import Authority
from loop_kit.usecases.cards import Cards, Found
from loop_kit.usecases.comments import handle_comment, refuse
from loop_kit.usecases.job import Loop, LoopJob
from loop_kit.usecases.job_context import JobContext, open_context
from loop_kit.usecases.merged import is_pull_merged
from loop_kit.usecases.pushed_cards import start_pushed
from loop_kit.usecases.sweep import sweep_all
from loop_kit.usecases.three_jobs import later_phase


def run_round(environ: Mapping[str, str], log: ActionsLog) -> LoopState | None:
    """Run one round; None when the event is not for us or another run owns the loop.

    Raises:
        LoopError: a setting, a card, a branch or a permission that a person has to mend.
    """
    layers = for_job(environ)
    settings = layers.resolve()
    payload = read_payload(environ)
    job = read_job(environ, payload)
    for secret in settings.secrets:
        log.mask(secret)
    request = read_request(job, payload, settings)
    if isinstance(request, NotForUs):
        log.note(request.why)
        return None
    context = open_context(job, environ, log, settings, layers)
    try:
        return _Invocation(job, context).perform(request)
    finally:
        shutil.rmtree(context.folder / "scratch", ignore_errors=True)


class _Invocation:
    """One invocation after its event was understood."""

    def __init__(self, job: Job, context: JobContext) -> None:
        self._sender = job
        self._context = context
        bots = context.settings.allowed_bots
        sender = [job.sender] if job.sender_type == "Bot" else []
        self._authority = Authority(context.forge, job.repository, bots, sender)
        self._job = LoopJob(context, self._authority)
        invocation = context.invocation
        self._cards = Cards(
            context.checkout,
            context.forge,
            context.settings,
            invocation.repository,
            invocation.default_branch,
        )

    def perform(self, request: Request) -> LoopState | None:
        """Do what was asked."""
        if isinstance(request, Comment):
            return handle_comment(self._job, self._cards, request)
        if isinstance(request, Resume):
            return self._resume(request)
        if isinstance(request, SweepAll):
            sweep_all(self._job)
            return None
        if isinstance(request, NotForUs) or self._is_set_by_a_program(request):
            return None
        self._authority.require(self._sender.people)
        if isinstance(request, PushedCards):
            return start_pushed(self._job, self._cards, request)
        return self._start(request)

    def _is_set_by_a_program(self, request: Request) -> bool:
        """Whether a bot that nobody allowed labelled or pushed: programs do that all day."""
        job = self._sender
        labelled = isinstance(request, StartIssue | StartPull) and request.labelled
        routine = labelled or isinstance(request, PushedCards)
        program = job.sender_type == "Bot" and not self._authority.may(job.sender, "Bot")
        if routine and program:
            self._context.log.note(f"{job.sender} is a bot that `allowed-bots` does not name.")
        return routine and program

    def _start(self, request: StartFile | StartIssue | StartPull) -> LoopState | None:
        found: Found | None = None
        try:
            found = self._found(request)
            loop = self._job.load(found.card.task_id, found.own_work)
            if loop.recorded is None:
                self._check_dependencies(found.card)
                _check_head(found, loop.store.work_tip)
            else:
                self._check_source(loop.recorded, found)
        except (BadCard, BranchRefused, ForgeRefused) as error:
            known = self._known_loop(request) if found is None else None
            if known is None:
                if not isinstance(request, StartFile):
                    refuse(self._context, request.number, error)
                raise
            loop = known
            self._context.log.warn(f"{error.sentence} {loop.task_id} goes on with its first card.")
        return self._started(loop, found)

    def _known_loop(self, request: StartFile | StartIssue | StartPull) -> Loop | None:
        """The loop that was begun for this issue or pull request, whatever it says by now."""
        if isinstance(request, StartFile):
            return None
        kind = "issue" if isinstance(request, StartIssue) else "pr"
        known = self._context.forge.loop_of(request.number) or f"{kind}-{request.number}"
        loop = self._job.load(known)
        source = loop.recorded.source if loop.recorded else Source()
        number = source.issue if kind == "issue" else source.pull
        return loop if number == request.number else None

    def _started(self, loop: Loop, found: Found | None) -> LoopState | None:
        if loop.recorded is not None:
            if found and loop.card and loop.card.sha256 != found.card.sha256:
                self._context.log.warn(
                    f"The card of {loop.task_id} was edited since its loop began; what counts is"
                    " what it said then, until somebody comments /loop refresh."
                )
            if self._stays(loop.recorded):
                return None
            if self._job.has_handed_over(loop.recorded):
                return self._job.dispatch_again(loop)
        return self._job.round(loop, found)

    def _found(self, request: StartFile | StartIssue | StartPull) -> Found:
        if isinstance(request, StartFile):
            return self._cards.committed(request.path)
        if isinstance(request, StartIssue):
            return self._cards.of_issue(request)
        return self._cards.of_pull(request)

    def _resume(self, request: Resume) -> LoopState | None:
        if self._context.settings.phase in {"agents", "publish"}:
            return later_phase(self._job, request.task_id)
        loop = self._job.load(request.task_id)
        recorded, job = loop.recorded, self._sender
        asked = (request.round, request.expected_state)
        if recorded is None or asked == (None, None):
            if job.sender_type == "Bot" and not self._authority.may(job.sender, "Bot"):
                self._context.log.note("A continuation by a bot names its round and state.")
                return None
            self._authority.require(job.people)
            return None if recorded and self._stays(recorded) else self._job.round(loop)
        outstanding = recorded.is_running or outbox.pending(recorded)
        if self._job.has_handed_over(recorded):
            self._authority.require((recorded.starter, job.rerun_by))
            return self._job.dispatch_again(loop)
        if asked != (recorded.round, recorded.seq) or not outstanding:
            self._context.log.note(
                f"This continuation (round {asked[0]}, state {asked[1]}) is not the one that"
                f" {recorded.task_id} waits for (round {recorded.round}, state"
                f" {recorded.seq}): nothing to do."
            )
            return None
        self._authority.require((recorded.starter, job.rerun_by))
        return None if self._stays(recorded) else self._job.round(loop, retries=False)

    def _stays(self, recorded: LoopState) -> bool:
        """Whether this job leaves a loop alone; the log says why."""
        why = self._reason_to_stay(recorded)
        if why:
            self._context.log.note(why)
        return bool(why)

    def _reason_to_stay(self, recorded: LoopState) -> str:
        if recorded.finished:
            return f"{recorded.task_id} is {recorded.outcome}: use a new task id for new work."
        if recorded.state is Phase.DONE and self._is_merged(recorded):
            return f"{recorded.task_id} is merged: use a new task id for new work."
        if recorded.state is Phase.PAUSED:
            return f"{recorded.task_id} is paused: it goes on after the comment /loop resume."
        if self._job.is_live(recorded.lease):
            run = recorded.lease.run_id if recorded.lease else ""
            return f"busy: run {run} is at work on {recorded.task_id}."
        return ""

    def _is_merged(self, recorded: LoopState) -> bool:
        pull = recorded.pull_request
        return pull is not None and is_pull_merged(self._context.forge, pull)

    def _check_dependencies(self, card: TaskCard) -> None:
        waits = self._job.unmerged(card)
        if waits:
            raise BadCard(
                f"{card.task_id} depends on {', '.join(waits)}, which is not merged.",
                "Merge its pull request, then start this one again.",
            )

    def _check_source(self, recorded: LoopState, found: Found) -> None:
        asked, known = found.source, recorded.source
        if (asked.kind, asked.ref if asked.kind != "file" else "") == (
            known.kind,
            known.ref if known.kind != "file" else "",
        ):
            return
        raise BadCard(
            f"{recorded.task_id} is already the loop of {known.kind} {known.ref}.",
            "Give this card a task_id of its own.",
        )


def _check_head(found: Found, tip: str) -> None:
    """A person who put the label on has seen one head, and no other is worked on."""
    if found.own_work and tip not in {"", found.start_sha}:
        raise BranchRefused(
            f"The head of the pull request moved from {found.start_sha[:10]} to {tip[:10]} since"
            " it was labelled.",
            "Look at the new commits, then put the label on again.",
        )
