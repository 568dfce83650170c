"""A bare repository on the server's side, looked at and changed with git itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


def git_environment(**extra: str) -> dict[str, str]:
    """Return an environment in which git sees no one's settings but the repository's."""
    return {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **extra,
    }


class BareRepository:
    """One hosted repository, as its host sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def attempt(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run git here; the caller looks at the exit status."""
        return subprocess.run(
            ["git", "--git-dir", str(self.path), *arguments],
            input=stdin,
            env=git_environment(),
            capture_output=True,
            check=False,
        )

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git here and return what it prints; a failure carries git's own words."""
        done = self.attempt(*arguments, stdin=stdin)
        if done.returncode:
            message = f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}"
            raise RuntimeError(message)
        return done.stdout.decode(errors="replace")

    def resolve(self, revision: str) -> str | None:
        """Return the commit that `revision` names, or None."""
        done = self.attempt("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
        return done.stdout.decode().strip() or None

    def head(self, branch: str) -> str | None:
        """Return the tip of `branch`, or None when there is no such branch."""
        loose = self.path / "refs" / "heads" / branch
        return (
            loose.read_text("ascii").strip()
            if loose.is_file()
            else self.resolve(f"refs/heads/{branch}")
        )

    def branches(self) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        pairs = (line.split(" ") for line in lines.splitlines())
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in pairs}

    def set_branch(self, branch: str, sha: str) -> None:
        """Move or create `branch` without asking anyone, as another pusher would have."""
        self.git("update-ref", f"refs/heads/{branch}", sha)

    def delete_branch(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def file(self, revision: str, path: str) -> bytes | None:
        """Return the content of a file at a revision, or None when it is not there."""
        done = self.attempt("cat-file", "blob", f"{revision}:{path}")
        return None if done.returncode else done.stdout

    def merge_base(self, one: str, other: str) -> str | None:
        return self.attempt("merge-base", one, other).stdout.decode().strip() or None

    def count_commits(self, base: str, head: str) -> int:
        """Return how many commits `head` has that `base` has not."""
        return int(self.git("rev-list", "--count", f"{base}..{head}"))

    def contains(self, head: str, sha: str) -> bool:
        """Tell whether `sha` is `head` or one of its ancestors."""
        return self.attempt("merge-base", "--is-ancestor", sha, head).returncode == 0

    def merges_cleanly(self, base: str, head: str) -> bool:
        return self.attempt("merge-tree", "--write-tree", base, head).returncode == 0

    def merge(self, base_branch: str, head: str, message: str) -> str:
        """Merge `head` into `base_branch` with a merge commit, as the merge button does."""
        base = self.git("rev-parse", f"refs/heads/{base_branch}").strip()
        tree = self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        identity = ("-c", "user.name=Host", "-c", "user.email=host@example.com")
        parents = ("-p", base, "-p", head)
        merged = self.git(*identity, "commit-tree", tree, *parents, "-m", message).strip()
        self.set_branch(base_branch, merged)
        return merged

    def commit_files(
        self,
        branch: str,
        files: Mapping[str, str | bytes | None],
        message: str = "Change files",
        *,
        parent: str | None = None,
    ) -> str:
        """Commit to `branch` as if someone had pushed it and return the commit.

        A content of None deletes the file. A branch that does not exist starts at `parent`, or
        without any history.
        """
        start = self.head(branch) or parent
        text = message.encode()
        stream = [
            f"commit refs/heads/{branch}\n".encode(),
            f"committer Someone <someone@example.com> {int(time.time())} +0000\n".encode(),
            b"data %d\n%s\n" % (len(text), text),
        ]
        if start:
            stream.append(f"from {start}\n".encode())
        for path, content in files.items():
            stream.append(_file_change(path, content))
        self.git("fast-import", "--quiet", stdin=b"".join(stream))
        return self.git("rev-parse", f"refs/heads/{branch}").strip()


def _file_change(path: str, content: str | bytes | None) -> bytes:
    if content is None:
        return f"D {path}\n".encode()
    data = content.encode() if isinstance(content, str) else content
    return f"M 100644 inline {path}\n".encode() + b"data %d\n%s\n" % (len(data), data)
