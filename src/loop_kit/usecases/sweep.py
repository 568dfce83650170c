"""The sweep: has every loop that stands still carried on, and deletes what was closed long ago.

It runs no round and no agent. Where a round is outstanding it takes the lease and hands over again,
so that every dispatch is counted and capped as any other, and so that the second run that dies at
the same work ends the loop. Where a person has cancelled the run, the loop waits for a person. What
needs no agent is done here: posts that an earlier job left open, commands that none lived to read,
and the word that a person is needed.

One loop that cannot be continued keeps no other from it; the sweep fails after all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from traceback import extract_tb

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote_loops import RemoteLoops, StateRecord, scratch_repository
from loop_kit.adapters.runner.outputs import write_summary
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.sweeping import (
    MAX_LOOPS,
    Action,
    LoopSnapshot,
    Need,
    SweepReport,
    SweepRow,
    due,
    is_queued,
    need,
    result,
    reviewed_by_people,
    situation,
    summary,
    totals,
)
from loop_kit.core.forge.heading import state_words
from loop_kit.core.loop import bus
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.commands import INBOX
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.refused_push import left_behind
from loop_kit.core.loop.resuming import operator_limits
from loop_kit.core.loop.run_ends import RunEnd, RunStatus, run_end
from loop_kit.core.loop.state import Lease, LoopState
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import (
    BranchRefused,
    ForgeRefused,
    ForgeUnavailable,
    LoopError,
    StateRefused,
    disk_refusal,
)
from loop_kit.ports import PushRejected
from loop_kit.settings import Values, known_secrets
from loop_kit.usecases.checks import is_wait_over
from loop_kit.usecases.end_report import try_write
from loop_kit.usecases.job import Entered, Loop, LoopJob
from loop_kit.usecases.leases import is_held
from loop_kit.usecases.people import read_people
from loop_kit.usecases.sweep_closed import Ledger, delete_old, seconds_since
from loop_kit.usecases.unsaved import has_unsaved_work, post_unsaved_work

_NO_AGENTS: Values = {
    "worker_backend": "codex",
    "reviewer_backend": "codex",
    "phase": "claim",
}
"""No agent is run, nor any code of the repository; the loop's own backends are not needed."""

_DONE = {*Action} - {Action.DELETED, Action.LEFT, Action.FAILED}


def sweep_all(job: LoopJob) -> None:
    """Sweep, and tell it in the log and in the job summary.

    Raises:
        LoopError: the first that a person has to fix, after all other loops were looked after.
    """
    swept, errors = sweep(job)
    context = job.context
    for row in swept.rows:
        text = one_line(f"{row.found}. {row.did}: {row.message}", 1000)
        context.log.note(f"{row.task_id}: {text}")
    context.log.note(totals(swept))
    redact = Redactor(known_secrets(context.settings, context.site.environ).values())
    path = context.site.environ.get("GITHUB_STEP_SUMMARY", "")
    refused = try_write(write_summary, path, redact(summary(swept)))
    errors = (*errors, refused) if refused else errors
    for error in errors[1:]:
        context.log.fail(str(error))
    if errors:
        raise errors[0]


def sweep(job: LoopJob) -> tuple[SweepReport, tuple[LoopError, ...]]:
    """Look after every loop under the prefix: what was done, and what went wrong.

    Raises:
        BranchRefused: the git server does not tell which loops there are.
    """
    ledger = Ledger()
    sweep_ = _Sweep(job, ledger)
    glances = sweep_.look()
    loops = len(glances) + len(ledger.rows)
    glances = sweep_.find_reviews(glances)
    left = sweep_.carry_on(due(glances))
    carried = {row.task_id for row in ledger.rows if row.did in _DONE}
    delete_old(
        job.context.checkout,
        job.context.forge,
        job.context.settings,
        [g for g in glances if g.task_id not in carried],
        ledger,
    )
    return SweepReport(loops, tuple(ledger.rows), left), tuple(ledger.errors)


class _Sweep:
    """One sweep over all loops under the prefix; the ledger records what came of each."""

    def __init__(self, job: LoopJob, ledger: Ledger) -> None:
        context = replace(job.context, layers=job.context.layers.over("sweep", _NO_AGENTS))
        self._job = LoopJob(context, job.authority)
        self._context = context
        self._ledger = ledger

    def look(self) -> list[LoopSnapshot]:
        """All loops, in one listing and one fetch; one that cannot be read is recorded at once."""
        context = self._context
        with scratch_repository(context.checkout.git, context.folder) as scratch:
            loops = RemoteLoops(scratch, context.checkout.remote, context.settings.branch_prefix)
            recorded = loops.states(loops.all_states())
            inboxes = _with_inbox(scratch, recorded)
        now, glances = SystemClock().now(), []
        for name, found in sorted(recorded.items()):
            if found.state is None:
                self._ledger.fail(
                    name, "unreadable", _unreadable(context.settings.branch_prefix, name, found)
                )
            else:
                age = seconds_since(found.committed_at, now)
                glances.append(LoopSnapshot(name, found.sha, found.state, age, name in inboxes))
        return glances

    def find_reviews(self, glances: list[LoopSnapshot]) -> list[LoopSnapshot]:
        """The loops, with those that a person has reviewed since; in one request for all."""
        asked = reviewed_by_people(glances)
        if not asked:
            return glances
        try:
            newest = self._context.forge.newest_reviews(asked)
        except (ForgeRefused, ForgeUnavailable) as error:
            self._context.log.warn(f"The reviews of people could not be read: {error}")
            return glances
        found = {
            glance.task_id
            for number, glance in asked.items()
            if any(-review not in glance.state.seen_posts for review in newest.get(number, ()))
        }
        return [
            replace(glance, has_reviews=True) if glance.task_id in found else glance
            for glance in glances
        ]

    def carry_on(self, waiting: Sequence[LoopSnapshot]) -> int:
        """Look after these loops in turn; how many are left for the next sweep."""
        carried = 0
        for number, glance in enumerate(waiting):
            if carried == MAX_LOOPS:
                return len(waiting) - number
            found = situation(glance)
            try:
                row = self._looked_after(glance, found)
            except PushRejected:
                row = SweepRow(glance.task_id, found, Action.LEFT, "Another run took it over.")
            except (ForgeRefused, ForgeUnavailable) as error:
                self._ledger.fail(glance.task_id, found, error)
                return len(waiting) - number - 1
            except LoopError as error:
                self._ledger.fail(glance.task_id, found, error)
                continue
            except Exception as error:
                self._ledger.fail(glance.task_id, found, _error_for(glance.task_id, error))
                continue
            self._ledger.add(row)
            carried += row.did in _DONE
        return 0

    def _looked_after(self, glance: LoopSnapshot, found: str) -> SweepRow:
        """What came of one loop that waits for something.

        Raises:
            PushRejected: another run owns it.
            LoopError: it cannot be continued.
        """
        holder = glance.state.lease or glance.state.interrupted_run
        run = self._context.forge.run_status(holder) if holder else None
        loop, wanted = self._load(glance, run), need(glance)
        if isinstance(loop, str):
            return SweepRow(glance.task_id, found, Action.LEFT, loop)
        if self._context.settings.dry_run:
            return SweepRow(glance.task_id, found, Action.WOULD, f"It waits for {wanted}.")
        entered = self._job.open(loop)
        end = run_end(run, holder, _interrupted_at(glance.state)) if holder else None
        continues = wanted in {Need.JOB, Need.RUN_END} and (end is None or end.continues)
        if continues and not self._dispatches(entered):
            why = "`continue` is none: whoever chains its jobs starts the next."
            return SweepRow(glance.task_id, found, Action.LEFT, why)
        if is_queued(glance) and loop.card is not None:
            entered.engine.join(glance.state, loop.card)
            entered.engine.dispatch(self._context.forge, self._job.continuation(entered.settings))
        else:
            self._hand_over(entered, glance.state, end, reads=wanted in {Need.REVIEWS, Need.CHECKS})
        return result(glance.task_id, found, wanted, entered.engine.state)

    def _dispatches(self, entered: Entered) -> bool:
        next_ = self._job.continuation(entered.settings)
        return next_ is not None and bool(next_.workflow)

    def _load(self, glance: LoopSnapshot, run: RunStatus | None) -> Loop | str:
        """The loop as it is on the server, or why it is left alone; `run` is its last one."""
        lease, interrupted = glance.state.lease, glance.state.interrupted_run
        if lease is not None and is_held(lease, run, SystemClock().now()):
            return f"Run {lease.run_id} is working on it."
        if interrupted is not None and run is not None and not run.ended:
            return f"Run {interrupted.run_id} was interrupted and has not ended yet."
        loop = self._job.load(glance.task_id)
        if need(glance) is Need.COMMANDS and not loop.store.waiting():
            return "What is in its inbox is no command."
        recorded = loop.recorded
        if recorded is None or recorded.seq != glance.state.seq:
            return "It was written meanwhile."
        is_at_tip = loop.store.work_tip == recorded.branch_tip
        waits = need(glance) is Need.CHECKS and is_at_tip
        if waits and not is_wait_over(self._context, recorded):
            return f"{state_words(recorded)}."
        return self._unsaved(recorded) or loop

    def _unsaved(self, recorded: LoopState) -> str | None:
        """Why a loop is left to a person whose last run could save nothing; it is posted."""
        if not has_unsaved_work(self._context, recorded):
            return None
        if self._context.settings.dry_run:
            return left_behind(recorded)[0]
        return str(post_unsaved_work(self._context, recorded))

    def _hand_over(
        self, entered: Entered, recorded: LoopState, end: RunEnd | None, *, reads: bool
    ) -> None:
        """Take the lease, post what is due, and hand over to a job of the loop's own."""
        engine, loop = entered.engine, entered.loop
        engine.begin(_start(loop, recorded, self._job.new_lease(0), end), recorded)
        if reads:
            read_people(self._context, engine, operator_limits(recorded))
        if not engine.state.is_running or is_approval_held(engine.state):
            engine.run(last_round=engine.state.round)
        engine.hand_over(self._context.forge, self._job.continuation(entered.settings))
        if engine.is_interrupted:
            raise KeyboardInterrupt


def _interrupted_at(state: LoopState) -> str:
    return state.failed_at if state.interrupted_run is not None else ""


def _start(loop: Loop, recorded: LoopState, lease: Lease, end: RunEnd | None) -> Start:
    """Take the loop up under the limits that it has: those of the sweep's own job are others."""
    assert loop.card is not None  # noqa: S101
    return Start(
        card=loop.card,
        base_sha=recorded.base_sha,
        start_sha=recorded.start_sha,
        limits=operator_limits(recorded),
        verify=recorded.verify,
        fresh=False,
        publishes=recorded.publishes,
        lease=lease,
        retries=False,
        run_end=end,
    )


def _with_inbox(git: Git, recorded: Mapping[str, StateRecord]) -> frozenset[str]:
    """The loops that have something in their inbox, asked of what was fetched."""
    shas = {name: found.sha for name, found in recorded.items() if found.state is not None}
    asked = "".join(f"{sha}:{INBOX}\n" for sha in shas.values()).encode()
    lines = git.run("cat-file", "--batch-check", stdin=asked).out.decode().splitlines()
    return frozenset(name for name, line in zip(shas, lines, strict=True) if " tree " in line)


def _error_for(task_id: str, error: Exception) -> StateRefused:
    """A state that nobody thought of must not keep other loops from going on."""
    refused = disk_refusal(error)
    if refused is not None:
        return StateRefused(
            f"{task_id} cannot be continued: {refused.sentence}",
            refused.remedy,
            anchor=refused.anchor,
        )
    at = extract_tb(error.__traceback__)[-1]
    text = one_line(str(error), 200)
    where = f"{PurePath(at.filename).name}:{at.lineno}"
    return StateRefused(
        f"{task_id} cannot be continued: {type(error).__name__} in {where}: {text}.",
        f"If its {bus.STATE} is sound, this is a bug in loop-kit: please report it.",
    )


def _unreadable(prefix: str, name: str, found: StateRecord) -> LoopError:
    branch = Branches(prefix, name).state
    if not found.sha:
        return BranchRefused(f"{branch}: {found.why}.", "Mend the branch, or delete it.")
    return StateRefused(
        f"{bus.STATE} on {branch} cannot be read: {found.why}.",
        f"Fix it there, or delete the branch {branch} to start again.",
    )
