"""Reads a state that agent-task-runner 0.3.x left, and archives ours in its form.

A person who changes from that tool to this one in the middle of a task must be able to continue.
What its state lacks is taken from the bus files beside it, because its outer process
overwrites what a failed round had recorded: a review request and a work report of the same round
and commit prove that the worker is done, and the fix list holds the findings that are open. What
no file has stays unknown: what was spent, and the diffs of earlier rounds.
"""

import json
from collections.abc import Callable
from typing import Any

from loop_kit.core.agent.reports import (
    ReportInvalid,
    parse_review_report,
    parse_work_report,
    report_document,
)
from loop_kit.core.loop.findings import apply_review
from loop_kit.core.record import clean_text, encode_json
from loop_kit.patterns import late_pattern

Document = dict[str, Any]
Read = Callable[[str], bytes | None]

_WORK_REPORT = "work_report.json"
_REVIEW_REQUEST = "review_request.json"
_FIX_LIST = "fix_list.json"

_COMMIT = late_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MAX_COMMITS = 100
_MAX_ROUNDS = 1000
_DECISIONS = ("approve", "changes_required")

_REVIEWER_OUTCOMES = ("reviewer_timeout", "reviewer_dispatch_failed", "invalid_review_report")
_OUTCOMES = (
    *_REVIEWER_OUTCOMES,
    *("worker_timeout", "worker_dispatch_failed", "invalid_work_report", "worker_noop"),
    *("git_compare_failed", "max_rounds_exhausted", "interrupted"),
)


_FIELDS = (
    *("state", "round", "task_id", "base_sha", "started_at", "head_sha"),
    *("outcome", "error", "failed_at"),
)
_SESSION_FIELDS = ("session_id", "backend", "started_round")


def archived_state(raw: bytes | None) -> bytes | None:
    """The state in `raw` as it is archived: what agent-task-runner would have written.

    Our own fields are in `state.json` and nowhere else, and of the rounds only the last one is
    here, as the earlier ones are in earlier states: an archive grows with what the rounds said.
    """
    document = _parse(raw)
    if document is None:
        return None
    sessions = document.get("sessions")
    details = document.get("round_details")
    state = {
        "version": 1,
        **{name: document[name] for name in _FIELDS if name in document},
        "sessions": {
            role: {name: session[name] for name in _SESSION_FIELDS if name in session}
            for role, session in (sessions if isinstance(sessions, dict) else {}).items()
            if isinstance(session, dict)
        },
        "round_details": details[-1:] if isinstance(details, list) else [],
    }
    slim = {name: value for name, value in state.items() if value not in ({}, [])}
    return encode_json(slim)


def start_of_first_round(raw: bytes | None, task_id: str) -> str | None:
    """When round 1 of `task_id` began, as the state in `raw` has it."""
    document = _parse(raw)
    if document is None or document.get("task_id") != task_id:
        return None
    details = _details(document.get("round_details"))
    first = details[0] if details and details[0]["round"] == 1 else document
    started = first.get("started_at")
    return started if isinstance(started, str) else None


def _parse(raw: bytes | None) -> Document | None:
    try:
        document = json.loads(raw.decode("utf-8-sig")) if raw else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_nothing(name: str) -> bytes | None:
    """The bus when there is none: `name` is not there, whatever it is."""
    del name
    return None


def is_of_agent_task_runner(document: Document) -> bool:
    """Whether agent-task-runner wrote this: loop-kit always writes `schema_version`."""
    return "schema_version" not in document and document.get("state") is not None


def migrate(document: Document, read: Read = read_nothing) -> Document:
    """The state for one of agent-task-runner; fields that do not fit are left to validation.

    Args:
        document: the parsed `state.json`.
        read: gives a bus file by its name, for what the state itself lacks.
    """
    state = {
        key: clean_text(value) if isinstance(value, str) else value
        for key, value in document.items()
        if value is not None and key != "version"
    }
    details = _details(state.get("round_details"))
    state |= {
        "round_details": details,
        "sessions": _sessions(state.get("sessions")),
        "usage": {"rounds": sum("review_decision" in detail for detail in details)},
    }
    if "base_sha" in state:
        state["start_sha"] = state["base_sha"]
    running = state["state"] in ("awaiting_work", "awaiting_review")
    failed = state["state"] == "done" and state.get("outcome") != "approved"
    if running or failed:
        state = _make_resumable(state, read)
        state["findings"] = _findings(state, read)
    return state


def _make_resumable(state: Document, read: Read) -> Document:
    """The state with the phase at which it continues and all that this phase needs."""
    request = _request_under_review(state, read)
    parent = state.get("head_sha") if request else None
    head = request["head_sha"] if request else state.get("head_sha")
    reviewing = bool(request) or (
        _is_commit(head)
        and (state["state"] == "awaiting_review" or state.get("outcome") in _REVIEWER_OUTCOMES)
    )
    if _is_commit(head):
        state = {**state, "head_sha": head}
    elif "head_sha" in state:
        # It was taken from the worker's report, which may say `HEAD`: the worker runs again.
        state = {key: value for key, value in state.items() if key != "head_sha"}
        state["state"] = "done" if state["state"] == "done" else "awaiting_work"
    state = _map_outcome(state, "awaiting_review" if reviewing else "awaiting_work")
    return _add_round_record(state, parent, request or {}, read) if reviewing else state


def _map_outcome(state: Document, phase: str) -> Document:
    """The outcome of a failed loop under its name here; a running one has none."""
    if state["state"] != "done":
        running = {k: v for k, v in state.items() if k not in ("outcome", "error", "failed_at")}
        return {**running, "state": phase} if phase == "awaiting_review" else running
    outcome = state.get("outcome")
    if outcome == "single_round_failed":
        outcome = f"{'reviewer' if phase == 'awaiting_review' else 'worker'}_dispatch_failed"
    elif outcome not in _OUTCOMES:
        outcome = "interrupted"
    return {**state, "outcome": outcome, "resume_phase": phase}


def _request_under_review(state: Document, read: Read) -> Document:
    """The review request of this round, if the work report beside it is of the same commit.

    A state that says awaiting_work is believed: somebody may have restored it to do a round again.
    """
    if state["state"] == "awaiting_work":
        return {}
    request, report = _document(read, _REVIEW_REQUEST), _document(read, _WORK_REPORT)
    fits = _of_this_round(state, request) and _of_this_round(state, report)
    same_base = request.get("base_sha") == state.get("base_sha")
    head = request.get("head_sha")
    known = _is_commit(head) and report.get("head_sha") == head
    return request if fits and same_base and known else {}


def _add_round_record(state: Document, parent: object, request: Document, read: Read) -> Document:
    """The state with the round's record, which the review is written into."""
    round_, commits = state.get("round"), clean_text(request.get("commits")).splitlines()
    record = {
        "round": round_,
        "parent_sha": parent if _is_commit(parent) else state.get("base_sha"),
        "head_sha": state["head_sha"],
        "commits": commits[:_MAX_COMMITS],
    }
    detail = {"round": round_, "started_at": state.get("started_at", "")}
    try:
        raw = report_document(read(_WORK_REPORT))
        report = parse_work_report(raw, state.get("task_id", ""), state.get("round", 0))
        detail |= {
            "worker_notes": report.notes,
            "tests_summary": report.tests_summary.to_seed(),
        }
    except ReportInvalid:
        detail["worker_notes"] = clean_text(request.get("worker_notes"))
    others = [other for other in state["round_details"] if other["round"] != round_]
    return {**state, "history": [record], "round_details": [*others, detail]}


def _findings(state: Document, read: Read) -> list[Document]:
    """The findings in this round's fix list, with ids as loop-kit gives them."""
    fixes = _document(read, _FIX_LIST)
    listed = isinstance(fixes.get("fixes"), list) and _of_this_round(state, fixes)
    if not listed or state["round"] < 2:
        return []
    raw = {"task_id": state["task_id"], "round": state["round"] - 1}
    raw |= {"decision": "changes_required", "blocking_issues": fixes["fixes"]}
    try:
        review = parse_review_report(raw, raw["task_id"], raw["round"])
    except ReportInvalid:
        return []
    return [finding.model_dump() for finding in apply_review((), review)]


def _document(read: Read, name: str) -> Document:
    try:
        body = report_document(read(name))
    except ReportInvalid:
        return {}
    return body if isinstance(body, dict) else {}


def _of_this_round(state: Document, body: Document) -> bool:
    task_id, round_ = state.get("task_id"), state.get("round")
    known = isinstance(task_id, str) and type(round_) is int
    return known and body.get("task_id") == task_id and body.get("round") == round_


def _is_commit(value: object) -> bool:
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None


def _details(raw: object) -> list[Document]:
    """The rounds so far; the notes of a work report may have been anything."""
    rounds = raw[:_MAX_ROUNDS] if isinstance(raw, list) else []
    return [_detail(item) for item in rounds if isinstance(item, dict) and _has_round(item)]


def _has_round(item: Document) -> bool:
    return type(item.get("round")) is int


def _detail(item: Document) -> Document:
    counts = item.get("tests_summary")
    whole = counts if isinstance(counts, dict) else {}
    detail = {
        "round": item["round"],
        "started_at": clean_text(item.get("started_at")),
        "worker_notes": clean_text(item.get("worker_notes")),
        "tests_summary": {name: n for name, n in whole.items() if type(n) is int},
    }
    if item.get("review_decision") in _DECISIONS:
        detail["review_decision"] = item["review_decision"]
    return detail


def _sessions(raw: object) -> Document:
    """The sessions that can be resumed; one without an id is left out."""
    sessions = raw if isinstance(raw, dict) else {}
    return {
        role: {
            "session_id": clean_text(session["session_id"]),
            "backend": clean_text(session["backend"]),
            "started_round": session["started_round"],
        }
        for role, session in sessions.items()
        if isinstance(session, dict)
        and isinstance(session.get("session_id"), str)
        and isinstance(session.get("backend"), str)
        and type(session.get("started_round")) is int
    }
