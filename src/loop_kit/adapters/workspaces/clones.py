"""The clone in which one agent works.

Commits are *fetched* from it into the loop's repository; what was left uncommitted is read through
that repository and an index that was copied before the agent started.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.git.command import CHECK_OBJECTS, FETCH, Git, Identity, digest
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.removal import remove
from loop_kit.core.card.scope import GITLINK
from loop_kit.core.loop.state import Role
from loop_kit.errors import GitFailed
from loop_kit.ports import Workspace

_INCOMING = "refs/loop-kit/incoming"
_FILE = b"100"


class CloneWorkspace:
    """A clone in which one agent works."""

    def __init__(self, cloner: Cloner, path: Path, identity: Identity) -> None:
        self.path = path
        self._cloner = cloner
        self._identity = identity
        self._index = path.with_name(f"{path.name}.index")
        shutil.copyfile(path / ".git" / "index", self._index)

    def collect(self, message: str) -> str:
        """Fetch the commits, add what was left uncommitted, and return the head.

        Raises:
            GitFailed: the clone's `.git` is no plain folder, or has no commit to fetch.
        """
        self._check_git_folder()
        self._cloner.restore_steering()
        git = self._cloner.git
        git.run(
            *FETCH,
            *("--no-auto-maintenance", str(self.path / ".git"), f"+HEAD:{_INCOMING}"),
            env=CHECK_OBJECTS,
            timeout=600,
        )
        head = git.text("rev-parse", "--verify", _INCOMING)
        inside = {"GIT_INDEX_FILE": str(self._index), "GIT_WORK_TREE": str(self.path)}
        view = git.at(self._cloner.git_dir)
        inside["GIT_DIR"] = str(self._cloner.git_dir)
        view.run("read-tree", "--reset", head, env=inside, timeout=120)
        listing = view.run("ls-files", "--stage", "-z", env=inside).out
        paths = (".", *_except_submodules(listing.decode("utf-8", "surrogateescape")))
        view = view.at(self.path)
        view.run("add", "--all", "--", *paths, env=inside, timeout=600)
        if not self._has_changes(view, head, inside):
            return head
        tree = view.text("write-tree", env=inside)
        return git.text(
            *("commit-tree", tree, "-p", head, "-m", message), env=self._identity.environment()
        )

    def _has_changes(self, view: Git, head: str, inside: Mapping[str, str]) -> bool:
        """Whether the index differs from `head`, once files that nobody touched are restored.

        A file that was committed with line ends other than its attributes ask for is one that git
        changes by merely adding it.
        """
        command = ("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "-z", head)
        fields = view.run(*command, env=inside, timeout=120).out.split(b"\0")[:-1]
        pairs = zip(fields[::2], fields[1::2], strict=True)
        rows = [(row[1:].split(), path) for row, path in pairs]
        candidates = [
            (row[0], row[2], path)
            for row, path in rows
            if row[0] == row[1] and row[0][:3] == _FILE and _is_one_line(path)
        ]
        if not candidates:
            return bool(rows)
        hashed = view.run(
            *("hash-object", "--no-filters", "--stdin-paths"),
            stdin=b"".join(path + b"\n" for *_, path in candidates),
            env=inside,
            timeout=600,
        ).out.split()
        same = [one for one, oid in zip(candidates, hashed, strict=True) if one[1] == oid]
        entries = b"".join(b"%s %s\t%s\0" % one for one in same)
        if entries:
            view.run("update-index", "-z", "--index-info", stdin=entries, env=inside)
        return len(rows) > len(same)

    def fingerprint(self) -> str:
        """HEAD, refs, index and tracked bytes in one word."""
        self._check_git_folder()
        self._cloner.restore_steering()
        git = self._cloner.git
        refs = git.run("ls-remote", "--quiet", "--symref", str(self.path / ".git")).out
        base = {"GIT_DIR": str(self._cloner.git_dir), "GIT_WORK_TREE": str(self.path)}
        untrusted = {**base, "GIT_INDEX_FILE": str(self.path / ".git" / "index")}
        trusted = {**base, "GIT_INDEX_FILE": str(self._index)}
        listing = git.run("ls-files", "--stage", "-v", "-z", env=untrusted).out
        inside = git.at(self.path)
        inside.run("update-index", "-q", "--refresh", env=trusted, ok=(0, 1), timeout=120)
        command = ("diff-files", "--raw", "-z", "--ignore-submodules=all")
        tracked = inside.run(*command, env=trusted, timeout=120).out
        return digest(refs, listing, tracked)

    def close(self) -> None:
        """Remove the clone."""
        self._cloner.restore_steering()
        remove(self.path)
        self._index.unlink(missing_ok=True)

    def _check_git_folder(self) -> None:
        inside = self.path / ".git"
        if inside.is_symlink() or not inside.is_dir():
            raise GitFailed("The agent replaced its `.git` folder.", "Run the round again.")


def _is_one_line(path: bytes) -> bool:
    """Whether `--stdin-paths` can take this path; another one is left as it was added."""
    return b"\n" not in path and not path.startswith(b'"')


def _except_submodules(listing: str) -> list[str]:
    """Pathspecs that keep git out of submodules: it would look into them with *their* config."""
    entries = (entry.partition("\t") for entry in listing.split("\x00"))
    return [f":(exclude,top,literal){path}" for about, _, path in entries if about[:6] == GITLINK]


class Clones:
    """Workspaces that are isolated clones."""

    def __init__(self, cloner: Cloner, identity: Identity) -> None:
        self._cloner = cloner
        self._identity = identity
        self._count = 0

    def prepare(self, sha: str) -> None:
        """Nothing is needed but the commit."""

    def open(self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "") -> Workspace:
        """A fresh clone at `wip_sha` or `sha`, with the tree of `work_sha` over it uncommitted."""
        self._count += 1
        sha = wip_sha or sha
        path = self._cloner.clone(f"{role.value}-{self._count}", sha)
        workspace = CloneWorkspace(self._cloner, path, self._identity)
        if work_sha and self._cloner.git.has(work_sha):
            self._cloner.lay_over(path, work_sha, sha)
        return workspace
