"""The feed: `logs/feed.jsonl` and `logs/orchestrator.log`, one JSON object a line, rotated."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from loop_kit.adapters.loop_dir.optional_log import OptionalLog
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.ports import Clock, Reporter


class FeedReporter:
    """Writes structured events; an agent's messages go to its transcript, not here.

    `warn` gets one sentence if a file cannot be written.
    """

    def __init__(
        self, logs: Path, clock: Clock, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self._feed = OptionalLog(logs / "feed.jsonl", self._warn_once)
        self._log = OptionalLog(logs / "orchestrator.log", self._warn_once)
        self._warn: Callable[[str], None] | None = warn
        self._clock = clock
        self._task_id = ""

    def note(self, message: str) -> None:
        """One line for both logs."""
        self._write("info", "log", {"message": message})
        self._append(self._log, self._line({"msg": message}))

    def warn(self, message: str) -> None:
        """One warning for both logs."""
        self._write("warning", "log", {"message": message})
        self._append(self._log, self._line({"msg": message}))

    def fail(self, message: str) -> None:
        """One error for both logs."""
        self._write("error", "log", {"message": message})
        self._append(self._log, self._line({"msg": message}))

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """One event of the loop."""
        self._task_id = state.task_id
        level = "error" if name.endswith("_fail") else "info"
        self._write(level, name, {"task_id": state.task_id, "round": state.round, **data})

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """Nothing: `dispatch_start` has it."""

    def activity(self, role: Role, activity: Activity) -> None:
        """Nothing: the transcript has it."""

    def output(self, role: Role, line: str) -> None:
        """Nothing: the transcript has it."""

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """Nothing: `dispatch_complete` and `dispatch_fail` have it."""

    def _write(self, level: str, event: str, data: Mapping[str, object]) -> None:
        if self._task_id:
            data = {"task_id": self._task_id, **data}
        entry = {"ts": self._clock.now(), "level": level, "event": event, "data": data}
        self._append(self._feed, entry)

    def _line(self, entry: dict[str, str]) -> dict[str, str]:
        task = {"task_id": self._task_id} if self._task_id else {}
        return {"ts": self._clock.now(), **entry, **task}

    def _warn_once(self, message: str) -> None:
        warn, self._warn = self._warn, None
        if warn is not None:
            warn(message)

    def _append(self, file: OptionalLog, entry: Mapping[str, object]) -> None:
        text = json.dumps(entry, ensure_ascii=False) + "\n"
        file.append(text.encode(errors="replace"))


class Tee:
    """Forwards to several reporters what it gets, without secrets.

    What an agent prints line by line is forwarded as it is: only a console on a laptop shows that.
    """

    def __init__(self, *reporters: Reporter, redact: Redactor | None = None) -> None:
        self._redact = redact or Redactor(())
        self._reporters = reporters

    def note(self, message: str) -> None:
        """One line that is worth reading."""
        message = self._redact(message)
        for reporter in self._reporters:
            reporter.note(message)

    def warn(self, message: str) -> None:
        """One line that somebody should act on."""
        message = self._redact(message)
        for reporter in self._reporters:
            reporter.warn(message)

    def fail(self, message: str) -> None:
        """One line about what must not stay as it is."""
        message = self._redact(message)
        for reporter in self._reporters:
            reporter.fail(message)

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """One structured event."""
        data = self._redact.document(data)
        for reporter in self._reporters:
            reporter.event(name, state, data)

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """An agent starts."""
        for reporter in self._reporters:
            reporter.start_attempt(role, round_, attempt, backend)

    def activity(self, role: Role, activity: Activity) -> None:
        """One activity of the agent."""
        activity = replace(activity, text=self._redact(activity.text))
        for reporter in self._reporters:
            reporter.activity(role, activity)

    def output(self, role: Role, line: str) -> None:
        """One line that the agent printed."""
        for reporter in self._reporters:
            reporter.output(role, line)

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """The agent is gone."""
        for reporter in self._reporters:
            reporter.end_attempt(role, seconds, note)
