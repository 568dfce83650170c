"""A person's machine: a clone of the hub's repository, their own credentials, and the command."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.conftest import REPOSITORY, Hub
from tests.support import programs
from tests.support.programs import LOOP


@dataclass(frozen=True)
class Told:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Laptop:
    """One clone; `mona` is who sits there."""

    hub: Hub
    root: Path
    home: Path

    @classmethod
    def of(cls, hub: Hub, folder: Path, *options: str) -> Laptop:
        home = folder / "home"
        home.mkdir(parents=True)
        pair = base64.b64encode(b"x-access-token:mona-token").decode()
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Mona\n\temail = mona@example.org\n"
            f'[http "{hub.git.url}/"]\n\textraHeader = Authorization: Basic {pair}\n'
        )
        made = cls(hub, folder / "repo", home)
        url = f"{hub.git.url}/{REPOSITORY}"
        made.git("clone", "--quiet", *options, url, str(made.root), cwd=folder)
        return made

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LOOP_WORKER_BACKEND": "scripted",
            "LOOP_REVIEWER_BACKEND": "scripted",
            "LOOP_DISPATCH_RETRIES": "0",
            "LOOP_SANDBOX": "off",
        }

    @property
    def token(self) -> dict[str, str]:
        """What makes the API answer."""
        return {
            "GITHUB_TOKEN": "bot",
            "GITHUB_SERVER_URL": self.hub.git.url,
            "GITHUB_API_URL": self.hub.api.url,
        }

    def run(
        self, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Told:
        environ = {**self.environ, **(env or {})}
        done = programs.run(argv, cwd=cwd or self.root, env=environ, timeout=90)
        return Told(done.returncode, done.stdout, done.stderr)

    def loop(self, *args: str, **more: Any) -> Told:
        return self.run(LOOP, *args, **more)

    def git(self, *args: str, cwd: Path | None = None) -> str:
        done = self.run("git", *args, cwd=cwd)
        assert done.code == 0, done.text
        return done.out.strip()

    def script(self, script: Mapping[str, Any]) -> None:
        """Fix the script of the agents, in the work tree alone."""
        path = self.root / ".loop" / "script.yml"
        path.write_text(yaml.safe_dump(dict(script)), "utf-8")

    def resume(self, *args: str, **env: str) -> Told:
        return self.loop("run", "--auto-dispatch", "--resume", *args, env=env)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / ".loop" / "state.json").read_text("utf-8"))
        return found
