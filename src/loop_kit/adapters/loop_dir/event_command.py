"""Runs the operator's command for each event of a loop, with the event as JSON on its input.

It is a courtesy: a command that fails or hangs is reported once, and never holds up or ends a loop.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from loop_kit.adapters.process import process
from loop_kit.adapters.process.programs import shell_argv
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.lifecycle import EVENTS, lifecycle_event
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.text.sanitize import one_line
from loop_kit.ports import Clock, Reporter

_MAX_SECONDS = 15.0
_MAX_OUTPUT = 256 * 1024


class EventCommand:
    """A reporter that only hears events."""

    def __init__(
        self,
        command: str,
        folder: Path,
        environment: Mapping[str, str],
        clock: Clock,
        reporter: Reporter,
        kinds: Collection[str] = EVENTS,
    ) -> None:
        self._command = command
        self._kinds = kinds
        self._folder = folder
        self._environment = environment
        self._clock = clock
        self._reporter = reporter
        self._has_failed = False

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """Run the command if this is an event for it."""
        event = lifecycle_event(name, state, data, self._clock.now())
        if event is None or event["event"] not in self._kinds:
            return
        kind = str(event["event"])
        try:
            done = process.run(
                shell_argv(self._command),
                cwd=self._folder,
                env={**self._environment, "LOOP_EVENT": kind},
                stdin=json.dumps(event, ensure_ascii=False).encode(errors="replace"),
                timeout=_MAX_SECONDS,
                limit=_MAX_OUTPUT,
            )
        except process.CommandTimeout:
            self._report(kind, f"took longer than {_MAX_SECONDS:g} s")
        except process.OutputTooLong:
            self._report(kind, f"printed more than {_MAX_OUTPUT // 1024} KiB")
        except OSError as error:
            self._report(kind, f"could not be started: {error.strerror}")
        else:
            if done.code:
                said = one_line(done.err.decode(errors="replace"))
                self._report(kind, f"ended with exit code {done.code}" + (f": {said}" * bool(said)))

    def _report(self, kind: str, why: str) -> None:
        if not self._has_failed:
            self._reporter.warn(
                f"The command of on-event {why} ({kind}). The loop continues without it."
            )
        self._has_failed = True

    def note(self, message: str) -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """Nothing."""

    def fail(self, message: str) -> None:
        """Nothing."""

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """Nothing: `attempt.started` says it."""

    def activity(self, role: Role, activity: Activity) -> None:
        """Nothing."""

    def output(self, role: Role, line: str) -> None:
        """Nothing."""

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """Nothing: `attempt.ended` says it."""
