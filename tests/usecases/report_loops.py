"""Loops to make reports of: a usual one, one of very many rounds, one full of hostile text."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from tests.core import builders as b
from tests.core.loop.test_attempts import CLAUDE, CODEX

from loop_kit.adapters.git.command import Git, Identity
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.findings import Finding, Remark
from loop_kit.core.loop.messages import Failure
from loop_kit.core.loop.rounds import Growth, RoundDetail, RoundRecord, RuleNote
from loop_kit.core.loop.state import LoopState, Outcome, Phase, Role
from loop_kit.core.loop.usage import AttemptRecord, Usage
from loop_kit.usecases.report_files import ReportFiles, read_file
from loop_kit.usecases.report_page import ReportPage, Sources

HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=y> `|` \u202e \"'& --> ]]> {{7*7}}"
    "\x1b[31m<b>red</b>\x1b[0m\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07"
    " <details open ontoggle=z>"
)
RUN = "2025-01-02T03-04-05Z"
_START = datetime.fromisoformat(b.AT)


def loop(text: str = "double is wrong") -> LoopState:
    """A loop that is approved in round 2, after an attempt that failed."""
    issue = ReportedIssue(reason=text, file="calc.py", line=2, severity="high")
    return b.after(
        b.awaiting_work(),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.TRANSIENT, text, spent=CODEX),
        b.attempted(Role.WORKER),
        b.work_reported(1, 1, spent=CODEX, verification=b.verified(1, 0)),
        b.attempted(Role.REVIEWER),
        b.rejected(1, issue),
        b.attempted(Role.WORKER),
        b.work_reported(2, 2, spent=CODEX),
        b.attempted(Role.REVIEWER),
        b.approved(2, b.said("F1", "fixed"), spent=CLAUDE),
    )


def folder_of(root: Path, state: LoopState, text: str = "hello") -> Path:
    """The loop's folder, with a record, a card and an archive."""
    folder = root / ".loop"
    for place in ("r1_worker_1", "r1_worker_2", "r2_worker_1", "r2_reviewer_1"):
        attempt = folder / "runs" / RUN / place
        attempt.mkdir(parents=True)
        (attempt / "prompt.md").write_text(f"Do it.\nprompt of {place}: {text}\n", "utf-8")
        for name in ("report.json", "output.log", "stderr.txt"):
            (attempt / name).write_text(f"{name} of {place}: {text}", "utf-8")
        lines = f"{b.AT} Running: make\n{b.AT} Message: transcript of {place}: {text}\nmore\n"
        (attempt / "transcript.txt").write_text(lines, "utf-8")
    (folder / "runs" / RUN / "r1_worker_1/failure.txt").write_text(f"transient: {text}", "utf-8")
    sha = state.history[0].head_sha if state.history else ""
    verify = folder / "runs" / RUN / f"verify_{sha[:10]}.txt"
    verify.write_text(f"$ make\n\x1b[1;32mok\x1b[0m {text}", "utf-8")
    known = {"sandbox": {"value": "auto", "source": "default"}}
    settings = {"max_rounds": {"value": 5, "source": text}, **known}
    (folder / "runs" / RUN / "settings.json").write_text(json.dumps(settings))
    (folder / "runtime").mkdir()
    card = b.card(acceptance_criteria=[f"add works {text}"])
    (folder / "runtime/task_card.json").write_bytes(card.to_json())
    (folder / "task_card.json").write_bytes(card.to_json())
    archive = folder / "archive" / "T-001"
    archive.mkdir(parents=True)
    answer = {"id": "C1", "met": True, "evidence": text}
    review = {"summary": f"summary: {text}", "criteria": [answer, 7]}
    (archive / "r2_review_report.json").write_text(json.dumps(review))
    (folder / "state.json").write_bytes(state.to_json())
    return folder


def sources(folder: Path, state: LoopState, repository: GitRepository | None = None) -> Sources:
    """What the report of the loop in `folder` is made from."""
    card = read_file(folder / "runtime/task_card.json") or b""
    files = ReportFiles(state, lambda name: read_file(folder / name), folder / "runs")
    return Sources(state, files, repository, card=card)


def page_of(root: Path, state: LoopState, text: str = "hello") -> ReportPage:
    """The report of a loop in a folder that is made for it."""
    return ReportPage(sources(folder_of(root, state, text), state))


def committed(root: Path, versions: list[str]) -> tuple[GitRepository, list[str]]:
    """A repository with a commit for each version of calc.py."""
    root.mkdir(parents=True, exist_ok=True)
    git = Git(root, os.environ)
    git.run("init", "--quiet", "--initial-branch=main")
    shas = []
    for version in versions:
        (root / "calc.py").write_text(version, "utf-8")
        git.run("add", "calc.py")
        who = Identity("t", "t@localhost").environment()
        git.run("commit", "--quiet", "--message=Change", env=who)
        shas.append(git.text("rev-parse", "HEAD"))
    return GitRepository(git), shas


def long_loop(rounds: int, text: str = "it is still wrong") -> LoopState:
    """A loop of so many rounds, with findings, disputes, people, long waits and failures."""
    now, history, details = _START, [], []
    for number in range(1, rounds + 1):
        attempts = []
        for role in (Role.WORKER, Role.REVIEWER):
            took = 60 + 37 * number % 200
            began, now = now, now + timedelta(seconds=took)
            result = "transient" if number % 9 == 0 and role is Role.WORKER else "reported"
            attempts.append(_attempt(role, began, now, result, text))
            now += timedelta(seconds=20 if role is Role.WORKER else 3_000 * (number % 7 == 0) + 5)
        history.append(_round(number, tuple(attempts), text))
        detail = {"round": number, "started_at": attempts[0].started_at, "worker_notes": text}
        details.append(RoundDetail.model_validate(detail))
    findings = tuple(_finding(n, rounds, text) for n in range(1, rounds // 3 + 2))
    return b.awaiting_work().model_copy(
        update={
            "state": Phase.DONE,
            "outcome": Outcome.NEEDS_HUMAN,
            "reasons": ("stalled",),
            "error": f"F1 is open since round 1. {text}",
            "round": rounds,
            "head_sha": b.sha(rounds),
            "history": tuple(history),
            "round_details": tuple(details),
            "findings": findings,
            "usage": Usage(
                rounds=rounds,
                agent_seconds=130.0 * rounds,
                tokens_in=9_000 * rounds,
                cost_usd=0.3 * rounds,
            ),
            "pull_request": 7,
            "pull_request_url": "https://github.com/octo/calc/pull/7",
        }
    )


def _attempt(role: Role, began: datetime, ended: datetime, result: str, text: str) -> AttemptRecord:
    form = "%Y-%m-%dT%H:%M:%SZ"
    return AttemptRecord(
        role=role,
        result=result,
        why=text[:300] if result != "reported" else None,
        started_at=began.strftime(form),
        ended_at=ended.strftime(form),
        backend="codex" if role is Role.WORKER else "claude",
        model="gpt-5" if role is Role.WORKER else "opus",
        seconds=(ended - began).total_seconds(),
        tokens_in=9_000,
        tokens_cached=4_000,
        tokens_out=700,
        cost_usd=0.3 if role is Role.REVIEWER else None,
        estimated_cost_usd=0.1 if role is Role.WORKER else None,
    )


def _round(number: int, attempts: tuple[AttemptRecord, ...], text: str) -> RoundRecord:
    return RoundRecord(
        round=number,
        parent_sha=b.sha(number - 1),
        head_sha=b.sha(number),
        commits=(text[:200],),
        lines_added=3 * number % 40,
        lines_deleted=number % 9,
        verified=number % 5 != 0,
        verify_seconds=15,
        decision="changes_required",
        growth=Growth(source=20 + 3 * number, tests=2 * number),
        rules=(RuleNote(rule="stalled", text=text[:300]),),
        disputed=("F2",) if number in {3, 4} else (),
        attempts=attempts,
        run_id=str(1000 + number),
    )


def _finding(number: int, rounds: int, text: str) -> Finding:
    closed = None if number % 4 == 1 else min(3 * number, rounds)
    return Finding(
        id=f"F{number}",
        round=min(3 * number - 2, rounds),
        severity=("high", "medium", "low")[number % 3],
        file="calc.py",
        line=number,
        reason=f"{text} ({number})",
        provenance="first-work",
        status="open" if closed is None else ("fixed", "withdrawn", "waived")[number % 3],
        closed_round=closed,
        closed_why=text[:200] if closed else "",
        by="" if number % 6 else "mona",
        remarks=(Remark(by="mona", text=text),) if number % 6 == 0 else (),
    )
