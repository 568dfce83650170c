"""Commands and whole loops with what macOS and Windows lack hidden from loop-kit.

Neither is here. See `hidden/sitecustomize.py` for what this proves, and what it does not; CI runs
tests and commands there.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests import pages

from loop_kit.core.agent.systems import DIFFERENCES, system_name, system_text

HIDDEN = Path(__file__).parent / "hidden"
PLATFORMS = ("darwin", "win32")
SHELL = '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n'
"""What `cmd` does with a command, in words that a POSIX system knows."""
GIT = '#!/bin/sh\nexec git "$@"\n'


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a commit, and a folder of programs that Windows has."""
    root = tmp_path_factory.mktemp("systems")
    (root / "bin").mkdir()
    python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    for name, text in (("cmd", SHELL), ("python", python), ("git", GIT)):
        (root / "bin" / f"{name}.exe").write_text(text)
        (root / "bin" / f"{name}.exe").chmod(0o755)
    (root / "repo").mkdir()
    identity = ("-c", "user.name=Mona", "-c", "user.email=mona@example.com")
    for words in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "First")):
        subprocess.run(["git", *words], cwd=root / "repo", check=True)
    return root


def loop_on(platform: str, ground: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": f"{ground / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(ground),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(HIDDEN),
        "PRETENDED_SYSTEM": platform,
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "loop_kit", *words],
        cwd=ground / "repo",
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("platform", PLATFORMS)
def test_commands_need_nothing_that_is_not_there(platform: str, ground: Path) -> None:
    for words in (["--help"], ["init"], ["status"], ["status", "--json"], ["plan"], ["clean"]):
        done = loop_on(platform, ground, *words)
        assert (done.returncode, done.stderr) == (0, ""), (words, done.stderr)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_whole_loop_of_two_rounds_is_approved_there(platform: str, ground: Path) -> None:
    done = loop_on(platform, ground, "demo", "--dir", str(ground / f"demo-{platform}"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Approved in round 2" in done.stdout
    assert "no sandbox is possible here (it needs Linux)" in done.stdout + done.stderr
    assert "pass --sandbox off" in done.stdout + done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_cannot_be_kept_there_is_refused_before_anything_is_spent(
    platform: str, ground: Path
) -> None:
    done = loop_on(platform, ground, "run", "--auto-dispatch", "--sandbox", "required")
    assert done.returncode == 3, done.stdout + done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_doctor_says_what_differs_there(platform: str, ground: Path) -> None:
    body = json.loads(loop_on(platform, ground, "doctor", "--json").stdout)
    (system,) = [check for check in body["checks"] if check["name"] == "system"]
    name = system_name(platform)
    assert name is not None
    assert system["state"] == "warn"
    assert system["detail"] == system_text(name)
    assert "WSL" in system["fix"]


def test_on_linux_nothing_differs() -> None:
    assert system_name("linux") is None


def test_the_table_of_the_docs_is_what_doctor_says() -> None:
    table = pages.text("docs/laptop.md").partition("## macOS and Windows\n")[2]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:2] == "| "]
    header, *body = [[cell.strip() for cell in row] for row in rows]
    assert header == ["macOS", "Windows"]
    shown = {
        name: tuple((row[0], row[place]) for row in body if row[place] != "as on Linux")
        for place, name in enumerate(header, start=1)
    }
    assert shown == DIFFERENCES
