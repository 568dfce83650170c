"""A scratch repository for each test, copied from one that is made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.harness import Repo

GIT_CONFIG = """\
[user]
    name = Mona
    email = mona@example.org
[init]
    defaultBranch = main
[commit]
    gpgSign = false
"""


@pytest.fixture(scope="session")
def two_commits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder beside a repository with two commits."""
    base = tmp_path_factory.mktemp("seed")
    root, home = base / "repo", base / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_CONFIG)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "--quiet", str(root)], env=env, check=True)
    for sample in (root / ".git" / "hooks").iterdir():
        sample.unlink()  # copying and removing them for every test takes longer than the rest
    for name in ("README.md", "calc.py"):
        (root / name).write_text("VALUE = 0\n")
        subprocess.run(["git", "add", name], cwd=root, env=env, check=True)
        subprocess.run(["git", "commit", "--quiet", "-m", name], cwd=root, env=env, check=True)
    return base


MakeRepo = Callable[[Path], Repo]


@pytest.fixture(scope="session")
def make_repo(two_commits: Path) -> MakeRepo:
    """Make a repository with a card, and fake `codex` and `claude` first on PATH."""

    def make(folder: Path) -> Repo:
        shutil.copytree(two_commits, folder / "ground")
        fake, programs = folder / "fake", folder / "bin"
        fake.mkdir()
        programs.mkdir()
        script = Path(__file__).with_name("fake_agent.py").read_text("utf-8")
        for name in ("codex", "claude"):
            path = programs / name
            path.write_text(f"#!{sys.executable} -IS\n{script}", "utf-8")
            path.chmod(0o755)
        made = Repo(folder / "ground" / "repo", folder / "ground" / "home", fake, programs)
        made.card()
        made.plan({})
        return made

    return make


@pytest.fixture
def repo(tmp_path: Path, make_repo: MakeRepo) -> Iterator[Repo]:
    """A repository of this test alone."""
    made = make_repo(tmp_path)
    yield made
    made.close()
