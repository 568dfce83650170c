"""The console: one tidy line per action, and in a terminal a live line that says who is at work."""

import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from loop_kit.core.render import verdict_lines
from loop_kit.core.sanitize import one_line, visible
from loop_kit.core.state import LoopState, Role

if TYPE_CHECKING:
    from rich.status import Status

_MAX_LINE = 120


class ConsoleReporter:
    """Prints to `out`; safe to use as a context manager, so that no live line is left behind."""

    def __init__(self, out: TextIO, *, live: bool = False, verbose: bool = False) -> None:
        self._out = out
        self._live = live
        self._verbose = verbose
        self._status: Status | None = None
        self._last = ""
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

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """What changes where the loop stands is said; the rest is for the feed."""
        if name == "state_transition" and data["to_state"] == "awaiting_work":
            self._print(f"Round {data['to_round']} of {state.limits.max_rounds}: {state.task_id}")
        if name == "review_verdict":
            for line in verdict_lines(data):
                self._print(line)

    def attempt_started(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """An agent starts."""
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._print(f"[{role.value}] {backend} starts{again}")
        self._start(f"{role.value} ({backend}) is at work, round {round_}")

    def activity(self, role: Role, line: str) -> None:
        """One thing the agent did; repeats are shown once."""
        shown = f"[{role.value}] {visible(line) if self._verbose else one_line(line, _MAX_LINE)}"
        if shown != self._last:
            self._print(shown)
        self._last = shown

    def attempt_ended(self, role: Role, seconds: float, note: str) -> None:
        """The agent is gone."""
        self._stop()
        self._last = ""
        self._print(f"[{role.value}] {note} after {seconds:.1f} s")

    def _print(self, text: str) -> None:
        safe = text.encode(self._out.encoding or "utf-8", "backslashreplace")
        line = safe.decode(self._out.encoding or "utf-8")
        with self._lock:
            if self._status is not None:
                self._status.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._out.write(f"{line}\n")
                self._out.flush()

    def _start(self, text: str) -> None:
        if not self._live:
            return
        from rich.console import Console
        from rich.markup import escape

        self._status = Console(file=self._out).status(escape(text))
        self._status.start()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def console(*, verbose: bool) -> ConsoleReporter:
    """The reporter for standard output, with a live line in a terminal."""
    return ConsoleReporter(sys.stdout, live=sys.stdout.isatty(), verbose=verbose)
