"""The clone in which one agent works.

Commits are taken over from it into the loop's repository; what was left uncommitted is read through
that repository and an index that was copied before the agent started.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.files.special_files import READ_BY_GIT, remove_special_files
from loop_kit.adapters.git.command import Git, Identity
from loop_kit.adapters.git.rewriting import Rewriter
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.fingerprints import Fingerprints
from loop_kit.adapters.workspaces.inventory import Inventory
from loop_kit.adapters.workspaces.merge_in_progress import (
    MESSAGE,
    begin_merge,
    is_in_progress,
)
from loop_kit.adapters.workspaces.own_index import OwnIndex, read_index
from loop_kit.adapters.workspaces.reported import Reported
from loop_kit.adapters.workspaces.takeover import (
    borrowing,
    head_as_git_reads_it,
    incoming_ref,
    take_over,
)
from loop_kit.adapters.workspaces.uncommitted import AS_COMMITTED, Staged, Uncommitted
from loop_kit.adapters.workspaces.undelivered import Closing
from loop_kit.adapters.workspaces.unfinished import commit_named, head_of, unfinished_operation
from loop_kit.adapters.workspaces.workplace import Left, Workplace
from loop_kit.core.card import leftovers
from loop_kit.core.loop.state import Role
from loop_kit.errors import BadSetting, DiskRefused, GitFailed
from loop_kit.ports import Collected, Fingerprint, SetupFailed, Workspace, WorkspaceGone

if TYPE_CHECKING:
    from loop_kit.adapters.git.merging import Preview


class Release(Protocol):
    """Gives a workspace back."""

    def __call__(self, left: Left) -> None:
        """Give it back as it was left."""
        ...


class CloneWorkspace:
    """A clone in which one agent works, from the commit `start` on, until `release` is called.

    `suspects` are files in which an earlier attempt left conflicts. What `tip` holds was there
    before the round, and `start` is work in progress on top of it, or the same. `inventory` is what
    it held when it was opened, `lasting` what it holds when its work was last collected.
    `work_ended` is called when its agent has ended. All files were those of the commit `files_at`,
    where that is certain of all but those that were `touched` since.
    """

    def __init__(
        self,
        cloner: Cloner,
        path: Path,
        identity: Identity,
        start: str,
        release: Release,
        *,
        tip: str = "",
        limit: int = 0,
        suspects: Iterable[str] = (),
        merge: "Preview | None" = None,
        inventory: Inventory | None = None,
        lasting: Inventory | None = None,
        files_at: str | None = None,
        touched: Iterable[str] | None = (),
        work_ended: Callable[[], Closing | None] | None = None,
    ) -> None:
        self.path = path
        self.environment: Mapping[str, str] = {}
        self.unresolved: tuple[str, ...] = tuple(suspects)
        self._merge = merge
        self._cloner = cloner
        self._identity = identity
        self._start = start
        self._known = {start, tip or start, *((merge.theirs,) if merge else ())}
        self._release = release
        self._work_ended = work_ended
        self._closing: Closing | None = None
        self._limit = limit
        self._inventory = inventory or lasting
        self._lasting = lasting
        self._files_at = files_at if lasting is not None else None
        self._touched = {*(touched or ())}
        self._is_clean = self._is_bare = False
        self._index_at: str | None = None
        self._taken = start
        self._incoming = incoming_ref(path)
        self._index = path.with_name(f"{path.name}.index")
        self._own = read_index(path / ".git" / "index")
        self._fingerprints = Fingerprints(
            *(cloner.git, cloner.git_dir, path, self._own, self._index), inventory
        )

    def agent_ended(self) -> None:
        """Begin at once with what takes a while after the end of a worker."""
        if self._work_ended is not None:
            self._closing = self._work_ended()

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        """Take the commits over, add what was left uncommitted, and return the head.

        The commits are ours from here on; see `rewriting`. The worker's next attempt finds them.

        Raises:
            GitFailed: the clone's `.git` is no plain folder, or has no commit at HEAD; or its
                commits are too many or too large.
        """
        rewriter = Rewriter(self._cloner.git, self._identity, time.time(), lambda _: trailers)
        left = self._gather(message, named, rewriter)
        head, own = (rewriter.rewrite(sha, self._known) for sha in (left.head, left.own))
        if head != self._taken:
            self._cloner.git.set_ref(self._incoming, head)
            self._taken = head
        if self._index_at == left.head:
            self._index_at = head
        return replace(left, head=head, own=own)

    def _gather(self, message: str, named: str | None, rewriter: Rewriter) -> Collected:
        """The worker's commits as it wrote them, and on top what it left uncommitted."""
        self._check_git_folder()
        self._cloner.restore_steering()
        operation = unfinished_operation(self.path / ".git")
        at = head_of(self.path / ".git") or head_as_git_reads_it(self._cloner.git, self.path)
        head = self._take_over(at)
        touched = self._note()
        git, git_dir = self._cloner.git, self._cloner.git_dir
        uncommitted = Uncommitted(
            *(git, git_dir, self.path, self._index, self._limit), self._cloner.ignored
        )
        if operation is not None and operation.name == "rebase":
            own = self._find(operation.before) or head
            paths = uncommitted.unmerged(head)
            return Collected(own, own, unfinished=leftovers.explain_rebase(paths))
        base, notes = self._choose(head, named)
        commits_itself = base != self._start
        merge = None if commits_itself else self._merge_in_progress()
        staged_on = merge.tree if merge else head
        index = None if operation else self._index_at_once(uncommitted, head, touched)
        staged = AS_COMMITTED
        if index is None:
            staged = self._stage(uncommitted, staged_on, takes_all=not commits_itself)
        self.unresolved = staged.unresolved
        found = staged.leftovers
        excess = leftovers.explain_excess(found, self._limit)
        notes += leftovers.explain_left(found, staged.refused)
        if excess and commits_itself:
            notes += (excess,)
        left = operation.name if operation and not merge else None
        unfinished = self._gave_up(merge, base) or leftovers.explain_unfinished(
            left, staged.unresolved, None if commits_itself else excess
        )
        is_committed = any(uncommitted.has_conflict(head, path) for path in staged.unresolved)
        own = self._start if is_committed else base
        if merge:
            tree = uncommitted.tree(staged_on, staged_on, staged.changes)
            parents = (base,) if unfinished else (base, merge.theirs)
            base = self._index_at = rewriter.add(tree, MESSAGE, parents)
        elif staged.changes:
            tree = uncommitted.tree(head, base, staged.changes)
            base = self._index_at = rewriter.add(tree, message, (base,))
        elif staged.is_clean:
            self._index_at, self._is_clean = head, True
        self._own, self._is_bare = index or read_index(self._index), index is not None
        return Collected(base, own, notes, unfinished)

    def _note(self) -> list[str] | None:
        """Note the files before git looks at them: what is done to them later is not collected.

        Returns those that may be others than before; None if that is not known.
        """
        self._is_clean = self._is_bare = False
        if self._lasting is not None:
            with contextlib.suppress(OSError):
                (self._closing or Closing()).wait()
                return self._lasting.renew(self.path)
        return None

    def _stage(self, uncommitted: Uncommitted, on: str, *, takes_all: bool) -> Staged:
        self._own.write(self._index)
        merges = self._merge is not None
        how = {"takes_all": takes_all, "merges": merges}
        return uncommitted.stage(on, self._start, self.unresolved, **how)

    def _index_at_once(
        self, uncommitted: Uncommitted, head: str, touched: list[str] | None
    ) -> OwnIndex | None:
        """The index of `head`, if without a look of git nothing is left to commit."""
        old, self._files_at = self._files_at, None
        if old is None or touched is None or self._merge or self.unresolved:
            return None
        if uncommitted.has_staged(head):
            return None
        reported = Reported(
            *(self._cloner.git, self._cloner.git_dir, self.path), self._cloner.ignored
        )
        return reported.index_at(head, old, self._own, [*{*touched, *self._touched}])

    def _take_over(self, commit: str) -> str:
        """Take a commit of the clone over into the loop's repository; its id."""
        if commit != self._start:
            take_over(self._cloner.git, self.path, commit, self._known, self._incoming)
            self._taken = commit
        return commit

    def _merge_in_progress(self) -> "Preview | None":
        """The merge that the worker was given, if its next commit would complete it."""
        merge = self._merge
        return merge if merge is not None and is_in_progress(self.path, merge) else None

    def _gave_up(self, in_progress: "Preview | None", base: str) -> str | None:
        """What is missing where neither the worker's commits nor the next one complete a merge."""
        merge = self._merge
        if merge is None or in_progress or self._is_ancestor(merge.theirs, base):
            return None
        return leftovers.explain_merge_given_up(merge.theirs)

    def _choose(self, head: str, named: str | None) -> tuple[str, tuple[str, ...]]:
        """The commit that counts, and a note where that is not plain.

        HEAD counts, unless it did not move and the report names a commit that builds on it.
        """
        named = commit_named(self.path / ".git", named or "")
        if named is None or head.startswith(named):
            return head, ()
        found = None if self._start.startswith(named) else self._find(named)
        if found is None:
            return head, ()
        if head == self._start:
            note = f"The commit {found[:10]}, which the report names, is not on HEAD; it counts."
            return found, (note,)
        if self._is_ancestor(found, head):
            return head, ()
        note = f"The report names {found[:10]}, which is not part of HEAD; {head[:10]} counts."
        return head, (note,)

    def _find(self, commit: str | None) -> str | None:
        """The whole id of a commit that is in the clone and builds on the start, taken over."""
        if commit is None:
            return None
        query = ("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        try:
            found = self._cloner.git.run(*query, env=borrowing(self.path), ok=(0, 1, 128)).out
            taken = self._take_over(found.decode().strip()) if found else ""
        except GitFailed:
            return None
        return taken if taken and self._is_ancestor(self._start, taken) else None

    def _is_ancestor(self, older: str, newer: str) -> bool:
        query = ("merge-base", "--is-ancestor", older, newer)
        return self._cloner.git.run(*query, ok=(0, 1, 128)).code == 0

    def fingerprint(self) -> Fingerprint:
        """HEAD, refs, index and tracked bytes."""
        self._check_git_folder()
        self._cloner.restore_steering()
        return self._fingerprints.take()

    def tracked(self, paths: Collection[str]) -> frozenset[str]:
        """Those of `paths` that the commit has which the workspace began with."""
        git = self._cloner.git
        names = git.run("ls-tree", "--name-only", "-z", "--full-tree", self._start, "--", *paths)
        return frozenset(names.out.decode("utf-8", "surrogateescape").split("\0")) & {*paths}

    def close(self) -> None:
        """Remove the clone, or keep the worker's files."""
        self._cloner.restore_steering()
        remove(self._index)
        self._release(Left(self._own, self._index_at, self._is_clean, self._is_bare))

    def _check_git_folder(self) -> None:
        if not self.path.parent.is_dir():
            raise WorkspaceGone(
                f"{self.path.parent} was removed while an agent worked in it.",
                "Run the round again, and clean that folder when no loop runs.",
            )
        inside = self.path / ".git"
        if inside.is_symlink() or not inside.is_dir():
            raise GitFailed(
                "The agent replaced its `.git` folder.",
                "Run the round again.",
                anchor="workspace-damaged",
            )
        inventory = self._inventory
        strange = inventory.strange(self.path, READ_BY_GIT) if inventory is not None else None
        remove_special_files(self.path, strange)


class Clones:
    """Workspaces that are clones, one open at a time.

    `limit` is how many new files are committed for a worker; 0 means no limit.
    """

    def __init__(self, workplace: Workplace, identity: Identity, limit: int = 0) -> None:
        self._workplace = workplace
        self._identity = identity
        self._limit = limit
        self._last: CloneWorkspace | None = None

    def prepare(self, sha: str) -> None:
        """Make sure that there is a place and room for workspaces, and that one can be prepared.

        Raises:
            SetupFailed: there is not, or it cannot be.
        """
        try:
            self._workplace.prepare(sha)
        except (BadSetting, DiskRefused) as error:
            raise SetupFailed(error.sentence, error.remedy) from None

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> Workspace:
        """A clone at `wip_sha` or `sha`, with the tree of `work_sha` over it uncommitted.

        Or with the merge of the commit `merges`, which has conflicts.
        """
        place, tip, sha = self._workplace, sha, wip_sha or sha
        git = place.cloner.git
        merge = _preview(git, sha, merges) if merges else None
        tree = None
        if role is Role.WORKER:
            left = work_sha if work_sha and git.has(work_sha) else None
            tree = left or (merge.tree if merge else None)
            path, release = place.open_worker(sha, tree), place.park_worker
            if merge is not None:
                begin_merge(git, path, merge, with_stages=left is None)
        else:
            path, release = place.open_fresh(sha), place.close_fresh
        is_worker = role is Role.WORKER
        suspects = self._last.unresolved if self._last is not None and work_sha else ()
        suspects = (*suspects, *(merge.conflicts if merge else ()))
        workspace = CloneWorkspace(
            *(place.cloner, path, self._identity, sha, release),
            tip=tip,
            limit=self._limit,
            suspects=suspects,
            merge=merge,
            inventory=None if is_worker else place.inventory,
            lasting=place.lasting if is_worker else None,
            files_at=place.files_at(sha) if is_worker and tree is None else None,
            touched=place.touched if is_worker else None,
            work_ended=place.work_ended if is_worker else None,
        )
        workspace.environment = place.preparation.environment(
            path, sha, trusts_work=role is Role.WORKER
        )
        self._last = workspace if role is Role.WORKER else None
        return workspace


def _preview(git: Git, head: str, other: str) -> "Preview":
    from loop_kit.adapters.git.merging import preview_merge

    return preview_merge(git, head, other)
