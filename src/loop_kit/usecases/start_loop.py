"""Starts the loop of a card that somebody asked for; one that has begun is continued instead."""

from dataclasses import dataclass, replace

from loop_kit.core.ci.requests import StartFile, StartIssue, StartPull
from loop_kit.core.loop.state import LoopState, Outcome, Source
from loop_kit.errors import BadCard, BranchRefused, ForgeRefused, LoopError
from loop_kit.usecases.cards import Cards, Found
from loop_kit.usecases.comments import refuse
from loop_kit.usecases.continue_loop import leaves_alone
from loop_kit.usecases.job import Loop, LoopJob


def start_loop(
    job: LoopJob, cards: Cards, request: StartFile | StartIssue | StartPull
) -> LoopState | None:
    """Run a round of the loop; None when this job leaves it alone.

    A loop that has begun continues with its first card, whatever the issue says by now.

    Raises:
        LoopError: a setting, a card, a branch or a permission that a person has to fix; on an issue
            or a pull request it is posted there too.
    """
    begun = Begun()
    try:
        state = _start_loop(job, cards, request, begun)
    except KeyboardInterrupt:
        _report_cancelled(job, request, begun)
        raise
    if state is not None and state.outcome is Outcome.INTERRUPTED:
        _report_cancelled(job, request, begun)
    return state


@dataclass(slots=True)
class Begun:
    """How far a start has come: the loop, once it was loaded."""

    loop: Loop | None = None


def _report_cancelled(
    job: LoopJob, request: StartFile | StartIssue | StartPull, begun: Begun
) -> None:
    """Post that a job was cancelled before it could save anything: nothing else would show it."""
    if isinstance(request, StartFile) or not (begun.loop is None or begun.loop.is_untouched):
        return
    sentence = "The job was cancelled or shut down before the loop could be saved."
    refuse(
        job.context,
        request.number,
        BranchRefused(sentence, "Put the label on again.", anchor="pull-request-unusable"),
    )


def _start_loop(
    job: LoopJob, cards: Cards, request: StartFile | StartIssue | StartPull, begun: Begun
) -> LoopState | None:
    found: Found | None = None
    try:
        found = _find_card(cards, request)
        begun.loop = loop = _load_and_check(job, found)
        found = _on_existing_work(job, loop, found)
    except (BadCard, BranchRefused, ForgeRefused) as error:
        known = _known_loop(job, request) if found is None else None
        if known is None:
            if not isinstance(request, StartFile):
                refuse(job.context, request.number, error)
            raise
        job.context.log.warn(f"{error.sentence} {known.task_id} continues with its first card.")
        begun.loop = loop = known
    try:
        return _enter(job, loop, found)
    except LoopError as error:
        if loop.recorded is None and not isinstance(request, StartFile):
            refuse(job.context, request.number, error)
        raise


def _find_card(cards: Cards, request: StartFile | StartIssue | StartPull) -> Found:
    if isinstance(request, StartFile):
        return cards.committed(request.path)
    if isinstance(request, StartIssue):
        return cards.of_issue(request)
    return cards.of_pull(request)


def _load_and_check(job: LoopJob, found: Found) -> Loop:
    loop = job.load(found.card.task_id, found.own_work)
    if loop.recorded is not None:
        _check_source(loop.recorded, found)
        return loop
    waits = job.unmerged_dependencies(found.card)
    if waits:
        raise BadCard(
            f"{found.card.task_id} depends on {', '.join(waits)}, which is not merged.",
            "Merge its pull request, then start this one again.",
            anchor="card-depends-on",
        )
    _check_head(found, loop.store.work_tip)
    return loop


def _on_existing_work(job: LoopJob, loop: Loop, found: Found) -> Found:
    """What was found, to begin on top of the work of a loop whose state branch is gone."""
    tip = loop.store.work_tip
    if loop.recorded is not None or found.own_work or tip in {"", found.start_sha}:
        return found
    base_sha = job.context.forge.merge_base(found.base_branch, tip)
    if base_sha == tip:
        return found
    job.context.log.warn(
        f"{loop.branches.work} holds the work of a loop whose state branch is gone: a new loop"
        " begins on top of it."
    )
    return replace(found, base_sha=base_sha, start_sha=tip)


def _known_loop(job: LoopJob, request: StartFile | StartIssue | StartPull) -> Loop | None:
    """The loop that was begun for this issue or pull request, whatever it says by now."""
    if isinstance(request, StartFile):
        return None
    kind = "issue" if isinstance(request, StartIssue) else "pr"
    loop = job.load(job.context.forge.loop_of(request.number) or f"{kind}-{request.number}")
    source = loop.recorded.source if loop.recorded else Source()
    number = source.issue if kind == "issue" else source.pull
    return loop if number == request.number else None


def _enter(job: LoopJob, loop: Loop, found: Found | None) -> LoopState | None:
    recorded = loop.recorded
    if recorded is None:
        return job.round(loop, found)
    edited = found is not None and loop.card is not None and loop.card.sha256 != found.card.sha256
    if found and edited and recorded.outcome is Outcome.VERIFY_UNAVAILABLE:
        loop = replace(loop, card=found.card, refreshes=True)
    elif edited:
        job.context.log.warn(
            f"The card of {loop.task_id} was edited since its loop began; the first version counts"
            " until somebody comments /loop refresh."
        )
    if leaves_alone(job, recorded):
        return None
    if job.has_handed_over(recorded):
        return job.dispatch_again(loop)
    return job.round(loop, found)


def _check_source(recorded: LoopState, found: Found) -> None:
    asked, known = found.source, recorded.source
    if (asked.kind, asked.ref if asked.kind != "file" else "") == (
        known.kind,
        known.ref if known.kind != "file" else "",
    ):
        return
    raise BadCard(
        f"{recorded.task_id} is already the loop of {known.kind} {known.ref}.",
        "Give this card a task_id of its own.",
        anchor="card-id-taken",
    )


def _check_head(found: Found, tip: str) -> None:
    """A person who put the label on has seen one head, and no other is worked on."""
    if found.own_work and tip not in {"", found.start_sha}:
        raise BranchRefused(
            f"The head of the pull request moved from {found.start_sha[:10]} to {tip[:10]} since"
            " it was labelled.",
            "Look at the new commits, then put the label on again.",
            anchor="pull-request-unusable",
        )
