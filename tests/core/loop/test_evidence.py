"""An approval has to show something before it is believed."""

from typing import Any, Literal

import pytest
from tests.core import builders as b

from loop_kit.core.agent.reports import CriterionVerdict, ReviewReport
from loop_kit.core.loop.evidence import objection

HEAD = "0123456789abcdef0123456789abcdef01234567"
CARD = b.card(acceptance_criteria=["add is right", "it is quick"])
MET = (
    CriterionVerdict(id="C1", met=True, evidence="add(1, 2) is 3"),
    CriterionVerdict(id="C2", met=True, evidence="0.1 s"),
)
PROVEN = b.review(1, "approve").model_copy(
    update={"head_sha": HEAD, "criteria": MET, "files_examined": ("a.py",)}
)


def objected(evidence: Literal["lenient", "strict"] = "strict", /, **changes: Any) -> str | None:
    report: ReviewReport = PROVEN.model_copy(update=changes)
    return objection(report, CARD, HEAD, evidence)


def test_an_approval_that_shows_everything_is_believed() -> None:
    assert objected() is None


@pytest.mark.parametrize("said", [HEAD, HEAD[:7], HEAD[:12], HEAD.upper()])
def test_the_reviewed_commit_may_be_abbreviated(said: str) -> None:
    assert objected(head_sha=said) is None


@pytest.mark.parametrize("said", ["f" * 40, HEAD[:6], HEAD + "0", "HEAD", " ", "0" * 7])
def test_a_review_of_another_commit_is_no_review(said: str) -> None:
    for decision in ("approve", "changes_required"):
        for evidence in ("lenient", "strict"):
            why = objected(evidence, head_sha=said, decision=decision)
            assert f"the work to review is {HEAD}" in why


def test_strict_evidence_names_what_is_missing_in_this_order() -> None:
    bare: dict[str, Any] = {"head_sha": "", "criteria": (), "files_examined": ()}
    assert "without 'head_sha'" in objected(**bare)
    bare["head_sha"] = HEAD
    assert objected(**bare).endswith("without a verdict on C1, C2")
    bare["criteria"] = MET[1:]
    assert objected(**bare).endswith("without a verdict on C1")
    bare["criteria"] = (MET[0], MET[1].model_copy(update={"evidence": " "}))
    assert objected(**bare).endswith("without evidence for C2")
    bare["criteria"] = MET
    assert "'files_examined'" in objected(**bare)
    bare["files_examined"] = ("a.py",)
    assert objected(**bare) is None


def test_lenient_evidence_asks_for_none_of_it() -> None:
    assert objected("lenient", head_sha="", criteria=(), files_examined=()) is None


@pytest.mark.parametrize("evidence", ["lenient", "strict"])
def test_an_approval_that_says_a_criterion_is_not_met_is_refused_always(
    evidence: Literal["lenient", "strict"],
) -> None:
    twice = (*MET, CriterionVerdict(id="C2", met=False))
    assert objected(evidence, criteria=twice).endswith("approves and says that C2 is not met")


def test_a_rejection_needs_no_evidence() -> None:
    bare: dict[str, Any] = {"head_sha": "", "criteria": (), "files_examined": ()}
    assert objected(decision="changes_required", **bare) is None
    unmet = (CriterionVerdict(id="C1", met=False),)
    assert objected(decision="changes_required", criteria=unmet) is None
