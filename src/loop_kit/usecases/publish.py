"""Pushes a fetched loop back to CI: its state and its work, in one push.

The fence is the one of every job: nobody else wrote the state since it was fetched, no live lease,
fast-forward only, both branches at once. The work is judged by the rules of a job before it is
pushed, because no job has done so. Outstanding posts stay in the outbox, for the next job or the
sweep. If it is interrupted, the next call completes it: before a state is pushed, it is recorded
that the server may have it.
"""

from collections.abc import Mapping
from pathlib import Path

from loop_kit import bootstrap
from loop_kit.adapters.git.ancestry import builds_on, tip_of
from loop_kit.adapters.git.command import Git, committer
from loop_kit.adapters.git.fetched_loop import (
    borrow_objects,
    load_record,
    read_folder,
    read_tree,
    save_record,
    write_loop,
)
from loop_kit.adapters.git.remote import default_branch
from loop_kit.adapters.git.remote_loops import scratch_repository
from loop_kit.adapters.git.repository import GitRepository, Place, locate
from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.loop_dir.file_store import FileStore
from loop_kit.adapters.loop_dir.loop_folder import loop_folder
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.card.scope import Violation, judge
from loop_kit.core.card.task import TaskCard, parse_card
from loop_kit.core.ci import fetched as handback
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.fetched import FetchedLoop
from loop_kit.core.ci.next_run import resume_inputs
from loop_kit.core.loop import bus, outbox
from loop_kit.core.loop.messages import (
    HandedOver,
)
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import AlreadyRunning, BadBusFile, StateRefused
from loop_kit.frozen import frozen
from loop_kit.ports import PushRejected
from loop_kit.ports.forge import Forge
from loop_kit.settings import Settings, for_job, known_secrets
from loop_kit.usecases.job_context import config_at
from loop_kit.usecases.leases import is_live
from loop_kit.usecases.remote import RemotePlace, remote_place


@frozen
class PublishRequest:
    """What the command line was asked; `continues` starts the next round with `workflow`."""

    cwd: Path
    environ: Mapping[str, str]
    task_id: str = ""
    loop_dir: str = LOOP_DIR
    workflow: str = "loop.yml"
    continues: bool = False


@frozen
class Published:
    """What was published.

    Attributes:
        state: The loop as CI has it now.
        pushed: Whether anything was pushed.
        outstanding: The keys of what the next job or the sweep has to post.
        dispatched: Whether the next round was started.
        refused: Why the work may not be pushed; then nothing was.
        ahead: How many commits of the local work branch are not the loop's.
        hint: What to do so that the next round can be started from here, None where it can.
    """

    state: LoopState
    pushed: bool = False
    outstanding: tuple[str, ...] = ()
    dispatched: bool = False
    refused: tuple[Violation, ...] = ()
    ahead: int = 0
    hint: str | None = None


def publish_loop(request: PublishRequest) -> Published:
    """Push the loop in the loop's folder to where it was fetched from.

    Raises:
        LoopError: it was not fetched, CI continued it meanwhile, or the server refuses.
    """
    in_job = request.environ.get("GITHUB_ACTIONS") == "true"
    git = Git(request.cwd, request.environ, isolated=in_job)
    place = locate(git)
    git = git.at(place.root)
    folder = loop_folder(place.root, request.loop_dir)
    if not (folder / bus.STATE).exists():
        raise _no_loop(folder)
    with exclusive(folder / "lock"):
        local = FileStore(folder).load()
        if local is None:
            raise _no_loop(folder)
        record = _fetched_record(folder, local, request.task_id)
        server = remote_place(git, request.environ, record.remote)
        with scratch_repository(git) as scratch:
            borrow_objects(scratch, place.git_dir)
            return _Publication(request, git, place, folder, server, scratch, local, record).run()


class _Publication:
    """One `loop publish`, by the holder of the lock."""

    def __init__(
        self,
        request: PublishRequest,
        git: Git,
        place: Place,
        folder: Path,
        server: RemotePlace,
        scratch: Git,
        local: LoopState,
        record: FetchedLoop,
    ) -> None:
        self._request = request
        self._git = git
        self._root = place.root
        self._folder = folder
        self._server = server
        self._scratch = scratch
        self._local = local
        self._record = record
        branches = Branches(record.branch_prefix, record.task_id)
        self._store = GitStore(scratch, server.remote, branches, committer(git))

    def run(self) -> Published:
        """Check, judge, push and dispatch; then replace the local loop with what CI has."""
        forge = self._server.forge()
        try:
            there = self._load(forge)
            changed = self._is_news(there)
            state = self._local if changed else there
            continues = self._continues(forge, state)
            pushed = changed or there.lease is not None
            pushed = pushed or (continues and state.continue_to != state.round)
            card = parse_card(self._store.read(bus.TASK_CARD) or b"", f"{bus.TASK_CARD} in CI")
            violations = self._violations(state, card)
            if violations:
                return Published(there, refused=violations)
            if pushed:
                state = self._save(state, there, changed=changed, continues=continues)
            self._store.sync("" if "human_push" in state.reasons else state.branch_tip)
            self._settle(state, card, behind=not changed and self._local.seq < there.seq)
            if continues and forge is not None:
                self._dispatch(forge, state)
            return self._result(state, pushed=pushed, dispatched=continues)
        except PushRejected as error:
            raise self._changed_in_ci(str(error)) from None
        finally:
            if forge is not None:
                forge.close()

    # --- what CI has -------------------------------------------------------------------------

    def _load(self, forge: Forge | None) -> LoopState:
        record = self._record
        there = self._store.load()
        if there is None:
            raise StateRefused(
                f"{record.task_id} no longer exists on {record.remote}: its state branch was"
                " deleted.",
                "Start it there again with its card.",
                anchor="publish-refused",
            )
        if there.task_id != record.task_id:
            raise self._changed_in_ci(f"it is {one_line(there.task_id)} now")
        why = handback.foreign_branch(there, Branches(record.branch_prefix, record.task_id))
        if why:
            raise self._changed_in_ci(why)
        lease = there.lease
        if lease and is_live(lease, forge, SystemClock().now()):
            run = f"Run {one_line(lease.run_id, 40)}" if lease.run_id else "Another machine"
            hint = "" if forge is not None else f" {self._server.hint}"
            raise AlreadyRunning(
                f"{run} is running {record.task_id}; its lease expires at {lease.expires_at}.",
                f"Wait for it, then fetch the loop again.{hint}",
            )
        if not record.is_known(self._store.read(bus.STATE) or b""):
            raise self._changed_in_ci("another run, or a person, wrote its state")
        return there

    def _changed_in_ci(self, why: str) -> StateRefused:
        task_id = self._record.task_id
        return StateRefused(
            f"{task_id} changed in CI since it was fetched: {why}.",
            f"Fetch it again: loop fetch {task_id} --force (the local loop is moved to runtime/).",
            anchor="fetch-would-lose",
        )

    def _is_news(self, there: LoopState) -> bool:
        """Whether the loop was continued here.

        Raises:
            StateRefused: it has not begun.
        """
        raw = (self._folder / bus.STATE).read_bytes()
        changed = self._local.seq > there.seq or not self._record.is_known(raw)
        if (self._local if changed else there).state is Phase.IDLE:
            raise StateRefused(
                f"The loop {self._record.task_id} has not begun.",
                "Start it in CI with its card.",
                anchor="publish-refused",
            )
        return changed

    def _continues(self, forge: Forge | None, state: LoopState) -> bool:
        """Whether the next round is to be dispatched from here.

        Raises:
            StateRefused: the loop has used all its dispatches.
        """
        asked = self._request.continues and forge is not None and state.is_running
        if not asked or self._record.dispatched == state.seq:
            return False
        maximum = state.limits.max_dispatches
        if state.usage.dispatches >= maximum and state.continue_to != state.round:
            raise StateRefused(
                f"All {maximum} dispatches of {state.task_id} are used.",
                "Publish it without --continue, then comment /loop extend 1 where it is discussed.",
                anchor="publish-refused",
            )
        return True

    # --- what goes there ---------------------------------------------------------------------

    def _violations(self, state: LoopState, card: TaskCard) -> tuple[Violation, ...]:
        """Why the work may not be pushed, by the rules of a job.

        Raises:
            StateRefused: it does not build on what is there.
        """
        tip, head, branch = self._store.work_tip, state.branch_tip, self._record.work_branch
        if tip == head or "human_push" in state.reasons:
            return ()
        if not tip:
            raise StateRefused(
                f"The branch {branch} no longer exists on {self._record.remote}: was it merged?",
                "Use a new task id for new work.",
                anchor="publish-refused",
            )
        if not self._git.has(head):
            raise StateRefused(
                f"The commit {head[:10]} of the loop is not in this repository.",
                "Publish from the repository where it was made.",
                anchor="commit-missing",
            )
        if not (self._git.has(tip) and builds_on(self._git, tip, head)):
            raise self._changed_in_ci(f"{branch} has commits that the local loop lacks")
        repository, settings = GitRepository(self._git), self._settings(card, state.base_sha)
        rules = bootstrap.scope_rules(settings, card, self._root, ci=True)
        token = {"token for git": self._server.remote.token}
        secrets = Forms({**token, **known_secrets(settings, self._request.environ)})
        outside = judge(repository.span(tip, head, state.base.tip).commits, rules)
        return (*outside, *repository.leaks(tip, head, secrets))

    def _settings(self, card: TaskCard, base_sha: str) -> Settings:
        """The settings of a job: the configuration is read at the base commit."""
        config = config_at(GitRepository(self._git), base_sha)
        return for_job(self._request.environ).resolve(config.layer, card)

    def _save(
        self, state: LoopState, there: LoopState, *, changed: bool, continues: bool
    ) -> LoopState:
        """The state that replaces `there` with the next push."""
        files = self._files() if changed else {}
        state = handback.state_to_push(state, there, continues=continues)
        self._record_attempt((self._folder / bus.STATE).read_bytes())
        self._record_attempt(state.to_json())
        self._store.save(state, HandedOver(state.continue_to), files)
        return state

    def _files(self) -> dict[str, bytes | None]:
        task_id = self._record.task_id
        here = read_folder(self._folder, task_id)
        there = read_tree(self._scratch, self._store.state_tip, task_id)
        changed, damaged = handback.changes(here, there)
        if damaged:
            raise BadBusFile(
                f"{self._folder / damaged} holds no JSON object.", "Fix it, or move it away."
            )
        return changed

    def _settle(self, end: LoopState, card: TaskCard, *, behind: bool) -> None:
        """Replace the local loop with what CI has now."""
        raw = end.to_json()
        files = {bus.TASK_CARD: self._store.read(bus.TASK_CARD) or card.to_json()}
        if behind:
            files = read_tree(self._scratch, self._store.state_tip, end.task_id)
        self._write_record(
            self._record.with_held(self._store.read(bus.STATE) or raw, raw).model_copy(
                update={"state_tip": self._store.state_tip, "work_tip": self._store.work_tip}
            )
        )
        write_loop(self._folder, files, raw)

    def _dispatch(self, forge: Forge, state: LoopState) -> None:
        """Start the job of the next round, on the default branch.

        Raises:
            ForgeRefused: the token may not, or the workflow lacks inputs.
        """
        branch = default_branch(self._scratch, self._server.remote) or state.base_branch
        forge.dispatch(self._request.workflow, branch, resume_inputs(state))
        self._write_record(self._record.model_copy(update={"dispatched": state.seq}))

    def _result(self, state: LoopState, *, pushed: bool, dispatched: bool) -> Published:
        return Published(
            state=state,
            pushed=pushed,
            outstanding=tuple(item.key for item in outbox.due_posts(state)),
            dispatched=dispatched,
            ahead=self._ahead(state),
            hint=self._server.hint if self._request.continues else None,
        )

    def _ahead(self, end: LoopState) -> int:
        tip = tip_of(self._git, self._record.work_branch)
        if tip is None or tip == end.branch_tip or not builds_on(self._git, end.branch_tip, tip):
            return 0
        return int(self._git.text("rev-list", "--count", f"{end.branch_tip}..{tip}"))

    def _record_attempt(self, state: bytes) -> None:
        self._write_record(self._record.with_tried(state))

    def _write_record(self, record: FetchedLoop) -> None:
        self._record = record
        save_record(self._folder, record)


def _no_loop(folder: Path) -> StateRefused:
    return StateRefused(
        f"There is no loop in {folder}.",
        "Fetch one from CI first: loop fetch TASK_ID",
        anchor="loop-not-found",
    )


def _fetched_record(folder: Path, local: LoopState, task_id: str) -> FetchedLoop:
    """The record of how this loop was fetched.

    Raises:
        StateRefused: it was not, or another one is asked for.
    """
    name = one_line(local.task_id) or "the local loop"
    if task_id and task_id != local.task_id:
        raise StateRefused(
            f"The loop in {folder} is {name}, not {one_line(task_id)}.",
            f"Fetch that one first: loop fetch {one_line(task_id)}",
            anchor="state-of-another-task",
        )
    if not local.publishes:
        raise StateRefused(
            f"{name} was started locally and has never run in CI.",
            "Push its work yourself, or start its card in CI with the label or the workflow.",
            anchor="publish-refused",
        )
    record = load_record(folder)
    if record is None or record.task_id != local.task_id:
        raise StateRefused(
            f"There is no record of where {name} was fetched from.",
            f"Run: loop fetch {name} --force",
            anchor="publish-refused",
        )
    return record
