"""Several jobs instead of one: what the jobs after `claim` do with the loop that it claimed.

    claim    write token   takes the lease and pushes it; runs nothing
    agents   may only read  runs worker and reviewer; what they leave goes into a bundle
    publish  write token   judges the bundle again, pushes, posts, hands over; runs nothing

The jobs of one run share its lease. A job that finds the lease of another run leaves the loop
alone: it was taken over, or this run is run again after it had handed over.

The last two look at the base branch themselves. What the worker began with is that branch as the
agents' job saw it, once the server has confirmed that the commit is on it. A merge that a rule asks
for is made in both jobs, and is the same commit in both, so that what verified it in one counts in
the other. One that has to be reviewed, or that nobody has verified, is pushed and left to the next
run: nothing in the job that pushes could do either.
"""

from collections.abc import Iterable
from functools import partial, reduce
from pathlib import Path

from loop_kit.adapters.git.bundle import discard_bundle, fetch_commits, read_record, write_bundle
from loop_kit.adapters.git.command import Identity
from loop_kit.adapters.replay import LateStore, UnpushedStore
from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci.bundle import (
    FOLDER,
    Bundle,
    BundleInvalid,
    mismatch,
    parse_bundle,
)
from loop_kit.core.ci.bundle_builder import build_bundle, shorten
from loop_kit.core.loop import bus
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.base_moves import has_merge_to_review, worked_on
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import ReviewReported
from loop_kit.core.loop.refused_push import is_returned
from loop_kit.core.loop.state import Lease, LoopState, Outcome, Phase, Role, Spent, Usage
from loop_kit.core.loop.trailers import trailers_in
from loop_kit.errors import GitFailed, LoopError
from loop_kit.frozen import frozen
from loop_kit.ports import PushRefused, PushRejected
from loop_kit.usecases.job import Entered, Loop, LoopJob

_UNCLAIMED_REVIEWER = (
    "The second reviewer is not asked: the job that claimed the loop has no second-reviewer. Set it"
    " there too, or in .loop/config.yaml."
)


@frozen
class Claimed:
    """A loop whose lease this run holds."""

    loop: Loop
    recorded: LoopState
    card: TaskCard
    lease: Lease


def later_phase(job: LoopJob, task_id: str) -> LoopState | None:
    """Do the part of the phase `agents` or `publish`; None when the loop is not this run's.

    Raises:
        LoopError: a setting, a branch or a permission that a person has to fix.
    """
    log, loop = job.context.log, job.load(task_id)
    if job.context.settings.dry_run:
        return job.work(loop)
    claimed = _find_claim(job, loop)
    if claimed is None:
        return None
    if job.context.settings.phase == "agents":
        _run_agents(job, claimed)
        return None
    try:
        return _publish(job, claimed)
    except PushRejected as error:
        log.warn(f"busy: another run took over {task_id} ({error}).")
        return None
    finally:
        log.close()


def _find_claim(job: LoopJob, loop: Loop) -> Claimed | None:
    recorded, log = loop.recorded, job.context.log
    if recorded is None or loop.card is None:
        log.note(f"There is no loop {loop.task_id}: nothing was claimed.")
        return None
    if recorded.lease is None:
        log.note(f"{loop.task_id} is claimed by nobody: this run has handed it over already.")
        return None
    if recorded.lease.run_id != job.context.invocation.run_id:
        log.note(f"busy: run {recorded.lease.run_id} is working on {loop.task_id}.")
        return None
    return Claimed(loop, recorded, loop.card, recorded.lease)


# --- agents ----------------------------------------------------------------------------------


def _run_agents(job: LoopJob, claimed: Claimed) -> None:
    loop, recorded, log = claimed.loop, claimed.recorded, job.context.log
    folder = _folder(job)
    discard_bundle(folder)
    if _stops(loop.store.commands()):
        log.note(f"A command that stops {loop.task_id} waits: no agent is run.")
        return
    store = UnpushedStore(loop.store)
    entered = job.open(loop, store=store, posts=False)
    if entered.settings.second_reviewer and not recorded.limits.second_reviewer:
        log.warn(_UNCLAIMED_REVIEWER)
    entered.engine.join(recorded, claimed.card)
    try:
        entered.engine.run(last_round=recorded.round, until=partial(has_merge_to_review, recorded))
    finally:
        log.close()
    reports = {role: store.read(name) or b"" for role, name in bus.REPORTS.items()}
    made = [
        (event.role, event.further)
        for event in store.events
        if isinstance(event, ReviewReported) and event.further
    ]
    place = (recorded.task_id, recorded.round)
    further = {key: store.read(bus.pass_path(*place, *key)) or b"" for key in made}
    ended = entered.engine.state
    bundle = shorten(build_bundle(recorded, ended, store.events, reports, store.refused, further))
    head = bundle.work.head_sha if bundle.work else ""
    spans = (recorded.tip, head, bundle.base_tip)
    write_bundle(job.context.checkout.git, folder, bundle.to_json(), *spans)
    log.note(f"What the agents did is in {folder}; the phase publish checks and publishes it.")
    job.report(entered, None, recorded.round)


def _stops(commands: Iterable[Command]) -> bool:
    return any(command.verb in {"pause", "stop"} for command in commands)


def _folder(job: LoopJob) -> Path:
    """Where the workflow's artifact is taken from, and put back to."""
    return job.context.folder.parent / FOLDER


# --- publish ---------------------------------------------------------------------------------


def _publish(job: LoopJob, claimed: Claimed) -> LoopState:
    try:
        bundle, compared = _bundle(job, claimed)
    except BundleInvalid as error:
        why = f"The agents' job left no usable bundle: {error}. Look at its log for the reason."
        return _stop(job, claimed, _outcome_of_lost_job(claimed.recorded), why)
    if _ended_before_base(bundle, claimed.recorded):
        outcome = _outcome_of_lost_job(claimed.recorded)
        if bundle.outcome is Outcome.INTERRUPTED:
            outcome = Outcome.INTERRUPTED
        return _stop(job, claimed, outcome, bundle.failure(Role.WORKER)[1])
    recorded = _inherit_posts(claimed.recorded)
    entered = job.open(claimed.loop, replay=bundle)
    entered.engine.join(recorded, claimed.card)
    if compared is not None:
        entered.engine.record(compared)
    try:
        entered.engine.run(
            last_round=bundle.round,
            until=partial(_is_for_the_next_run, recorded),
            on_approval=partial(job.read_people, entered),
        )
    except GitFailed as error:
        entered.engine.stop(_outcome_of_lost_job(entered.engine.state), str(error))
    except PushRefused as error:
        job.report(entered, job.end_unsaved(entered, error), recorded.round)
    spent = _spent_in_vain(bundle, recorded, entered.engine.state)
    return _hand_over(job, entered, recorded.round, spent)


def _is_for_the_next_run(recorded: LoopState, state: LoopState) -> bool:
    """Whether what is outstanding in this round has no part in the bundle."""
    return is_returned(recorded, state) or has_merge_to_review(recorded, state)


def _spent_in_vain(bundle: Bundle, recorded: LoopState, state: LoopState) -> Spent | None:
    """What the review used that is not read, for the push of the work that it is of was refused."""
    refusal = state.refusal
    if refusal is None or refusal.of_state or refusal == recorded.refusal:
        return None
    reviews = (*bundle.spent.reviews, *(one.spent.total for one in bundle.passes))
    if bundle.review is None and not reviews:
        return None
    spent = reduce(Usage.plus, reviews, Usage())
    return Spent.model_validate(spent.model_dump(include=set(Spent.model_fields)))


def _bundle(job: LoopJob, claimed: Claimed) -> tuple[Bundle, BaseCompared | None]:
    """The bundle of this run's agents, its commits fetched, and what its worker began with.

    Raises:
        BundleInvalid: there is none, or it is not one that agents of this claim can leave.
    """
    context, recorded = job.context, claimed.recorded
    folder = _folder(job)
    raw = read_record(folder)
    if raw is None:
        raise BundleInvalid(f"{folder.name} is missing or empty")
    bundle = parse_bundle(raw)
    why = mismatch(bundle, recorded, rerun=context.invocation.attempt > claimed.lease.run_attempt)
    if why:
        raise BundleInvalid(why)
    compared = None
    awaited = recorded.state is Phase.AWAITING_WORK and bundle.round == recorded.round
    if awaited and bundle.work and bundle.base_tip:
        compared = _compare(job, recorded, bundle.base_tip)
    if awaited and bundle.work and bundle.work.head_sha != recorded.tip:
        scratch = context.folder / "scratch"
        wip = recorded.wip.sha if recorded.wip else ""
        head = bundle.work.head_sha
        trailers = partial(trailers_in, recorded.task_id, recorded.round, signer=str(Identity()))
        span = (recorded.tip, head, wip)
        base_tip = bundle.base_tip
        fetch_commits(context.checkout.git, folder, scratch, *span, trailers, base_tip=base_tip)
    return bundle, compared


def _compare(job: LoopJob, recorded: LoopState, seen: str) -> BaseCompared:
    """How the work compares with the base branch as the agents' job saw it, at the commit `seen`.

    Raises:
        BundleInvalid: the base branch does not hold that commit, or nobody can say so.
    """
    base, checkout, head = job.context.site.base_branch, job.context.checkout, worked_on(recorded)
    try:
        tip = base.tip(recorded.base_branch)
        if tip != seen:
            checkout.fetch(seen)
            found = base.compare(tip, seen) if tip else None
            if found is None or found.merge_base != seen:
                raise BundleInvalid(f"{seen[:10]} is not on the branch {recorded.base_branch}")
        compared = base.compare(seen, head)
    except LoopError as error:
        raise BundleInvalid(f"the base branch cannot be read: {error.sentence}") from None
    if compared is None:
        return BaseCompared(head, seen)
    return BaseCompared(head, seen, compared.merge_base, compared.conflicts)


def _ended_before_base(bundle: Bundle, recorded: LoopState) -> bool:
    """Whether the agents' job did not even get to verify the base commit, which comes first."""
    if bundle.outcome in {Outcome.SETUP_FAILED, Outcome.SANDBOX_UNAVAILABLE}:
        return False
    awaited = recorded.is_running and bool(recorded.verify) and recorded.baseline is None
    return awaited and bundle.verification(recorded.start_sha, recorded.verify) is None


def _inherit_posts(recorded: LoopState) -> LoopState:
    """The state, with what is to be posted marked as intended by another job.

    The phase `claim` posts without recording it; what it posted is then looked for.
    """
    items = (
        item.model_copy(update={"holder": ""}) if item.status == "pending" else item
        for item in recorded.outbox
    )
    return recorded.model_copy(update={"outbox": tuple(items)})


def _outcome_of_lost_job(state: LoopState) -> Outcome:
    reviewing = state.state is Phase.AWAITING_REVIEW
    return Outcome.REVIEWER_DISPATCH_FAILED if reviewing else Outcome.WORKER_DISPATCH_FAILED


def _stop(job: LoopJob, claimed: Claimed, outcome: Outcome, why: str) -> LoopState:
    """End the loop, unless it is over already, or a command that waits is to pause or stop it."""
    loop, recorded = claimed.loop, claimed.recorded
    store = LateStore(loop.store, recorded.branch_tip)
    entered = job.open(loop, store=store)
    entered.engine.join(_inherit_posts(recorded), claimed.card)
    if not recorded.is_running:
        entered.engine.run()
    elif not _stops(store.waiting()):
        entered.engine.stop(outcome, why)
    return _hand_over(job, entered, recorded.round)


def _hand_over(
    job: LoopJob, entered: Entered, round_: int, spent: Spent | None = None
) -> LoopState:
    undispatched: LoopError | None
    try:
        undispatched = job.hand_over(entered, spent)
    except PushRefused as error:
        undispatched = job.end_unsaved(entered, error)
    job.context.log.close()
    job.report(entered, undispatched, round_)
    return entered.engine.state
