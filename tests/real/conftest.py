"""Scratch repositories for the real agents, which are in the folder LOOP_KIT_CLIS.

Without that variable nothing here is collected: `.ci/run` installs the agents and sets it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import two_commits as two_commits  # noqa: PLC0414
from tests.real.harness import Bench
from tests.real.scripts import TWO_ROUNDS
from tests.support.scripted_model import ScriptedModel

collect_ignore_glob = [] if "LOOP_KIT_CLIS" in os.environ else ["test_*.py"]
NAMES = ("codex", "claude", "opencode")
MakeBench = Callable[[Path, ScriptedModel], Bench]


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with the three agents; nothing here installs them."""
    folder = Path(os.environ["LOOP_KIT_CLIS"])
    missing = [name for name in NAMES if not (folder / name).exists()]
    assert missing == [], f"not in {folder}"
    return folder


@pytest.fixture(scope="session")
def make_bench(two_commits: Path, programs: Path) -> MakeBench:
    """Make a repository with a card and the agents on PATH, whose model is given."""

    def make(folder: Path, model: ScriptedModel) -> Bench:
        shutil.copytree(two_commits, folder / "ground")
        (folder / "fake").mkdir()
        ground = folder / "ground"
        made = Bench(ground / "repo", ground / "home", folder / "fake", programs, model=model)
        made.card()
        made.furnish()
        return made

    return make


@pytest.fixture
def bench(tmp_path: Path, make_bench: MakeBench) -> Iterator[Bench]:
    """A bench of this test alone, with a scenario of two rounds."""
    with ScriptedModel(TWO_ROUNDS) as model:
        made = make_bench(tmp_path, model)
        yield made
        made.close()
    assert model.failures == []
