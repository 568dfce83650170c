"""Programs are found in absolute places: a repository cannot put one in the way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.adapters.conftest import Local, environment

from loop_kit.adapters.agents.command_line import on_path
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.process import process
from loop_kit.adapters.process.process import Listener
from loop_kit.adapters.process.programs import (
    absolute_path,
    expand_home,
    find_program,
    trusted_path,
)

RELATIVE = [".", "", "bin", "./bin"]


def plant(folder: Path, name: str) -> Path:
    """A program that leaves a mark beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\ntouch {folder / 'owned'}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("entry", RELATIVE)
@pytest.mark.parametrize("name", ["git", "codex"])
def test_a_program_in_the_repository_is_not_run_for_a_relative_entry_of_path(
    local: Local, monkeypatch: pytest.MonkeyPatch, entry: str, name: str
) -> None:
    planted = plant(local.root / entry, name)
    monkeypatch.chdir(local.root)
    environ = {**environment(local.root.parent), "PATH": f"{entry}:{os.environ['PATH']}"}
    assert find_program(name, environ) != str(planted)
    assert on_path(name, environ) == on_path(name, {**environ, "PATH": os.environ["PATH"]})
    assert Git(local.root, environ).text("rev-parse", "HEAD") == local.head
    if name == "codex":
        with pytest.raises(FileNotFoundError):
            process.run([name], cwd=local.root, env={**environ, "PATH": entry})
        with pytest.raises(FileNotFoundError):
            process.stream(
                *([name],),
                cwd=local.root,
                env={**environ, "PATH": entry},
                stdin=b"",
                listener=Listener(),
            )
    assert not (planted.parent / "owned").exists()


def test_what_git_starts_is_not_found_by_a_relative_entry_either(local: Local) -> None:
    planted = plant(local.root, "git-credential-planted")
    environ = {**environment(local.root.parent), "PATH": f".:{os.environ['PATH']}"}
    local.git.run("config", "credential.helper", "planted")
    asked = b"protocol=https\nhost=example.invalid\n\n"
    Git(local.root, environ).run("credential", "fill", stdin=asked, ok=range(256))
    assert not (planted.parent / "owned").exists()


def test_a_program_is_found_by_its_absolute_entry_and_by_its_path(tmp_path: Path) -> None:
    planted = plant(tmp_path / "tools", "tool")
    assert find_program("tool", {"PATH": f"x:{tmp_path / 'tools'}"}) == str(planted)
    assert find_program(str(planted), {"PATH": ""}) == str(planted)
    assert find_program("tool", {"PATH": ""}) is None
    assert process.run([sys.executable, "-c", ""], env={}).code == 0


def test_a_path_loses_its_relative_entries_alone() -> None:
    assert absolute_path("/a:.::bin:/b:./c") == "/a:/b"


def test_what_agents_write_to_comes_last_for_programs_that_are_given_a_secret() -> None:
    environ = {"HOME": "/home/me", "GITHUB_WORKSPACE": "/work/x", "RUNNER_TEMP": ""}
    path = "/home/me/.local/bin:bin:/usr/bin:/work/x/bin:/bin"
    assert trusted_path({**environ, "PATH": path}) == (
        "/usr/bin:/bin:/home/me/.local/bin:/work/x/bin"
    )
    assert trusted_path({"HOME": "/", "PATH": "/a:/b"}) == "/a:/b"


def test_a_git_that_an_agent_leaves_in_the_home_is_never_handed_the_token(
    local: Local, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    planted = plant(home / ".local" / "bin", "git")
    environ = environment(home)
    environ["PATH"] = f"{planted.parent}:{environ['PATH']}"
    git = Git.in_job(local.root, environ, timeout=30)

    assert git.run("version", env={"GIT_CONFIG_COUNT": "0"}).out.startswith(b"git version")
    assert not (planted.parent / "owned").exists()


def test_without_a_home_and_a_name_a_tilde_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert expand_home("~/x") == Path("~/x")
    assert on_path("no-such-program", {"PATH": "/bin"}) == ""
