"""The log of an Actions job: one group per attempt, and nothing an agent prints is a command.

While an agent runs, command processing is stopped by a token that it cannot know. Its lines are
also prefixed, and the old form of a command, which works anywhere in a line, is broken up.
"""

import secrets
import threading
import time
from collections.abc import Mapping
from typing import TextIO

from loop_kit.core.agent.activity import Activity
from loop_kit.core.forge.render import verdict_lines
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.text.numbers import duration
from loop_kit.core.text.sanitize import command_data, one_line

_MAX_LINE = 400
_QUIET_SECONDS = 60.0
"""After so long without a line, there is one that says what runs: the agent, or the job."""


class ActionsLog:
    """Writes to the job's log."""

    def __init__(self, out: TextIO, *, quiet_seconds: float = _QUIET_SECONDS) -> None:
        self._out = out
        self._quiet_seconds = quiet_seconds
        self._written_at = 0.0
        self._ended = threading.Event()
        self._token = ""
        self._last = ""
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the group and resume command processing; called before annotations and at the end."""
        self._ended.set()
        if self._token:
            self._write(f"::{self._token}::")
            self._write("::endgroup::")
            self._token = ""

    def mask(self, secret: str) -> None:
        """Have the runner hide `secret`, each line of it, from here on."""
        for line in secret.splitlines():
            self._write(f"::add-mask::{command_data(line)}")

    def note(self, message: str) -> None:
        """One line that is worth reading."""
        for line in message.splitlines():
            self._write(_plain(line))
        if not self._token:
            self._watch_silence("The job is")

    def warn(self, message: str) -> None:
        """A warning annotation."""
        self._annotate("warning", message)

    def fail(self, message: str) -> None:
        """An error annotation."""
        self._annotate("error", message)

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """Write the verdict of a review; the rest is for the feed."""
        del state
        if name == "review_verdict":
            for line in verdict_lines(data):
                self._write(_plain(line))

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """Open a group, and stop command processing inside it."""
        self.close()
        title = f"Round {round_}, {role.value} ({backend}), attempt {attempt}"
        self._write(f"::group::{command_data(title)}")
        self._token = secrets.token_hex(16)
        self._write(f"::stop-commands::{self._token}")
        self._watch_silence(f"[{role.value}]")

    def activity(self, role: Role, activity: Activity) -> None:
        """One activity of the agent; repeats are written once."""
        if activity.begins:
            return
        text = f"[{role.value}] {_plain(one_line(activity.line, _MAX_LINE))}"
        if text != self._last or activity.is_message:
            self._write(text)
        self._last = text

    def output(self, role: Role, line: str) -> None:
        """Nothing: the transcript has it."""

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """Close the group."""
        self.close()
        self._last = ""
        self._write(_plain(f"[{role.value}] {note} after {seconds:.1f} s"))
        self._watch_silence("The job is")

    def _watch_silence(self, who: str) -> None:
        """Begin to report that `who` runs on, in place of who did before."""
        self._ended.set()
        self._ended = threading.Event()
        pulse = (who, time.monotonic(), self._ended)
        threading.Thread(target=self._report_quiet, args=pulse, daemon=True).start()

    def _report_quiet(self, who: str, began: float, ended: threading.Event) -> None:
        """Write a line whenever there was none for long, until this has ended."""
        while not ended.wait(self._quiet_seconds / 4):
            now = time.monotonic()
            if now - self._written_at >= self._quiet_seconds:
                self._write(f"{who} running for {duration(now - began)}", unless=ended)

    def _annotate(self, kind: str, message: str) -> None:
        self.close()
        self._write(f"::{kind} title=loop-kit::{command_data(message)}")

    def _write(self, line: str, unless: threading.Event | None = None) -> None:
        with self._lock:
            if unless is not None and unless.is_set():
                return
            self._written_at = time.monotonic()
            encoding = self._out.encoding or "utf-8"
            self._out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._out.flush()


def _plain(line: str) -> str:
    """A line that the runner does not take for a command."""
    line = line.replace("##[", "## [")
    return f". {line}" if line.lstrip().startswith("::") else line
