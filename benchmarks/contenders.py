"""What is measured: loop-kit, agent-task-runner, a bare shell script, and the agents alone.

Each runs the same agent on a repository of its own, and is told by a file how many rounds to take.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
CARD = {"task_id": "T-001", "goal": "Add one line to work.txt in each round."}
MANY_ROUNDS = "1000"
_CONFIG = """\
[user]
\tname = Bench
\temail = bench@localhost
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""
"""Nothing is packed in the background while something else is measured."""


@dataclass
class Bench:
    """The folder that everything happens in, and the two installed programs."""

    folder: Path
    ours: Path
    peer: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def repository(self, files: int) -> Path:
        """A fresh repository with that many files, and a task card."""
        template = self.folder / f"template-{files}"
        if not template.exists():
            _fill(template, files, self.environment(self.folder))
        copy = self.folder / f"repository-{next(self.numbers)}"
        subprocess.run(["cp", "-a", str(template), str(copy)], check=True)
        return copy

    def agent(self, rounds: int) -> Path:
        """The agent, in a folder of its own, which approves in round `rounds`."""
        folder = self.folder / f"agent-{next(self.numbers)}"
        folder.mkdir()
        shutil.copy(PROGRAMS / "agent", folder / "codex")
        (folder / "rounds").write_text(f"{rounds}\n")
        return folder / "codex"

    def environment(self, agents: Path) -> dict[str, str]:
        """What a run gets: git without the user's configuration, and the agent first in PATH.

        Nobody's programs are confined: of the contenders only loop-kit could.
        """
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        (home / ".gitconfig").write_text(_CONFIG)
        return {
            "PATH": f"{agents}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LOOP_SANDBOX": "off",
        }


@dataclass(frozen=True)
class Run:
    """One command that is ready to be measured."""

    argv: tuple[str | Path, ...]
    cwd: Path
    env: dict[str, str]
    log: Path


NAMES = ("loop-kit", "agent-task-runner", "script", "agents alone")


def prepare(bench: Bench, name: str, rounds: int, files: int = 10) -> Run:
    """A run of the contender `name` over that many rounds in a fresh repository."""
    agent, repository = bench.agent(rounds), bench.repository(files)
    work = bench.folder / f"work-{next(bench.numbers)}"
    work.mkdir()
    argv: tuple[str | Path, ...]
    if name == "loop-kit":
        command = ("--worker-command", agent, "--reviewer-command", agent)
        limits = ("--max-rounds", MANY_ROUNDS)
        argv = (bench.ours, "run", "--auto-dispatch", *limits, *command)
    elif name == "agent-task-runner":
        backends = ("--worker-backend", "codex", "--reviewer-backend", "codex")
        argv = (bench.peer, "run", "--auto-dispatch", "--max-rounds", MANY_ROUNDS, *backends)
        subprocess.run(
            [bench.peer, "init"],
            cwd=repository,
            env=bench.environment(agent.parent),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    else:
        program = "script" if name == "script" else "bare"
        argv = (PROGRAMS / program, agent, work)
    return Run(argv, repository, bench.environment(agent.parent), work / "log")


def _fill(template: Path, files: int, env: dict[str, str]) -> None:
    for number in range(files):
        path = template / f"d{number // 100}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * 10)
    (template / "work.txt").write_text("round 0\n")
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "Begin"),
        ("gc", "--quiet"),
    ):
        subprocess.run(["git", *words], cwd=template, env=env, check=True)
    (template / ".loop").mkdir()
    (template / ".loop" / "task_card.json").write_text(json.dumps(CARD))
