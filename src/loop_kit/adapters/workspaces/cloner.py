"""Makes clones of the loop's repository, for agents and for verify commands.

A clone borrows the repository's objects (`objects/info/alternates`) instead of fetching them, so it
costs a few small files and one checkout, and malformed old history is read by nobody. Whatever is
read there was reachable when the clone was made: the base from where the user's branch was, the
work from the loop's own branch, and git prunes nothing younger than two weeks by itself. A clone
that repacks copies what it borrows; one that cuts itself off only breaks its own attempt.

Git never runs inside an agent's clone with that clone's configuration: where a clone is used again,
its `.git` folder is written again first.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.clone_settings import CAN_PROBE, probed_settings
from loop_kit.adapters.workspaces.own_index import OwnIndex
from loop_kit.core.loop import bus
from loop_kit.core.loop_dir import LOOP_DIR

BRANCH = "loop-work"
_SHA256_LENGTH = 64
_LFS_OFF = """\
[filter "lfs"]
\tprocess =
\tsmudge =
\tclean =
\trequired = false
"""
"""In a job's clones, also for an agent's own git: what LFS would store never reaches the server."""

_BUS = tuple(f"/{LOOP_DIR}/{name}" for name in bus.IN_WORKSPACE)
"""The bus that is laid out in a workspace for an agent."""

_STEERING = ("config", "config.worktree", "info/attributes", "objects/info/alternates")


class Folder(Protocol):
    """A folder that is made when it is first needed; see `space`."""

    @property
    def path(self) -> Path:
        """The folder, which exists now."""
        ...


class Supply(Protocol):
    """Completes the commits of a repository that may be partial; see `partial_checkout`."""

    @property
    def partial(self) -> bool:
        """Whether objects may be missing at all."""
        ...

    def complete(self, *shas: str) -> None:
        """Fetch every file and folder of these commits."""
        ...

    def obtain(self, *shas: str) -> None:
        """Fetch those of the commits that are not here, if a server is known that has them."""
        ...

    def refetch(self, refs: Mapping[str, str]) -> bool:
        """Fetch commits that are lost, as these refs; whether they are all here since."""
        ...


class Complete:
    """The supply of a repository that holds everything."""

    partial = False

    def complete(self, *shas: str) -> None:
        """Nothing is missing."""

    def obtain(self, *shas: str) -> None:
        """There is no server to ask."""

    def refetch(self, refs: Mapping[str, str]) -> bool:
        """There is no server to ask."""
        del refs
        return False


class Cloner:
    """Makes clones of one repository below `scratch`.

    Of a partial repository a clone sees its commit and the commit `base` without their history, for
    only they are complete.

    An agent can find the loop's own repository, and on many runners it may write there. The files
    that configure git in it are therefore saved before the first agent runs, and restored after
    each.
    """

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        scratch: Folder,
        supply: Supply | None = None,
        base: str = "",
    ) -> None:
        self.git = git
        self.git_dir = git_dir
        self._supply: Supply = supply or Complete()
        self._base = base
        self._scratch = scratch
        self._config: bytes | None = None
        self._steering = {name: _plain_content(git_dir / name) for name in _STEERING}
        self.hidden: tuple[str, ...] = ()
        """Patterns of what a preparation left in every workspace although git ignores it not."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """Patterns of what git ignores in every workspace, besides what the project ignores."""
        return (*_BUS, *self.hidden)

    def restore_steering(self) -> None:
        """Restore the files that configure git in the loop's repository, before git runs there."""
        for name, content in self._steering.items():
            path = self.git_dir / name
            if _plain_content(path) == content:
                continue
            remove(path)
            if content is not None:
                path.write_bytes(content)

    @property
    def folder(self) -> Path:
        """Where the clones are."""
        return self._scratch.path

    def clone(self, name: str, sha: str, tree: str | None = None) -> Path:
        """A new clone on a branch at `sha`, with the files of `tree` or `sha`, staged.

        It has no hooks, and nowhere to push to.

        Raises:
            GitFailed: `sha` is not in the loop's repository, or the disk is full.
        """
        path = make_room(self.folder / name)
        path.mkdir()
        try:
            self.write_git_folder(path, sha, tree)
            self.check_out(path, tree or sha)
        except BaseException:
            remove(path)
            raise
        return path

    def write_git_folder(
        self, path: Path, sha: str, tree: str | None = None, *, index: OwnIndex | None = None
    ) -> None:
        """Give a folder a `.git` in which nothing of an older one is left, with an `index`.

        Raises:
            GitFailed: a partial repository cannot be completed.
            OSError: what was there cannot be removed.
        """
        self._supply.complete(*filter(None, (sha, self._base, tree)))
        inside = path / ".git"
        remove(inside)
        for name in ("", "objects", "objects/info", "refs", "refs/heads", "info"):
            (inside / name).mkdir()
        (inside / "HEAD").write_text(f"ref: refs/heads/{BRANCH}\n", "utf-8")
        (inside / "config").write_bytes(self._configuration(path, sha))
        (inside / "refs" / "heads" / BRANCH).write_text(f"{sha}\n", "utf-8")
        (inside / "objects" / "info" / "alternates").write_bytes(_lines(self._object_folders()))
        shallow = b"".join(self._boundary(sha))
        if shallow:
            (inside / "shallow").write_bytes(shallow)
        (inside / "info" / "exclude").write_bytes(_lines(self.ignored))
        if index is not None:
            index.write(inside / "index")

    def check_out(self, path: Path, tree: str) -> None:
        """Write the files of a commit that differ from the index, and stage them; HEAD stays.

        Raises:
            GitFailed: the commit is not here, or the disk is full.
        """
        command = ("-c", "checkout.workers=0", "read-tree", "--reset", "-u", tree)
        self.git.at(path).run(*command, timeout=600)

    def check_out_difference(self, path: Path, old: str, new: str) -> None:
        """Write the files that differ between two commits; all others are certainly those of `old`.

        Raises:
            GitFailed: a commit is not here, a file is not of `old`, or the disk is full.
        """
        command = ("-c", "checkout.workers=0", "read-tree", "-m", "-u", old, new)
        self.git.at(path).run(*command, timeout=600)

    def check_out_files(self, path: Path, sha: str, paths: Sequence[str]) -> None:
        """Write files of a commit, whatever is there, and leave the index alone.

        Raises:
            GitFailed: the commit or one of the files is not here, or the disk is full.
        """
        other = path.with_name(f"{path.name}.files")
        try:
            self.git.at(path).run(
                *("checkout", "--quiet", "--force", "--pathspec-from-file=-"),
                *("--pathspec-file-nul", sha, "--"),
                stdin=b"".join(os.fsencode(f"{name}\0") for name in paths),
                env={"GIT_INDEX_FILE": str(make_room(other)), "GIT_LITERAL_PATHSPECS": "1"},
                timeout=600,
            )
        finally:
            remove(other)

    def note_files(self, path: Path, tree: str) -> None:
        """Note in a new index which files of a commit are there already, by their content.

        Raises:
            GitFailed: the commit is not here, or the disk is full.
        """
        git = self.git.at(path)
        git.run("read-tree", tree, timeout=120)
        git.run("update-index", "-q", "--refresh", ok=(0, 1), timeout=600)

    def _configuration(self, path: Path, sha: str) -> bytes:
        """What git itself would configure on this file system, our remote, and LFS."""
        if self._config is None:
            trial = make_room(path.with_name(f"{path.name}.init"))
            trial.mkdir()
            is_sha256 = len(sha) == _SHA256_LENGTH
            if CAN_PROBE:
                found = probed_settings(trial, is_sha256=is_sha256).encode()
            else:
                found = self._settings_by_git(trial, "sha256" if is_sha256 else "sha1")
            own = _remote(self.git_dir) + (_LFS_OFF if self.git.isolated else "")
            self._config = found + os.fsencode(own)
            remove(trial)
        return self._config

    def _settings_by_git(self, trial: Path, kind: str) -> bytes:
        self.git.run(
            *("-c", "init.defaultRefFormat=files", "init", "--quiet", "--template="),
            *(f"--initial-branch={BRANCH}", f"--object-format={kind}", str(trial)),
        )
        return (trial / ".git" / "config").read_bytes()

    def _object_folders(self) -> Iterable[str]:
        """Where the objects are: the loop's repository, and from where that borrows itself.

        Git resolves a relative path in the first `alternates` only.
        """
        objects = self.git_dir / "objects"
        yield _quoted(str(objects))
        for line in (self._steering["objects/info/alternates"] or b"").splitlines():
            name = os.fsdecode(line)
            if name and not name.startswith(("#", '"')) and not Path(name).is_absolute():
                yield _quoted(os.path.normpath(objects / name))

    def _boundary(self, sha: str) -> Iterable[bytes]:
        """The commits whose parents are hidden, one on each line."""
        yield _plain_content(self.git_dir / "shallow") or b""
        if self._supply.partial:
            yield _lines(dict.fromkeys(filter(None, (sha, self._base))))


def _lines(words: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(f"{word}\n") for word in words)


def _quoted(path: str) -> str:
    """A path as `alternates` takes it; quoted as in C where it would be read as something else."""
    if "\n" not in path and not path.startswith(("#", '"')):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _plain_content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _remote(git_dir: Path) -> str:
    """The clone's remote: a local path to read from, and nowhere to push to."""
    quoted = str(git_dir).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'[remote "origin"]\n\turl = "{quoted}"\n\tpushurl = "nowhere:"\n'
