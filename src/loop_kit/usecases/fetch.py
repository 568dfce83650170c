"""Copies a loop of CI to a laptop: its files into the loop's folder, its work onto a branch.

Nothing on the server changes, and nothing local is lost: a loop that only this machine has is moved
to `runtime/` (`--force`), and a branch with commits that the server does not have is not touched.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.git.ancestry import builds_on, tip_of
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.fetched_loop import (
    load_record,
    replaced_names,
    save_record,
    set_aside,
    write_loop,
)
from loop_kit.adapters.git.remote_loops import MAX_STATE_BYTES
from loop_kit.adapters.git.repository import Place, locate
from loop_kit.adapters.git.work_tree import read_status, require_clean
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    exclude_generated,
    loop_folder,
    path_in_repository,
    read_plain,
)
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.card.task import check_task_id
from loop_kit.core.ci import fetched as handback
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.fetched import FetchedLoop
from loop_kit.core.forge.render import headline
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Lease, LoopState, Outcome, StateCorrupt, parse_state
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadSetting, StateRefused
from loop_kit.frozen import frozen
from loop_kit.settings import for_laptop
from loop_kit.usecases.leases import is_live
from loop_kit.usecases.local_files import read_config
from loop_kit.usecases.next_steps import write_next_steps
from loop_kit.usecases.remote import RemotePlace, remote_place
from loop_kit.usecases.remote_loop import RemoteLoop, read_remote_loop


@frozen
class FetchRequest:
    """What the command line was asked; `branch_prefix` is '' where the settings have it."""

    cwd: Path
    environ: Mapping[str, str]
    task_id: str
    remote: str = "origin"
    branch_prefix: str = ""
    loop_dir: str = LOOP_DIR
    switch: bool = False
    force: bool = False


@frozen
class Fetched:
    """What was fetched.

    Attributes:
        state: The loop as it is here now.
        branch: The local branch with its work.
        work_sha: The commit that the branch is at.
        lease: The lease of the run that is running the loop in CI, if there is one.
        aside: Where another loop was moved to, if one was.
        switched: Whether the branch is checked out.
        next_command: The command that continues the loop, None when nothing is outstanding.
    """

    state: LoopState
    branch: str
    work_sha: str
    lease: Lease | None
    aside: Path | None
    switched: bool
    next_command: str | None


def fetch_loop(request: FetchRequest) -> Fetched:
    """Fetch a loop.

    Raises:
        LoopError: there is none, the server refuses, or something here would be lost.
    """
    task_id = _task_id(request.task_id)
    in_job = request.environ.get("GITHUB_ACTIONS") == "true"
    git = Git(request.cwd, request.environ, isolated=in_job)
    place = locate(git)
    git = git.at(place.root)
    folder = loop_folder(place.root, request.loop_dir)
    if folder.exists() and not folder.is_dir():
        raise BadSetting(
            f"{folder} is a file.",
            "Move it away, or name another --loop-dir.",
            anchor="folder-in-the-way",
        )
    server = remote_place(git, request.environ, request.remote)
    with exclusive(folder / "lock"):
        return _Fetch(request, task_id, git, place, folder, server).run()


class _Fetch:
    """One `loop fetch`, by the holder of the lock."""

    def __init__(
        self,
        request: FetchRequest,
        task_id: str,
        git: Git,
        place: Place,
        folder: Path,
        server: RemotePlace,
    ) -> None:
        self._request = request
        self._git = git
        self._place = place
        self._folder = folder
        self._server = server
        self._branches = Branches(_prefix(request, folder), task_id)

    def run(self) -> Fetched:
        """Check everything, then change what is here; the state is written last."""
        remote = read_remote_loop(
            self._git, self._server.remote, self._request.remote, self._branches
        )
        state = handback.without_lease(remote.state)
        raw = state.to_json()
        replaced = self._must_replace(state, raw)
        local = self._local_tip(remote)
        if self._request.switch and self._place.branch != remote.work_branch:
            require_clean(read_status(self._git, self._folder_name()))
        self._exclude_generated()
        aside = set_aside(self._folder, replaced_names(state=True)) if replaced else None
        self._move_branch(remote, local)
        if self._request.switch and self._place.branch != remote.work_branch:
            self._git.run("switch", "--quiet", remote.work_branch, timeout=600)
        gone = tuple(name for name in handback.TOP if name not in remote.files)
        set_aside(self._folder, gone)
        save_record(self._folder, self._record(remote, raw))
        write_loop(self._folder, remote.files, raw)
        switched = self._request.switch or self._place.branch == remote.work_branch
        command = self._next_command(state, remote.work_branch, switched=switched)
        said = ["Continue it here:", f"  {command}"] if command else []
        write_next_steps(self._folder, state.seq, said)
        return Fetched(
            state=state,
            branch=remote.work_branch,
            work_sha=remote.work_sha,
            lease=remote.state.lease if self._is_running(remote.state.lease) else None,
            aside=aside,
            switched=switched,
            next_command=command,
        )

    def _is_running(self, lease: Lease | None) -> bool:
        forge = self._server.forge() if lease is not None else None
        try:
            return is_live(lease, forge, SystemClock().now())
        finally:
            if forge is not None:
                forge.close()

    # --- what is here ------------------------------------------------------------------------

    def _must_replace(self, state: LoopState, new: bytes) -> bool:
        """Whether a loop that only this machine has must be moved away.

        Raises:
            StateRefused: there is one, and `--force` was not given.
        """
        path = self._folder / bus.STATE
        try:
            raw = read_plain(path, MAX_STATE_BYTES)
            local = None if raw is None else parse_state(raw)
        except (BusFileUnreadable, StateCorrupt):
            raw, local = b"", None
        if raw is None or raw == new or self._is_on_server(raw, local, state):
            return False
        if self._request.force:
            return True
        task_id = self._branches.task_id
        ours = local is not None and local.task_id == task_id
        text, remedy = f"{path} cannot be read", "Move it away"
        if local is not None:
            round_ = f"(round {local.last_round})"
            text = f"{path} is the local loop {one_line(local.task_id)} {round_}"
            remedy = "Finish it"
        if local is not None and ours:
            text = f"{task_id} was continued here ({one_line(headline(local), 200)})"
            remedy = f"Publish it with `loop publish {task_id}`"
        raise StateRefused(
            f"{text}.",
            f"{remedy}, or move it to {self._folder / 'runtime'} with --force.",
            anchor="fetch-would-lose",
        )

    def _is_on_server(self, raw: bytes, local: LoopState | None, state: LoopState) -> bool:
        """Whether the server has the local state, or a later one."""
        record = load_record(self._folder)
        if record is None or local is None or not record.is_held(raw):
            return False
        return local.task_id != state.task_id or local.seq <= state.seq

    def _local_tip(self, remote: RemoteLoop) -> str | None:
        """The commit of the local work branch; None if there is no such branch.

        Raises:
            StateRefused: it has commits that the server does not have.
        """
        local = tip_of(self._git, remote.work_branch)
        if local and not builds_on(self._git, local, remote.work_sha):
            branch = remote.work_branch
            raise StateRefused(
                f"The local branch {branch} has commits that {self._request.remote} lacks.",
                f"Publish them with `loop publish {self._branches.task_id}`, or rename the branch:"
                f" git branch -m {branch} {branch}-mine",
                anchor="fetch-would-lose",
            )
        return local

    def _move_branch(self, remote: RemoteLoop, local: str | None) -> None:
        """Move the local branch to the work; if it is checked out, its files follow."""
        if local == remote.work_sha:
            return
        if self._place.branch == remote.work_branch:
            require_clean(read_status(self._git, self._folder_name()))
            self._git.run("merge", "--quiet", "--ff-only", remote.work_sha, timeout=600)
        else:
            forced = ("branch", "--quiet", "--no-track", "--force", "--")
            self._git.run(*forced, remote.work_branch, remote.work_sha)

    def _record(self, remote: RemoteLoop, written: bytes) -> FetchedLoop:
        task_id, known = self._branches.task_id, load_record(self._folder)
        base = FetchedLoop(
            task_id=task_id,
            remote=self._request.remote,
            branch_prefix=self._branches.prefix,
            state_tip=remote.state_tip,
            work_branch=remote.work_branch,
            work_tip=remote.work_sha,
        )
        if known is not None and known.task_id == task_id:
            keys = ("held", "tried", "dispatched")
            base = base.model_copy(update={key: getattr(known, key) for key in keys})
        return base.with_held(remote.files[bus.STATE], written)

    def _exclude_generated(self) -> None:
        inside = path_in_repository(self._folder, self._place.root)
        if inside is not None:
            exclude_generated(self._place.git_dir, inside, run=False)

    def _folder_name(self) -> str:
        """The loop's folder relative to the repository, or the default when it is outside."""
        return path_in_repository(self._folder, self._place.root) or LOOP_DIR

    def _next_command(self, state: LoopState, branch: str, *, switched: bool) -> str | None:
        if not state.is_running and state.resume_phase is None:
            return None
        words = ["loop", "run", "--auto-dispatch", "--resume"]
        if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
            words += ["--max-rounds", str(state.round)]
        if self._request.loop_dir != LOOP_DIR:
            words += ["--loop-dir", self._request.loop_dir]
        command = shlex.join(words)
        return command if switched else f"{shlex.join(['git', 'switch', branch])} && {command}"


def _task_id(text: str) -> str:
    try:
        return check_task_id(text)
    except ValueError as error:
        raise BadSetting(
            f"The task id {text[:80]!r} {error}.", "Give a plain task id.", anchor="task-id-invalid"
        ) from None


def _prefix(request: FetchRequest, folder: Path) -> str:
    flags = {"branch_prefix": request.branch_prefix} if request.branch_prefix else {}
    return for_laptop(request.environ, flags).resolve(read_config(folder).layer).branch_prefix
