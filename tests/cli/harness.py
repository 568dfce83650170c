"""A scratch repository, a fake agent on PATH, and the installed command `loop`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.support import programs
from tests.support.programs import LOOP, Program

PATIENCE = 60.0
FAST = ("--artifact-timeout", "3", "--dispatch-retry-base-sec", "1")

Steps = list[dict[str, Any]]

CARD: dict[str, Any] = {"task_id": "T-001", "goal": "Make VALUE right.", "in_scope": ["calc.py"]}
ISSUE = {
    "severity": "high",
    "file": "calc.py",
    "line": 1,
    "reason": "VALUE is wrong",
    "scenario": "import calc; calc.VALUE is 1",
    "required_change": "set VALUE to 2",
}
SENT_BACK: Steps = [
    {
        "report": {
            "decision": "changes_required",
            "summary": "not yet",
            "blocking_issues": [ISSUE],
            "non_blocking_suggestions": ["say why"],
        }
    }
]
TWO_ROUNDS: dict[str, Steps] = {"reviewer/1": SENT_BACK}


@dataclass(frozen=True)
class Result:
    """How one `loop` process ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Call:
    """One call of the fake agent, as it saw it."""

    role: str
    round: int
    attempt: int
    argv: list[str]
    env: dict[str, str]
    stdin: str
    cwd: str
    pid: int
    parent: int
    mailbox: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.role}/{self.round}/{self.attempt}"


def eventually(happened: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Repo:
    """One scratch repository with everything that a run needs around it."""

    root: Path
    home: Path
    fake: Path
    bin: Path
    extra: dict[str, str] = field(default_factory=dict)
    started: list[Program] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LOOP_AGENT_ENV": "FAKE_*",
            "FAKE_DIR": str(self.fake),
            "LOOP_SANDBOX": "off",
            **self.extra,
        }

    @property
    def folder(self) -> Path:
        return self.root / ".loop"

    def loop(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Result:
        """Run `loop` with `args` to its end."""
        return self.execute([LOOP, *args], cwd=cwd, env=env)

    def execute(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        patience: float = PATIENCE,
    ) -> Result:
        """Run a program as the user would, to its end."""
        environ = {**self.environ, **(env or {})}
        done = programs.run(argv, cwd=cwd or self.root, env=environ, stdin=stdin, timeout=patience)
        return Result(done.returncode, done.stdout, done.stderr)

    def run(self, *args: str, **more: Any) -> Result:
        """`loop run --auto-dispatch` with short waits."""
        return self.loop("run", "--auto-dispatch", *FAST, *args, **more)

    def start(self, *args: str, auto: bool = True) -> Program:
        """Start `loop run` and leave it running."""
        return self.launch([LOOP, "run", *(("--auto-dispatch",) if auto else ()), *FAST, *args])

    def launch(self, argv: Sequence[str | Path]) -> Program:
        """Start a program as the user would and leave it running."""
        process = programs.start(argv, cwd=self.root, env=self.environ)
        self.started.append(process)
        return process

    def plan(self, plan: Mapping[str, Steps]) -> None:
        """What the fake agent is to do from now on."""
        (self.fake / "plan.json").write_text(json.dumps(plan), "utf-8")

    def card(self, name: str = ".loop/task_card.json", /, **changes: Any) -> Path:
        """Write a task card."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**CARD, **changes}), "utf-8")
        return path

    def git(self, *args: str, cwd: Path | None = None) -> str:
        """Run git as the user."""
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def calls(self) -> list[Call]:
        """The calls of the fake agent so far, in their order."""
        found = sorted(self.fake.glob("*.call"))
        return [Call(**json.loads(path.read_text("utf-8"))) for path in found]

    @property
    def names(self) -> list[str]:
        return [call.name for call in self.calls]

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file below the loop's folder."""
        body: dict[str, Any] = json.loads((self.folder / name).read_text("utf-8"))
        return body

    @property
    def state(self) -> dict[str, Any]:
        return self.json("state.json")

    @property
    def ended(self) -> tuple[str, str]:
        """The recorded state and outcome."""
        state = self.state
        return state["state"], state.get("outcome", "")

    def reached(self, name: str) -> int:
        """Wait until the agent is at the gate `name`; its process id."""
        path = self.fake / f"{name}.reached"
        eventually(lambda: path.exists() and (name == "sigterm" or path.read_text() != ""), name)
        return int(path.read_text() or 0)

    def open(self, name: str) -> None:
        """Let the agent pass the gate `name`."""
        (self.fake / f"{name}.open").touch()

    def feed(self) -> list[dict[str, Any]]:
        lines = (self.folder / "logs" / "feed.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def tree(self, folder: Path | None = None) -> list[str]:
        """The files below the loop's folder."""
        top = folder or self.folder
        return sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())

    def close(self) -> None:
        """End what a test left running."""
        for process in self.started:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        daemon = self.fake / "daemon.pid"
        left = [int(daemon.read_text())] if daemon.exists() else []
        for pid in [*left, *(call.pid for call in self.calls)]:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def ended_by(process: Program, number: int) -> str:
    """Send a signal, wait for the end, and return what was printed."""
    process.send_signal(number)
    return process.communicate(timeout=PATIENCE)[0]


def assert_refused(result: Result, code: int, *words: str) -> None:
    """One sentence and one remedy on standard error, and nothing that looks like a bug."""
    assert "Traceback" not in result.text, result.text
    assert result.code == code, result.text
    assert result.err.startswith("Error: "), result.err
    assert len(result.err.splitlines()) >= 2, result.err
    for word in words:
        assert word in result.err, result.err


def agents_of(repo: Repo, role: str) -> Sequence[Call]:
    return [call for call in repo.calls if call.role == role]


def read_until(process: Program, text: str) -> str:
    """Read the output of a run up to the line that holds `text`; all that was read."""
    assert process.stdout is not None
    seen = ""
    while text not in seen:
        line = process.stdout.readline()
        assert line, f"the run ended without {text!r}: {seen}"
        seen += line
    return seen
