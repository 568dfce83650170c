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
from loop_kit.core.text.numbers import money, short
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.patterns import late_pattern

if TYPE_CHECKING:
    from loop_kit.adapters.terminal.live_line import LiveLine

_MAX_LINE = 120
_MAX_LIVE = 200
_COLOURS = (
    (late_pattern(r"^Error:|^Stopped |^\[verdict\].*, verify FAILED$"), "31"),
    (late_pattern(r"^Warning:|^\[verdict\] changes required"), "33"),
    (late_pattern(r"^Approved |^\[verdict\] approve"), "32"),
    (late_pattern(r"^\[verdict\]|^Round \d"), "1"),
    (late_pattern(r"^\[worker\]"), "36"),
    (late_pattern(r"^\[(second_)?reviewer\]"), "35"),
)
"""What a colour says: red failed, yellow wants attention, green is approved; agents differ."""


class ConsoleReporter:
    """Prints to `out`; safe to use as a context manager, so that no live line is left behind."""

    def __init__(
        self, out: TextIO, *, live: bool = False, verbose: bool = False, colours: bool = False
    ) -> None:
        self._out = out
        self._live = live
        self._colours = colours
        self._verbose = verbose
        self._line: LiveLine | None = None
        self._state = LoopState()
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
        self._state = state
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
        self._start(f"round {round_} of {self._state.limits.max_rounds}, {role.value} ({backend})")

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
        line = self._coloured(self._printable(visible(text)))
        with self._lock:
            if self._line is not None:
                self._line.print(line)
            else:
                self._out.write(f"{line}\n")
                self._out.flush()

    def _coloured(self, line: str) -> str:
        if not self._colours:
            return line
        colour = next((colour for seen, colour in _COLOURS if seen.search(line)), None)
        if colour is None:
            return line
        head, closing, rest = line.partition("] ")
        if colour in {"35", "36"}:  # of what agents print, only who it is
            return f"\x1b[{colour}m{head}{closing}\x1b[0m{rest}"
        return f"\x1b[{colour}m{line}\x1b[0m"

    def _printable(self, text: str) -> str:
        """`text` as `out` can show it."""
        encoding = self._out.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _start(self, about: str) -> None:
        if not self._live:
            return
        from loop_kit.adapters.terminal.live_line import LiveLine

        spinner = "dots" if self._printable("\u280b") == "\u280b" else "line"
        self._line = LiveLine(self._out, self._printable(about), self._used(), spinner=spinner)

    def _used(self) -> str:
        """What the loop has used before this attempt, as far as it is known."""
        usage = self._state.usage
        tokens = None if usage.tokens_in is None else usage.tokens_in + (usage.tokens_out or 0)
        cost = money(usage.cost_usd, usage.estimated_cost_usd)
        known = [f"{short(tokens)} tokens"] if tokens else []
        return ", ".join([*known, *([cost] if cost else [])])

    def _update(self, activity: Activity) -> None:
        if self._line is not None:
            self._line.show(self._printable(one_line(activity.line, _MAX_LIVE)))

    def _stop(self) -> None:
        if self._line is not None:
            self._line.stop()
            self._line = None


def console(environ: Mapping[str, str], *, verbose: bool) -> ConsoleReporter:
    """The reporter for standard output: in a terminal with a live line, and with colours.

    NO_COLOR, as on https://no-color.org, and a terminal that is called "dumb" get none.
    """
    live = sys.stdout.isatty()
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return ConsoleReporter(sys.stdout, live=live, verbose=verbose, colours=live and not plain)
