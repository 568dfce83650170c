"""What one role leaves to the next rounds: `handoff/<task_id>/<role>_r<N>.json`.

It is derived from the accepted report and from git and the finding ledger, so that a
fresh session knows what the last one knew. All of it is data when it comes back in a prompt.
"""

from collections.abc import Iterable, Mapping

from loop_kit.core.agent.reports import ReviewReport, WorkReport
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.sanitize import one_line

_LISTS = ("done", "open_questions", "next_actions", "evidence", "must_read_files")
_MAX_ITEMS = 30
_MAX_ITEM = 500


def path(task_id: str, role: Role, round_: int) -> str:
    """Where the handoff of one role and round is, relative to the loop's folder."""
    return f"handoff/{task_id}/{role.value}_r{round_}.json"


def worker_handoff(state: LoopState, report: WorkReport, at: str) -> Document:
    """The worker's handoff; `state` is the one after its report."""
    record = state.history[-1]
    tests = report.tests_summary
    disputed = [r for r in report.responses if r.action == "disputed"]
    changed = f"{counted(record.files, 'file')}, +{record.lines_added} -{record.lines_deleted}"
    checked = (
        "" if record.verified is None else f"verify {'passed' if record.verified else 'fails'}"
    )
    return _document(
        state,
        Role.WORKER,
        at,
        done=[report.notes, *(f"Commit: {subject}" for subject in reversed(record.commits))],
        open_questions=[f"{r.id} is disputed: {r.evidence}" for r in disputed],
        next_actions=["The reviewer judges the commit against the criteria and the open findings."],
        evidence=[
            f"Head {record.head_sha}: {changed} since the base",
            f"Tests reported: {tests.total}, passed {tests.passed}, failed {tests.failed}",
            checked,
        ],
        must_read_files=report.files_changed,
    )


def reviewer_handoff(state: LoopState, report: ReviewReport, at: str) -> Document:
    """The reviewer's handoff; `state` is the one after the review."""
    still = open_findings(state.findings)
    wanted = [f"{f.id}: {f.required_change or f.reason}" for f in still]
    return _document(
        state.model_copy(update={"round": report.round}),
        Role.REVIEWER,
        at,
        done=[f"Decision: {report.decision}", report.summary],
        open_questions=report.non_blocking,
        next_actions=wanted or ["Nothing blocks."],
        evidence=[f"{c.id} {'met' if c.met else 'not met'}: {c.evidence}" for c in report.criteria],
        must_read_files=[f.file for f in still],
    )


def section(documents: Iterable[Document]) -> str:
    """The handoffs for a prompt, or ''; a damaged one is read as far as it goes."""
    parts: list[str] = []
    for document in documents:
        parts.append(f"From the {document.get('role')}, round {document.get('round')}")
        for name in _LISTS:
            items = document.get(name)
            listed = [one_line(str(i), _MAX_ITEM) for i in items] if isinstance(items, list) else []
            if listed:
                parts.append(f"{name}:")
                parts.extend(f"- {item}" for item in listed[:_MAX_ITEMS])
    return "\n".join(parts)


def _document(state: LoopState, role: Role, at: str, **lists: Iterable[str]) -> Document:
    sections: Mapping[str, list[str]] = {
        name: [one_line(item, _MAX_ITEM) for item in lists[name] if item.strip()][:_MAX_ITEMS]
        for name in _LISTS
    }
    about = {"task_id": state.task_id, "role": role.value, "round": state.round, "created_at": at}
    return {**about, **sections}
