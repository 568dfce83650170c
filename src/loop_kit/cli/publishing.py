"""Brings a fetched loop back to CI: one push of its state and its work, then what is to be posted.

The fence is the one of every job: nobody else wrote the state since it was fetched, no live lease,
fast-forward only, both branches at once. And the work is judged by the rules of a job before it is
pushed, since here nobody has done that. Interrupted anywhere, the next call completes it: before a
state is pushed it is recorded that it may be there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.fetched_loop import (
    borrow_objects,
    builds_on,
    load_record,
    read_folder,
    read_tree,
    save_record,
    tip_of,
    write_loop,
)
from loop_kit.adapters.file_store import FileStore
from loop_kit.adapters.git import Git, Identity, committer
from loop_kit.adapters.git_remote import Remote
from loop_kit.adapters.git_repository import GitRepository, Place, locate
from loop_kit.adapters.git_store import GitStore
from loop_kit.adapters.loop_folder import loop_folder
from loop_kit.adapters.loop_lock import exclusive
from loop_kit.adapters.remote_loops import scratch_repository
from loop_kit.cli.fetching import is_live
from loop_kit.cli.posting import Posting
from loop_kit.cli.published import Published
from loop_kit.cli.remote_forge import RemotePlace, remote_place
from loop_kit.core import bus, handback, outbox
from loop_kit.core.branches import Branches
from loop_kit.core.handback import FetchedLoop
from loop_kit.core.messages import Event, HandedOver
from loop_kit.core.sanitize import one_line
from loop_kit.core.scope import Violation, judge
from loop_kit.core.state import LoopState
from loop_kit.core.task import TaskCard, parse_card
from loop_kit.errors import AlreadyRunning, BadBusFile, BadSetting, ForgeUnavailable, StateRefused
from loop_kit.ports import PushRejected
from loop_kit.ports.forge import Forge


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What the command line was asked; `workflow` runs the next round, '' for none."""

    cwd: Path
    environ: Mapping[str, str]
    task_id: str = ""
    loop_dir: str = ".loop"
    workflow: str = ""
    quiet: bool = False


def publish_loop(request: PublishRequest) -> Published:
    """Bring the loop in the loop's folder back to where it was fetched from.

    Raises:
        LoopError: it was not fetched, moved on in CI meanwhile, or somebody refuses.
    """
    in_job = request.environ.get("GITHUB_ACTIONS") == "true"
    git = Git(request.cwd, request.environ, isolated=in_job)
    place = locate(git)
    git = git.at(place.root)
    folder = loop_folder(place.root, request.loop_dir)
    _require_state(folder)
    with exclusive(folder / "lock"):
        local = FileStore(folder).load() or _require_state(folder)
        record = _require_fetched(folder, local, request.task_id)
        server = remote_place(git, request.environ, record.remote)
        if request.workflow and server.hint:
            raise BadSetting("--continue needs a token.", server.hint)
        with scratch_repository(git) as scratch:
            borrow_objects(scratch, place.git_dir)
            return _Publishing(request, git, place, folder, server, scratch, local, record).run()


class Target(GitStore):
    """The loop on the server; `note` is told each state before it can be pushed."""

    def __init__(
        self,
        git: Git,
        remote: Remote,
        branches: Branches,
        identity: Identity,
        note: Callable[[bytes], None],
    ) -> None:
        super().__init__(git, remote, branches, identity)
        self._note = note

    @property
    def state_tip(self) -> str:
        """Where the state branch was when it was loaded or pushed."""
        return self._tips.get(self._branches.state, "")

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Keep one transition for the next `sync`."""
        self._note(state.to_json())
        super().save(state, event, files)


class _Publishing:
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
        self._folder = folder
        self._server = server
        self._scratch = scratch
        self._local = local
        self._record = record
        branches = Branches(record.branch_prefix, record.task_id)
        identity = committer(git)
        self._store = Target(scratch, server.remote, branches, identity, self._note)
        self._posting = Posting(
            request.environ, git, place, folder, server, scratch, self._store, quiet=request.quiet
        )

    def run(self) -> Published:
        """Check, judge, push, post, hand over; and take what CI has then as the loop here."""
        forge = self._server.forge()
        try:
            there = self._loaded(forge)
            changed = self._is_news(there)
            state = handback.without_lease(self._local if changed else there)
            to_push = changed or there.lease is not None
            if to_push and state.seq <= there.seq:
                state = state.model_copy(update={"seq": there.seq + 1})
            card = parse_card(self._store.read(bus.TASK_CARD) or b"", f"{bus.TASK_CARD} in CI")
            refused = self._refused(state, card)
            if refused:
                return Published(there, refused=refused)
            if to_push:
                self._note((self._folder / bus.STATE).read_bytes())
                self._store.save(state, HandedOver(None), self._files() if changed else {})
            behind = not changed and self._local.seq < there.seq
            return self._completed(forge, state, card, pushed=to_push, behind=behind)
        except PushRejected as error:
            raise self._moved(str(error)) from None
        finally:
            if forge is not None:
                forge.close()

    # --- what CI has -------------------------------------------------------------------------

    def _loaded(self, forge: Forge | None) -> LoopState:
        record = self._record
        there = self._store.load()
        if there is None:
            raise StateRefused(
                f"{record.task_id} is no more on {record.remote}: its state branch is gone.",
                "Start it there again with its card.",
            )
        if there.task_id != record.task_id:
            raise self._moved(f"it is {one_line(there.task_id)} now")
        why = handback.foreign_branch(there, Branches(record.branch_prefix, record.task_id))
        if why:
            raise self._moved(why)
        lease = there.lease
        if lease and lease.holder not in record.holders and is_live(lease, forge):
            run = f"Run {one_line(lease.run_id, 40)}" if lease.run_id else "Another machine"
            asked = "" if forge is not None else f" {self._server.hint}"
            raise AlreadyRunning(
                f"{run} is at work on {record.task_id}, until {lease.expires_at} at the most.",
                f"Wait for it, then fetch the loop again.{asked}",
            )
        if not record.is_ours(self._store.read(bus.STATE) or b""):
            raise self._moved("another run, or a person, wrote its state")
        return there

    def _moved(self, why: str) -> StateRefused:
        task_id = self._record.task_id
        return StateRefused(
            f"{task_id} moved on in CI since it was fetched: {why}.",
            f"Fetch it again: loop fetch {task_id} --force (what was done here is moved aside).",
        )

    def _is_news(self, there: LoopState) -> bool:
        """Whether the loop here went on."""
        raw = (self._folder / bus.STATE).read_bytes()
        return self._local.seq > there.seq or not self._record.is_ours(raw)

    # --- what goes there ---------------------------------------------------------------------

    def _refused(self, state: LoopState, card: TaskCard) -> tuple[Violation, ...]:
        """Why the work may not be pushed, by the rules of a job.

        Raises:
            StateRefused: it does not build on what is there.
        """
        tip, head, branch = self._store.work_tip, state.branch_tip, self._record.work_branch
        if tip == head or "human_push" in state.reasons:
            return ()
        if not tip:
            raise StateRefused(
                f"The branch {branch} is gone from {self._record.remote}: was it merged?",
                "Use a new task id for new work.",
            )
        if not self._git.has(head):
            raise StateRefused(
                f"The commit {head[:10]} of the loop is not in this repository.",
                "Publish from where it was made.",
            )
        if not (self._git.has(tip) and builds_on(self._git, tip, head)):
            raise self._moved(f"{branch} has commits that the loop here lacks")
        span = GitRepository(self._git).span(tip, head)
        return judge(span.commits, self._posting.options(card, state.base_sha).rules)

    def _files(self) -> dict[str, bytes | None]:
        task_id = self._record.task_id
        here = read_folder(self._folder, task_id)
        there = read_tree(self._scratch, self._store.state_tip, task_id)
        changed, damaged = handback.changes(here, there)
        if damaged:
            raise BadBusFile(
                f"{self._folder / damaged} holds no JSON object.", "Mend it, or move it away."
            )
        return changed

    def _completed(
        self, forge: Forge | None, state: LoopState, card: TaskCard, *, pushed: bool, behind: bool
    ) -> Published:
        due = outbox.due(state)
        dispatches = bool(self._request.workflow) and state.is_running
        dispatches = dispatches and self._record.dispatched != state.seq
        end, after = state, card
        if forge is not None and (due or dispatches):
            holder, leased = self._posting.leased(state)
            self._keep(self._record.taking(holder))
            end, after = self._posting.post(forge, leased, card)
            pushed = True
        else:
            self._store.sync("" if "human_push" in state.reasons else state.branch_tip)
        self._settle(end, after, behind=behind)
        if dispatches and forge is not None and end.is_running:
            self._posting.dispatch(forge, end, after, self._request.workflow)
            self._keep(self._record.model_copy(update={"dispatched": end.seq}))
        left = outbox.due(end)
        if forge is not None and self._posting.failed:
            raise ForgeUnavailable(
                f"{len(left)} post(s) of {end.task_id} stay outstanding; the rest is published.",
                "Run `loop publish` again, or let the next job make them.",
            )
        return Published(
            state=end,
            pushed=pushed,
            posted=len(due) - len(left) if due else 0,
            outstanding=tuple(item.key for item in left),
            dispatched=dispatches,
            ahead=self._ahead(end),
            hint=self._server.hint,
        )

    def _settle(self, end: LoopState, card: TaskCard, *, behind: bool) -> None:
        """Take what CI has now as the loop that is here."""
        raw = handback.without_lease(end).to_json()
        files = {bus.TASK_CARD: self._store.read(bus.TASK_CARD) or card.to_json()}
        if behind:
            files = read_tree(self._scratch, self._store.state_tip, end.task_id)
        self._keep(
            self._record.holding(self._store.read(bus.STATE) or raw, raw).model_copy(
                update={"state_tip": self._store.state_tip, "work_tip": self._store.work_tip}
            )
        )
        write_loop(self._folder, files, raw)

    def _ahead(self, end: LoopState) -> int:
        tip = tip_of(self._git, self._record.work_branch)
        if tip in {"", end.branch_tip} or not builds_on(self._git, end.branch_tip, tip):
            return 0
        return int(self._git.text("rev-list", "--count", f"{end.branch_tip}..{tip}"))

    def _note(self, state: bytes) -> None:
        self._keep(self._record.trying(state))

    def _keep(self, record: FetchedLoop) -> None:
        self._record = record
        save_record(self._folder, record)


def _require_state(folder: Path) -> LoopState:
    """Nothing, where there is a state.

    Raises:
        StateRefused: there is none.
    """
    if not (folder / bus.STATE).exists():
        raise StateRefused(
            f"There is no loop in {folder}.", "Fetch one of CI first: loop fetch TASK_ID"
        )
    return LoopState()


def _require_fetched(folder: Path, local: LoopState, task_id: str) -> FetchedLoop:
    """The record of how this loop was fetched.

    Raises:
        StateRefused: it was not, or another one is asked for.
    """
    shown = one_line(local.task_id) or "the loop here"
    if task_id and task_id != local.task_id:
        raise StateRefused(
            f"The loop in {folder} is {shown}, not {one_line(task_id)}.",
            f"Fetch that one first: loop fetch {one_line(task_id)}",
        )
    if not local.publishes:
        raise StateRefused(
            f"{shown} never was in CI: it was started on a machine.",
            "Push its work yourself, or start its card in CI with the label or the workflow.",
        )
    record = load_record(folder)
    if record is None or record.task_id != local.task_id:
        raise StateRefused(
            f"Nothing tells where {shown} was fetched from.", f"Run: loop fetch {shown} --force"
        )
    return record
