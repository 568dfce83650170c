"""Fresh clones: agents work in them in a CI job, and verify commands run in them everywhere.

Git never runs inside an agent's clone with that clone's configuration. Commits are *fetched* from
it into the loop's repository; what was left uncommitted is read through that repository and an
index that was copied before the agent started.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from loop_kit.adapters.git.command import FETCH, Git, Identity, digest
from loop_kit.adapters.process import process
from loop_kit.core.card.scope import GITLINK
from loop_kit.core.loop.state import CommandResult, Role, Verification
from loop_kit.errors import GitFailed
from loop_kit.ports import Workspace

BRANCH = "loop-work"
_INCOMING = "refs/loop-kit/incoming"
_ANY_COMMIT = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
_TAIL = 4096
_FILE = b"100"
_LFS_OFF = """\
[filter "lfs"]
\tprocess =
\tsmudge =
\tclean =
\trequired = false
"""
"""In a job's clones, also for an agent's own git: what LFS would store never reaches the server."""

_STEERING = ("config", "config.worktree", "info/attributes", "objects/info/alternates")


class Supply(Protocol):
    """Completes the commits of a repository that may be partial; see `partial_checkout`."""

    @property
    def partial(self) -> bool:
        """Whether objects may be missing at all."""
        ...

    def complete(self, *shas: str) -> None:
        """Fetch every file and folder of these commits."""
        ...


class Complete:
    """The supply of a repository that holds everything."""

    partial = False

    def complete(self, *shas: str) -> None:
        """Nothing is missing."""


class Cloner:
    """Makes clones of one repository below `scratch`.

    Clones hold the commit `base` too, so that an agent can compare with it. Of a partial repository
    a clone gets these two commits without their history, for only they are complete.

    An agent can find the loop's own repository, and on many runners it may write there. The files
    that configure git in it are therefore saved before the first agent runs, and restored after
    each.
    """

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        scratch: Path,
        supply: Supply | None = None,
        base: str = "",
    ) -> None:
        self.git = git
        self.git_dir = git_dir
        self._supply: Supply = supply or Complete()
        self._base = base
        self._scratch = scratch
        self._steering = {name: _plain_content(git_dir / name) for name in _STEERING}

    def restore_steering(self) -> None:
        """Restore the files that configure git in the loop's repository, before git runs there."""
        for name, content in self._steering.items():
            path = self.git_dir / name
            if _plain_content(path) == content:
                continue
            remove(path)
            if content is not None:
                path.write_bytes(content)

    def clone(self, name: str, sha: str, *, depth: int = 0) -> Path:
        """A new clone with `sha` checked out on a branch, no hooks, and nowhere to push to.

        Raises:
            GitFailed: `sha` is not in the loop's repository, or the disk is full.
        """
        path = self._scratch / name
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fill(path, sha, depth)
        except BaseException:
            remove(path)
            raise
        return path

    def _fill(self, path: Path, sha: str, depth: int) -> None:
        base = "" if depth else self._base
        self._supply.complete(sha, base)
        depth = depth or int(self._supply.partial)
        self.git.run("init", "--quiet", "--template=", f"--initial-branch={BRANCH}", str(path))
        inside = self.git.at(path)
        # The wanted commit may be on no branch here, so the serving side has to allow it.
        inside.run(
            *("fetch", "--quiet", "--no-tags", "--update-shallow", "--update-head-ok"),
            *("--no-recurse-submodules", "--upload-pack", _ANY_COMMIT),
            *((f"--depth={depth}",) if depth else ()),
            str(self.git_dir),
            *(f"+{sha}:refs/heads/{BRANCH}", *((base,) if base else ())),
            timeout=600,
        )
        with (path / ".git" / "config").open("a", encoding="utf-8") as config:
            config.write(_remote(self.git_dir) + (_LFS_OFF if self.git.isolated else ""))
        inside.run("-c", "checkout.workers=0", "reset", "--quiet", "--hard", sha, timeout=600)

    def lay_over(self, path: Path, work_sha: str, sha: str) -> None:
        """Put the tree of `work_sha` over the clone at `sha`, staged and uncommitted."""
        inside = self.git.at(path)
        inside.run(
            *("fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head"),
            *("--upload-pack", _ANY_COMMIT, str(self.git_dir), work_sha),
            timeout=600,
        )
        inside.run("reset", "--quiet", "--hard", work_sha, timeout=600)
        inside.run("reset", "--quiet", "--soft", sha)


def _plain_content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _remote(git_dir: Path) -> str:
    """The clone's remote: a local path to read from, and nowhere to push to."""
    quoted = str(git_dir).replace("\\", "\\\\").replace('"', '\\"')
    return f'[remote "origin"]\n\turl = "{quoted}"\n\tpushurl = "nowhere:"\n'


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

    def open(self, role: Role, sha: str, work_sha: str = "", wip_sha: str = "") -> Workspace:
        """A fresh clone at `wip_sha` or `sha`, with the tree of `work_sha` over it uncommitted."""
        self._count += 1
        sha = wip_sha or sha
        path = self._cloner.clone(f"{role.value}-{self._count}", sha)
        workspace = CloneWorkspace(self._cloner, path, self._identity)
        if work_sha and self._cloner.git.has(work_sha):
            self._cloner.lay_over(path, work_sha, sha)
        return workspace


class _Tail(process.Listener):
    """Keeps the end of what a command prints."""

    def __init__(self) -> None:
        self._end = b""

    def chunk(self, source: process.Source, data: bytes) -> None:
        del source
        self._end = (self._end + data)[-_TAIL:]

    @property
    def text(self) -> str:
        """The end of the output, as text."""
        return self._end.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


class CloneVerifier:
    """Runs verify commands in a fresh clone, without secrets, and kills what they leave behind."""

    def __init__(self, cloner: Cloner, environment: Mapping[str, str]) -> None:
        self._cloner = cloner
        self._environment = environment

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        """Run `commands` one after the other, up to the first that fails; `timeout` is for all."""
        path = self._cloner.clone("verify", sha, depth=1)
        end = time.monotonic() + timeout
        results: list[CommandResult] = []
        try:
            for command in commands:
                results.append(self._run(path, command, max(1.0, end - time.monotonic())))
                if results[-1].exit_code:
                    break
        finally:
            remove(path)
        return Verification(sha=sha, results=tuple(results))

    def _run(self, path: Path, command: str, timeout: float) -> CommandResult:
        tail = _Tail()
        started = time.monotonic()
        ended = process.stream(
            _shell_argv(command),
            cwd=path,
            env=self._environment,
            stdin=b"",
            listener=tail,
            timeout=timeout,
        )
        text = tail.text
        if ended.timed_out:
            text += f"\n[timed out after {timeout:.0f} s (--verify-timeout)]"
        return CommandResult(
            command=command,
            exit_code=124 if ended.timed_out else ended.exit_code,
            tail=text,
            seconds=round(time.monotonic() - started, 3),
        )


def _shell_argv(command: str) -> list[str]:
    """The argument list for a verify command, a shell command that a person wrote."""
    if os.name == "nt":
        return ["cmd", "/d", "/s", "/c", command]
    return ["/bin/sh", "-c", command]


def remove(path: Path) -> None:
    """Remove a folder with everything in it, whatever its modes."""

    def retry_writable(function: Callable[[str], object], name: str, _: object) -> None:
        parent = Path(name).parent
        try:
            parent.chmod(0o700)
            Path(name).chmod(0o700)
            function(name)
        except OSError:
            return

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=retry_writable)
