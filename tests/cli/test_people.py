"""People as worker or reviewer: they work in their own tree, which is theirs alone."""

from __future__ import annotations

import json

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, assert_refused, eventually, read_until
from tests.support.programs import Program

WORK = "loop/T-001/work"


def tell(repo: Repo, name: str, round_: int = 1, **body: object) -> None:
    """Write a report as an editor does."""
    head = {"head_sha": "HEAD"} if name == "work_report.json" else {}
    document = {"task_id": "T-001", "round": round_, **head, **body}
    (repo.folder / "draft").write_text(json.dumps(document))
    (repo.folder / "draft").replace(repo.folder / name)


def commit(repo: Repo, value: int) -> str:
    (repo.root / "calc.py").write_text(f"VALUE = {value}\n")
    repo.git("commit", "--quiet", "--all", "-m", f"Set VALUE to {value}")
    return repo.head


def end(process: Program) -> str:
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text
    return text


def test_work_that_a_person_has_not_committed_is_not_taken(repo: Repo) -> None:
    (repo.root / "notes.txt").write_text("untracked\n")
    process = repo.start("--worker-backend", "manual")
    read_until(process, "Tell the Worker: round 1")
    (repo.root / "calc.py").write_text("VALUE = 1\n")
    tell(repo, "work_report.json")
    read_until(process, "uncommitted changes: calc.py. Commit it, then write the report.")
    assert (repo.root / "calc.py").read_text() == "VALUE = 1\n"
    head = commit(repo, 2)
    tell(repo, "work_report.json")
    text = end(process)
    assert repo.state["head_sha"] == head == repo.head
    assert "Your branch main has it." in text
    assert repo.names == ["reviewer/1/1"]


def test_a_program_reviews_what_a_person_committed_in_two_rounds(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    process = repo.start("--worker-backend", "manual")
    read_until(process, "Tell the Worker: round 1")
    first = commit(repo, 1)
    tell(repo, "work_report.json")
    read_until(process, "Tell the Worker: round 2")
    second = commit(repo, 2)
    tell(repo, "work_report.json", 2)
    end(process)
    assert [each["head_sha"] for each in repo.state["history"]] == [first, second]
    assert repo.head == repo.git("rev-parse", WORK) == second


def test_a_reviewing_person_may_change_their_own_files(repo: Repo) -> None:
    process = repo.start("--reviewer-backend", "manual")
    read_until(process, "Tell the Reviewer: round 1")
    (repo.root / "README.md").write_text("mine\n")
    repo.git("commit", "--quiet", "--all", "-m", "Mine")
    mine = repo.head
    tell(repo, "review_report.json", decision="approve")
    text = end(process)
    assert repo.head == mine
    assert f"  git merge {WORK}" in text
    assert repo.names == ["worker/1/1"]


def test_a_person_continues_the_work_of_a_program_after_taking_it_over(repo: Repo) -> None:
    repo.plan({**TWO_ROUNDS, "worker/2": [{"exit": 1}]})
    assert repo.run("--dispatch-retries", "0").code == 2
    refused = repo.loop("run", "--auto-dispatch", "--resume", "--worker-backend", "manual")
    assert_refused(refused, 5, "does not hold", "git merge")
    command = refused.err.split("`")[1]
    repo.git(*command.split()[1:])
    repo.plan({})
    process = repo.start("--resume", "--worker-backend", "manual")
    read_until(process, "Tell the Worker: round 2")
    head = commit(repo, 7)
    tell(repo, "work_report.json", 2)
    end(process)
    assert repo.state["head_sha"] == repo.head == head


@pytest.mark.parametrize("switched", [False, True])
def test_the_head_is_what_the_person_has_checked_out_by_then(repo: Repo, switched: bool) -> None:
    process = repo.start("--worker-backend", "manual")
    read_until(process, "Tell the Worker: round 1")
    if switched:
        repo.git("switch", "--quiet", "-c", "topic")
    head = commit(repo, 3)
    tell(repo, "work_report.json")
    end(process)
    assert repo.state["head_sha"] == head == repo.head
    eventually(lambda: not list((repo.folder / "runtime" / "mailbox").glob("*")), "an empty folder")
