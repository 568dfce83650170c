"""A preparation of the workspaces of a local repository, and what it warned of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.adapters.conftest import IDENTITY, Local
from tests.adapters.workspaces.stand_ins import Scratch

from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.include import Include
from loop_kit.adapters.workspaces.preparation import Preparation
from loop_kit.adapters.workspaces.setup import WorkspaceSetup
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.workplace import Workplace


@dataclass
class Preparing:
    """Prepares clones of `local` as a run with these settings does."""

    local: Local
    tmp_path: Path
    include: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    base: str = ""
    timeout: float = 60
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def log(self) -> Path:
        return self.tmp_path / "logs" / "workspace_setup.log"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.tmp_path), **self.environ}

    def preparation(self) -> Preparation:
        root = self.local.root
        setup = WorkspaceSetup(
            commands=self.setup,
            environment=self.environment,
            log=self.log,
            note=self.notes.append,
            warn=self.warnings.append,
            secrets=self.secrets,
            timeout=self.timeout,
        )
        include = Include(self.local.git, root, self.include, self.warnings.append)
        return Preparation(
            self.local.git,
            root,
            self.base or self.local.head,
            include,
            setup,
            self.environment,
            self.warnings.append,
        )

    @property
    def cloner(self) -> Cloner:
        scratch = Scratch(self.tmp_path / "scratch")
        return Cloner(self.local.git, self.local.root / ".git", scratch)

    def prepared(self, sha: str = "", preparation: Preparation | None = None) -> Path:
        """A workspace at `sha`, prepared."""
        self.count += 1
        sha = sha or self.local.head
        path = self.cloner.clone(f"workspace-{self.count}", sha)
        (preparation or self.preparation()).prepare(path, sha)
        return path

    def clones(self) -> Clones:
        """Workspaces of a run that prepares them so."""
        return Clones(Workplace(Snapshots(self.cloner, self.preparation())), IDENTITY)
