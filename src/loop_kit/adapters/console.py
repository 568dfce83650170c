"""The console: one tidy line per action, and in a terminal a live line with the running agent.

A repeated action is printed once, a repeated message each time. Output of an agent that is no event
of its stream is not printed, but ends a series of repeats. `--verbose` also prints every line as
the agent printed it, and cuts nothing.
"""

import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from loop_kit.core.agent.activity import Activity
from loop_kit.core.forge.render import verdict_lines
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.text.sanitize import one_line, visible

if TYPE_CHECKING:
    from rich.progress import Progress

_MAX_LINE = 120
_MAX_LIVE = 60


class ConsoleReporter:
    """Prints to `out`; safe to use as a context manager, so that no live line is left behind."""

    def __init__(self, out: TextIO, *, live: bool = False, verbose: bool = False) -> None:
        self._out = out
        self._live = live
        self._verbose = verbose
        self._progress: Progress | None = None
        self._last = ""
        self._sessions: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def note(self, message: str) -> None:
        """One line that is worth reading."""
        self._print(message)

    def warn(self, message: str) -> None:
        """One line that somebody should act on."""
        self._print(f"Warning: {message}")

    def fail(self, message: str) -> None:
        """One line about what must not stay as it is."""
        self._print(f"Error: {message}")

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """Print changes of the loop's status; the rest is for the feed."""
        if name == "state_transition" and data["to_state"] == "awaiting_work":
            self._print(f"Round {data['to_round']} of {state.limits.max_rounds}: {state.task_id}")
        if name == "dispatch_resume" and data.get("status") == "fallback_invalid_resume":
            self._print(f"[{data['role']}] the session is gone: a new one is started")
        if name == "review_verdict":
            for line in verdict_lines(data):
                self._print(line)

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """An agent starts."""
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._print(f"[{role.value}] {backend} starts{again}")
        self._start(f"round {round_}: {role.value} ({backend}) is running")

    def activity(self, role: Role, activity: Activity) -> None:
        """One activity of the agent."""
        if activity.begins:
            self._update(activity)
            return
        if activity.verb == "Session":
            if activity.text in self._sessions:
                return
            self._sessions.add(activity.text)
        line = activity.line
        tidy = visible(line) if self._verbose else one_line(line, _MAX_LINE - len(role.value) - 3)
        text = f"[{role.value}] {tidy}"
        if text != self._last or activity.is_message:
            self._print(text)
        self._last = text
        self._update(activity)

    def output(self, role: Role, line: str) -> None:
        """One line that the agent printed."""
        if not line.lstrip().startswith("{"):
            self._last = ""
        if self._verbose and line.strip():
            self._print(f"[{role.value}] | {visible(line)}")

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """The agent is gone."""
        self._stop()
        self._last = ""
        self._print(f"[{role.value}] {note} after {seconds:.1f} s")

    def _print(self, text: str) -> None:
        line = self._printable(visible(text))
        with self._lock:
            if self._progress is not None:
                out = self._progress.console
                out.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._out.write(f"{line}\n")
                self._out.flush()

    def _printable(self, text: str) -> str:
        """`text` as `out` can show it."""
        encoding = self._out.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _start(self, text: str) -> None:
        if not self._live:
            return
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn("dots" if self._printable("\u280b") == "\u280b" else "line"),
            TextColumn("{task.description} {task.fields[doing]}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=self._out),
            transient=True,
        )
        self._progress.add_task(text, total=None, doing="")
        self._progress.start()

    def _update(self, activity: Activity) -> None:
        if self._progress is not None:
            doing = self._printable(one_line(activity.line, _MAX_LIVE))
            self._progress.update(self._progress.task_ids[0], doing=doing)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def console(*, verbose: bool) -> ConsoleReporter:
    """The reporter for standard output, with a live line in a terminal."""
    return ConsoleReporter(sys.stdout, live=sys.stdout.isatty(), verbose=verbose)
