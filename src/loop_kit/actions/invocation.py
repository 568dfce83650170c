"""One invocation of the action: reads what the event asks, and calls the use case that does it."""

from collections.abc import Mapping

from loop_kit.actions.events import read_request
from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.runner.job import Job, read_job, read_payload
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.core.ci.requests import (
    ChecksEnded,
    Comment,
    NotForUs,
    PushedCards,
    Request,
    Resume,
    StartIssue,
    StartPull,
    SweepAll,
)
from loop_kit.core.loop.state import LoopState
from loop_kit.settings import for_job
from loop_kit.usecases.authority import Authority
from loop_kit.usecases.cards import Cards
from loop_kit.usecases.checks import continue_after_checks
from loop_kit.usecases.comments import handle_comment
from loop_kit.usecases.continue_loop import continue_loop
from loop_kit.usecases.job import LoopJob
from loop_kit.usecases.job_context import JobContext, open_context
from loop_kit.usecases.pushed_cards import start_pushed
from loop_kit.usecases.start_loop import start_loop
from loop_kit.usecases.sweep import sweep_all
from loop_kit.usecases.three_jobs import later_phase


def run_round(environ: Mapping[str, str], log: ActionsLog) -> LoopState | None:
    """Run one round; None when the event is not for us or another run owns the loop.

    Raises:
        LoopError: a setting, a card, a branch or a permission that a person has to fix.
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
        return _perform(request, job, context)
    finally:
        left = context.site.space.close()
        if left:
            log.warn(left)
        remove(context.folder / "scratch")


def _perform(request: Request, job: Job, context: JobContext) -> LoopState | None:
    bots = [job.sender] if job.sender_type == "Bot" else []
    authority = Authority(context.forge, job.repository, context.settings.allowed_bots, bots)
    loops = LoopJob(context, authority)
    cards = Cards(
        *(context.checkout, context.forge, context.settings),
        *(job.repository, context.invocation.default_branch, context.layers),
    )
    if isinstance(request, Comment):
        return handle_comment(loops, cards, request)
    if isinstance(request, Resume):
        is_later = context.settings.phase in {"agents", "publish"}
        return later_phase(loops, request.task_id) if is_later else continue_loop(loops, request)
    if isinstance(request, ChecksEnded | SweepAll):
        return _continue_waiting(request, loops)
    if isinstance(request, NotForUs) or _is_routine_of_a_bot(request, job, authority, context):
        return None
    authority.require(job.people)
    if isinstance(request, PushedCards):
        return start_pushed(loops, cards, request)
    return start_loop(loops, cards, request)


def _continue_waiting(request: ChecksEnded | SweepAll, loops: LoopJob) -> LoopState | None:
    """Continue what waits, which nobody has asked for."""
    if isinstance(request, ChecksEnded):
        return continue_after_checks(loops, request)
    sweep_all(loops)
    return None


def _is_routine_of_a_bot(
    request: Request, job: Job, authority: Authority, context: JobContext
) -> bool:
    """Whether a bot that is not allowed set the label or pushed: programs do that all day."""
    labelled = isinstance(request, StartIssue | StartPull) and request.labelled
    if not (labelled or isinstance(request, PushedCards)):
        return False
    refused = job.sender_type == "Bot" and not authority.may(job.sender, "Bot")
    if refused:
        context.log.note(f"{job.sender} is a bot that `allowed-bots` does not name.")
    return refused
