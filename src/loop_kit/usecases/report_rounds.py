"""The sections of a report about single rounds: what was asked, done, found, and what it cost."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.forge.context import PostContext
from loop_kit.core.loop import bus, run_names, run_record
from loop_kit.core.loop.answers import MAX_GIVEN
from loop_kit.core.loop.attempts import all_attempts, attempts_of_round, total
from loop_kit.core.loop.findings import CHECKS, VERIFICATION, Finding
from loop_kit.core.loop.rounds import RoundRecord
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.usage import AttemptRecord, Spent
from loop_kit.core.loop.wording import provenance_words, raised_by_words
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.report.changes import changed_blocks
from loop_kit.core.report.colours import coloured
from loop_kit.core.report.patch import AnnotatedPatch, Block, annotated
from loop_kit.core.report.transcript import steps
from loop_kit.core.text.numbers import duration, money
from loop_kit.core.text.sanitize import visible
from loop_kit.errors import LoopError
from loop_kit.usecases.report_files import MAX_TEXT, ReportFiles, Room

Document = dict[str, Any]
_MAX_NOTE = 5_000
_MAX_CRITERIA = 200
_PIECE = 40
"""What is written around a piece of text."""
_PROGRAMS = {"", "second", VERIFICATION, CHECKS}
"""Who raises findings and is no person."""


class Rounds:
    """Makes the section of each round of a loop.

    `repository` is None where its commits are not; change and review are read of the rounds
    `detailed` alone.
    """

    def __init__(
        self,
        state: LoopState,
        files: ReportFiles,
        repository: GitRepository | None,
        detailed: Collection[int],
        room: Room,
        links: PostContext,
    ) -> None:
        self._state = state
        self._files = files
        self._repository = repository
        self._detailed = detailed
        self._room = room
        self._links = links
        self._records = {record.round: record for record in state.history}

    def section(self, number: int) -> Document:
        """Everything about one round."""
        record = self._records.get(number)
        attempts = attempts_of_round(self._state, number)
        used = total(attempts)
        raised = [f for f in self._state.findings if f.round == number]
        patch = self._patch(record, raised)
        is_detailed = number in self._detailed
        review = self._files.archived(number, bus.REVIEW_REPORT) if is_detailed else {}
        has_second = any(one.role is Role.SECOND_REVIEWER for one in attempts)
        second = self._files.archived(number, bus.SECOND_REVIEW_REPORT) if has_second else {}
        return {
            "number": number,
            "decision": ((record.decision if record else None) or "no verdict").replace("_", " "),
            "kind": record.kind if record else "",
            "verified": record.verified if record else None,
            "commits": [visible(subject) for subject in record.commits] if record else [],
            "added": record.lines_added if record else 0,
            "deleted": record.lines_deleted if record else 0,
            "used": usage(used),
            "notes": [visible(note) for note in record.notes] if record else [],
            "rules": [(note.rule, visible(note.text)) for note in record.rules] if record else [],
            "worker_notes": self._worker_notes(number),
            "summary": self._room.take(str(review.get("summary") or ""), _MAX_NOTE),
            "second_summary": self._room.take(str(second.get("summary") or ""), _MAX_NOTE),
            "criteria": self._criteria(review),
            "people": self._people(number),
            "raised": [self.finding(f) for f in raised if f.id not in patch.placed],
            "patch": [self.block(block) for block in patch.blocks],
            "verify": self._coloured(self._files.verify_output(record.head_sha if record else "")),
            "links": self._round_links(record),
            "download": self._download(record, attempts),
            "attempts": [self._attempt(number, one) for one in attempts],
        }

    def finding(self, finding: Finding) -> Document:
        """What there is to know about a finding."""
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        status = finding.status if finding.blocking else f"{finding.status}, for later"
        words = (raised_by_words(finding), provenance_words(finding.provenance))
        return {
            "id": finding.id,
            "severity": finding.severity,
            "round": finding.round,
            "place": self._room.take(place, 500),
            "reason": self._room.take(finding.reason, 2_000),
            "required_change": self._room.take(finding.required_change, 2_000),
            "provenance": self._room.take(", ".join(filter(None, words)), 300),
            "status": status,
            "style": finding.status,
            "closed_why": self._room.take(finding.closed_why, 500),
        }

    def _worker_notes(self, number: int) -> str:
        details = (d for d in self._state.round_details if d.round == number)
        return self._room.take(next((d.worker_notes for d in details), ""), _MAX_NOTE)

    def _criteria(self, review: Mapping[str, Any]) -> list[Document]:
        return [
            {
                "id": self._room.take(str(answer.get("id")), 20),
                "met": answer.get("met") is True,
                "evidence": self._room.take(str(answer.get("evidence") or ""), 1_000),
            }
            for answer in answers(review)
        ]

    def _people(self, number: int) -> list[str]:
        """What people raised, wrote, asked for and decided in a round."""
        state, lines = self._state, []
        commanded = {word for given in state.commands for word in given.asked.split()}
        for given in state.commands:
            if self._shown_in(given.round) == number:
                when = given.at.replace("T", " ").removesuffix("Z")
                who = ", ".join(filter(None, (given.by or "a person", when)))
                answer = given.answer.replace("`", "")
                lines.append(f"{who}: {given.asked}. Answer: {answer[:1].upper()}{answer[1:]}")
        for finding in state.findings:
            if finding.round == number and finding.by not in _PROGRAMS:
                lines.append(f"{finding.by} raised {finding.id}: {finding.reason}")
            decided = finding.status in {"waived", "dismissed"} and finding.id not in commanded
            if finding.closed_round == number and decided:
                lines.append(f"{finding.id} was {finding.status}: {finding.closed_why}")
            if finding.round == number:
                lines += [f"{r.by} about {finding.id}: {r.text}" for r in finding.remarks]
        return [self._room.take(line, 1_500) for line in lines[:MAX_GIVEN]]

    def _shown_in(self, number: int) -> int:
        """The round on the page in which something of the round `number` is shown."""
        shown = {*self._records, *all_attempts(self._state)}
        return max((n for n in shown if n <= number), default=min(shown, default=number))

    def _patch(self, record: RoundRecord | None, findings: Sequence[Finding]) -> AnnotatedPatch:
        """The change of a round; nothing where it cannot be had, or the page is full."""
        repository = self._repository
        if repository is None or record is None or not self._room.has_any:
            return AnnotatedPatch()
        if record.round not in self._detailed:
            return AnnotatedPatch()
        parent, head = record.parent_sha, record.head_sha
        if parent == head:
            return AnnotatedPatch()
        with tempfile.TemporaryDirectory(prefix="loop-kit-") as scratch:
            try:
                diff = repository.diff(parent, head, MAX_TEXT, Path(scratch) / "patch")
            except LoopError:
                return AnnotatedPatch()
        cut = f"\n[… the rest: git diff {parent[:10]} {head[:10]}]" if diff.truncated else ""
        return annotated(diff.text + cut, findings)

    def block(self, block: Block) -> Document:
        """A block of a diff."""
        self._room.charge(_PIECE)
        found = block.finding
        return {
            "kind": block.kind,
            "text": self._room.take(block.text),
            "finding": self.finding(found) if found else None,
        }

    def _round_links(self, record: RoundRecord | None) -> list[tuple[str, str]]:
        if record is None:
            return []
        run = self._links.run(record.run_id)
        named = (
            ("change on the forge", self._links.compare(record.parent_sha, record.head_sha)),
            ("log of the job", run),
            ("record of the job", f"{run}#artifacts" if run else None),
        )
        return [(words, url) for words, url in named if url]

    def _download(
        self, record: RoundRecord | None, attempts: Sequence[AttemptRecord]
    ) -> str | None:
        """The command that gets the record of a round's job, where it is not here."""
        if record is None or self._files.has_attempt(record.round, attempts):
            return None
        if not (self._links.page and record.run_id.isdigit()):
            return None
        name = run_record.artifact_name(self._state.task_id, record.round, record.run_attempt)
        return f"gh run download {record.run_id} --name {name} --dir {LOOP_DIR}/runs"

    # --- attempts ------------------------------------------------------------------------------

    def _attempt(self, number: int, one: AttemptRecord) -> Document:
        def read(name: str) -> str:
            return self._files.of_attempt(number, one.role, one.number, name)

        transcript = self._room.take(read(run_names.TRANSCRIPT))
        listed = steps(transcript) if transcript else []
        self._room.charge(3 * _PIECE * len(listed))
        return {
            **attempt_row(one),
            "failure": self._room.take(read(run_names.FAILURE), _MAX_NOTE),
            "transcript": listed,
            "report": self._room.take(read(run_names.REPORT)),
            "prompt": self._room.take(read(run_names.PROMPT)),
            "prompt_change": self._prompt_change(number, one),
            "stderr": self._coloured(read(run_names.STDERR)),
            "output": self._coloured(read(run_names.OUTPUT)),
        }

    def _prompt_change(self, number: int, one: AttemptRecord) -> list[Document]:
        """What the prompt has that the last one of this role had not."""
        before = self._prompt_before(number, one.role) if one.number == 1 else ""
        now = self._files.of_attempt(number, one.role, one.number, run_names.PROMPT)
        if not (before and now and self._room.has_any):
            return []
        return [self.block(block) for block in changed_blocks(before, now)]

    def _prompt_before(self, number: int, role: Role) -> str:
        for round_ in range(number - 1, max(number - 4, 0), -1):
            text = self._files.of_attempt(round_, role, 1, run_names.PROMPT)
            if text:
                return text
        return ""

    def _coloured(self, text: str) -> list[tuple[str, str]]:
        pieces = coloured(self._room.take_raw(text)) if text else []
        self._room.charge(_PIECE * len(pieces))
        return pieces


def answers(review: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a review says of the criteria."""
    found = review.get("criteria")
    listed = found[:_MAX_CRITERIA] if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict)]


def attempt_row(attempt: AttemptRecord) -> Document:
    """An attempt in a table."""
    who = " ".join(filter(None, (attempt.backend, attempt.model)))
    return {
        "role": attempt.role.words,
        "style": attempt.role.value,
        "number": attempt.number,
        "who": visible(who),
        "result": attempt.result.replace("_", " "),
        "failed": attempt.result != "reported",
        "why": visible(attempt.why or ""),
        "started_at": attempt.started_at or "",
        "ended_at": attempt.ended_at or "",
        **usage(attempt),
    }


def usage(used: AttemptRecord | Spent) -> Document:
    """What an attempt used, or several."""
    seconds = used.seconds if isinstance(used, AttemptRecord) else used.agent_seconds
    return {
        "seconds": round(seconds or 0, 1),
        "time": duration(seconds or 0),
        "tokens_in": used.tokens_in,
        "tokens_cached": used.tokens_cached,
        "tokens_out": used.tokens_out,
        "cost": money(used.cost_usd, used.estimated_cost_usd) or "unknown",
    }
