"""A fake `codex` or `claude`: records how it was called and plays the steps of a plan file.

It is copied into a folder on PATH and run by itself; nothing of loop-kit is imported here. The plan
maps `program:role/round`, `program:role`, `role/round/attempt`, `role/round`, `role/*/attempt` or
`role` to a list of steps, each an object with one key.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROLE = os.environ["LOOP_ROLE"]
ROUND = int(os.environ["LOOP_ROUND"])
ATTEMPT = int(os.environ["LOOP_ATTEMPT"])
FOLDER = Path(os.environ["FAKE_DIR"])
REPORT = Path(os.environ["LOOP_REPORT_PATH"])


def git(*args: str) -> str:
    done = subprocess.run(["git", *args], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def record() -> None:
    mailbox = Path(os.environ["LOOP_MAILBOX"])
    body = {
        "role": ROLE,
        "round": ROUND,
        "attempt": ATTEMPT,
        "argv": sys.argv,
        "env": dict(os.environ),
        "stdin": sys.stdin.buffer.read().decode("utf-8", "replace"),
        "cwd": str(Path.cwd()),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "mailbox": {path.name: path.read_text("utf-8") for path in mailbox.glob("*.json")},
    }
    draft = FOLDER / f"{time.time_ns()}.draft"
    draft.write_text(json.dumps(body), "utf-8")
    draft.rename(draft.with_suffix(".call"))


def steps() -> list[dict[str, Any]]:
    plan: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "plan.json").read_text("utf-8"))
    name = Path(sys.argv[0]).name
    own = (f"{name}:{ROLE}/{ROUND}", f"{name}:{ROLE}")
    for key in (*own, f"{ROLE}/{ROUND}/{ATTEMPT}", f"{ROLE}/{ROUND}", f"{ROLE}/*/{ATTEMPT}", ROLE):
        if key in plan:
            return plan[key]
    if ROLE == "worker":
        return [{"write": {"calc.py": f"VALUE = {ROUND}\n"}}, {"commit": "Work"}, {"report": {}}]
    return [{"report": {}}]


def default_report() -> dict[str, Any]:
    body: dict[str, Any] = {"task_id": os.environ["LOOP_TASK_ID"], "round": ROUND}
    if ROLE == "reviewer":
        return {**body, "decision": "approve"}
    return {**body, "head_sha": git("rev-parse", "HEAD"), "files_changed": ["calc.py"]}


def write_report(changes: dict[str, Any]) -> None:
    body = {**default_report(), **changes}
    kept = {key: value for key, value in body.items() if value != "<absent>"}
    draft = REPORT.with_name("draft")
    draft.write_text(json.dumps(kept), "utf-8")
    draft.rename(REPORT)


def write_files(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def commit(message: str) -> None:
    git("add", "--update")
    git("commit", "--quiet", "--allow-empty", "-m", message)


def shell(command: str) -> None:
    subprocess.run(["/bin/sh", "-ec", command], check=True)


def gate(name: str) -> None:
    """Say that this point is reached, then wait until the test opens the gate."""
    (FOLDER / f"{name}.reached").write_text(str(os.getpid()))
    while not (FOLDER / f"{name}.open").exists():
        time.sleep(0.02)


def daemon(command: str) -> None:
    """Start a shell in a session of its own that outlives this process."""
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        ["/bin/sh", "-c", command], start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet
    )
    (FOLDER / "daemon.pid").write_text(str(child.pid))


def flood(size: int) -> None:
    line = b"x" * 99 + b"\n"
    for _ in range(size // 100_000):
        sys.stdout.buffer.write(line * 1000)


def deaf(_: object) -> None:
    """Note SIGTERM and live on."""

    def noted(*_: object) -> None:
        (FOLDER / "sigterm.reached").touch()

    signal.signal(signal.SIGTERM, noted)


def say(text: object) -> None:
    print(text if isinstance(text, str) else json.dumps(text), flush=True)


def play(step: dict[str, Any]) -> None:
    ((name, value),) = step.items()
    actions: dict[str, Callable[[Any], object]] = {
        "write": write_files,
        "commit": commit,
        "report": write_report,
        "raw": lambda text: REPORT.write_text(text, "utf-8"),
        "sh": shell,
        "say": say,
        "stderr": lambda text: print(text, file=sys.stderr, flush=True),
        "gate": gate,
        "daemon": daemon,
        "flood": flood,
        "deaf": deaf,
        "exit": sys.exit,
    }
    actions[name](value)


if __name__ == "__main__":
    record()
    for one in steps():
        play(one)
