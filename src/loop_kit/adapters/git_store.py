"""The store of a loop in CI: one commit per transition on the state branch, pushed with the work.

Transitions are collected in memory and written by one `git fast-import` when they have to become
durable, so that a push costs two processes however many transitions it carries. A push is atomic
over both branches and fast-forward only: that fence, not a clock, is what makes the lease hold.

When a push is rejected because somebody else wrote to the state branch, the branch is fetched
again. If its `state.json` is the one we built on (a command was dropped into `inbox/`), our
transitions are put on top of the new tip. Otherwise the lease is lost.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from loop_kit.adapters.git import Git, Identity, authorization
from loop_kit.core import bus
from loop_kit.core.messages import Event
from loop_kit.core.state import LoopState, StateCorrupt, parse_state
from loop_kit.errors import BranchRefused, GitFailed, StateRefused
from loop_kit.ports import PushRejected

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Remote:
    """The git server: where, and with which token. The token is never shown."""

    url: str
    server: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of one loop."""

    prefix: str
    task_id: str

    @property
    def work(self) -> str:
        """The worker's commits; the pull request's head."""
        return f"{self.prefix}/{self.task_id}/work"

    @property
    def state(self) -> str:
        """The orphan branch that holds the file bus."""
        return f"{self.prefix}/{self.task_id}/state"


@dataclass(frozen=True, slots=True)
class _Transition:
    subject: str
    files: Mapping[str, bytes | None]


class GitStore:
    """Keeps one loop on the state branch of a remote."""

    def __init__(self, git: Git, remote: Remote, branches: Branches, identity: Identity) -> None:
        self._git = git
        self._remote = remote
        self._branches = branches
        self._identity = identity
        self._tips: dict[str, str] = {}
        self._built_on = b""
        self._files: dict[str, bytes | None] = {}
        self._pending: list[_Transition] = []
        self._latest = b""

    @property
    def work_tip(self) -> str:
        """Where the work branch was when the state was loaded; '' when there is none."""
        return self._tips.get(self._branches.work, "")

    def load(self) -> LoopState | None:
        """Fetch both branches and read the state, or None when there is no loop yet.

        Raises:
            BranchRefused: the server refuses, or a branch named like the prefix is in the way.
            StateRefused: the state cannot be read.
        """
        self._tips = self._ask()
        state_tip = self._tips.get(self._branches.state)
        if state_tip is None:
            return None
        shallow = self._git.text("rev-parse", "--is-shallow-repository") == "true"
        self._fetch(self._branches.state, depth=1)
        if self.work_tip and not self._git.has(self.work_tip):
            self._fetch(self._branches.work, depth=1 if shallow else 0)
        self._built_on = self._blob(bus.STATE) or b""
        try:
            return parse_state(self._built_on)
        except StateCorrupt as error:
            raise StateRefused(
                f"{bus.STATE} on {self._branches.state} cannot be read: {error}.",
                f"Mend it there, or delete the branch {self._branches.state} to start anew.",
            ) from None

    def read(self, name: str) -> bytes | None:
        """A bus file as last saved, or None."""
        if name in self._files:
            return self._files[name]
        return self._blob(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Keep one transition for the next `sync`."""
        self._latest = state.to_json()
        changed = {name: _slim(name, content) for name, content in (files or {}).items()}
        self._files.update(changed)
        subject = f"{type(event).__name__}: {state.task_id} round {state.round}, {state.state}"
        self._pending.append(_Transition(subject, {**changed, bus.STATE: self._latest}))

    def sync(self, work_sha: str = "") -> None:
        """Push everything saved, and the work branch, in one atomic push.

        Raises:
            PushRejected: another run owns the loop.
            BranchRefused: the server refuses for a reason that trying again does not mend.
        """
        if not self._pending and work_sha in {"", self.work_tip}:
            return
        for _ in range(_TRIES):
            state_tip = self._write()
            rejected = self._push(state_tip, work_sha)
            if not rejected:
                self._tips[self._branches.state] = state_tip
                if work_sha:
                    self._tips[self._branches.work] = work_sha
                self._built_on = self._latest or self._built_on
                self._pending.clear()
                return
            self._rebase()
        raise PushRejected(f"{self._branches.state} moves faster than we can push")

    def _ask(self) -> dict[str, str]:
        """The branches of this loop that the server has."""
        names = (self._branches.state, self._branches.work, self._branches.prefix)
        out = self._talk("ls-remote", self._remote.url, *(f"refs/heads/{name}" for name in names))
        rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
        tips = {ref.removeprefix("refs/heads/"): oid for oid, ref in rows}
        if self._branches.prefix in tips:
            raise BranchRefused(
                f"A branch named {self._branches.prefix!r} is in the way of the loop's branches.",
                "Delete or rename it, or set `branch-prefix` to another prefix.",
            )
        return tips

    def _fetch(self, branch: str, depth: int) -> None:
        self._talk(
            *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *((f"--depth={depth}",) if depth else ()),
            self._remote.url,
            f"+refs/heads/{branch}:{self._local(branch)}",
        )

    def _local(self, branch: str) -> str:
        kind = branch.rpartition("/")[2]
        return f"refs/loop-kit/{self._branches.task_id}/{kind}"

    def _blob(self, name: str) -> bytes | None:
        tip = self._tips.get(self._branches.state)
        if tip is None:
            return None
        done = self._git.run("cat-file", "blob", f"{tip}:{name}", ok=(0, 128))
        return done.out if done.code == 0 else None

    def _write(self) -> str:
        """The pending transitions as commits on the known tip; returns the new tip."""
        tip = self._tips.get(self._branches.state, "")
        if not self._pending:
            return tip
        ref = self._local(self._branches.state)
        script = b"".join(
            self._commit(ref, transition, tip if n == 0 else "", first=n == 0)
            for n, transition in enumerate(self._pending)
        )
        self._git.run(
            "fast-import",
            "--quiet",
            "--force",
            "--done",
            "--date-format=now",
            stdin=script + b"done\n",
        )
        return self._git.text("rev-parse", ref)

    def _commit(self, ref: str, transition: _Transition, parent: str, *, first: bool) -> bytes:
        who = f"{self._identity.name} <{self._identity.email}> now"
        out = f"reset {ref}\n\n".encode() if first and not parent else b""
        out += f"commit {ref}\ncommitter {who}\n".encode() + _data(transition.subject.encode())
        out += f"from {parent}\n".encode() if parent else b""
        for name, content in sorted(transition.files.items()):
            if content is None:
                out += f"D {name}\n".encode()
            else:
                out += f"M 100644 inline {name}\n".encode() + _data(content)
        return out + b"\n"

    def _push(self, state_tip: str, work_sha: str) -> bool:
        """Push both branches at once; whether somebody else was faster."""
        refspecs = [f"{state_tip}:refs/heads/{self._branches.state}"] if state_tip else []
        if work_sha and work_sha != self.work_tip:
            refspecs.append(f"{work_sha}:refs/heads/{self._branches.work}")
        done = self._git.run(
            *("push", "--porcelain", "--atomic", "--no-verify", self._remote.url, *refspecs),
            ok=range(256),
            env=self._auth(),
            timeout=600,
        )
        if done.code == 0:
            return False
        said = (done.out + b"\n" + done.err).decode("utf-8", "replace")
        if _raced(said):
            return True
        raise self._refusal(said)

    def _rebase(self) -> None:
        """Take up what somebody else put on the state branch, if it left the state alone."""
        before = self._tips.get(self._branches.state, "")
        work_before = self.work_tip
        self._tips = self._ask()
        tip = self._tips.get(self._branches.state, "")
        if tip:
            self._fetch(self._branches.state, depth=1)
        changed = tip != before and self._blob(bus.STATE) != self._built_on
        if not before or changed or self.work_tip != work_before:
            raise PushRejected(f"{self._branches.state} was written by another run")

    def _talk(self, *args: str) -> str:
        try:
            done = self._git.run(*args, env=self._auth(), timeout=600)
        except GitFailed as error:
            raise self._refusal(error.sentence) from None
        return done.out.decode("utf-8", "replace")

    def _auth(self) -> dict[str, str]:
        return authorization(self._remote.server, self._remote.token)

    def _refusal(self, said: str) -> BranchRefused:
        return refusal(said, self._branches)


def fetch_branch(git: Git, remote: Remote, branch: str, depth: int = 0) -> str:
    """Fetch a branch, or one commit by its id, and return the commit.

    Raises:
        BranchRefused: the server has no such branch, or refuses.
    """
    is_commit = len(branch) >= 40
    source = branch if is_commit else f"refs/heads/{branch}"
    shallow = git.text("rev-parse", "--is-shallow-repository") == "true"
    depth = depth or (1 if shallow else 0)
    done = git.run(
        *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
        *((f"--depth={depth}",) if depth else ()),
        *(remote.url, f"+{source}:refs/loop-kit/base"),
        ok=range(256),
        env=authorization(remote.server, remote.token),
        timeout=600,
    )
    if done.code:
        said = " ".join(done.err.decode("utf-8", "replace").split())[-300:]
        raise BranchRefused(
            f"{branch} cannot be fetched: {said}", "Check `base-branch` and the token."
        )
    return git.text("rev-parse", "refs/loop-kit/base")


def refusal(said: str, branches: Branches) -> BranchRefused:
    """The git server's refusal as one sentence and what to change."""
    low = said.lower()
    shown = " ".join(said.split())[-400:]
    if "without `workflows` permission" in low or ("workflow" in low and "refusing" in low):
        return BranchRefused(
            "The token may not push a commit that touches .github/workflows.",
            "Make that change by hand, or use a token that may (an App with `workflows: write`).",
        )
    if any(word in low for word in ("403", "401", "authentication failed", "could not read")):
        return BranchRefused(
            f"The git server refused the token: {shown}",
            "Give the job `permissions: contents: write` and pass `github-token`.",
        )
    if "gh006" in low or "protected branch" in low or "gh013" in low or "rule violations" in low:
        return BranchRefused(
            f"A branch rule forbids pushing {branches.prefix}/**: {shown}",
            f"Exempt `{branches.prefix}/**` from the rule, or set `branch-prefix`.",
        )
    if "cannot lock ref" in low or "directory file conflict" in low:
        return BranchRefused(
            f"A branch is in the way of {branches.work}: {shown}",
            "Delete or rename it, or set `branch-prefix` to another prefix.",
        )
    return BranchRefused(f"The git server refused: {shown}", "Mend what it says and run again.")


def _raced(said: str) -> bool:
    low = said.lower()
    return any(
        word in low
        for word in ("fetch first", "non-fast-forward", "stale info", "failed to update ref")
    )


def _slim(name: str, content: bytes | None) -> bytes | None:
    """A review request without its diff: whoever wants that asks git."""
    if content is None or not name.endswith(bus.REVIEW_REQUEST):
        return content
    return bus.encoded(bus.without_diff(json.loads(content)))


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"
