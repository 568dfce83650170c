"""Cards that were pushed to the default branch: one is worked on, several get a job each.

A loop that is begun for a job of its own is recorded before that job is dispatched: the dispatched
job is a bot's, and is let in because it asks for what the state says.
"""

from collections.abc import Sequence

from loop_kit.core.ci.requests import PushedCards, is_no_commit
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import BadCard, ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.frozen import frozen
from loop_kit.ports import PushRejected
from loop_kit.usecases.cards import Cards, Found, changed_cards
from loop_kit.usecases.job import Loop, LoopJob

_MAX_LOOPS = 10
"""Loops that one push may start."""


@frozen
class Begun:
    """A card that was pushed, and its loop as it is on the server: nearly always none yet."""

    loop: Loop
    found: Found


def start_pushed(job: LoopJob, cards: Cards, request: PushedCards) -> LoopState | None:
    """Start the loops of the cards that a push added or changed.

    Raises:
        LoopError: the first thing that a person has to fix, after all other loops were started.
    """
    context = job.context
    before = "" if is_no_commit(request.before) else request.before
    for sha in filter(None, (before, request.after)):
        context.checkout.fetch(sha)
    paths = changed_cards(context.checkout.git, before, request.after)
    if not paths:
        context.log.note("The push adds or changes no task card.")
        return None
    if len(paths) > _MAX_LOOPS:
        context.log.warn(
            f"The push holds {len(paths)} task cards; the first {_MAX_LOOPS} are started. Start the"
            " others by hand, or with `loop plan`."
        )
    failed: list[LoopError] = []
    new = _collect(job, cards, paths[:_MAX_LOOPS], request, failed)
    if len(new) == len(paths) == 1:
        return _work_on(job, new[0])
    for begun in new:
        if context.settings.dry_run:
            context.log.note(f"Dry run: {begun.loop.task_id} would get a job of its own.")
        else:
            _dispatch(job, begun, failed)
    if failed:
        raise failed[0]
    return None


def _collect(
    job: LoopJob,
    cards: Cards,
    paths: Sequence[str],
    request: PushedCards,
    failed: list[LoopError],
) -> list[Begun]:
    """The cards that are to be started; of two with one id the first."""
    new: dict[str, Begun] = {}
    for path in paths:
        begun = _new(job, cards, path, request, failed)
        if begun is not None and begun.loop.task_id in new:
            job.context.log.warn(f"{path}: {begun.loop.task_id} is the id of another card too.")
        elif begun is not None:
            new[begun.loop.task_id] = begun
    return list(new.values())


def _work_on(job: LoopJob, begun: Begun) -> LoopState | None:
    recorded = begun.loop.recorded
    if recorded is not None and job.has_handed_over(recorded):
        return job.dispatch_again(begun.loop)
    return job.round(begun.loop, begun.found)


def _new(
    job: LoopJob, cards: Cards, path: str, request: PushedCards, failed: list[LoopError]
) -> Begun | None:
    """The card at `path`, if no loop has it yet and what it depends on is merged.

    A push that is run again continues the loops that it began.
    """
    log = job.context.log
    try:
        found = cards.committed(path, request.after)
    except BadCard as error:
        log.fail(f"{error} {error.page}")
        failed.append(error)
        return None
    loop = job.load(found.card.task_id)
    if loop.recorded is not None and not _is_ours(job, loop.recorded, path):
        log.note(
            f"{path}: {found.card.task_id} has a loop already; an edit counts after a refresh."
        )
        return None
    waits = job.unmerged_dependencies(found.card) if loop.recorded is None else ()
    if waits:
        log.note(f"{path}: {found.card.task_id} waits for {', '.join(waits)}.")
        return None
    return Begun(loop, found)


def _is_ours(job: LoopJob, recorded: LoopState, path: str) -> bool:
    """Whether a loop of this card was begun by this very run, which is run again."""
    again = job.context.invocation.attempt > 1 and recorded.source.ref == path
    run_id = recorded.lease.run_id if recorded.lease else recorded.handed_over_by
    return again and recorded.is_running and run_id == job.context.invocation.run_id


def _dispatch(job: LoopJob, begun: Begun, failed: list[LoopError]) -> None:
    """Record that the loop has begun, and dispatch the job of its first round."""
    log, found = job.context.log, begun.found
    try:
        if begun.loop.recorded is not None and begun.loop.recorded.lease is None:
            job.dispatch_again(begun.loop)
            return
        entered = job.enter(begun.loop, found)
        entered.engine.hand_over(job.context.forge, job.continuation(entered.settings))
        if entered.engine.is_interrupted:
            raise KeyboardInterrupt
        chained = job.continuation(entered.settings) is None
        how = ": start it with `task-id`, since `continue` is none" if chained else ""
        log.note(f"{found.source.ref}: {found.card.task_id} is begun{how}.")
    except PushRejected:
        log.warn(f"busy: another run has begun {found.card.task_id}.")
    except (ForgeRefused, ForgeUnavailable, LoopError) as error:
        log.fail(f"{found.card.task_id}: {error} {error.page}")
        failed.append(error)
