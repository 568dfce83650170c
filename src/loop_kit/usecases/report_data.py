"""What the report of a local loop says, from its state, its archive and its record.

Nothing here is trusted: texts are bounded and shown as they are, and what is missing or damaged is
left out. The page is escaped where it is made.
"""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, open_plain
from loop_kit.core.forge.figures import usage_text
from loop_kit.core.forge.heading import heading
from loop_kit.core.loop import bus, run_names, run_record
from loop_kit.core.loop.attempts import all_attempts, total
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.usage import AttemptRecord, cost_text
from loop_kit.core.text.sanitize import visible
from loop_kit.errors import LoopError
from loop_kit.usecases.next_steps import read_next_steps

_MAX_TEXT = 100_000
_MAX_PAGE_TEXT = 8_000_000
_MAX_FILE = 4 * 1024 * 1024
_WIDTH = 1000

Document = dict[str, Any]


class ReportData:
    """Collects the report of the loop `state`, whose files are in `folder`."""

    def __init__(self, folder: Path, state: LoopState, repository: GitRepository | None) -> None:
        self._folder = folder
        self._state = state
        self._repository = repository
        self._left = _MAX_PAGE_TEXT
        run = run_record.run_folder(state)
        self._run = folder / "runs" / run if run else None

    def document(self) -> Document:
        """Everything that the page shows."""
        state, head = self._state, heading(self._state)
        rounds = [self._round(record.round) for record in state.history]
        known = {record.round for record in state.history}
        rounds += [self._round(number) for number in all_attempts(state) if number not in known]
        return {
            "task_id": state.task_id,
            "icon": head.icon,
            "outcome": " · ".join([head.words, *head.facts]),
            "why": self._text(state.error),
            "next_steps": [visible(line) for line in read_next_steps(self._folder, state.seq)],
            "facts": self._facts(),
            "timeline": self._timeline(),
            "columns": [record.round for record in state.history],
            "findings": [self._finding(finding) for finding in state.findings],
            "criteria": self._criteria(),
            "costs": self._costs(),
            "rounds": rounds,
            "verify": self._verify_files(),
            "card": self._text(self._read(self._folder / bus.TASK_CARD)),
            "card_sha256": state.card_sha256,
            "limits": json.dumps(state.limits.model_dump(mode="json", exclude_none=True), indent=2),
            "state": state.model_dump(mode="json", exclude_none=True),
            "cut": self._left <= 0,
        }

    def _facts(self) -> list[tuple[str, str]]:
        state, limits = self._state, self._state.limits
        budget = "" if limits.max_cost_usd is None else f" of {limits.max_cost_usd:.2f} USD"
        rows = (
            ("Rounds", f"{state.usage.rounds} of at most {limits.max_rounds}"),
            ("Used", f"{usage_text(state.usage)}{budget}"),
            ("Began", state.round_details[0].started_at if state.round_details else ""),
            ("Base", state.base_sha),
            ("Head", state.head_sha),
            ("Work branch", state.work_branch),
            ("Pull request", state.pull_request_url),
            ("Sandbox", state.sandbox),
        )
        return [(name, visible(value)) for name, value in rows if value]

    def _timeline(self) -> Document:
        """The attempts on one line, to scale; those without times are in the table only."""
        spans = [
            (number, one, _moment(one.started_at), _moment(one.ended_at))
            for number, attempts in all_attempts(self._state).items()
            for one in attempts
        ]
        known = [(start, end) for _, _, start, end in spans if start and end]
        first = min((start for start, _ in known), default=0.0)
        whole = max((end for _, end in known), default=0.0) - first or 1.0
        bars = [
            {
                "x": round((start - first) / whole * _WIDTH, 1),
                "width": max(round((end - start) / whole * _WIDTH, 1), 3),
                "role": one.role.value,
                "failed": one.result != "reported",
                "label": f"Round {number}, {one.role.words}, attempt {one.number}: {one.result}",
            }
            for number, one, start, end in spans
            if start and end
        ]
        rows = [{"round": number, **_attempt_row(one)} for number, one, *_ in spans]
        return {"width": _WIDTH, "bars": bars, "rows": rows}

    def _finding(self, finding: Finding) -> Document:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        return {
            "id": finding.id,
            "severity": finding.severity,
            "place": visible(place),
            "reason": self._text(finding.reason, 2_000),
            "provenance": finding.provenance,
            "status": finding.status if finding.blocking else f"{finding.status}, for later",
            "cells": [_cell(finding, record.round) for record in self._state.history],
        }

    def _criteria(self) -> list[Document]:
        """Each criterion by round, as the reviewers answered."""
        card = _parse(self._read(self._folder / bus.TASK_CARD))
        texts = card.get("acceptance_criteria")
        listed = texts if isinstance(texts, list) else []
        rows = {f"C{n}": {"text": self._text(str(text), 1_000)} for n, text in enumerate(listed, 1)}
        answers: dict[str, dict[int, tuple[str, str]]] = {id_: {} for id_ in rows}
        for record in self._state.history:
            for answer in self._answers(record.round):
                id_, met = str(answer.get("id")), answer.get("met")
                if id_ in answers:
                    evidence = self._text(str(answer.get("evidence") or ""), 1_000)
                    answers[id_][record.round] = ("met" if met is True else "not met", evidence)
        return [
            {"id": id_, **row, "cells": [answers[id_].get(r.round) for r in self._state.history]}
            for id_, row in rows.items()
        ]

    def _answers(self, round_: int) -> list[Document]:
        name = bus.archive_path(self._state.task_id, round_, bus.REVIEW_REPORT)
        found = _parse(self._read(self._folder / name)).get("criteria")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _costs(self) -> list[Document]:
        """What each role used in each round, and the size of the change."""
        records = {record.round: record for record in self._state.history}
        rows = []
        for number, attempts in all_attempts(self._state).items():
            for role in Role:
                used = total(one for one in attempts if one.role is role)
                if any(one.role is role for one in attempts):
                    rows.append({"round": number, "role": role.words, **_usage(used)})
        most = max((row["seconds"] for row in rows), default=0) or 1
        for row in rows:
            growth = records[row["round"]].growth if row["round"] in records else None
            row["bar"] = round(100 * row["seconds"] / most)
            row["lines"] = growth.source + growth.tests if growth else None
        return rows

    def _round(self, number: int) -> Document:
        record = next((r for r in self._state.history if r.round == number), None)
        attempts = all_attempts(self._state).get(number, ())
        return {
            "number": number,
            "decision": (record.decision or "") if record else "",
            "verified": record.verified if record else None,
            "commits": [visible(subject) for subject in record.commits] if record else [],
            "added": record.lines_added if record else 0,
            "deleted": record.lines_deleted if record else 0,
            "notes": [visible(note) for note in record.notes] if record else [],
            "rules": [(note.rule, visible(note.text)) for note in record.rules] if record else [],
            "diff": self._diff(record.parent_sha, record.head_sha) if record else "",
            "attempts": [{**_attempt_row(a), "files": self._files(number, a)} for a in attempts],
        }

    def _files(self, round_: int, attempt: AttemptRecord) -> list[tuple[str, str]]:
        if self._run is None:
            return []
        folder = self._run / run_record.attempt_folder(round_, attempt.role, attempt.number)
        names = (
            *(run_names.FAILURE, run_names.TRANSCRIPT, run_names.REPORT, run_names.PROMPT),
            *(run_names.STDERR, run_names.OUTPUT),
        )
        found = ((name, self._text(self._read(folder / name))) for name in names)
        return [(name, text) for name, text in found if text]

    def _verify_files(self) -> list[tuple[str, str]]:
        paths = sorted(self._run.glob("verify_*.txt")) if self._run else []
        return [(path.name, self._text(self._read(path))) for path in paths[:100]]

    def _diff(self, parent: str, head: str) -> str:
        if self._repository is None or parent == head:
            return ""
        with tempfile.TemporaryDirectory(prefix="loop-kit-") as scratch:
            try:
                diff = self._repository.diff(parent, head, _MAX_TEXT, Path(scratch) / "patch")
            except LoopError:
                return ""
        return self._text(diff.text)

    def _text(self, text: str, limit: int = _MAX_TEXT) -> str:
        """The text as it can be shown, as far as there is room on the page."""
        room = min(limit, max(self._left, 0))
        shown = visible(text[:room])
        self._left -= len(shown)
        return shown if len(text) <= room else f"{shown}\n[… the rest is in the file]"

    @staticmethod
    def _read(path: Path) -> str:
        """The beginning of a file, which may be missing or no plain file."""
        try:
            stream = open_plain(path)
        except (BusFileUnreadable, OSError):
            return ""
        if stream is None:
            return ""
        with stream:
            return stream.read(_MAX_FILE).decode("utf-8", "replace")


def _attempt_row(attempt: AttemptRecord) -> Document:
    who = " ".join(filter(None, (attempt.backend, attempt.model)))
    return {
        "role": attempt.role.words,
        "number": attempt.number,
        "who": visible(who),
        "result": attempt.result.replace("_", " "),
        "why": visible(attempt.why or ""),
        "started_at": attempt.started_at or "",
        "ended_at": attempt.ended_at or "",
        **_usage(attempt),
    }


def _usage(used: Any) -> Document:
    """The numbers of an attempt or of several."""
    seconds = used.seconds if isinstance(used, AttemptRecord) else used.agent_seconds
    return {
        "seconds": round(seconds or 0, 1),
        "tokens_in": used.tokens_in,
        "tokens_cached": used.tokens_cached,
        "tokens_out": used.tokens_out,
        "cost": cost_text(used.cost_usd, used.estimated_cost_usd) or "unknown",
    }


def _cell(finding: Finding, round_: int) -> str:
    """What became of a finding in a round."""
    if round_ < finding.round or (finding.closed_round or round_) < round_:
        return ""
    if round_ == finding.closed_round and finding.status != "open":
        return finding.status
    if round_ == finding.round:
        return "raised"
    return "raised again" if any(one.round == round_ for one in finding.joined) else "open"


def _moment(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None


def _parse(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
