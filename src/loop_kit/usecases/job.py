"""One loop in one job: found on the server, entered, worked on for a round, and handed over."""

import secrets
from collections.abc import Callable, Iterable
from functools import partial

from loop_kit import bootstrap
from loop_kit.adapters.git.command import Identity
from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.bootstrap import Replay
from loop_kit.core.card.task import TaskCard, parse_card
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.bundle import Bundle
from loop_kit.core.loop import bus, outbox
from loop_kit.core.loop.base_moves import compared_commits
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.handlers import awaited_role
from loop_kit.core.loop.run_ends import RunEnd
from loop_kit.core.loop.state import Lease, LoopState, Outcome, Source, Spent
from loop_kit.engine import Engine
from loop_kit.engine.options import Continuation
from loop_kit.errors import BadCard, ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.frozen import frozen
from loop_kit.ports import PushRefused, PushRejected, Store
from loop_kit.settings import Settings
from loop_kit.usecases.authority import Authority
from loop_kit.usecases.cards import Found
from loop_kit.usecases.end_report import post_undispatched, report_end
from loop_kit.usecases.job_context import LEASE_MARGIN_SEC, JobContext
from loop_kit.usecases.leases import is_live
from loop_kit.usecases.merged import is_task_merged
from loop_kit.usecases.other_backend import backends_after, for_fresh_round, with_backends
from loop_kit.usecases.people import read_people
from loop_kit.usecases.report_render import compile_templates
from loop_kit.usecases.unsaved import has_unsaved_work, post_unsaved, post_unsaved_work


@frozen
class Loop:
    """A loop as it is on the server; `recorded` is None when it has not begun.

    `card` is the frozen one, None when there is no loop; with `refreshes` it is a newer one, which
    counts from now on. `tip` is where its state branch was when it was loaded, '' if nowhere.
    """

    task_id: str
    branches: Branches
    store: GitStore
    recorded: LoopState | None
    card: TaskCard | None
    refreshes: bool = False
    tip: str = ""

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was pushed to its state branch since it was loaded."""
        return self.store.state_tip == self.tip


@frozen
class Entered:
    """A loop that this run works on: its engine, and the settings that count for it."""

    loop: Loop
    engine: Engine
    settings: Settings


class LoopJob:
    """What one invocation does with loops."""

    def __init__(self, context: JobContext, authority: Authority) -> None:
        self.context = context
        self.authority = authority

    def load(self, task_id: str, own_work: str = "") -> Loop:
        """Find a loop on the server; `own_work` is the pull request's branch that it works on."""
        context = self.context
        branches = Branches(context.settings.branch_prefix, task_id, own_work)
        store = GitStore(
            *(context.checkout.git, context.checkout.remote, branches, Identity()),
            complete=context.checkout.supply.complete,
        )
        recorded = store.load()
        card = None
        if recorded is not None:
            frozen = store.read(bus.TASK_CARD)
            card = parse_card(frozen or b"", f"{bus.TASK_CARD} on {branches.state}")
        return Loop(task_id, branches, store, recorded, card, tip=store.state_tip)

    def is_live(self, lease: Lease | None) -> bool:
        """Whether another run holds the loop."""
        return is_live(lease, self.context.forge, SystemClock().now(), self.context.invocation)

    def unmerged_dependencies(self, card: TaskCard) -> tuple[str, ...]:
        """Those of the tasks that a card depends on whose pull request is not merged."""
        forge, prefix = self.context.forge, self.context.settings.branch_prefix
        return tuple(id_ for id_ in card.depends_on if not is_task_merged(forge, prefix, id_))

    def round(
        self, loop: Loop, found: Found | None = None, *, retries: bool = True
    ) -> LoopState | None:
        """Run one round, hand over and tell; None when another run owns the loop.

        With `retries` a loop that stopped is continued; without, only what is outstanding is done.

        Raises:
            LoopError: a setting, a card, a branch or a permission that a person has to fix.
        """
        try:
            return self.work(loop, found, retries=retries)
        except PushRejected as error:
            self.context.log.warn(f"busy: another run took over {loop.task_id} ({error}).")
            return None

    def work(
        self,
        loop: Loop,
        found: Found | None = None,
        command: Command | None = None,
        *,
        retries: bool = True,
        answer: Callable[[LoopState], None] | None = None,
    ) -> LoopState | None:
        """Like `round`, for callers who want to know that the loop was lost.

        `answer` is given the state in which the round begins, before anything is spent.

        Raises:
            PushRejected: another run owns the loop.
            LoopError: as in `round`.
        """
        if self.context.settings.dry_run:
            self._rehearse(loop, found, command)
            return None
        ran = None
        try:
            entered = self.enter(loop, found, command, retries=retries)
            if answer is not None:
                answer(entered.engine.state)
            if entered.engine.state.is_running:
                self.read_people(entered)
            runs = awaited_role(entered.engine.state) is not None
            ran = entered.engine.state.round if runs else None
            if self.context.settings.phase == "claim" and runs:
                entered.engine.claim()
                undispatched = None
            else:
                if entered.settings.record != "off":
                    compile_templates()
                entered.engine.run(
                    last_round=entered.engine.state.round,
                    on_approval=partial(self.read_people, entered),
                )
                undispatched = self.hand_over(entered)
        except PushRefused as error:
            undispatched = self.end_unsaved(entered, error)
        finally:
            self.context.log.close()
        self.report(entered, undispatched, ran)
        return entered.engine.state

    def read_people(self, entered: Entered) -> None:
        """Record what people wrote in reviews since the last time."""
        limits = bootstrap.limits(entered.settings, entered.engine.card, ci=True)
        read_people(self.context, entered.engine, limits)

    def end_unsaved(self, entered: Entered, error: PushRefused) -> PushRefused:
        """End a loop whose state the git server does not take; returns the error to report."""
        state = entered.engine.give_up()
        if not entered.engine.posts.forge_is_down:
            post_unsaved(self.context, state)
        return error

    def enter(
        self,
        loop: Loop,
        found: Found | None = None,
        command: Command | None = None,
        *,
        retries: bool = True,
    ) -> Entered:
        """Take the lease of a loop, or begin it; nothing is pushed and nothing spent yet.

        Raises:
            BranchRefused: the work of the last run is in its artifact, and nobody has given it up.
        """
        recorded = loop.recorded
        unsaved = recorded is not None and has_unsaved_work(self.context, recorded)
        if recorded is not None and unsaved and (command is None or command.verb != "stop"):
            raise post_unsaved_work(self.context, recorded)
        left = loop.store.waiting() if recorded is not None and recorded.lease else ()
        entered = self.open(loop, found, commands=(*left, *([command] if command else [])))
        settings = entered.settings
        card = _card(loop, found)
        entered.engine.begin(
            Start(
                card=card,
                base_sha=recorded.base_sha if recorded else found.base_sha if found else "",
                start_sha=recorded.start_sha if recorded else found.start_sha if found else "",
                limits=bootstrap.limits(settings, card, ci=True),
                verify=settings.verify,
                fresh=recorded is None,
                source=found.source if found else Source(),
                starter=self.context.invocation.starter,
                publishes=True,
                base_branch=found.base_branch if found else "",
                work_branch=loop.branches.work,
                state_branch=loop.branches.state,
                pull_request_url=found.pull_url if found else "",
                lease=self.new_lease(settings.round_timeout_minutes * 60),
                command=command,
                retries=retries,
                run_end=RunEnd.BY_ITSELF if unsaved else None,
                refreshes=loop.refreshes,
            ),
            recorded,
        )
        return entered

    def open(
        self,
        loop: Loop,
        found: Found | None = None,
        *,
        store: Store | None = None,
        posts: bool = True,
        replay: Bundle | None = None,
        commands: Iterable[Command] = (),
    ) -> Entered:
        """An engine for a loop, with everything that is read at its base commit.

        `commands` are those that are about to be carried out. `store` stands in for the loop's own;
        without `posts` nothing is posted; `replay` is a round that another job's agents have done.
        """
        context, card, recorded = self.context, _card(loop, found), loop.recorded
        base_sha = recorded.base_sha if recorded else found.base_sha if found else ""
        tip = recorded.branch_tip if recorded else found.start_sha if found else ""
        context.checkout.fetch(base_sha)
        if recorded is not None:
            for sha in (*outbox.unposted_commits(recorded), *compared_commits(recorded)):
                context.checkout.fetch(sha)
        context.checkout.supply.complete(tip)
        settings = context.loop_settings(card, base_sha)
        if recorded is not None:
            settings = with_backends(settings, backends_after(recorded, commands))
            settings = for_fresh_round(context.site, settings, recorded, context.log.warn)
        engine = bootstrap.open_loop(
            context.site,
            settings,
            card,
            store or loop.store,
            context.log,
            forge=context.forge if posts else None,
            base_sha=base_sha,
            replay=Replay(replay, tip, recorded.start_sha) if replay and recorded else None,
            rules=context.forge,
        )
        return Entered(loop, engine, settings)

    def hand_over(self, entered: Entered, spent: Spent | None = None) -> LoopError | None:
        """Hand over; a next round that could not be dispatched is reported after the outputs.

        `spent` was paid for in another job and came to nothing.
        """
        continuation = self.continuation(entered.settings)
        try:
            entered.engine.hand_over(self.context.forge, continuation, spent)
        except (ForgeRefused, ForgeUnavailable) as error:
            post_undispatched(self.context, entered.engine.state, error)
            return error
        return None

    def has_handed_over(self, recorded: LoopState) -> bool:
        """Whether this is a run that is run again after it had handed the loop over."""
        run = self.context.invocation
        again = run.attempt > 1 and recorded.handed_over_by == run.run_id
        return again and recorded.is_running and recorded.continue_to is not None

    def dispatch_again(self, loop: Loop) -> LoopState | None:
        """Start the next job once more, for a run whose round is over and that is run again."""
        if loop.recorded is None or loop.card is None:
            return None
        if self.context.settings.dry_run:
            self._rehearse(loop, None, None)
            return None
        entered = self.open(loop)
        entered.engine.join(loop.recorded, loop.card)
        entered.engine.dispatch(self.context.forge, self.continuation(entered.settings))
        self.report(entered, None)
        return loop.recorded

    def report(
        self, entered: Entered, undispatched: LoopError | None, ran: int | None = None
    ) -> None:
        """Outputs, summary and annotations; `ran` is the round that this job ran, if it did.

        Raises:
            LoopError: `undispatched`, or that a file could not be written, after everything else
                was reported.
            KeyboardInterrupt: the run was interrupted when its loop was over; what was to be posted
                stays outstanding.
        """
        state = entered.engine.state
        if state.waiting_for and not (entered.loop.recorded and entered.loop.recorded.waiting_for):
            self._warn_of_unseen_ends()
        unsaved = isinstance(undispatched, PushRefused)
        store = entered.loop.store
        refused = report_end(self.context, entered.settings, state, store, ran, unsaved=unsaved)
        if refused is not None and undispatched is not None:
            self.context.log.fail(str(refused))
        failed = undispatched or refused
        if failed is not None:
            raise failed
        if entered.engine.is_interrupted and state.outcome is not Outcome.INTERRUPTED:
            raise KeyboardInterrupt

    def _warn_of_unseen_ends(self) -> None:
        """Say of which workflows the end does not continue the loop, when it begins to wait."""
        from loop_kit.usecases.github_checks import FOLDER, check_waits

        context = self.context
        workflow = f"{FOLDER}/{context.invocation.workflow}"
        for check in check_waits(context.checkout.place.root, workflow):
            if check.fix:
                context.log.warn(f"The approval waits for checks. {check.detail}; {check.fix}.")

    def continuation(self, settings: Settings) -> Continuation | None:
        """How the next round is started, or None when somebody else chains the jobs."""
        if settings.continue_ == "none":
            return None
        workflow = settings.continue_workflow or self.context.invocation.workflow
        return Continuation(workflow, self.context.invocation.default_branch)

    def _rehearse(self, loop: Loop, found: Found | None, command: Command | None) -> None:
        card = _card(loop, found)
        entered = self.open(loop, found)
        settings, recorded = entered.settings, loop.recorded
        where = f"round {recorded.round}, {recorded.state.value}" if recorded else "a new loop"
        asked = f"/loop {command.verb} on " if command else ""
        self.context.log.note(f"Dry run: {asked}{card.task_id}, {where}. Nothing is changed.")
        self.context.log.note(f"Branches: {loop.branches.work} and {loop.branches.state}.")
        worker, reviewer = settings.worker_backend, settings.reviewer_backend
        self.context.log.note(f"Worker: {worker or 'codex'}; reviewer: {reviewer or 'codex'}.")
        tip = recorded.base_sha if recorded else found.base_sha if found else ""
        self.context.log.note(f"Base: {tip}; rounds: {bootstrap.limits(settings, card, ci=True)}.")

    def new_lease(self, seconds: float) -> Lease:
        """A lease of this run for work that may take so many seconds, and as much for its job.

        It expires where the API cannot say whether the run is over.
        """
        self.context.deadline.set(seconds + LEASE_MARGIN_SEC)
        return Lease(
            holder=secrets.token_hex(8),
            run_id=self.context.invocation.run_id,
            run_attempt=self.context.invocation.attempt,
            expires_at=SystemClock().later(seconds + LEASE_MARGIN_SEC),
            deadline=SystemClock().later(seconds),
        )


def _card(loop: Loop, found: Found | None) -> TaskCard:
    """The frozen card where there is a loop, else the one that was found."""
    card = loop.card or (found.card if found else None)
    if card is None:
        raise BadCard(
            f"There is no loop {loop.task_id} to continue.",
            "Start it by naming its card with the input `task`.",
            anchor="loop-not-found",
        )
    return card
