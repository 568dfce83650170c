"""The attempts of a loop on one line, to scale: who ran when, what verify took, what was waited.

Long waits, for a runner or a person, would leave no room for the work, so they are cut, and say so.
Times are whole seconds and of several machines: what would overlap begins when the one before ends.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from loop_kit.core.loop.attempts import all_attempts
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.usage import AttemptRecord
from loop_kit.core.text.numbers import duration
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen

_LONGEST_WAIT = 0.25
"""Of the time that something ran."""
_SMALLEST = 0.002
"""Of the whole line, so that nothing is invisible."""


class Span(NamedTuple):
    """What ran, or was waited for, for so many seconds; `kind` is a role, verify, or waiting."""

    kind: str
    round: int
    seconds: float
    label: str
    failed: bool = False
    cut: bool = False


@frozen
class Bar:
    """A span as it is drawn: in hundredths of the line."""

    kind: str
    x: float
    width: float
    label: str
    failed: bool
    cut: bool


@frozen
class Mark:
    """Where a round begins."""

    round: int
    x: float


@frozen
class Timeline:
    """The line, and how long it was: in all, and without what was waited."""

    bars: list[Bar]
    marks: list[Mark]
    seconds: float = 0
    busy: float = 0

    @property
    def kinds(self) -> list[str]:
        """What is on the line, for its legend."""
        return list(dict.fromkeys(bar.kind for bar in self.bars))


def timeline(state: LoopState) -> Timeline:
    """The line of all recorded attempts whose times are known."""
    spans = [span for span in _spans(state) if span.seconds > 0]
    busy = sum(span.seconds for span in spans if span.kind != "waiting")
    longest = max(busy * _LONGEST_WAIT, 1)
    drawn = [min(s.seconds, longest) if s.kind == "waiting" else s.seconds for s in spans]
    least = sum(drawn) * _SMALLEST
    widths = [max(width, least) for width in drawn]
    whole, at = sum(widths) or 1, 0.0
    bars: list[Bar] = []
    marks: list[Mark] = []
    for span, width in zip(spans, widths, strict=True):
        x, cut = 100 * at / whole, span.kind == "waiting" and span.seconds > longest
        if span.kind != "waiting" and span.round not in [mark.round for mark in marks[-1:]]:
            marks.append(Mark(span.round, round(x, 3)))
        drawn_width = round(100 * width / whole, 3)
        bars.append(Bar(span.kind, round(x, 3), drawn_width, span.label, span.failed, cut))
        at += width
    return Timeline(bars, marks, sum(span.seconds for span in spans), busy)


def _spans(state: LoopState) -> Iterator[Span]:
    took = {record.round: record.verify_seconds or 0 for record in state.history}
    end: float | None = None
    before: AttemptRecord | None = None
    for number, attempts in all_attempts(state).items():
        for one in attempts:
            start, ended = moment(one.started_at), moment(one.ended_at)
            if start is None or ended is None:
                continue
            gap = max(start - end, 0) if end is not None else 0
            if before is not None and before.role is Role.WORKER and before.result == "reported":
                verified = min(took.get(number, 0), max(gap, 1))
                yield Span("verify", number, verified, f"Round {number}, verify")
                gap -= verified
            if gap > 0:
                yield Span("waiting", number, gap, f"Waiting, {duration(gap)}")
            seconds = max(ended - start, one.seconds or 0, 0.1)
            yield _attempt_span(number, one, seconds)
            end, before = max(start + seconds, end or 0), one


def _attempt_span(number: int, one: AttemptRecord, seconds: float) -> Span:
    failed = one.result != "reported"
    why = f": {one_line(one.why or one.result, 200)}" if failed else ""
    again = f", attempt {one.number}" if one.number > 1 else ""
    label = f"Round {number}, {one.role.words}{again}, {duration(seconds)}{why}"
    return Span(one.role.value, number, seconds, label, failed)


def moment(text: str | None) -> float | None:
    """A time as a number of seconds; None where it is none."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
