"""Real repositories: a local one, and one on a git server with checkouts as a job has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.fakes import FakeClock
from tests.support.git_client import WorkingCopy
from tests.support.git_server import GitServer

from loop_kit.adapters.git.command import Git, Identity
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop.state import Role
from loop_kit.ports import Workspace

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository

IDENTITY = Identity("loop", "loop@example.com")
REPOSITORY = "octo/demo"
BRANCHES = Branches("loop", "T-001")


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), **more}


@dataclass(frozen=True)
class Local:
    """A repository in a folder, and git in it as the program runs it."""

    root: Path
    git: Git

    def commit(self, files: Mapping[str, str | bytes], message: str = "Change") -> str:
        """Write these files, commit everything, and return the commit."""
        for name, content in files.items():
            self.write(name, content)
        self.git.run("add", "--all")
        who = IDENTITY.environment()
        self.git.run("commit", "--quiet", "--allow-empty", "--message", message, env=who)
        return self.head

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @property
    def head(self) -> str:
        return self.git.text("rev-parse", "HEAD")


def make_local(root: Path, **environ: str) -> Local:
    root.mkdir(parents=True)
    git = Git(root, environment(root.parent, **environ), isolated=True)
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("config", "user.email", "user@example.com")
    git.run("config", "user.name", "User")
    return Local(root, git)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A repository with one commit: two files, one of them executable."""
    local = make_local(tmp_path / "repository")
    local.write("run.sh", "echo hi\n").chmod(0o755)
    local.commit({"a.py": "one\ntwo\nthree\n"}, "Start")
    return local


@dataclass
class Hosted:
    """A repository on the git server, and stores in fresh checkouts of it."""

    server: GitServer
    root: Path
    count: int = 0
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def bare(self) -> BareRepository:
        return self.server.repository(REPOSITORY)

    @property
    def url(self) -> str:
        return f"{self.server.url}/{REPOSITORY}"

    def checkout(self, depth: int = 1) -> Git:
        self.count += 1
        options = (f"--depth={depth}",) if depth else ()
        path = self.root / f"checkout-{self.count}"
        WorkingCopy.clone(self.url, path, "bot", *options)
        return Git(path, environment(self.root), isolated=True)

    def store(self, depth: int = 1, token: str = "bot", git: Git | None = None) -> GitStore:
        remote = Remote(self.url, self.server.url, token)
        git = git or self.checkout(depth)
        return GitStore(git, remote, BRANCHES, IDENTITY, self.clock.sleep)

    def state(self, path: str) -> bytes | None:
        """A file as the server has it on the state branch."""
        return self.bare.file(BRANCHES.state, path)


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    with GitServer(tmp_path / "hosted") as server:
        server.create_repository(REPOSITORY)
        server.add_token("bot", "github-actions[bot]")
        server.add_token("reader", "rita", "read")
        server.add_token("mona", "mona", workflows=True)
        hosted = Hosted(server, tmp_path)
        hosted.bare.commit_files("main", {"old.py": "old\n"}, "Older")
        hosted.bare.commit_files("main", {"a.py": "one\n"}, "Start")
        yield hosted


@pytest.fixture
def cloner(local: Local, tmp_path: Path) -> Cloner:
    return Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))


def workplace(cloner: Cloner) -> Workplace:
    """Where workspaces are opened when nothing is prepared in them."""
    return Workplace(Snapshots(cloner, Unprepared()))


@pytest.fixture
def workspace(cloner: Cloner, local: Local) -> Workspace:
    return Clones(workplace(cloner), IDENTITY).open(Role.WORKER, local.head)
