"""Every command as `python -P -m loop_kit` starts it; the other tests fork (`fork_server`)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from tests.cli.harness import TWO_ROUNDS, Repo, ended_by, eventually
from typer.core import TyperGroup

from loop_kit.cli.program import program

if TYPE_CHECKING:
    from tests.cli.conftest import MakeRepo

PYTHON = (sys.executable, "-P", "-m", "loop_kit")
AFTER_A_RUN = (
    ("status",),
    ("health",),
    ("archive", "--task-id", "T-001"),
    ("extract-diff", "HEAD~1", "HEAD"),
    ("index",),
    ("dispatch-metrics",),
    ("logs",),
    ("report",),
    ("schema", "state"),
    ("doctor",),
    ("card", "check", ".loop/task_card.json"),
    ("card", "show"),
    ("card", "schema"),
    ("knowledge", "list"),
    ("knowledge", "prune", "--older-than", "30"),
    ("knowledge", "dedupe"),
    ("plan",),
    ("fetch", "T-001"),
    ("publish",),
    ("sweep",),
    ("clean",),
    ("action",),
    ("run", "--round", "1"),
)
OTHERS = {("init",), ("run",), ("demo",), ("heartbeat",), ("knowledge", "add")}
FACT = ("--pattern", "x", "--category", "any", "--confidence", "0.5", "--source", "me")
SIGNALS = "test_a_signal_ends_every_agent_and_the_run_can_be_continued"


def commands(group: TyperGroup, *before: str) -> Iterator[tuple[str, ...]]:
    """Every command of the program by its words."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *before, name)
        else:
            yield (*before, name)


def test_no_command_is_left_out() -> None:
    group = typer.main.get_command(program())
    assert isinstance(group, TyperGroup)
    listed = {words for given in AFTER_A_RUN for words in (given[:1], given[:2])}
    assert set(commands(group)) - listed - OTHERS == set()


@pytest.fixture(scope="module")
def finished(make_repo: MakeRepo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """A repository after a loop of two rounds that Python itself ran."""
    made = make_repo(tmp_path_factory.mktemp("finished"))
    made.plan(TWO_ROUNDS)
    assert made.execute([*PYTHON, "init"]).code == 0
    assert made.execute([*PYTHON, "knowledge", "add", *FACT]).code == 0
    done = made.execute([*PYTHON, "run", "--auto-dispatch"])
    assert done.code == 0, done.text
    yield made
    made.close()


def timeless(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "0", text)


@pytest.mark.parametrize("words", AFTER_A_RUN, ids=" ".join)
def test_a_command_that_python_starts_does_what_its_fork_does(
    finished: Repo, words: tuple[str, ...]
) -> None:
    started, forked = finished.execute([*PYTHON, *words]), finished.loop(*words)

    assert "Traceback" not in started.text
    assert started.code == forked.code
    assert timeless(started.out) == timeless(forked.out)
    assert timeless(started.err) == timeless(forked.err)


def test_a_demo_that_python_starts_is_approved(repo: Repo, tmp_path: Path) -> None:
    done = repo.execute([*PYTHON, "demo", "--dir", str(tmp_path / "demo")])

    assert done.code == 0, done.text
    assert "Approved in round 2" in done.out


def test_a_heartbeat_that_python_starts_lives_until_it_is_interrupted(repo: Repo) -> None:
    beating = repo.launch([*PYTHON, "heartbeat", "--role", "worker", "--interval", "1"])
    eventually((repo.folder / "runtime" / "worker.heartbeat.json").is_file, "the first beat")

    assert f"pid={beating.pid}" in repo.loop("health").out
    ended_by(beating, signal.SIGINT)
    assert beating.returncode == 0


def test_a_run_that_python_starts_is_ended_by_an_interrupt(repo: Repo) -> None:
    repo.plan({"worker": [{"gate": "stuck"}]})
    process = repo.launch([*PYTHON, "run", "--auto-dispatch"])
    repo.reached("stuck")

    text = ended_by(process, signal.SIGINT)
    assert process.returncode == 130, text
    assert repo.ended == ("done", "interrupted")


def test_the_tests_of_signals_pass_where_whoever_started_them_ignores_signals(
    tmp_path: Path,
) -> None:
    ignoring = ("/bin/sh", "-c", 'trap "" HUP INT QUIT TERM; exec "$@"', "sh")
    alone = ("-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider")
    test = f"{Path(__file__).with_name('test_resume.py')}::{SIGNALS}[2-worker]"
    done = subprocess.run(
        [*ignoring, sys.executable, *alone, f"--basetemp={tmp_path / 'nested'}", test],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
