"""Makes fresh clones of the loop's repository, for agents and for verify commands.

Git never runs inside an agent's clone with that clone's configuration.
"""

from pathlib import Path
from typing import Protocol

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.removal import remove

BRANCH = "loop-work"
_ANY_COMMIT = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
_LFS_OFF = """\
[filter "lfs"]
\tprocess =
\tsmudge =
\tclean =
\trequired = false
"""
"""In a job's clones, also for an agent's own git: what LFS would store never reaches the server."""

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
        scratch: Path | Folder,
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

    @property
    def folder(self) -> Path:
        """Where the clones are."""
        return self._scratch if isinstance(self._scratch, Path) else self._scratch.path

    def clone(self, name: str, sha: str, *, depth: int = 0) -> Path:
        """A new clone with `sha` checked out on a branch, no hooks, and nowhere to push to.

        Raises:
            GitFailed: `sha` is not in the loop's repository, or the disk is full.
        """
        path = self.folder / name
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
