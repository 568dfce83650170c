"""docs/migration.md: its commands run, its names exist, its exit codes are the tool's own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import SENT_BACK, Repo, ended_by
from tests.cli.test_migration import leave

from loop_kit import __version__

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "migration.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
LEARNED = {
    "pattern": "commas are decimal",
    "category": "style",
    "confidence": 0.9,
    "source": "me",
    "last_verified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
}
Exit = Callable[[Repo], int]


def a_venv_with_the_old_tool(folder: Path) -> Path:
    """A virtual environment that shares our libraries, with a stand-in for the old distribution."""
    venv.create(folder, with_pip=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (site / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    about = site / "agent_task_runner-0.3.1.dist-info"
    files = {
        site / "loop_kit" / "__init__.py": "",
        site / "loop_kit" / "defaults" / "patterns.jsonl": f"{json.dumps(LEARNED)}\n",
        about / "METADATA": "Metadata-Version: 2.1\nName: agent-task-runner\nVersion: 0.3.1\n",
        about / "INSTALLER": "pip\n",
        folder / "bin" / "loop": "#!/bin/sh\necho loop 0.3.1\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "bin" / "loop").chmod(0o755)
    names = [os.path.relpath(path, site) for path in (*files, about / "RECORD")]
    (about / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    return folder / "bin"


def run_block(number: int, cwd: Path, repo: Repo, programs: Path) -> str:
    """Run one block of the page as a person would, without a network."""
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    path = f"{programs}:{repo.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=BLOCKS[number],
        cwd=cwd,
        env={**repo.environ, **offline, **quiet, "PATH": path, "LOOP_DISPATCH_RETRIES": "0"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_every_command_of_the_page_runs(repo: Repo, tmp_path: Path) -> None:
    programs = a_venv_with_the_old_tool(tmp_path / "venv")
    leave(repo, "0.3.1-awaiting-work", 1)
    install, in_repository, knowledge, templates = range(4)
    assert len(BLOCKS) == 4
    run_block(knowledge, repo.root, repo, programs)
    assert "commas are decimal" in (repo.folder / "context" / "patterns.jsonl").read_text()
    assert f"loop {__version__}\n" in run_block(install, ROOT, repo, programs)
    shown = run_block(in_repository, repo.root, repo, programs)
    assert "State: awaiting_work" in shown
    assert "Approved in round 2." in shown
    assert "r1_work_report.json" in shown
    assert repo.names == ["worker/2/1", "reviewer/2/1"]
    assert "commas are decimal" in repo.calls[0].stdin
    assert "Created " in run_block(templates, repo.root, repo, programs)
    assert "You are the Worker" in (repo.folder / "templates" / "worker_prompt.txt").read_text()


def code_spans() -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", PAGE))


def test_every_command_and_flag_that_the_page_names_exists(repo: Repo) -> None:
    listed = repo.loop("--help").out
    flags = repo.loop("run", "--help").out
    first = PAGE.split("Commands and flags: ")[1].split(";")[0]
    commands = [*re.findall(r"`([a-z-]+)`", first), *re.findall(r"`loop ([a-z-]+)", PAGE)]
    assert len(commands) > 10
    assert [
        name for name in commands if not re.search(rf"^  {name} ", listed, flags=re.MULTILINE)
    ] == []
    named = [span.split()[0] for span in code_spans() if span.startswith("--")]
    assert len(named) > 5
    assert [flag for flag in named if flag not in flags] == []


def test_every_event_of_the_old_feed_is_in_ours(repo: Repo) -> None:
    repo.plan({"reviewer/1": SENT_BACK})
    assert repo.run().code == 0
    said = {entry["event"] for entry in repo.feed()}
    assert said >= {
        *("log", "state_transition", "round_start", "round_complete", "review_verdict"),
        *("dispatch_start", "dispatch_complete", "dispatch_resume", "dispatch_artifact_written"),
        *("dispatch_first_stdout", "dispatch_phase_metrics"),
    }


def busy(repo: Repo) -> int:
    repo.plan({"worker": [{"gate": "here"}]})
    repo.start()
    repo.reached("here")
    return repo.run().code


def ended_with(number: int) -> Exit:
    def end(repo: Repo) -> int:
        repo.plan({"worker": [{"gate": "here"}]})
        process = repo.start()
        repo.reached("here")
        ended_by(process, number)
        return process.returncode

    return end


def dirty(repo: Repo) -> int:
    (repo.root / "calc.py").write_text("mine\n")
    return repo.run().code


def out_of_scope(repo: Repo) -> int:
    repo.card(out_of_scope=["calc.py"])
    return repo.run().code


def corrupt(repo: Repo) -> int:
    (repo.folder / "state.json").write_text("{")
    return repo.run("--resume").code


def planned(role: str, *steps: dict[str, Any], flags: tuple[str, ...] = ()) -> Exit:
    def run(repo: Repo) -> int:
        repo.plan({role: list(steps)})
        return repo.run(*flags).code

    return run


CODES: dict[str, Exit] = {
    "approved; or one": lambda repo: repo.run("--single-round", "--round", "1").code,
    "no usable repository": lambda repo: repo.loop("extract-diff", "HEAD", "nowhere").code,
    "a task card": lambda repo: repo.run("no.json").code,
    "a flag or a setting": lambda repo: repo.run("--round", "1").code,
    "a flag that does not": lambda repo: repo.run("--nonsense").code,
    "an agent could not": planned("worker", {"stderr": "unauthorized"}, {"exit": 1}),
    "a report that cannot": planned("reviewer", {"report": {"decision": "maybe"}}),
    "uncommitted changes": dirty,
    "another run": busy,
    "a state that cannot": corrupt,
    "all rounds": planned("reviewer", *SENT_BACK, flags=("--max-rounds", "1")),
    "a person is needed": out_of_scope,
    "interrupted by ^C": ended_with(signal.SIGINT),
    "ended by SIGTERM": ended_with(signal.SIGTERM),
}
ELSEWHERE = "the git server or GitHub refused"


def rows() -> list[list[str]]:
    table = PAGE.split("## Exit codes")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_row_of_the_exit_codes_is_tried() -> None:
    told = [what for what, *_ in rows() if what != ELSEWHERE]
    assert [what for what in told if not what.startswith(tuple(CODES))] == []
    assert len(told) == len(CODES)
    assert sys.platform != "win32"


@pytest.mark.parametrize("what", CODES)
def test_the_tool_exits_as_the_page_says(repo: Repo, what: str) -> None:
    (ours,) = [int(row[2]) for row in rows() if row[0].startswith(what)]
    assert CODES[what](repo) == ours
