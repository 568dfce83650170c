"""A loop as CI has it, on a bare repository beside a clone: no job, no network, the real files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.cli.harness import TWO_ROUNDS, Repo, Steps
from tests.support.git_repository import BareRepository

STATE = "loop/T-001/state"
WORK = "loop/T-001/work"
CRASH: Steps = [{"exit": 3}]
WORKER_FAILS: dict[str, Steps] = {**TWO_ROUNDS, "worker/2": CRASH}
REVIEWER_FAILS: dict[str, Steps] = {**TWO_ROUNDS, "reviewer/2": CRASH}
PULL_SOURCE = {"kind": "pull_request", "ref": "5"}


@dataclass(frozen=True)
class Ci:
    """The bare repository, the machine that ran the loop, and a person's clone."""

    bare: BareRepository
    runner: Repo
    laptop: Repo

    @classmethod
    def beside(cls, repo: Repo, folder: Path, *options: str) -> Ci:
        """Host the repository, and clone it for a person."""
        path, clone = folder / "hosted.git", folder / "laptop"
        repo.git("clone", "--quiet", "--bare", str(repo.root), str(path))
        repo.git("clone", "--quiet", *options, path.as_uri(), str(clone))
        return cls(BareRepository(path), repo, replace(repo, root=clone))

    def run(self, plan: Mapping[str, Steps], *, work: str = WORK, **changes: Any) -> None:
        """Run the loop until `plan` stops it, and keep it as a job would have."""
        self.runner.plan(plan)
        self.runner.run("--dispatch-retries", "0")
        self.runner.git("push", "--quiet", str(self.bare.path), f"{WORK}:refs/heads/{work}")
        files: dict[str, str | bytes | None] = {
            name: (self.runner.folder / name).read_bytes()
            for name in self.runner.tree()
            if name.endswith(".json")
            and not name.startswith(("logs/", "runtime/", "context/", "runs/"))
        }
        self.bare.commit_files(STATE, files, "As a job left it")
        self.put(
            publishes=True,
            work_branch=work,
            state_branch=STATE,
            base_branch="main",
            **changes,
        )
        self.runner.plan({})

    def put(self, **changes: Any) -> None:
        """Change fields of the state on the server; None removes one."""
        raw = self.bare.file(STATE, "state.json")
        assert raw is not None
        kept = {**json.loads(raw), **changes}
        body = {key: value for key, value in kept.items() if value is not None}
        self.bare.commit_files(STATE, {"state.json": json.dumps(body, indent=2)}, "Changed")

    def lease(self, expires_at: str = "2999-01-01T00:00:00Z") -> dict[str, Any]:
        return {"holder": "abc", "run_id": "77", "run_attempt": 1, "expires_at": expires_at}

    @property
    def state(self) -> dict[str, Any]:
        raw = self.bare.file(STATE, "state.json")
        assert raw is not None
        document: dict[str, Any] = json.loads(raw)
        return document

    @property
    def tips(self) -> tuple[str | None, str | None]:
        return self.bare.head(STATE), self.bare.head(WORK)

    @property
    def files(self) -> list[str]:
        return self.bare.git("ls-tree", "-r", "--name-only", STATE).splitlines()


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below the loop's folder with its time and bytes, the lock apart."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
