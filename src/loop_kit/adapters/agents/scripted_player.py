"""The program that the scripted backend starts: plays one scene and ends.

It is an agent like any other: it gets its job by `LOOP_*`, works in its working directory, and
writes its report to `LOOP_REPORT_PATH`. Standard input has the steps of the scene, checked already,
so that a round does not wait for a second program to load what checks them.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loop_kit.adapters.process import process

_NO_SCENE = 64


class StepFailed(Exception):
    """A step cannot be played as written."""


class Player:
    """Plays the steps of one scene in the current directory."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._report_path = Path(environ["LOOP_REPORT_PATH"])

    def play(self, steps: Sequence[Mapping[str, Any]] | None) -> int:
        """Play the scene for this job and return the exit code."""
        if steps is None:
            role, round_ = self._environ["LOOP_ROLE"], self._environ["LOOP_ROUND"]
            _complain(f"the script has no scene for {role}, round {round_}")
            return _NO_SCENE
        act: dict[str, Callable[[Any], None]] = {
            "say": _say,
            "edit": _edit,
            "write": _write,
            "delete": _delete,
            "run": _run,
            "commit": _commit,
            "report": self._report,
            "usage": self._write_usage,
            "hang": time.sleep,
            "garbage": _print_garbage,
            "raw_report": self._write_report,
            "complain": _complain,
            "linger": _linger,
        }
        for step in steps:
            ((name, value),) = step.items()
            if name == "crash":
                return int(value)
            act[name](value)
        return 0

    def _report(self, report: Mapping[str, Any]) -> None:
        known = {
            "task_id": self._environ["LOOP_TASK_ID"],
            "round": int(self._environ["LOOP_ROUND"]),
            "head_sha": _git("rev-parse", "HEAD").strip(),
        }
        self._write_report(json.dumps({**known, **report}, indent=2) + "\n")

    def _write_usage(self, usage: Mapping[str, Any]) -> None:
        path = Path(self._environ["LOOP_MAILBOX"]) / "usage.json"
        path.write_text(json.dumps(usage), "utf-8")

    def _write_report(self, text: str) -> None:
        self._report_path.write_text(text, "utf-8")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _edit(edit: Mapping[str, str]) -> None:
    name, find = edit["path"], edit["find"]
    _say(f"Editing: {name}")
    text = Path(name).read_text("utf-8")
    if text.count(find) != 1:
        raise StepFailed(f"{name}: {text.count(find)} places fit, not 1: {find!r}")
    Path(name).write_text(text.replace(find, edit["replace"]), "utf-8")


def _write(write: Mapping[str, str]) -> None:
    _say(f"Writing: {write['path']}")
    path = Path(write["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(write["text"], "utf-8")


def _delete(name: str) -> None:
    _say(f"Deleting: {name}")
    Path(name).unlink()


def _commit(message: str) -> None:
    _say(f"Committing: {message}")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", message)


def _run(argv: Sequence[str]) -> None:
    _say(f"Running: {' '.join(argv)}")
    program = sys.executable if argv[0] == "python" else argv[0]
    done = process.run([program, *argv[1:]], timeout=600, limit=1024 * 1024)
    lines = (done.out + done.err).decode("utf-8", "replace").strip().splitlines()
    _say(f"Exit code {done.code}: {lines[-1] if lines else 'no output'}")


def _git(*args: str) -> str:
    done = process.run(["git", *args], timeout=120)
    if done.code:
        raise StepFailed(f"git {args[0]}: {done.err.decode('utf-8', 'replace').strip()}")
    return done.out.decode("utf-8", "replace")


def _print_garbage(count: int) -> None:
    piece = bytes(range(256)).replace(b"\n", b"\x80") * 256
    while count > 0:
        sys.stdout.buffer.write(piece[:count])
        count -= len(piece)
    sys.stdout.buffer.flush()


def _linger(seconds: float) -> None:
    """Leave a grandchild behind in a session of its own, as agents' tools do."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(seconds)
        os._exit(0)


def main() -> int:
    """Play the scene on standard input."""
    try:
        return Player(os.environ).play(json.load(sys.stdin.buffer))
    except (StepFailed, OSError) as error:
        _complain(f"cannot play the scene: {error}")
        return 65


if __name__ == "__main__":
    raise SystemExit(main())
