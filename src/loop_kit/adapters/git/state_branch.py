"""The store of a loop in CI: one commit per transition on the state branch, pushed with the work.

Transitions are collected in memory and written together when they have to become durable, so that
a push takes two processes for any number of transitions. A push is atomic over both branches and
fast-forward only: that fence, not a clock, makes the lease safe.

When a push is rejected because somebody else wrote to the state branch, the branch is fetched
again. If its `state.json` is the one these transitions build on (a command was dropped into
`inbox/`), they are put on top of the new tip. Otherwise the lease is lost.

What follows a push that was broken off builds on it: so the next one is accepted whether the first
arrived, arrives meanwhile, or never does.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from loop_kit.adapters.git.command import Git, Identity
from loop_kit.adapters.git.commit_writer import Transition, write_commits
from loop_kit.adapters.git.loop_branches import LoopBranches
from loop_kit.adapters.git.refusals import is_denied, is_race, may_pass, push_refusal, refusal
from loop_kit.adapters.git.remote import Remote, repeat
from loop_kit.adapters.git.state_tree import inbox_commands, moved_archive, read_blob
from loop_kit.adapters.git.unpushed import pack_unpushed, take_up, write_unpushed
from loop_kit.adapters.git.withheld import withhold_all, withhold_places
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop import bus
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    Event,
    TaskStarted,
)
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.state import LoopState, StateCorrupt, StateTooNew, parse_state
from loop_kit.core.loop.withholding import Texts
from loop_kit.errors import BranchRefused, StateRefused
from loop_kit.frozen import frozen
from loop_kit.ports import PushRefused, PushRejected, WorkMoved

_MAX_RACES = 3
_MAX_KEPT = 1024 * 1024


@frozen
class _Push:
    """A push in progress: its commits are written once, so that the server's can be compared."""

    state_tip: str
    work_sha: str
    transitions: int


class GitStore:
    """Keeps one loop on the state branch of a remote."""

    def __init__(
        self,
        git: Git,
        remote: Remote,
        branches: Branches,
        identity: Identity,
        sleep: Callable[[float], None] = time.sleep,
        complete: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._complete = complete
        self._git = git
        self._remote = remote
        self._server = LoopBranches(git, remote, branches, sleep)
        self._identity = identity
        self._tips: dict[str, str] = {}
        self._built_on = b""
        self._files: dict[str, bytes | None] = {}
        self._pending: list[Transition] = []
        self._in_flight: _Push | None = None
        self._inbox_is_new = False

    @property
    def _branches(self) -> Branches:
        return self._server.names

    @property
    def work_tip(self) -> str:
        """The tip of the work branch when the state was loaded; '' if there is none."""
        return self._tips.get(self._branches.work, "")

    @property
    def state_tip(self) -> str:
        """The tip of the state branch when it was loaded or pushed; '' if there is none."""
        return self._tips.get(self._branches.state, "")

    def load(self) -> LoopState | None:
        """Fetch both branches and read the state, or None when there is no loop yet.

        Raises:
            BranchRefused: the server refuses.
            StateRefused: the state cannot be read.
        """
        self._tips = self._server.fetch_tips()
        state_tip = self._tips.get(self._branches.state)
        if state_tip is None:
            return None
        self._complete(state_tip)
        self._built_on = self._blob(bus.STATE) or b""
        try:
            state = parse_state(self._built_on)
        except StateCorrupt as error:
            restart = f"Fix it there, or delete the branch {self._branches.state} to start again."
            raise StateRefused(
                f"{bus.STATE} on {self._branches.state} cannot be read: {error}.",
                error.remedy if isinstance(error, StateTooNew) else restart,
            ) from None
        self._inbox_is_new = True
        own = state.work_branch if state.source.pull is not None else ""
        if own not in {"", state.base_branch, self._branches.work}:
            self._server.names = replace(self._branches, own_work=own)
            self._tips = {**self._server.fetch_tips(), self._branches.state: state_tip}
        if self.work_tip and state.wip and self._server.is_shallow():
            self._server.fetch(self._branches.work, depth=1 + state.wip.commits)
        return state

    def read(self, name: str) -> bytes | None:
        """A bus file as last saved, or None."""
        if name in self._files:
            return self._files[name]
        return self._blob(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Record one transition for the next `sync`."""
        changed = {name: _without_diff(name, content) for name, content in (files or {}).items()}
        if isinstance(event, TaskStarted):
            tip = self._tips.get(self._branches.state)
            changed |= moved_archive(self._git, tip, self._built_on, state.task_id)
        self._files.update(changed)
        subject = f"{type(event).__name__}: {state.task_id} round {state.round}, {state.state}"
        latest = state.to_json()
        if self._pending and self._pending[-1].state == latest:
            self._pending.pop()
        self._pending.append(Transition(subject, latest, {**changed, bus.STATE: latest}))

    def sync(self, work_sha: str = "") -> None:
        """Push everything saved, and the work branch, in one atomic push.

        Raises:
            PushRejected: another run owns the loop.
            PushRefused: the server refuses, for a reason that a retry does not remove.
        """
        if not self._pending and work_sha in {"", self.work_tip}:
            return
        for _ in range(_MAX_RACES):
            earlier = self._in_flight
            push = self._in_flight = self._next_push(work_sha, earlier)
            error, tips = self._deliver(push)
            if error is None:
                self._settle(push, push.state_tip)
                return
            if not is_race(error):
                self._in_flight = push if may_pass(error) else None
                raise self._push_refused(error, push)
            self._in_flight = None
            self._rebase(tips, earlier)
        raise PushRejected(f"{self._branches.state} moves faster than it can be pushed")

    def limit_time(self, seconds: float) -> None:
        """Let everything from now on end within `seconds`; what takes longer fails."""
        self._server.limit_time(seconds)
        self._git = self._server.git

    def commands(self) -> tuple[Command, ...]:
        """The commands in the inbox; read once after the branch was loaded or fetched again."""
        found = self.waiting()
        self._inbox_is_new = False
        return found

    def waiting(self) -> tuple[Command, ...]:
        """The commands that `commands` will give."""
        if not self._inbox_is_new:
            return ()
        return inbox_commands(self._git, self._tips[self._branches.state], self.read)

    def drop(self, command: Command) -> None:
        """Put a command into the inbox of the loop as it was loaded; its state is not changed.

        Raises:
            PushRejected: somebody wrote meanwhile; load again and decide again.
            BranchRefused: the server refuses.
        """
        if self._blob(command.path) is not None:
            return
        subject = f"Command: {command.verb} by comment {command.comment}"
        files = {command.path: command.to_json()}
        self._pending = [Transition(subject, self._built_on, files)]
        push = self._next_push("", None)
        try:
            error, _ = self._deliver(push)
        finally:
            self._pending = []
        if error is not None and is_race(error):
            raise PushRejected(f"{self._branches.state} was written meanwhile")
        if error is not None:
            raise refusal(error, self._branches)
        self._tips[self._branches.state] = push.state_tip

    def keep_aside(self, work_sha: str) -> str:
        """Push commits that the work branch cannot take to a branch of their own."""
        branch = f"{self._branches.prefix}/{self._branches.task_id}/held-{work_sha[:10]}"
        self._server.ask("push", "--no-verify", self._remote.url, f"{work_sha}:refs/heads/{branch}")
        return branch

    def _push_refused(self, error: str, push: _Push) -> PushRefused:
        pushes_work = push.work_sha not in {"", self.work_tip}
        known = {"pushes_work": pushes_work, "token_worked": self._remote.use.worked}
        return PushRefused(push_refusal(error, self._branches, **known))

    def pack_work(self, work_sha: str, known: str) -> bytes | None:
        """The commits from `known` to `work_sha`, as a bundle that is small enough to be saved."""
        return pack_unpushed(self._git, self._branches.work, work_sha, known, _MAX_KEPT)

    def holds(self, work_sha: str, known: str) -> bool:
        """Whether the commit is here; if it is beside the state, it is taken up from there."""
        bundle = None if self._git.has(work_sha) else self._blob(bus.UNPUSHED)
        if bundle is not None:
            take_up(self._git, bundle, known)
        return self._git.has(work_sha)

    def withhold(self, places: Iterable[Place]) -> Texts:
        """Replace the texts at these places of what is not pushed yet; returns those texts."""
        self._pending, texts = withhold_places(self._pending, places)
        self._files = withhold_all(self._files, texts)
        return texts

    def write_unpushed(self, file: Path, state: LoopState, *, with_state: bool) -> bool:
        """Write what was not pushed to `file`; whether there is any."""
        held, tips, known = state.held, {}, []
        if held is not None:
            tips[self._branches.work] = held.sha
            known.append(held.onto or state.start_sha)
        if with_state:
            tips[self._branches.state] = self._next_push("", self._in_flight).state_tip
            known.append(self.state_tip)
        if tips:
            write_unpushed(self._git, file, tips, known)
        return bool(tips)

    def _has_arrived(self, push: _Push, tips: Mapping[str, str]) -> bool:
        """Whether a push reached the server although its answer was lost."""
        if not push.state_tip:
            return False
        work = not push.work_sha or tips.get(self._branches.work) == push.work_sha
        return work and tips.get(self._branches.state) == push.state_tip

    def _settle(self, push: _Push, state_tip: str) -> None:
        """Record that a push was accepted; the state branch is at `state_tip` since."""
        if push.transitions:
            self._tips[self._branches.state] = state_tip
            self._built_on = self._last_state(push)
        if push.work_sha:
            self._tips[self._branches.work] = push.work_sha
        del self._pending[: push.transitions]
        self._in_flight = None

    def _last_state(self, push: _Push) -> bytes:
        return self._pending[push.transitions - 1].state

    def _blob(self, name: str) -> bytes | None:
        return read_blob(self._git, self._tips.get(self._branches.state), name)

    def _next_push(self, work_sha: str, earlier: _Push | None) -> _Push:
        """Everything that is not on the server, built on a push that was broken off, if one was."""
        if earlier is None:
            tip = self._tips.get(self._branches.state, "")
            return _Push(self._write(self._pending, tip), work_sha, len(self._pending))
        tip = self._write(self._pending[earlier.transitions :], earlier.state_tip)
        return _Push(tip, work_sha or earlier.work_sha, len(self._pending))

    def _write(self, transitions: Sequence[Transition], tip: str) -> str:
        ref = self._server.local(self._branches.state)
        return write_commits(self._git, ref, transitions, tip, self._identity)

    def _push_and_check(self, push: _Push) -> tuple[str | None, dict[str, str]]:
        """Push; returns why not and the tips on the server, or None when the push arrived."""
        tips = {self._branches.state: push.state_tip} if push.transitions else {}
        if push.work_sha and push.work_sha != self.work_tip:
            tips[self._branches.work] = push.work_sha
        error = self._server.push(tips)
        if error is None or (is_denied(error) and self._remote.use.worked):
            return error, {}
        try:
            tips = self._server.list_tips(once=not is_race(error))
        except BranchRefused:
            if is_race(error):
                raise
            return error, {}
        self._server.check_prefix(tips)
        return (None, {}) if self._has_arrived(push, tips) else (error, tips)

    def _deliver(self, push: _Push) -> tuple[str | None, dict[str, str]]:
        """Like `_push_and_check`, repeated while the failure may pass and nothing arrived."""
        return repeat(
            self._remote,
            partial(self._push_and_check, push),
            self._server.sleep,
            lambda pushed: (
                pushed[0] is not None and may_pass(pushed[0], token_worked=self._remote.use.worked)
            ),
        )

    def _rebase(self, tips: dict[str, str], earlier: _Push | None) -> None:
        """Build on what somebody else put on the state branch, if the state is unchanged.

        The state there may also be that of `earlier`, a push that was broken off and arrived.
        """
        before, work_before = self._tips.get(self._branches.state, ""), self.work_tip
        self._tips = dict(tips)
        tip = tips.get(self._branches.state, "")
        if tip:
            self._server.fetch(self._branches.state, depth=1)
            self._complete(tip)
            self._inbox_is_new = True
        state = self._blob(bus.STATE)
        if earlier and earlier.transitions and state == self._last_state(earlier):
            self._settle(earlier, tip)
            self._tips = tips
            before, work_before = tip, earlier.work_sha or work_before
        changed = tip != before and state != self._built_on
        if not before or changed:
            raise PushRejected(f"{self._branches.state} was written by another run")
        if self.work_tip != work_before:
            raise WorkMoved(f"{self._branches.work} was pushed to by somebody else")


def _without_diff(name: str, content: bytes | None) -> bytes | None:
    """The file `name`; of a review request without the diff, which git has."""
    if content is None or not name.endswith(bus.REVIEW_REQUEST):
        return content
    return bus.encode(bus.remove_diff(json.loads(content)))
