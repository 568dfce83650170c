"""I. The archive: what is kept of each round, and how to get it back."""

from __future__ import annotations

import json

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, Steps, assert_refused
from tests.seed.conftest import NewRepo
from tests.seed.helpers import WORK, content

KEEP = 'cp "$LOOP_REPORT_PATH" "$FAKE_DIR/$LOOP_ROLE-$LOOP_ROUND"'
REPORTS = {"worker": "work_report", "reviewer": "review_report"}


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, new_repo: NewRepo) -> Repo:
    """Two rounds whose reports the agents kept a copy of; the tests here only look."""
    repo = new_repo(tmp_path_factory.mktemp("archived"))
    odd: Steps = [{"report": {"notes": "caf\xe9 – “ok”", "more": {"of": [1, 2.50]}}}, {"sh": KEEP}]
    second: Steps = [{"write": {"calc.py": "VALUE = 2\n"}}, {"report": {}}, {"sh": KEEP}]
    repo.plan(
        {
            "worker/1": [*WORK, *odd],
            "reviewer/1": [*TWO_ROUNDS["reviewer/1"], {"sh": KEEP}],
            "worker/2": second,
            "reviewer/2": [{"report": {}}, {"sh": KEEP}],
        }
    )
    result = repo.run()
    assert result.code == 0, result.text
    return repo


def test_reports_are_archived_byte_for_byte(approved: Repo) -> None:
    kept = content(approved.folder / "archive" / "T-001")
    for role, name in REPORTS.items():
        for round_ in (1, 2):
            given = (approved.fake / f"{role}-{round_}").read_bytes()
            assert kept[f"r{round_}_{name}.json"] == given


def test_a_report_that_a_person_left_is_archived_before_it_is_replaced(repo: Repo) -> None:
    left = b'{ "task_id" : "T-001",\r\n "round": 8, "head_sha": "x" }\n'
    (repo.folder / "work_report.json").write_bytes(left)
    assert repo.run().code == 0
    assert content(repo.folder / "archive" / "T-001")["r8_work_report.json"] == left


def test_nothing_is_archived_of_what_is_not_there(repo: Repo) -> None:
    assert repo.run().code == 0
    names = content(repo.folder / "archive" / "T-001").keys()
    assert not [name for name in names if "fix_list" in name or name.startswith("r2_")]
    assert "r1_work_report.json" in names


def test_the_archive_labels_each_file_by_the_round_of_its_content(approved: Repo) -> None:
    kept = content(approved.folder / "archive" / "T-001")
    for round_ in (1, 2):
        for name in ("work_report", "review_request", "review_report"):
            document = json.loads(kept[f"r{round_}_{name}.json"])
            assert (document["task_id"], document["round"]) == ("T-001", round_)
    assert json.loads(kept["r1_review_report.json"])["decision"] == "changes_required"
    assert json.loads(kept["r2_review_report.json"])["decision"] == "approve"
    assert json.loads(kept["r2_fix_list.json"])["round"] == 2


def test_the_state_before_each_round_is_kept(approved: Repo) -> None:
    kept = content(approved.folder / "archive" / "T-001")
    for round_ in (1, 2):
        state = json.loads(kept[f"r{round_}_state.json"])
        assert (state["state"], state["round"]) == ("awaiting_work", round_)
        assert len(state.get("round_details", [])) == round_ - 1
    assert "head_sha" not in json.loads(kept["r1_state.json"])


def test_the_archive_lists_the_names_of_a_task(approved: Repo) -> None:
    result = approved.loop("archive", "--task-id", "T-001")
    assert result.code == 0
    kept = sorted(content(approved.folder / "archive" / "T-001"))
    assert [line.strip() for line in result.out.splitlines()][1:] == kept
    nothing = approved.loop("archive", "--task-id", "T-404")
    assert nothing.code == 0
    assert ".json" not in nothing.out


TARGETS = {
    "r1_work_report": "work_report.json",
    "r2_review_report.json": "review_report.json",
    "r1_state": "state.json",
    "summary": "summary.json",
    "task_card": "task_card.json",
    "r1_task_card.json": "task_card.json",
}


@pytest.mark.parametrize("name", TARGETS)
def test_an_archived_file_is_restored_byte_for_byte(repo: Repo, name: str) -> None:
    kept = repo.folder / "archive" / "T-001"
    kept.mkdir(parents=True, exist_ok=True)
    raw = f'{{ "kept as": "{name}" }}\r\n'.encode()
    (kept / f"{name.removesuffix('.json')}.json").write_bytes(raw)
    result = repo.loop("archive", "--task-id", "T-001", "--restore", name)
    assert result.code == 0, result.text
    assert (repo.folder / TARGETS[name]).read_bytes() == raw


@pytest.mark.parametrize("task_id", ["../T-001", "T-001/sub", "T-001\\sub"])
def test_a_task_id_that_is_a_path_is_refused(repo: Repo, task_id: str) -> None:
    for more in ((), ("--restore", "r1_state")):
        assert_refused(repo.loop("archive", "--task-id", task_id, *more), 1, "path traversal")


def test_a_name_that_leads_out_of_the_archive_is_refused(repo: Repo) -> None:
    before = content(repo.folder)
    asked = repo.loop("archive", "--task-id", "T-001", "--restore", "../../etc/passwd")
    assert_refused(asked, 1, "escapes")
    assert content(repo.folder) == before
