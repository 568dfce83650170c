"""The documents on the file bus, under the names that agent-task-runner gave them."""

import json
from typing import Any

from tests.core import builders as b

from loop_kit.core.agent.reports import ReportedIssue, Response, WorkReport
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState

CARD = b.card(
    in_scope=["calc.py"],
    out_of_scope=["docs/"],
    acceptance_criteria=["add is right", "it is quick"],
    constraints=["no new files"],
)
DIFF = {"diff": "--- a\n+++ b\n", "diff_truncated": False, "diff_file": None}
REPORT = WorkReport(
    task_id=b.TASK,
    round=1,
    head_sha=b.sha(1),
    notes="did it",
    files_changed=("calc.py",),
    tests=({"name": "t", "result": "pass"},),
    responses=(Response(id="F1", action="disputed", evidence="it is right"),),
)


def request(state: LoopState) -> dict[str, Any]:
    return dict(bus.review_request(CARD, state, REPORT, "Do it", DIFF))


def test_the_review_request_holds_what_the_seed_had_and_our_extensions() -> None:
    found = request(b.awaiting_review(verification=b.verified(1, 0)))
    assert {key: found[key] for key in ("task_id", "round", "base_sha", "head_sha")} == {
        "task_id": "T-001",
        "round": 1,
        "base_sha": b.START,
        "head_sha": b.sha(1),
    }
    assert found["criteria"] == [
        {"id": "C1", "text": "add is right"},
        {"id": "C2", "text": "it is quick"},
    ]
    assert found["acceptance_criteria"] == ["add is right", "it is quick"]
    assert (found["in_scope"], found["out_of_scope"]) == (["calc.py"], ["docs/"])
    assert (found["worker_notes"], found["commits"]) == ("did it", "Do it")
    assert found["worker_tests"] == [{"name": "t", "result": "pass"}]
    assert found["responses"] == [{"id": "F1", "action": "disputed", "evidence": "it is right"}]
    assert found["diff_stat"] == {"files": 1, "lines_added": 3, "lines_deleted": 0}
    assert found["verification"]["passed"] is True
    assert {key: found[key] for key in DIFF} == DIFF


def test_the_review_request_tells_open_findings_only() -> None:
    issues = (ReportedIssue(reason="one", required_change="fix it"), ReportedIssue(reason="two"))
    state = b.after(b.awaiting_review(), b.rejected(1, *issues), b.work_reported(2, 2))
    disposed = (b.said("F1", "not_fixed", "look"), b.said("F2", "fixed"))
    state = b.after(state, b.rejected(2, dispositions=disposed), b.work_reported(3, 3))
    found = {finding["id"]: finding for finding in request(state)["open_findings"]}
    assert set(found) == {"F1", "F3"}
    assert (found["F1"]["required_change"], found["F1"]["note"]) == ("fix it", "look")
    assert found["F1"]["not_fixed"] == 1


def test_what_is_archived_of_a_request_has_no_diff() -> None:
    found = request(b.awaiting_review())
    slim = bus.remove_diff(found)
    assert set(found) - set(slim) == {"diff", "diff_file"}
    assert slim["diff_stat"] == found["diff_stat"]


def test_the_fix_list_is_for_the_next_round_and_has_every_open_finding() -> None:
    event = b.rejected(
        1, ReportedIssue(reason="one", required_change="fix it", scenario="f(0)", line=4)
    )
    state = b.after(b.awaiting_review(), event)
    report = event.report.model_copy(update={"summary": "no", "non_blocking": ("rename",)})
    found = dict(bus.fix_list(state, b.WORK, report))
    assert (found["task_id"], found["round"]) == ("T-001", 2)
    assert (found["base_sha"], found["head_sha"]) == (b.START, b.sha(1))
    (fix,) = found["fixes"]
    assert (fix["id"], fix["line"], fix["required_change"]) == ("F1", 4, "fix it")
    assert (found["prior_round_notes"], found["prior_review_summary"]) == ("did it", "no")
    assert found["prior_review_non_blocking"] == ["rename"]
    assert found["verification"] is None


def test_the_fix_list_of_an_approval_that_does_not_verify_carries_the_output() -> None:
    event = b.approved(1)
    state = b.after(b.awaiting_review(verification=b.verified(1, 1, tail="boom")), event)
    found = bus.fix_list(state, b.WORK, event.report)
    assert found["fixes"][0]["scenario"] == "exit code 1\nboom"
    assert found["verification"]["results"][0]["tail"] == "boom"


def test_the_summary_has_one_entry_per_round() -> None:
    event = b.approved(2)
    state = b.after(b.awaiting_review(), b.rejected(1), b.work_reported(2, 2), event)
    found = json.loads(bus.encode(bus.summary(state, ("calc.py",), event.report)))
    assert (found["outcome"], found["rounds"], found["head_sha"]) == ("approved", 2, b.sha(2))
    assert [d["review_decision"] for d in found["round_details"]] == ["changes_required", "approve"]
    assert found["files_changed"] == ["calc.py"]


def test_files_are_archived_under_the_round_of_their_content() -> None:
    assert bus.archive_path("T-001", 3, bus.WORK_REPORT) == "archive/T-001/r3_work_report.json"
    assert bus.archive_path("T-001", 3, bus.SUMMARY) == "archive/T-001/summary.json"


def test_a_refused_report_is_kept_byte_for_byte_behind_the_reason_up_to_a_limit() -> None:
    assert bus.refused_report("no JSON", b"{\xff") == b"Refused: no JSON\n\n{\xff"
    long = bus.refused_report("no JSON", b"x" * (bus.MAX_REFUSED + 1))
    reason, _, content = long.partition(b"\n\n")
    assert len(content) == bus.MAX_REFUSED
    assert f"Only the first {bus.MAX_REFUSED} of its {bus.MAX_REFUSED + 1} bytes" in reason.decode()


def test_documents_are_written_as_readable_utf_8_whatever_they_hold() -> None:
    assert bus.encode({"a": "Größe"}) == '{\n  "a": "Größe"\n}\n'.encode()
    assert json.loads(bus.encode({"a": "\ud800\x00"})) == {"a": "?\x00"}
