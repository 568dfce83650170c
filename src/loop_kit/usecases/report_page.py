"""What the page about a loop says, from its state, its files and its commits."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from loop_kit import __version__
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.forge.advice import ways
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.figures import spent
from loop_kit.core.forge.heading import heading
from loop_kit.core.loop import bus
from loop_kit.core.loop.attempts import all_attempts, total
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.state import LoopState, Outcome, Role, RoundRecord
from loop_kit.core.report.changes import changed_blocks
from loop_kit.core.report.grid import finding_runs, runs, verify_runs
from loop_kit.core.report.plots import plots
from loop_kit.core.report.timeline import timeline
from loop_kit.core.text.numbers import duration, money, short
from loop_kit.core.text.sanitize import visible
from loop_kit.frozen import frozen
from loop_kit.usecases.report_files import ReportFiles, Room, parse_json
from loop_kit.usecases.report_rounds import Document, Rounds, answers, attempt_row, usage

_TONES = {"✅": "good", "🟡": "warn", "🔴": "bad", "🔵": "running"}
_MAX_FINDINGS = 300
_MAX_STATE = 2_000_000
_PULL = re.compile(r"(https?://[A-Za-z0-9.:-]+/[\w.-]+/[\w.-]+)/pull/\d+")


@frozen
class Sources:
    """What a report is made from.

    Attributes:
        files: The bus files and the record.
        repository: Where the commits are, None where they cannot be had.
        card: The card as the loop has it.
        card_now: The same card as a person has it now, None where that is not known.
        page: The repository's page on the forge, "" where it is unknown.
        next_steps: What the last run here said about how to continue.
        detailed: Of how many of the newest rounds change and review are read; None for all.
    """

    state: LoopState
    files: ReportFiles
    repository: GitRepository | None = None
    card: bytes = b""
    card_now: bytes | None = None
    page: str = ""
    next_steps: Sequence[str] = ()
    detailed: int | None = None


class ReportPage:
    """Collects the report of a loop."""

    def __init__(self, sources: Sources) -> None:
        state = sources.state
        pull = _PULL.fullmatch(state.pull_request_url)
        self._sources = sources
        self._links = PostContext(sources.page or (pull[1] if pull else ""))
        self._state = state
        self._files = sources.files
        self._raw_card = parse_json(sources.card)
        self._room = Room()
        self._numbers = [record.round for record in state.history]
        self._detailed = self._numbers[-sources.detailed :] if sources.detailed else self._numbers
        known = (sources.files, sources.repository, frozenset(self._detailed))
        self._rounds = Rounds(state, *known, self._room, self._links)

    def document(self) -> Document:
        """Everything that the page shows; what is newest is taken first, while there is room."""
        state = self._state
        also = [number for number in all_attempts(state) if number not in self._numbers]
        head, line = self._banner(), timeline(state)
        findings = self._findings()
        criteria = self._criteria()
        card = self._card()
        sections = [self._rounds.section(n) for n in reversed([*self._numbers, *also])]
        return {
            **head,
            "timeline": line,
            "took": f"{duration(line.busy)} of work in {duration(line.seconds)}.",
            "attempts": self._attempts(),
            "columns": self._numbers,
            "findings": findings,
            "findings_left_out": max(len(state.findings) - _MAX_FINDINGS, 0),
            "criteria": criteria,
            "verify": verify_runs(state) if any(map(_is_verified, state.history)) else [],
            "plots": plots(state),
            "is_estimated": state.usage.estimated_cost_usd is not None,
            "costs": self._costs(),
            "rounds": sections,
            "card": card,
            "settings": self._settings(),
            "limits": self._limits(),
            "state": self._data(),
            "is_cut": self._room.is_full or not self._room.has_any,
            "redacted": self._room.redacted,
            "detailed": len(self._detailed) if len(self._detailed) < len(self._numbers) else None,
            "version": __version__,
        }

    # --- banner ---------------------------------------------------------------------------------

    def _banner(self) -> Document:
        state, head = self._state, heading(self._state)
        card, steps = self._raw_card, self._sources.next_steps
        proofs = head.facts if state.outcome is Outcome.APPROVED else ()
        return {
            "task_id": state.task_id,
            "icon": head.icon,
            "tone": _TONES.get(head.icon, "idle"),
            "outcome": head.words,
            "facts": [fact for fact in proofs if fact not in spent(state.usage)],
            "title": visible(str(card.get("title") or card.get("goal") or ""))[:300],
            "why": self._room.take(state.error, 3_000),
            "next_steps": [visible(line) for line in steps],
            "ways": [] if steps else [_with_code(way) for way in ways(state)],
            "tiles": self._tiles(),
            "links": self._own_links(),
            "about": self._about(),
        }

    def _tiles(self) -> list[Document]:
        """The numbers that a reader looks for first, each beside its limit."""
        used, limits, findings = self._state.usage, self._state.limits, self._state.findings
        tokens = None if used.tokens_in is None else used.tokens_in + (used.tokens_out or 0)
        most_minutes = limits.max_minutes
        still, sizes = len(open_findings(findings)), [r.growth for r in self._state.history]
        size = next((g for g in reversed(sizes) if g is not None), None)
        rows = (
            ("Rounds", str(used.rounds), str(limits.max_rounds), used.rounds, limits.max_rounds),
            (
                *("Cost", money(used.cost_usd, used.estimated_cost_usd) or "unknown"),
                *(_usd(limits.max_cost_usd), used.money, limits.max_cost_usd),
            ),
            (
                *("Time of agents", duration(used.agent_seconds)),
                *(f"{most_minutes:g} min" if most_minutes else "", used.agent_seconds / 60),
                most_minutes,
            ),
            (
                *("Tokens", "unknown" if tokens is None else short(tokens)),
                *(short(limits.max_tokens) if limits.max_tokens else "", tokens or 0),
                limits.max_tokens,
            ),
            ("Findings open", str(still), str(len(findings)) if findings else "", 0, None),
            ("Lines changed", str(size.source + size.tests) if size else "unknown", "", 0, None),
        )
        return [
            {
                "name": name,
                "value": value,
                "of": of,
                "share": min(round(100 * have / most), 100) if most else None,
            }
            for name, value, of, have, most in rows
        ]

    def _own_links(self) -> list[tuple[str, str]]:
        state, links = self._state, self._links
        issue = state.source.issue
        last = next((r.run_id for r in reversed(state.history) if r.run_id), "")
        run = links.run(last)
        named = (
            ("Pull request", links.pull(state.pull_request)),
            ("Issue", f"{links.page}/issues/{issue}" if links.page and issue else None),
            ("Whole change", links.compare(state.compared_with, state.head_sha)),
            ("Last job", run),
            ("Its record", f"{run}#artifacts" if run else None),
            ("Work branch", links.branch(state.work_branch) if run else None),
            ("State branch", links.branch(state.state_branch)),
        )
        return [(words, url) for words, url in named if url]

    def _about(self) -> list[tuple[str, str]]:
        state = self._state
        rows = (
            ("Began", state.round_details[0].started_at if state.round_details else ""),
            ("Started by", state.starter),
            ("Base", state.base_sha),
            ("Head", state.head_sha),
            ("Work branch", state.work_branch),
            ("Sandbox", state.sandbox),
            ("Rounds that people added", str(state.added_rounds or "")),
            ("Budget that people added", _budget(state)),
            ("Continued by people with", ", ".join(sorted(state.retry_with.values()))),
        )
        return [(name, visible(value)) for name, value in rows if value]

    # --- over the rounds ------------------------------------------------------------------------

    def _attempts(self) -> list[Document]:
        return [
            {"round": number, **attempt_row(one)}
            for number, attempts in all_attempts(self._state).items()
            for one in attempts
        ]

    def _findings(self) -> list[Document]:
        """Those that are open first, of very many the newest."""
        newest = sorted(self._state.findings, key=lambda f: (f.status != "open", -f.round))
        chosen = {finding.id for finding in newest[:_MAX_FINDINGS]}
        return [
            {**self._rounds.finding(finding), "runs": finding_runs(self._state, finding)}
            for finding in sorted(self._state.findings, key=lambda f: f.status != "open")
            if finding.id in chosen
        ]

    def _criteria(self) -> list[Document]:
        """Each criterion by round as the reviewers answered, with the newest evidence."""
        texts = self._raw_card.get("acceptance_criteria")
        listed = [str(text) for text in texts][:100] if isinstance(texts, list) else []
        known: dict[str, dict[int, Mapping[str, Any]]] = {}
        for number in self._detailed:
            for answer in answers(self._files.archived(number, bus.REVIEW_REPORT)):
                known.setdefault(str(answer.get("id")), {})[number] = answer
        return [
            self._criterion(f"C{n}", text, known.get(f"C{n}", {}))
            for n, text in enumerate(listed, 1)
        ]

    def _criterion(self, id_: str, text: str, known: Mapping[int, Mapping[str, Any]]) -> Document:
        last = max(known, default=None)
        evidence = "" if last is None else str(known[last].get("evidence") or "")
        return {
            "id": id_,
            "text": self._room.take(text, 1_000),
            "runs": runs(self._numbers, lambda number: _met(known.get(number))),
            "evidence": self._room.take(evidence, 1_000),
            "round": last,
        }

    def _costs(self) -> list[Document]:
        """What each role used in each round, and the size of the change."""
        growths = {record.round: record.growth for record in self._state.history}
        rows = []
        for number, attempts in all_attempts(self._state).items():
            growth = growths.get(number)
            for role in Role:
                of_role = [one for one in attempts if one.role is role]
                if of_role:
                    lines = growth.source + growth.tests if growth else None
                    used = usage(total(of_role))
                    rows.append({"round": number, "role": role.words, **used, "lines": lines})
        return rows

    # --- what it was run with -------------------------------------------------------------------

    def _card(self) -> Document:
        before, now = _text(self._sources.card), _text(self._sources.card_now)
        change = changed_blocks(before, now) if before and now else []
        return {
            "text": self._room.take(before),
            "sha256": self._state.card_sha256,
            "is_known_now": bool(now),
            "change": [self._rounds.block(block) for block in change],
            "issue": self._state.source.issue,
        }

    def _settings(self) -> list[Document]:
        """Each setting with its source, those that somebody has set first."""
        found = self._files.settings().items()
        rows = [
            {
                "name": self._room.take(str(name), 100).replace("_", "-"),
                "value": self._room.take(json.dumps(about.get("value"), ensure_ascii=False), 500),
                "source": self._room.take(str(about.get("source")), 200),
            }
            for name, about in list(found)[:300]
            if isinstance(about, dict)
        ]
        return sorted(rows, key=lambda row: row["source"] == "default")

    def _limits(self) -> str:
        limits = self._state.limits.model_dump(mode="json", exclude_none=True)
        return json.dumps(limits, indent=2)

    def _data(self) -> Document:
        """The state for programs; one that is far too long is named only."""
        document = self._state.model_dump(mode="json", exclude_none=True)
        if len(json.dumps(document)) <= _MAX_STATE:
            return document
        return {"task_id": self._state.task_id, "left_out": "It is too long: see state.json."}


def _text(card: bytes | None) -> str:
    return (card or b"").decode("utf-8", "replace")


def _is_verified(record: RoundRecord) -> bool:
    return record.verified is not None


def _budget(state: LoopState) -> str:
    added = state.added_budget
    amounts = {"USD": added.cost_usd, "minutes": added.minutes, "tokens": added.tokens}
    return ", ".join(f"{amount:g} {unit}" for unit, amount in amounts.items() if amount)


def _usd(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.2f}"


def _met(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return ""
    return "met" if answer.get("met") is True else "not met"


def _with_code(text: str) -> Sequence[tuple[bool, str]]:
    """A sentence of a post in pieces: whether each is code, and its text."""
    words = visible(text).replace("**", "")
    parts = f"{words[:1].upper()}{words[1:]}".split("`")
    return [(number % 2 == 1, part) for number, part in enumerate(parts) if part]
