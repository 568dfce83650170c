"""The documents on the file bus, built from records under the names agent-task-runner gave them."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from loop_kit.core.agent.reports import ReviewReport, WorkReport
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.findings import Finding, later_findings, open_findings
from loop_kit.core.loop.reviewers import FurtherPass
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.loop.wording import bar_words, history_words, round_price
from loop_kit.core.record import encode_json

TASK_CARD = "task_card.json"
WORK_REPORT = "work_report.json"
REVIEW_REQUEST = "review_request.json"
REVIEW_REPORT = "review_report.json"
SECOND_REVIEW_REPORT = "second_review_report.json"
FIX_LIST = "fix_list.json"
STATE = "state.json"
SUMMARY = "summary.json"
TASK_PACKET = "task_packet.json"
PATCH = "review_request.patch"
UNPUSHED = "unpushed.bundle"
"""The commits whose push was refused, beside the state."""
FETCHED = "runtime/fetched.json"
"""What was fetched into the loop's folder."""

RESET = (
    *(STATE, f"{STATE}.corrupt", f".{STATE}.bak", SUMMARY, TASK_PACKET),
    *(WORK_REPORT, REVIEW_REQUEST, REVIEW_REPORT, SECOND_REVIEW_REPORT, FIX_LIST),
)
"""What `--reset` removes of an earlier loop, a backup of agent-task-runner's among it."""

IN_WORKSPACE = (TASK_CARD, STATE, FIX_LIST, REVIEW_REQUEST, PATCH, WORK_REPORT, REVIEW_REPORT)
"""What may be in `.loop/` of an agent's workspace while it works there, ignored by its git."""

REPORTS = {
    Role.WORKER: WORK_REPORT,
    Role.REVIEWER: REVIEW_REPORT,
    Role.SECOND_REVIEWER: SECOND_REVIEW_REPORT,
}
"""Where the report of each role is saved; an agent writes the one of its job."""
RUN_FOLDER = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}[:-][0-9]{2}[:-][0-9]{2}Z(?:-[0-9]{1,6})?"
"""The name of a folder below `archive/<task_id>/runs`: when round 1 of that run began.

Windows takes no colon in a name; earlier versions wrote them.
"""

MAX_DIFF = 1024 * 1024
MAX_REPORT = 4 * 1024 * 1024
_UNKNOWN_TIME = "0000-00-00T00:00:00Z"
_MAX_TRIED = 10
_MAX_SUBJECTS = 10
MAX_REFUSED = 1024 * 1024
"""The bytes of a refused report that are archived."""

Document = Mapping[str, Any]


def encode(document: Document) -> bytes:
    """`document` as every bus file is written: JSON, UTF-8, two spaces."""
    return encode_json(document)


def archive_path(task_id: str, round_: int, name: str) -> str:
    """Where the bus file `name` of one round is archived, relative to the loop's folder."""
    if name == SUMMARY:
        return f"archive/{task_id}/{SUMMARY}"
    return f"archive/{task_id}/r{round_}_{name}"


def refused_path(task_id: str, round_: int, role: Role, attempt: int) -> str:
    """Where the report of an attempt that was refused is archived, with the reason."""
    name = REPORTS[role].removesuffix(".json")
    return f"archive/{task_id}/r{round_}_{name}_refused_{attempt}.txt"


def pass_path(task_id: str, round_: int, role: Role, further: int) -> str:
    """Where the report of a further pass is archived; the first of them is pass 2."""
    name = REPORTS[role].removesuffix(".json")
    return archive_path(task_id, round_, f"{name}_pass_{further + 1}.json")


def asked_of(state: LoopState, role: Role, request: Document) -> dict[str, bytes | None]:
    """What is recorded when `role` is asked: of a further pass only what its agent finds."""
    if state.further is not None:
        return {REVIEW_REQUEST: encode(request)}
    return {**saved(state, REVIEW_REQUEST, request), REPORTS[role]: None}


def refused_report(reason: str, content: bytes) -> bytes:
    """A refused report as it is archived: the reason, an empty line, and the report as written."""
    cut = len(content) > MAX_REFUSED
    note = f" Only the first {MAX_REFUSED} of its {len(content)} bytes are here." if cut else ""
    return f"Refused: {reason}{note}\n\n".encode(errors="replace") + content[:MAX_REFUSED]


def content_of_refused(raw: bytes) -> bytes:
    """The report in `refused_report`, as it was written."""
    return raw.partition(b"\n\n")[2]


def archive_of_earlier_run(
    task_id: str, started_at: str | None, names: Collection[str]
) -> dict[str, str]:
    """Where the archive of an earlier run of a task id is moved: the new name of each file.

    `names` are the files below `archive/<task_id>`, relative to it.
    """
    moved = [name for name in names if "/" not in name]
    taken = {name.split("/")[1] for name in names if name.startswith("runs/")}
    known = started_at is not None and re.fullmatch(RUN_FOLDER, started_at)
    first = folder = (started_at if known and started_at else _UNKNOWN_TIME).replace(":", "-")
    number = 1
    while folder in taken:
        number += 1
        folder = f"{first}-{number}"
    below = f"archive/{task_id}"
    return {f"{below}/{name}": f"{below}/runs/{folder}/{name}" for name in moved}


def review_request(
    card: TaskCard, state: LoopState, report: WorkReport, commits: str, diff: Document
) -> Document:
    """What the reviewer is asked; `diff` holds `diff`, `diff_truncated` and `diff_file`.

    What the worker says about its change comes after the change, as in the prompt.
    """
    record = state.history[-1]
    return {
        "task_id": state.task_id,
        "round": state.round,
        "goal": card.goal,
        "base_sha": state.compared_with,
        "head_sha": state.head_sha,
        "in_scope": list(card.in_scope),
        "out_of_scope": list(card.out_of_scope),
        "acceptance_criteria": list(card.acceptance_criteria),
        "criteria": [{"id": id_, "text": text} for id_, text in card.criteria],
        "constraints": list(card.constraints),
        "kind": record.kind,
        "price": round_price(state),
        "bar": bar_words(state),
        "open_findings": [_finding(f) for f in open_findings(state.findings)],
        "decided": [_finding(f) for f in state.findings if f.status in {"waived", "dismissed"}],
        "later": [_finding(f) for f in later_findings(state.findings)],
        "verification": _verification(state),
        "diff_stat": {
            "files": record.files,
            "lines_added": record.lines_added,
            "lines_deleted": record.lines_deleted,
        },
        **diff,
        "responses": [response.model_dump() for response in report.responses],
        "commits": commits,
        "worker_notes": report.notes,
        "worker_tests": list(report.tests),
        **({"further_pass": _further_pass(state.further)} if state.further else {}),
    }


def _further_pass(held: FurtherPass) -> Document:
    """Which pass it is, and what the ones before have reported."""
    unmet = [verdict.model_dump() for verdict in held.report.criteria if not verdict.met]
    issues = [issue.model_dump() for issue in held.report.blocking_issues]
    return {"number": held.made + 2, "reported": issues, "unmet_criteria": unmet}


def state_for_agents(state: LoopState) -> Document:
    """The state under the names that agents made for agent-task-runner read."""
    return {
        "version": 1,
        "state": state.state.value,
        "round": state.round,
        "task_id": state.task_id,
        "base_sha": state.base_sha,
        "head_sha": state.head_sha,
        "started_at": state.started_at,
        "round_details": [detail.model_dump(mode="json") for detail in state.round_details[-1:]],
    }


def saved(state: LoopState, name: str, document: Document) -> dict[str, bytes]:
    """A document on the bus, and in the archive, which repeats no diff: git has it."""
    archived = archive_path(state.task_id, state.round, name)
    return {name: encode(document), archived: encode(remove_diff(document))}


def remove_diff(document: Document) -> Document:
    """The document as it is archived: git has the diff, the state what does not block."""
    slim = {key: value for key, value in document.items() if key not in {"diff", "diff_file"}}
    for key in ("later", "decided"):
        if isinstance(slim.get(key), list):
            slim[key] = [f.get("id") if isinstance(f, dict) else f for f in slim[key]]
    return slim


def fix_list(state: LoopState, report: WorkReport, review: ReviewReport) -> Document:
    """What the worker of the next round has to do; `state` is the one after the review."""
    detail = state.round_details[-1]
    return {
        "task_id": state.task_id,
        "round": state.round,
        "base_sha": state.compared_with,
        "head_sha": state.head_sha,
        **_assignment(state),
        "prior_round_notes": detail.worker_notes,
        "prior_files_changed": list(report.files_changed),
        "prior_review_summary": review.summary,
        "prior_review_non_blocking": list(review.non_blocking),
        "verification": _verification(state),
    }


def add_open_findings(fixes: Document, state: LoopState) -> Document:
    """The fix list with what is to be done as the state has it.

    The state is what the reviewer's next answers are counted against, and a person may have decided
    on a finding since; the file may have been damaged in the loop's folder, or be one of
    agent-task-runner, which has no such ids.
    """
    return {**fixes, **_assignment(state)} if state.findings else fixes


def _assignment(state: LoopState) -> Document:
    """What the worker has to do, and what not; `simplify` and `tried` only where asked for."""
    return {
        "fixes": [_finding(f) for f in open_findings(state.findings)],
        "later": [_finding(f) for f in later_findings(state.findings)],
        **({"simplify": _sizes(state)} if state.simplify else {}),
        **({"tried": _tried(state)} if state.fresh_round else {}),
    }


def _sizes(state: LoopState) -> Document:
    """How the change has grown since round 1, source and tests apart."""
    measured = [record.growth for record in state.history if record.growth is not None]
    rule = state.limits.rules.diff_growth
    sizes: dict[str, Any] = {"limit": rule.limit, "smallest_start": rule.smallest_start}
    if measured:
        first, now = measured[0], measured[-1]
        sizes["source"] = {"first": first.source, "now": now.source}
        sizes["tests"] = {"first": first.tests, "now": now.tests}
    return sizes


def _tried(state: LoopState) -> list[Document]:
    """The rounds that were to fix what is still open, in facts."""
    still = open_findings(state.findings)
    rounds = ((r, [f.id for f in still if f.round < r.round]) for r in state.history)
    tried: list[Document] = [
        {
            "round": record.round,
            "head_sha": record.head_sha,
            "commits": list(record.commits[:_MAX_SUBJECTS]),
            "verified": record.verified,
            "not_fixed": ids,
        }
        for record, ids in rounds
        if ids
    ]
    return tried[-_MAX_TRIED:]


def summary(state: LoopState, files: Sequence[str], review: ReviewReport) -> Document:
    """What an approved loop leaves behind; `files` are those that it changed."""
    return {
        "task_id": state.task_id,
        "outcome": state.outcome,
        "rounds": state.round,
        "base_sha": state.base_sha,
        "head_sha": state.head_sha,
        "files_changed": list(files),
        "review_non_blocking": list(review.non_blocking),
        "findings_later": [_finding(f) for f in later_findings(state.findings)],
        "round_details": [detail.model_dump(mode="json") for detail in state.round_details],
    }


def _finding(finding: Finding) -> Document:
    details = {
        "criterion": finding.criterion,
        "provenance": finding.provenance,
        "below": finding.below,
        "required": finding.required,
        "closed_why": finding.closed_why,
        "remarks": [{"by": remark.by, "text": remark.text} for remark in finding.remarks],
    }
    return {
        "id": finding.id,
        "round": finding.round,
        "status": finding.status,
        "severity": finding.severity,
        "file": finding.file,
        "line": finding.line,
        "reason": finding.reason,
        "required_change": finding.required_change,
        "scenario": finding.scenario,
        "not_fixed": finding.not_fixed,
        "note": finding.note,
        "history": history_words(finding),
        **{key: value for key, value in details.items() if value},
    }


def _verification(state: LoopState) -> Document | None:
    if state.verification is None:
        return None
    return {
        "sha": state.verification.sha,
        "passed": state.verification.passed,
        "results": [result.model_dump() for result in state.verification.results],
    }
