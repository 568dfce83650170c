"""The reports that agents are to write: the JSON object to fill in."""

import json

from loop_kit.core.briefing.fix_section import fix_items
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.bus import Document
from loop_kit.core.text.sanitize import fence

_ANSWER = " (and when you are asked for a structured answer, answer with the same object)"


def work_report_form(card: TaskCard, round_: int, path: str, fix_list: Document | None) -> str:
    """The worker's report of this round, to be written to `path`."""
    form: dict[str, object] = {
        "task_id": card.task_id,
        "round": round_,
        "head_sha": "<the commit you finished with>",
        "files_changed": ["<path>"],
        "tests": [{"name": "<command or test>", "result": "pass"}],
        "notes": "<what you did and why, in a few sentences>",
    }
    fixes = fix_items(fix_list, "fixes")
    if fixes:
        form["responses"] = [
            {
                "id": fix.get("id"),
                "action": "fixed" if fix.get("required") else "<fixed or disputed>",
                "evidence": "<commit, test or proof>",
            }
            for fix in fixes
        ]
    return f"Write this JSON object to {path}, filled in{_ANSWER}:\n\n{_json(form)}"


def review_report_form(card: TaskCard, request: Document, path: str) -> str:
    """The reviewer's report on this request, to be written to `path`."""
    dispositions = [
        {
            "id": f["id"],
            "status": "<fixed, not_fixed, withdrawn or upheld>",
            "note": "<how you know>",
        }
        for f in request["open_findings"]
    ]
    form = _review(card, request, "<high, medium or low>", dispositions=dispositions)
    form["non_blocking_suggestions"] = ["<text>"]
    return (
        f"Write this JSON object to {path}, filled in{_ANSWER}. `status` is `fixed`, `not_fixed`,"
        " or about a disputed finding `withdrawn` or `upheld`. An approval has an empty"
        f" `blocking_issues`:\n\n{_json(form)}"
    )


def pass_report_form(card: TaskCard, request: Document, path: str) -> str:
    """The report of a further pass, to be written to `path`."""
    form = _review(card, request, "high")
    return (
        f"Write this JSON object to {path}, filled in{_ANSWER}. Without a blocking issue or an"
        " unmet criterion, `decision` is `approve` and `blocking_issues` is empty:"
        f"\n\n{_json(form)}"
    )


def _review(
    card: TaskCard, request: Document, severity: str, **dispositions: object
) -> dict[str, object]:
    return {
        "task_id": card.task_id,
        "round": request["round"],
        "head_sha": request["head_sha"],
        "decision": "<approve or changes_required>",
        "summary": "<your verdict in a few sentences>",
        **dispositions,
        "criteria": [
            {"id": id_, "met": "<true or false>", "evidence": "<how you know>"}
            for id_, _ in card.criteria
        ],
        "files_examined": ["<path>"],
        "blocking_issues": [
            {
                "severity": severity,
                "file": "<path>",
                "line": 1,
                "reason": "<what is wrong>",
                "scenario": "<how it fails, concretely>",
                "criterion": "<the criterion that is not met, C0 for the goal, else empty>",
                "required_change": "<what must be different, in one sentence>",
            }
        ],
    }


def _json(document: object) -> str:
    return fence(json.dumps(document, indent=2, ensure_ascii=False))
