"""A clone as a runner has one: git itself, with a token in a header and nothing in the URL."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.git_repository import git_environment


class WorkingCopy:
    """A clone that never asks for a password and never reads anyone's settings."""

    def __init__(self, path: Path, url: str, token: str | None) -> None:
        self.path = path
        self.url = url
        self._token = token
        self.author = ("Someone", "someone@example.com")

    @classmethod
    def clone(cls, url: str, path: Path, token: str | None, *options: str) -> Self:
        """Clone `url` into `path`; a failure raises CalledProcessError."""
        path.mkdir(parents=True)
        copy = cls(path, url, token)
        copy.git("clone", "--quiet", *options, url, ".")
        return copy

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git in the clone; the caller looks at the exit status."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        """Run git in the clone and return what it prints, without the last newline."""
        done = self.attempt(*arguments)
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, done.args, done.stdout, done.stderr
            )
        return done.stdout.removesuffix("\n")

    def commit(self, files: Mapping[str, str], message: str = "Change files") -> str:
        """Write these files, commit everything, and return the commit."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.attempt("push", "--porcelain", "origin", *arguments)

    def _environment(self) -> dict[str, str]:
        settings = dict(zip(("user.name", "user.email"), self.author, strict=True))
        if self._token is not None:
            pair = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
            settings[f"http.{self.url}.extraHeader"] = f"Authorization: Basic {pair}"
        numbered: dict[str, str] = {}
        for index, (name, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
        return git_environment(GIT_CONFIG_COUNT=str(len(settings)), **numbered)
