"""A loop as it usually is: three rounds, two findings, an attempt that failed, approved at last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.core import builders as b
from tests.usecases.report_loops import RUN, committed, folder_of, long_loop, sources

from loop_kit.core.loop.findings import Finding, Remark
from loop_kit.core.loop.rounds import Growth
from loop_kit.core.loop.state import Limits, LoopState, Outcome
from loop_kit.core.loop.usage import Usage
from loop_kit.usecases.report_page import ReportPage

GOAL = "Invoices add up in every currency, and a discount is never taken twice"
VERSIONS = (
    "def total(rows):\n    return sum(row.price for row in rows)\n",
    "def total(rows):\n    value = sum(row.price for row in rows)\n    return value * 0.9\n",
    "def total(rows, discount=0):\n    value = sum(row.price for row in rows)\n"
    "    return value - discount\n",
    "from decimal import Decimal\n\n\ndef total(rows, discount=Decimal(0)):\n"
    "    value = sum((row.price for row in rows), Decimal(0))\n    return value - discount\n",
)
FINDINGS = (
    Finding(
        id="F1",
        round=1,
        severity="high",
        file="calc.py",
        line=3,
        reason="The discount is 10 % for everybody, also for who has none.",
        required_change="Take the discount of the invoice.",
        scenario="An invoice of 100.00 without a discount is 90.00.",
        provenance="first-work",
        status="fixed",
        closed_round=2,
        closed_why="total() takes the discount of its caller",
    ),
    Finding(
        id="F2",
        round=2,
        severity="medium",
        file="calc.py",
        line=2,
        reason="Prices are added as floats, so three times 0.10 is not 0.30.",
        required_change="Add them as Decimal.",
        criterion="C1",
        provenance="fix-of-round-2",
        status="fixed",
        closed_round=3,
        by="",
        remarks=(Remark(by="mona", text="Right: our accountants found this last year."),),
    ),
)
NOTES = (
    "total() adds the prices of the rows and takes the discount.",
    "The discount is now an argument, 0 where there is none.",
    "Prices and discount are Decimal, from the first to the last.",
)
REVIEWS = (
    "The sum is right, the discount is not: everybody gets one.",
    "F1 is fixed. The sum is still one of floats, which C1 rules out.",
    "Both findings are fixed, and the tests show it for three currencies.",
)


def usual_page(root: Path) -> dict[str, Any]:
    """What the report of that loop says."""
    repository, shas = committed(root / "repo", list(VERSIONS))
    state = _state(shas)
    folder = folder_of(root, state, "3 passed in 0.21s")
    criteria = ["Sums are exact to the cent.", "A discount is taken once, if at all."]
    card = b.card(goal=GOAL, acceptance_criteria=criteria)
    (folder / "runtime/task_card.json").write_bytes(card.to_json())
    for number, summary in enumerate(REVIEWS, 1):
        answers = [
            {"id": "C1", "met": number == 3, "evidence": "test_three_dimes, test_yen, test_euro"},
            {"id": "C2", "met": number > 1, "evidence": "test_no_discount, test_discount_once"},
        ]
        review = {"summary": summary, "criteria": answers}
        path = folder / f"archive/T-001/r{number}_review_report.json"
        path.write_text(json.dumps(review))
    output = "$ pytest -q\n\x1b[32m...\x1b[0m\n\x1b[32m\x1b[1m3 passed\x1b[0m in 0.21s\n"
    (folder / "runs" / RUN / f"verify_{shas[-1][:10]}.txt").write_text(output, "utf-8")
    return ReportPage(sources(folder, state, repository)).document()


def _state(shas: list[str]) -> LoopState:
    state = long_loop(3)
    failed = {"result": "transient", "why": "The model is overloaded (529).", "seconds": 41.0}
    history = []
    for number, record in enumerate(state.history):
        first, *others = record.attempts
        attempts = [first, *others]
        if number == 1:
            again = first.model_copy(update={"number": 2, "started_at": first.ended_at})
            attempts = [first.model_copy(update=failed), again, *others]
        changes = {
            "parent_sha": shas[number],
            "head_sha": shas[number + 1],
            "commits": (f"{shas[number + 1][:7]} {NOTES[number]}",),
            "decision": "approve" if number == 2 else "changes_required",
            "verified": True,
            "growth": Growth(source=9 + 6 * number, tests=4 + 7 * number),
            "lines_added": 9 + number,
            "lines_deleted": 3,
            "disputed": (),
            "rules": (),
            "attempts": tuple(attempts),
        }
        history.append(record.model_copy(update=changes))
    details = [
        detail.model_copy(update={"worker_notes": notes})
        for detail, notes in zip(state.round_details, NOTES, strict=True)
    ]
    return state.model_copy(
        update={
            "outcome": Outcome.APPROVED,
            "reasons": (),
            "error": "",
            "head_sha": shas[-1],
            "history": tuple(history),
            "round_details": tuple(details),
            "findings": FINDINGS,
            "limits": Limits(max_rounds=5, max_cost_usd=5, max_minutes=60, max_tokens=200_000),
            "usage": Usage(
                rounds=3, agent_seconds=940, tokens_in=84_000, tokens_out=6_100, cost_usd=1.62
            ),
        }
    )
