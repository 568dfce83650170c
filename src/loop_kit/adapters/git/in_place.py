"""The user's own work tree and branch as the workspace: the way of agent-task-runner.

What was there before an attempt is the user's and stays out of every commit: a file that was
modified, staged or untracked when the attempt started is never committed for the worker.
"""

import os
import tempfile
from pathlib import Path

from loop_kit.adapters.git.command import Git, Identity, digest
from loop_kit.adapters.git.work_tree import Status, read_status
from loop_kit.adapters.loop_dir.loop_folder import write_atomically
from loop_kit.core.loop.state import Role
from loop_kit.errors import StateRefused
from loop_kit.ports import Workspace


class InPlace:
    """Workspaces that are all the user's own work tree; verification runs elsewhere."""

    def __init__(self, git: Git, root: Path, loop_dir: str, identity: Identity) -> None:
        self._git = git
        self._root = root
        self._loop_dir = loop_dir
        self._identity = identity
        self._index_path: Path | None = None

    def prepare(self, sha: str) -> None:
        """The user's tree is as the user prepared it."""

    def open(self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "") -> Workspace:
        """The work tree, which must be at `sha`; a worker may have committed on top already.

        Raises:
            StateRefused: the branch was moved by somebody else.
        """
        status = read_status(self._git, self._loop_dir)
        if status.head not in {sha, work_sha, wip_sha} and not self._on_top(role, sha, status.head):
            raise StateRefused(
                f"HEAD is {status.head[:10]}, and the loop left it at {sha[:10]}.",
                f"Check out {sha[:10]} and continue, or start again without --resume.",
            )
        workspace = InPlaceWorkspace(self._git, self._root, self._loop_dir, self._identity, status)
        if role is Role.REVIEWER:
            workspace.remember(self._index())
        return workspace

    def _index(self) -> Path:
        """Where git keeps the index of this work tree; looked up once."""
        if self._index_path is None:
            query = ("rev-parse", "--path-format=absolute", "--git-path", "index")
            self._index_path = Path(self._git.text(*query))
        return self._index_path

    def _on_top(self, role: Role, sha: str, head: str) -> bool:
        if role is not Role.WORKER:
            return False
        return self._git.run("merge-base", "--is-ancestor", sha, head, ok=(0, 1, 128)).code == 0


def _null_list(paths: list[str]) -> bytes:
    return "\x00".join(paths).encode("utf-8", "surrogateescape")


class InPlaceWorkspace:
    """The user's work tree during one attempt."""

    def __init__(
        self, git: Git, root: Path, loop_dir: str, identity: Identity, before: Status
    ) -> None:
        self.path = root
        self._git = git
        self._loop_dir = loop_dir
        self._identity = identity
        self._before = before
        self._fresh = True
        self._index: Path | None = None
        self._saved = b""
        self._saved_at = 0
        self._seen: list[str] = []
        self._after = before

    def remember(self, index: Path) -> None:
        """Remember the index, a file: `close` takes back what a reviewer changes."""
        self._index = index
        if self._index.exists():
            self._saved = self._index.read_bytes()
            self._saved_at = self._index.stat().st_mtime_ns

    def collect(self, message: str) -> str:
        """Commit what the worker left uncommitted, and return the head."""
        status = read_status(self._git, self._loop_dir)
        leftovers = sorted(status.paths - self._before.paths)
        if not leftovers:
            return status.head
        gone = [path for path in leftovers if not os.path.lexists(self.path / path)]
        there = sorted({*leftovers} - {*gone})
        listing = _null_list(leftovers)
        with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git.run("read-tree", status.head, env=index)
            # Staged and deleted again, a path is nowhere: `add` would refuse it. And without any
            # path `add --all` takes everything, the user's own files too.
            forget = ("update-index", "--force-remove", "-z", "--stdin")
            self._git.run(*forget, stdin=_null_list(gone), env=index)
            if there:
                self._git.run(
                    *("add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"),
                    stdin=_null_list(there),
                    env={**index, "GIT_LITERAL_PATHSPECS": "1"},
                    timeout=600,
                )
            tree = self._git.text("write-tree", env=index)
        if tree == self._git.text("rev-parse", f"{status.head}^{{tree}}"):
            return status.head
        author = self._author()
        head = self._git.text("commit-tree", tree, "-p", status.head, "-m", message, env=author)
        self._git.run("update-ref", "-m", "loop-kit: leftovers", "HEAD", head, status.head)
        self._git.run(
            *("reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul"),
            stdin=listing,
            env={"GIT_LITERAL_PATHSPECS": "1"},
        )
        return head

    def fingerprint(self) -> str:
        """HEAD, refs, index and tracked bytes in one word."""
        status = self._before if self._fresh else read_status(self._git, self._loop_dir)
        self._fresh = False
        self._after = status
        refs = self._git.run("for-each-ref", "--format=%(refname) %(objectname)").out
        tracked = b"\x00".join(
            token for token in status.raw.split(b"\x00") if not token.startswith(b"? ")
        )
        changed = b""
        if status.tracked:
            changed = self._git.run(
                *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "HEAD"),
                timeout=120,
            ).out
        index = self._git.run("ls-files", "--stage", "-v", "-z").out
        self._seen.append(digest(refs, tracked, changed, index))
        return self._seen[-1]

    def close(self) -> None:
        """After a reviewer that changed something, or was interrupted: as it was before."""
        if self._index is None or (len(self._seen) == 2 and self._seen[0] == self._seen[1]):
            return
        before, note = self._before, "loop-kit: taken back from the reviewer"
        if before.branch == "(detached)":
            self._git.run("update-ref", "--no-deref", "-m", note, "HEAD", before.head)
        else:
            self._git.run("symbolic-ref", "-m", note, "HEAD", f"refs/heads/{before.branch}")
            self._git.run("update-ref", "-m", note, "HEAD", before.head)
        write_atomically(self._index, self._saved)
        # Git trusts the times in an index that is younger than the files: give it its age back.
        os.utime(self._index, ns=(self._saved_at, self._saved_at))
        self._take_back(read_status(self._git, self._loop_dir))

    def _take_back(self, now: Status) -> None:
        """Write again every tracked file that the reviewer touched and the user had not."""
        touched = {*now.tracked, *self._after.tracked} - {*self._before.tracked}
        paths = self._git.run("ls-files", "-z").out.split(b"\x00")
        changed = sorted(touched & {path.decode("utf-8", "surrogateescape") for path in paths})
        for path in changed:
            file = self.path / path
            if file.is_symlink() or file.is_file():
                file.unlink()
        if changed:
            listing = _null_list(changed)
            self._git.run("checkout-index", "--force", "-z", "--stdin", stdin=listing, timeout=600)

    def _author(self) -> dict[str, str]:
        """The user's own identity, or loop-kit's where git has none."""
        known = self._git.run("config", "user.email", ok=(0, 1)).out.strip()
        return {} if known else self._identity.environment()
