"""What the loops of a repository have learned: facts, pitfalls and patterns, and what prompts get.

The author decides how an entry is treated. No rule here rewrites or drops a person's line unless a
person asks for it. An entry of a model is a guess: it starts with confidence 0.7, names its source,
counts for 30 days unless it is found again, and is dropped first when there are too many. Every
text is one short line without control characters, because it is used in prompts, tables and
terminals.

The two lists are Markdown (one entry a line, headings and comments apart), the patterns JSON Lines.
Times are UTC, `YYYY-MM-DDTHH:MM:SSZ`. How the files are written: `core.briefing.knowledge_files`.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Literal

from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

Kind = Literal["facts", "pitfalls", "patterns"]

KINDS: tuple[Kind, ...] = ("facts", "pitfalls", "patterns")
MAX_READ = 256 * 1024
MAX_TEXT = 300
MAX_SECTION = 8000
MAX_CATEGORY = 60
MAX_SOURCE = 100
MAX_FACTS = 50
MAX_PITFALLS = 50
MAX_PATTERNS = 200
HIGH_CONFIDENCE = 0.7
STALE_DAYS = 30
LESSON_CATEGORY = "review_blocking_issue"
DAY = 86_400

_LESSON = late_pattern(r"(\[(?:[a-z]{1,12}|\?)\] .+) \([^()]+\)")
_LIMITS = {
    "pattern": MAX_TEXT,
    "category": MAX_CATEGORY,
    "source": MAX_SOURCE,
    "source_version": 40,
    "last_verified": 40,
}
_ABOUT_THE_SEED = frozenset(
    {
        "single-file rule: all production logic lives in src/loop_kit/orchestrator.py",
        "subprocess-per-round: each review round runs in a dedicated subprocess",
        "lock stale after crash can be misleading; confirm no live orchestrator PID before manual"
        " cleanup",
        "Windows replace needs retry when antivirus/indexers hold short file locks",
        "Example: run uv tests after meaningful orchestrator edits",
    }
)


@frozen
class Entry:
    """One thing known; only patterns have a category, a confidence (0 to 1) and dates."""

    kind: Kind
    text: str
    category: str = ""
    confidence: float | None = None
    source: str = ""
    source_version: str = ""
    last_verified: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two patterns the same."""
        return self.category, self.text


@frozen
class Knowledge:
    """All entries, each list with the oldest first."""

    facts: tuple[Entry, ...] = ()
    pitfalls: tuple[Entry, ...] = ()
    patterns: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All three lists in a row."""
        return self.facts + self.pitfalls + self.patterns


@frozen
class Lesson:
    """A finding that blocked a round; `source` is where, such as `T-001 F2 round 1`."""

    severity: str
    file: str
    reason: str
    source: str


def parse(facts_md: str, pitfalls_md: str, patterns_jsonl: str, now: str) -> Knowledge:
    """What prompts may use of the three files' texts, within the bounds of this module."""
    known = read_knowledge(
        facts_md[:MAX_READ], pitfalls_md[:MAX_READ], patterns_jsonl[:MAX_READ], now
    )
    return Knowledge(
        known.facts[-MAX_FACTS:],
        _newest(known.pitfalls, MAX_PITFALLS),
        _newest(known.patterns, MAX_PATTERNS),
    )


def read_knowledge(facts_md: str, pitfalls_md: str, patterns_jsonl: str, now: str) -> Knowledge:
    """Everything in the three files' texts; a stale pattern has confidence 0."""
    best: dict[tuple[str, str], Entry] = {}
    for _, _, pattern in pattern_lines(patterns_jsonl):
        if pattern is None:
            continue
        found = (
            replace(pattern, confidence=0.0) if is_stale(pattern.last_verified, now) else pattern
        )
        known = best.setdefault(found.identity, found)
        if (found.confidence or 0) > (known.confidence or 0):
            best[found.identity] = found
    return Knowledge(
        markdown_entries("facts", facts_md),
        markdown_entries("pitfalls", pitfalls_md),
        tuple(best.values()),
    )


def is_stale(last_verified: str, now: str) -> bool:
    """Whether a pattern was last verified over 30 days before `now`, never, or in the future."""
    verified, at = seconds(last_verified), seconds(now)
    if verified is None or at is None:
        return True
    return not -DAY <= at - verified <= STALE_DAYS * DAY


def select_useful(knowledge: Knowledge) -> Knowledge:
    """The part for prompts: sure patterns, and no line of agent-task-runner about itself."""
    facts, pitfalls, patterns = (
        tuple(entry for entry in entries if entry.text not in _ABOUT_THE_SEED)
        for entries in (knowledge.facts, knowledge.pitfalls, knowledge.patterns)
    )
    sure = tuple(p for p in patterns if (p.confidence or 0) >= HIGH_CONFIDENCE)
    return Knowledge(facts, pitfalls, sure)


def section(knowledge: Knowledge) -> str:
    """The text for prompts, or '' when nothing is known. It is data: put it into a fence.

    When there is too much for a prompt, the newest entries are selected.
    """
    selected = select_useful(knowledge)
    parts = (
        ("Facts about this repository:", selected.facts),
        ("Known pitfalls:", selected.pitfalls),
        ("Patterns seen in reviews (confidence, category):", selected.patterns),
    )
    return "\n\n".join(
        "\n".join((title, *_fit(MAX_SECTION, [_prompt_line(entry) for entry in entries])))
        for title, entries in parts
        if entries
    )


def _fit(limit: int, lines: Sequence[str]) -> Sequence[str]:
    """The last of `lines` that fit into `limit` characters."""
    sizes = accumulate(len(line) for line in reversed(lines))
    fitting = sum(size <= limit for size in sizes)
    return lines[len(lines) - fitting :]


def _prompt_line(entry: Entry) -> str:
    if entry.kind != "patterns":
        return f"- {entry.text}"
    known_from = f"from {entry.source}, " if entry.source else ""
    return (
        f"- [{entry.confidence or 0:.2f}] ({entry.category}) {entry.text}"
        f" ({known_from}verified {entry.last_verified[:10]})"
    )


def learn(knowledge: Knowledge, lessons: Sequence[Lesson], now: str) -> Knowledge:
    """`knowledge` with each lesson as a pitfall, once, and as a pattern verified `now`."""
    pitfalls = list(knowledge.pitfalls)
    known = {_finding(entry.text) for entry in pitfalls}
    patterns = {entry.identity: entry for entry in knowledge.patterns}
    for lesson in lessons:
        pattern = _lesson_pattern(lesson, now)
        if not pattern.text:
            continue
        pitfall = Entry("pitfalls", _lesson_line(lesson))
        if _finding(pitfall.text) not in known:
            known.add(_finding(pitfall.text))
            pitfalls.append(pitfall)
        old = patterns.pop(pattern.identity, pattern)
        patterns[pattern.identity] = replace(
            old,
            confidence=max(old.confidence or 0, HIGH_CONFIDENCE),
            source=old.source or pattern.source,
            last_verified=now,
        )
    return Knowledge(
        knowledge.facts,
        _newest(tuple(pitfalls), MAX_PITFALLS),
        _newest(tuple(patterns.values()), MAX_PATTERNS),
    )


def _lesson_pattern(lesson: Lesson, now: str) -> Entry:
    return Entry(
        "patterns",
        one_line(lesson.reason, MAX_TEXT),
        category=LESSON_CATEGORY,
        confidence=HIGH_CONFIDENCE,
        source=one_line(lesson.source, MAX_SOURCE),
        last_verified=now,
    )


def _lesson_line(lesson: Lesson) -> str:
    """`[severity] file: reason (source)`; a long reason is cut, never where it comes from.

    Comment marks are broken: they could hide other lines.
    """
    severity = one_line(lesson.severity, 12).lower()
    if not re.fullmatch(r"[a-z]{1,12}", severity):
        severity = "?"
    source = one_line(re.sub(r"[()]", " ", lesson.source), MAX_SOURCE) or "review"
    file = one_line(lesson.file, 100)
    head = _break_comment_marks(f"[{severity}] {file}: " if file else f"[{severity}] ")
    tail = _break_comment_marks(f" ({source})")
    reason = _break_comment_marks(one_line(lesson.reason, MAX_TEXT))
    return f"{head}{one_line(reason, MAX_TEXT - len(head) - len(tail))}{tail}"


def _break_comment_marks(text: str) -> str:
    return text.replace("<!--", "<! --").replace("-->", "-- >")


def _finding(line: str) -> str:
    """The text of a pitfall without its source."""
    lesson = _LESSON.fullmatch(line)
    return lesson.group(1) if lesson else line


def is_lesson(entry: Entry) -> bool:
    """Whether `learn` wrote it, judging by its form."""
    if entry.kind == "patterns":
        return entry.category == LESSON_CATEGORY
    return _LESSON.fullmatch(entry.text) is not None


def _newest(entries: tuple[Entry, ...], limit: int) -> tuple[Entry, ...]:
    """At most `limit` entries: the oldest lessons of models make room first."""
    spare = len(entries) - limit
    lessons = [at for at, entry in enumerate(entries) if is_lesson(entry)]
    dropped = set(lessons[: max(0, spare)])
    return tuple(entry for at, entry in enumerate(entries) if at not in dropped)[-limit:]


def seconds(stamp: str) -> int | None:
    """Seconds since 1970, or None when `stamp` is no date; without a time zone it is UTC."""
    try:
        date = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


# Markdown: one entry a line.


def markdown_lines(text: str) -> Iterable[tuple[str, str]]:
    """Every line as it is, and the entry on it: '' for headings, comments and blank lines.

    A comment may go over several lines; one that nothing ends is one line long.
    """
    every = text.split("\n")
    last_end = max((at for at, line in enumerate(every) if "-->" in line), default=-1)
    inside = False
    for at, line in enumerate(every):
        bare = line.lstrip("\ufeff").strip()
        if inside or bare.startswith("<!--"):
            inside = "-->" not in bare and at < last_end
            yield line, ""
        elif bare.startswith("#") or bare in {"-", "*"}:
            yield line, ""
        else:
            yield line, bare[2:].strip() if bare[:2] in {"- ", "* "} else bare


def markdown_entries(kind: Kind, text: str) -> tuple[Entry, ...]:
    """The entries of a list, in their order."""
    texts = (one_line(entry, MAX_TEXT) for _, entry in markdown_lines(text) if entry)
    return tuple(Entry(kind, entry) for entry in texts if entry)


# JSON Lines: one pattern a line.


def pattern_lines(text: str) -> Iterable[tuple[str, dict[str, Any], Entry | None]]:
    """Every line as it is, the object on it, and its pattern: ({} and None if there is none)."""
    for line in text.split("\n"):
        record: Any = None
        if line.lstrip("\ufeff \t").startswith("{"):
            try:
                record = json.loads(line.lstrip("\ufeff"))
            except (ValueError, RecursionError):
                record = None
        pattern = _pattern(record) if isinstance(record, dict) else None
        yield line, record if pattern else {}, pattern


def _pattern(record: dict[str, Any]) -> Entry | None:
    """The pattern in `record`, with its confidence as written."""
    texts = {}
    for name, limit in _LIMITS.items():
        value = record.get(name)
        texts[name] = one_line(value, limit) if isinstance(value, str) else ""
    if not texts["pattern"] or not texts["category"]:
        return None
    return Entry(
        "patterns",
        texts["pattern"],
        category=texts["category"],
        confidence=_confidence(record.get("confidence")),
        source=texts["source"],
        source_version=texts["source_version"],
        last_verified=texts["last_verified"] if seconds(texts["last_verified"]) is not None else "",
    )


def _confidence(value: object) -> float:
    """A number from 0 to 1; what is no number is worth nothing."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(min(1, value)) if value > 0 else 0.0
