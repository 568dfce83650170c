"""Cards that were pushed to the default branch: one is worked on, several get a job each.

A loop that is begun for a job of its own is recorded before that job is dispatched: the dispatched
job is a bot's, and is let in because it asks for what the state says.
"""

from loop_kit.actions.cards import Cards, Found, branches_of, changed_cards
from loop_kit.actions.loop_job import LoopJob
from loop_kit.core.requests import PushedCards, is_no_commit
from loop_kit.core.state import LoopState
from loop_kit.errors import BadCard, ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports import PushRejected

_MOST = 10
"""Loops that one push may start."""


def start_pushed(job: LoopJob, cards: Cards, request: PushedCards) -> LoopState | None:
    """Start the loops of the cards that a push added or changed.

    Raises:
        LoopError: the first thing that a person has to mend, after all other loops were started.
    """
    scene = job.scene
    before = "" if is_no_commit(request.before) else request.before
    for sha in filter(None, (before, request.after)):
        scene.have(sha)
    paths = changed_cards(scene.git, before, request.after)
    if not paths:
        scene.log.note("The push adds or changes no task card.")
        return None
    if len(paths) > _MOST:
        scene.log.warn(
            f"The push holds {len(paths)} task cards; the first {_MOST} are started. Start the"
            " others by hand, or with `loop plan`."
        )
    failed: list[LoopError] = []
    new = [found for path in paths[:_MOST] if (found := _new(job, cards, path, request, failed))]
    if len(new) == 1 and len(paths) == 1:
        return job.round(job.load(new[0].card.task_id), new[0])
    for found in new:
        if scene.settings.dry_run:
            scene.log.note(f"Dry run: {found.card.task_id} would get a job of its own.")
            continue
        _dispatch(job, found, failed)
    if failed:
        raise failed[0]
    return None


def _new(
    job: LoopJob, cards: Cards, path: str, request: PushedCards, failed: list[LoopError]
) -> Found | None:
    """The card at `path`, if no loop has it yet and what it depends on is merged."""
    log = job.scene.log
    try:
        found = cards.committed(path, request.after)
    except BadCard as error:
        log.fail(f"{error.sentence} {error.remedy}")
        failed.append(error)
        return None
    if job.load(found.card.task_id).recorded is not None:
        log.note(
            f"{path}: {found.card.task_id} has a loop already; an edit counts after a refresh."
        )
        return None
    waits = job.unmerged(found.card)
    if waits:
        log.note(f"{path}: {found.card.task_id} waits for {', '.join(waits)}.")
        return None
    return found


def _dispatch(job: LoopJob, found: Found, failed: list[LoopError]) -> None:
    """Record that the loop has begun, and dispatch the job of its first round."""
    log = job.scene.log
    prefix = job.scene.settings.branch_prefix
    try:
        entered = job.enter(job.load(branches_of(found, prefix).task_id), found)
        entered.engine.hand_over(job.scene.forge, job.continuation(entered.settings))
        log.note(f"{found.source.ref}: {found.card.task_id} is begun.")
    except PushRejected:
        log.warn(f"busy: another run has begun {found.card.task_id}.")
    except (ForgeRefused, ForgeUnavailable, LoopError) as error:
        log.fail(f"{found.card.task_id}: {error.sentence} {error.remedy}")
        failed.append(error)
