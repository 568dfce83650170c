"""The user's own work tree, where only people work: the backend `manual`.

What a person did is on their branch already. Nothing is committed, moved or restored for them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.unwatched import Unwatched
from loop_kit.core.loop.state import Role
from loop_kit.errors import StateRefused
from loop_kit.ports import Collected, Workspace, Workspaces


class UserTreeWorkspace(Unwatched):
    """The user's work tree during one attempt of a person, who may change their own files."""

    def __init__(self, git: Git, root: Path) -> None:
        self.path = root
        self._git = git

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        """The commit that is checked out."""
        del message, named, trailers
        head = self._git.text("rev-parse", "HEAD")
        return Collected(head, head)


class UserTree:
    """Workspaces that are all the user's own work tree."""

    def __init__(self, git: Git, root: Path) -> None:
        self._git = git
        self._root = root

    def prepare(self, sha: str) -> None:
        """Nothing to do: people prepare their own work tree."""

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> Workspace:
        """The work tree; for a worker its branch must hold `sha`.

        Raises:
            StateRefused: the branch lacks what the loop has done so far.
        """
        del work_sha, wip_sha, merges
        if role is Role.WORKER:
            self._require_holds(sha)
        return UserTreeWorkspace(self._git, self._root)

    def _require_holds(self, sha: str) -> None:
        holds = ("merge-base", "--is-ancestor", sha, "HEAD")
        if self._git.run(*holds, ok=(0, 1, 128)).code == 0:
            return
        head = self._git.text("rev-parse", "HEAD")
        raise StateRefused(
            f"HEAD is {head[:10]}, which does not hold {sha[:10]}, where the loop left its work.",
            f"Run `git merge {sha}` and continue, or start again without --resume.",
            anchor="work-not-in-head",
        )


class WorkspacesByRole:
    """Workspaces of a kind that depends on who works there: a program or a person."""

    def __init__(self, kinds: Mapping[Role, Workspaces]) -> None:
        self._kinds = kinds

    def prepare(self, sha: str) -> None:
        """Prepare workspaces of every kind that is used."""
        for kind in dict.fromkeys(self._kinds.values()):
            kind.prepare(sha)

    def open(
        self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "", merges: str = ""
    ) -> Workspace:
        """A workspace for `role`."""
        return self._kinds[role].open(role, sha, work_sha, wip_sha, merges)
