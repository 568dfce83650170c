"""Where a run takes place: a user's repository, or the checkout of a job."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from loop_kit.adapters.git.base_branch import LocalBaseBranch
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.loop_dir.loop_folder import path_in_repository
from loop_kit.adapters.workspaces.cloner import Complete, Supply
from loop_kit.adapters.workspaces.root import job_roots, laptop_roots
from loop_kit.adapters.workspaces.space import Space
from loop_kit.core.loop import bus
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.frozen import frozen
from loop_kit.ports import BaseBranch


@frozen
class Site:
    """Where a run takes place: the repository, and our own folders for logs and scratch files.

    Attributes:
        environ: The environment that the run was started with.
        loop_dir: The folder of the bus files.
        logs: Transcripts and the feed.
        job: The folder of a CI job; None on a laptop. In a job, what steers agents is read at the
            base commit, each role has homes of its own, and processes a namespace.
        space: Where agents and verify commands work.
        supply: Completes what a partial checkout lacks.
        server_base: The base branch on the git server; None where the user's own branch counts.
        is_private: Whether only those who may read the repository read what is kept here.
    """

    git: Git
    place: Place
    environ: Mapping[str, str]
    loop_dir: Path
    logs: Path
    scratch: Path
    mailboxes: Path
    space: Space
    job: Path | None = None
    supply: Supply = field(default_factory=Complete)
    server_base: BaseBranch | None = None
    is_private: bool = True

    @classmethod
    def on_laptop(
        cls,
        git: Git,
        place: Place,
        environ: Mapping[str, str],
        loop_dir: Path,
        supply: Supply | None = None,
    ) -> "Site":
        """A user's repository: our files are in the loop's folder, workspaces in the cache."""
        runtime = loop_dir / "runtime"
        own = (loop_dir, loop_dir / "logs", runtime / "scratch", runtime / "mailbox")
        space = Space(git, place, laptop_roots(environ), loop_dir / bus.STATE)
        return cls(git, place, environ, *own, space, supply=supply or Complete())

    @property
    def name_in_repository(self) -> str:
        """The loop's folder relative to the repository, or the default when it is outside."""
        return path_in_repository(self.loop_dir, self.place.root) or LOOP_DIR

    @classmethod
    def in_job(
        cls,
        git: Git,
        place: Place,
        environ: Mapping[str, str],
        folder: Path,
        supply: Supply,
        server_base: BaseBranch | None = None,
        *,
        is_private: bool = False,
    ) -> "Site":
        """The checkout of a job: our files are in `folder`, which ends with the job."""
        scratch = folder / "scratch"
        own = (place.root / LOOP_DIR, folder / "logs", scratch, scratch / "mailbox")
        own_space = Space(git, place, job_roots(environ))
        in_job = (folder, supply, server_base, is_private)
        return cls(git, place, environ, *own, own_space, *in_job)

    @property
    def runs(self) -> Path:
        """Where the record of each run is."""
        return (self.job or self.loop_dir) / "runs"

    @property
    def base_branch(self) -> BaseBranch:
        """What the work is to be merged into."""
        return self.server_base or LocalBaseBranch(self.git)

    @property
    def homes(self) -> Path:
        """Where the programs of agents have homes of their own."""
        return (self.job or self.loop_dir / "runtime") / "homes"

    @property
    def is_ci(self) -> bool:
        """Whether this is a job."""
        return self.job is not None
