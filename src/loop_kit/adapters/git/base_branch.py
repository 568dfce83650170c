"""The base branch of a loop as it is now: on the git server, or on a laptop the user's own branch.

A checkout in a job is often shallow: it has the last commit of a branch and no more. Where both
branches begin to differ is then known only after more history was fetched, and only that much is:
the answer of git counts once no commit whose parents are hidden is on the way to it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from loop_kit.adapters.git.command import ANONYMOUS, FETCH, Git, Identity
from loop_kit.adapters.git.history import History, NotPlain
from loop_kit.adapters.git.raw_log import printable_path
from loop_kit.errors import BranchRefused, GitFailed
from loop_kit.ports import Comparison

if TYPE_CHECKING:
    from loop_kit.adapters.git.remote import Remote

_MAX_CONFLICTS = 200
_REF = "refs/loop-kit-base-branch"
_MERGED = "refs/loop-kit/merged"
_STEPS = ("--deepen=50", "--deepen=500", "--deepen=5000", "--unshallow")


class LocalBaseBranch:
    """The branch of that name in the user's own repository; nothing is fetched."""

    def __init__(self, git: Git, identity: Identity = ANONYMOUS) -> None:
        self._git = git
        self._identity = identity

    def tip(self, branch: str) -> str | None:
        """The commit of the branch here, or None."""
        (about,) = self._git.objects.info([f"refs/heads/{branch}^{{commit}}"])
        return None if about is None else about.oid

    def compare(self, tip: str, head: str) -> Comparison | None:
        """How the work up to `head` compares with `tip`; None if they have nothing in common.

        Raises:
            GitFailed: git is too old, or something is missing here.
        """
        if self._is_built_on(tip, head):
            return Comparison(tip)
        begin = self._merge_base(tip, head)
        if begin is None or begin in {tip, head}:
            return Comparison(begin) if begin else None
        from loop_kit.adapters.git.merging import preview_merge

        conflicts = preview_merge(self._git, head, tip).conflicts[:_MAX_CONFLICTS]
        return Comparison(begin, tuple(printable_path(path) for path in conflicts))

    def changed(self, older: str, newer: str) -> frozenset[str]:
        """The paths that differ between two commits."""
        command = ("diff-tree", "-r", "--name-only", "--no-renames", "--no-ext-diff", "-z")
        out = self._git.run(*command, older, newer, timeout=120).out
        return frozenset(out.decode("utf-8", "surrogateescape").split("\0")[:-1])

    def merge(self, tip: str, head: str, message: str) -> str:
        """The merge commit of two commits that merge cleanly, as old as the newer of them.

        So it is the same wherever it is made, and whenever it is made again.

        Raises:
            GitFailed: they do not.
        """
        from loop_kit.adapters.git.merging import preview_merge

        preview = preview_merge(self._git, head, tip)
        if preview.conflicts:
            raise GitFailed(f"{tip[:10]} conflicts with {head[:10]}.", "Merge it by hand.")
        command = ("commit-tree", preview.tree, "-p", head, "-p", tip, "-m", message)
        newer = max(self._git.text("log", "--no-walk", "--format=%ct", tip, head).split(), key=int)
        dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{newer} +0000")
        sha = self._git.text(*command, env={**self._identity.environment(), **dates})
        self._git.set_ref(_MERGED, sha)
        return sha

    def _merge_base(self, tip: str, head: str) -> str | None:
        from loop_kit.adapters.git.merging import merge_base

        return merge_base(self._git, tip, head)

    def _is_built_on(self, tip: str, head: str) -> bool:
        """Whether `head` is a few plain commits on top of `tip`: asked without a process."""
        try:
            History(self._git.objects).line(tip, head)
        except NotPlain:
            return False
        return True


class ServerBaseBranch(LocalBaseBranch):
    """The branch on the git server."""

    def __init__(self, git: Git, remote: "Remote", complete: Callable[..., None]) -> None:
        super().__init__(git, Identity())
        self._remote = remote
        self._complete = complete

    def tip(self, branch: str) -> str | None:
        """The commit of the branch on the server, fetched.

        Raises:
            BranchRefused: the server has no such branch, refuses, or does not answer.
        """
        from loop_kit.adapters.git.remote import fetch_commit

        depth = 1 if self._is_shallow() else 0
        source = f"refs/heads/{branch}"
        return fetch_commit(self._git, self._remote, source, ref=_REF, depth=depth)

    def compare(self, tip: str, head: str) -> Comparison | None:
        """As on a laptop, with what is missing here fetched from the server.

        Raises:
            LoopError: the server does not answer, or git is too old.
        """
        begin = self._merge_base(tip, head)
        self._complete(*filter(None, (tip, head, begin)))
        return super().compare(tip, head)

    def _merge_base(self, tip: str, head: str) -> str | None:
        from loop_kit.adapters.git.merging import merge_base
        from loop_kit.adapters.git.remote import ask_server

        found = merge_base(self._git, tip, head)
        for step in _STEPS:
            if not self._is_shallow() or (found and not self._is_cut_off(tip, head, found)):
                break
            command = (*FETCH, step, "--", self._remote.url, tip, head)
            if ask_server(self._git, self._remote, *command).code:
                raise BranchRefused(
                    f"The history between {tip[:10]} and {head[:10]} cannot be fetched.",
                    "Check that both are on the server, or check out with `fetch-depth: 0`.",
                    anchor="commit-missing",
                )
            found = merge_base(self._git, tip, head)
        return found

    def _is_shallow(self) -> bool:
        return self._git.text("rev-parse", "--is-shallow-repository") == "true"

    def _is_cut_off(self, tip: str, head: str, found: str) -> bool:
        """Whether history is hidden between `found` and the two: its end looks parentless."""
        query = ("rev-list", "--max-parents=0", "--max-count=1", tip, head, "--not", found)
        return bool(self._git.text(*query))
