"""The program that the scripted backend starts: plays one scene and ends.

It is an agent like any other: it gets its job by `LOOP_*`, works in its working directory, and
writes its report to `LOOP_REPORT_PATH`.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.agents.script import Edit, Script, Step, Write, parse_script
from loop_kit.adapters.process import process
from loop_kit.core.agent.role import Role

_NO_SCENE = 64


class StepFailed(Exception):
    """A step cannot be played as written."""


class Player:
    """Plays the steps of one scene in the current directory."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._report_path = Path(environ["LOOP_REPORT_PATH"])

    def play(self, script: Script) -> int:
        """Play the scene for this job and return the exit code."""
        role, round_ = Role(self._environ["LOOP_ROLE"]), int(self._environ["LOOP_ROUND"])
        scene = script.scene(role, round_, int(self._environ["LOOP_ATTEMPT"]))
        if scene is None:
            _complain(f"the script has no scene for {role.value}, round {round_}")
            return _NO_SCENE
        for step in scene.steps:
            if step.crash is not None:
                return step.crash
            self._change(step)
            self._report(step)
            self._misbehave(step)
        return 0

    def _change(self, step: Step) -> None:
        if step.edit is not None:
            _edit(step.edit)
        if step.write is not None:
            _write(step.write)
        if step.delete is not None:
            _say(f"Deleting: {step.delete}")
            Path(step.delete).unlink()
        if step.run is not None:
            _run(step.run)
        if step.commit is not None:
            _say(f"Committing: {step.commit}")
            _git("add", "--all")
            _git("commit", "--quiet", "--message", step.commit)

    def _report(self, step: Step) -> None:
        if step.say is not None:
            _say(step.say)
        if step.complain is not None:
            _complain(step.complain)
        if step.raw_report is not None:
            self._report_path.write_text(step.raw_report, "utf-8")
        if step.report is not None:
            known = {
                "task_id": self._environ["LOOP_TASK_ID"],
                "round": int(self._environ["LOOP_ROUND"]),
                "head_sha": _git("rev-parse", "HEAD").strip(),
            }
            text = json.dumps({**known, **step.report}, indent=2)
            self._report_path.write_text(text + "\n", "utf-8")

    def _misbehave(self, step: Step) -> None:
        if step.hang is not None:
            time.sleep(step.hang)
        if step.garbage is not None:
            _print_garbage(step.garbage)
        if step.linger is not None:
            _linger(step.linger)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _edit(edit: Edit) -> None:
    _say(f"Editing: {edit.path}")
    path = Path(edit.path)
    text = path.read_text("utf-8")
    if text.count(edit.find) != 1:
        raise StepFailed(f"{edit.path}: {text.count(edit.find)} places fit, not 1: {edit.find!r}")
    path.write_text(text.replace(edit.find, edit.replace), "utf-8")


def _write(write: Write) -> None:
    _say(f"Writing: {write.path}")
    path = Path(write.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(write.text, "utf-8")


def _run(argv: tuple[str, ...]) -> None:
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


def main(argv: list[str]) -> int:
    """Play the script named by the first argument."""
    sys.stdin.buffer.read()
    try:
        return Player(os.environ).play(parse_script(Path(argv[0]).read_bytes(), argv[0]))
    except (StepFailed, OSError) as error:
        _complain(f"cannot play the scene: {error}")
        return 65


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
