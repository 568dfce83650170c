"""`loop publish`, through the installed command: a loop of a person's machine back in CI."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from tests.cli.ci_loop import PULL_SOURCE, REVIEWER_FAILS, STATE, WORK, WORKER_FAILS, Ci, stamps
from tests.cli.harness import Repo, Steps, assert_refused

from loop_kit.core.ci.fetched import digest

FORBIDDEN: Steps = [
    {"write": {".github/workflows/evil.yml": "on: push\n", "calc.py": "VALUE = 2\n"}},
    {"sh": "git add -A"},
    {"commit": "Work"},
    {"report": {}},
]


@pytest.fixture
def ci(repo: Repo, tmp_path: Path) -> Ci:
    """A loop whose worker failed in round 2, fetched by a person."""
    made = Ci.beside(repo, tmp_path)
    made.run(WORKER_FAILS)
    fetched = made.laptop.loop("fetch", "T-001", "--switch")
    assert fetched.code == 0, fetched.text
    return made


def repaired(ci: Ci) -> Ci:
    """The same, approved on the person's machine."""
    done = ci.laptop.run("--resume")
    assert done.code == 0, done.text
    return ci


def assert_nothing_pushed(ci: Ci, before: tuple[str | None, str | None]) -> None:
    assert ci.tips == before


def test_state_and_work_are_published_and_the_posts_left_to_a_job(ci: Ci) -> None:
    before = repaired(ci).state["seq"]
    done = ci.laptop.loop("publish", "T-001")
    assert done.code == 0, done.text
    assert "Published T-001: Approved in round 2." in done.out
    assert "outstanding, for the next job or the sweep" in done.out
    assert "Post them now with: gh workflow run loop.yml -f task-id=T-001\n" in done.out
    assert ci.state == ci.laptop.state
    assert (ci.state["outcome"], ci.state["seq"] > before) == ("approved", True)
    assert ci.bare.head(WORK) == ci.laptop.head == ci.state["head_sha"]
    assert {item["status"] for item in ci.state["outbox"]} == {"pending"}


def test_the_state_branch_gets_what_a_job_would_have_put_there(ci: Ci) -> None:
    repaired(ci)
    assert "diff" in ci.laptop.json("review_request.json")
    assert "diff" not in ci.laptop.json("archive/T-001/r2_review_request.json")
    assert ci.laptop.loop("publish").code == 0
    request = json.loads(ci.bare.file(STATE, "archive/T-001/r2_review_request.json") or b"")
    assert {"diff", "diff_file"} & {*request} == set()
    assert {"archive/T-001/r2_review_report.json", "summary.json"} <= {*ci.files}
    folders = {name.partition("/")[0] for name in ci.files if "/" in name}
    assert folders == {"archive", "handoff"}
    assert ci.bare.git("log", "-1", "--format=%an", STATE).strip() == "Mona"
    assert ci.bare.git("rev-list", "--count", STATE).strip() == "3"


def test_published_twice_changes_nothing_the_second_time(ci: Ci) -> None:
    assert repaired(ci).laptop.loop("publish").code == 0
    tips, files = ci.tips, stamps(ci.laptop.folder)
    again = ci.laptop.loop("publish")
    assert again.code == 0, again.text
    assert "nothing to publish" in again.out
    assert (ci.tips, stamps(ci.laptop.folder)) == (tips, files)


def test_what_did_not_go_on_here_is_not_published(ci: Ci) -> None:
    before = ci.tips
    done = ci.laptop.loop("publish", "--json")
    assert done.code == 0, done.text
    assert json.loads(done.out)["pushed"] is False
    assert_nothing_pushed(ci, before)


def test_a_published_loop_is_fetched_and_published_again(ci: Ci) -> None:
    assert repaired(ci).laptop.loop("publish").code == 0
    assert ci.laptop.loop("fetch", "T-001").code == 0
    again = ci.laptop.loop("publish")
    assert again.code == 0, again.text
    assert "nothing to publish" in again.out


def test_a_loop_resumed_beside_its_branch_is_published_too(repo: Repo, tmp_path: Path) -> None:
    ci = Ci.beside(repo, tmp_path, "--depth=1")
    ci.run(WORKER_FAILS)
    assert ci.laptop.loop("fetch", "T-001").code == 0
    assert ci.laptop.run("--resume").code == 0
    done = ci.laptop.loop("publish")
    assert done.code == 0, done.text
    assert ci.bare.head(WORK) == ci.state["head_sha"] == ci.laptop.state["head_sha"]


def test_a_blobless_clone_can_publish(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "--global", "uploadpack.allowFilter", "true")
    repo.git("config", "--global", "uploadpack.allowAnySHA1InWant", "true")
    for text in ("old", "new"):
        (repo.root / "other.txt").write_text(text)
        repo.git("add", "other.txt")
        repo.git("commit", "--quiet", "-m", text)
    ci = Ci.beside(repo, tmp_path, "--filter=blob:none")
    assert "?" in ci.laptop.git("rev-list", "--objects", "--missing=print", "HEAD")
    ci.run(WORKER_FAILS)
    assert ci.laptop.loop("fetch", "T-001", "--switch").code == 0
    done = repaired(ci).laptop.loop("publish")
    assert done.code == 0, done.text
    assert ci.bare.head(WORK) == ci.state["head_sha"] == ci.laptop.head


def test_the_head_of_a_pull_request_gets_the_work(repo: Repo, tmp_path: Path) -> None:
    ci = Ci.beside(repo, tmp_path)
    ci.run(WORKER_FAILS, work="fix/state", source=PULL_SOURCE)
    assert ci.laptop.loop("fetch", "T-001", "--switch").code == 0
    done = repaired(ci).laptop.loop("publish")
    assert done.code == 0, done.text
    assert ci.bare.head("fix/state") == ci.laptop.head
    assert ci.bare.head(WORK) is None


def test_a_loop_that_has_never_run_in_ci_is_refused(ci: Ci) -> None:
    ci.laptop.card(task_id="T-999")
    ci.laptop.git("switch", "--quiet", "main")
    assert ci.laptop.run("--task", ".loop/task_card.json").code == 0
    assert_refused(ci.laptop.loop("publish"), 5, "has never run in CI")


@pytest.mark.parametrize(
    ("args", "words"),
    [([], "There is no loop in"), (["T-001"], "loop fetch TASK_ID")],
)
def test_without_a_loop_there_is_nothing_to_publish(
    repo: Repo, args: list[str], words: str
) -> None:
    before = repo.tree()
    assert_refused(repo.loop("publish", *args), 5, words)
    assert repo.tree() == before


def test_another_task_than_the_one_that_is_here_is_refused(ci: Ci) -> None:
    assert_refused(ci.laptop.loop("publish", "T-002"), 5, "T-001, not T-002")


@pytest.mark.parametrize("content", [None, "{", '{"task_id": "T-001"}', "[" * 100_000])
def test_a_record_that_is_lost_or_damaged_is_refused(ci: Ci, content: str | None) -> None:
    path = ci.laptop.folder / "runtime" / "fetched.json"
    path.unlink() if content is None else path.write_text(content)
    assert_refused(repaired(ci).laptop.loop("publish"), 5, "loop fetch T-001")


def test_a_loop_that_moved_on_in_ci_is_not_overwritten(ci: Ci) -> None:
    ci.put(seq=repaired(ci).state["seq"] + 1, starter="rita")
    before = ci.tips
    assert_refused(ci.laptop.loop("publish"), 5, "changed in CI", "loop fetch T-001 --force")
    assert_nothing_pushed(ci, before)


def test_a_command_that_came_meanwhile_is_kept_for_the_next_job(ci: Ci) -> None:
    ci.bare.commit_files(STATE, {"inbox/7.json": '{"comment": 7, "verb": "pause", "by": "rita"}'})
    assert repaired(ci).laptop.loop("publish").code == 0
    assert ci.state["outcome"] == "approved"
    assert "inbox/7.json" in ci.files


def test_a_running_run_is_not_disturbed(ci: Ci) -> None:
    ci.put(lease=ci.lease())
    assert ci.laptop.loop("fetch", "T-001").code == 0
    before = repaired(ci).tips
    assert_refused(ci.laptop.loop("publish"), 5, "Run 77 is running T-001")
    assert_nothing_pushed(ci, before)


def test_a_lease_that_ran_out_is_no_obstacle(ci: Ci) -> None:
    ci.put(lease=ci.lease("2020-01-01T00:00:00Z"))
    assert ci.laptop.loop("fetch", "T-001").code == 0
    done = repaired(ci).laptop.loop("publish")
    assert done.code == 0, done.text
    assert "lease" not in ci.state
    assert ci.state["outcome"] == "approved"


def test_work_that_a_job_would_refuse_is_not_pushed(ci: Ci) -> None:
    ci.laptop.plan({"worker/2": FORBIDDEN})
    before = repaired(ci).tips
    refused = ci.laptop.loop("publish")
    assert_refused(refused, 7, ".github/workflows/evil.yml", "protected")
    assert_nothing_pushed(ci, before)
    told = ci.laptop.loop("publish", "--json")
    assert told.code == 7
    assert json.loads(told.out)["refused"][0]["kind"] == "protected_path"


def test_commits_with_a_secret_are_not_pushed_and_its_value_is_not_repeated(ci: Ci) -> None:
    token = "ghs_" + secrets.token_hex(18)
    hidden = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    leak: Steps = [{"write": {"calc.py": f"VALUE = 2\nKEY = '{hidden}'\n"}}, *FORBIDDEN[1:]]
    ci.laptop.plan({"worker/2": leak})
    before = repaired(ci).tips
    ci.laptop.extra = {**ci.laptop.extra, "GH_TOKEN": token}

    refused = ci.laptop.loop("publish")

    assert_refused(refused, 7, "calc.py:2 holds this job's secret", "encoded as base64")
    assert hidden[:30] not in refused.text
    assert_nothing_pushed(ci, before)


def test_commits_of_others_on_the_work_branch_are_not_lost(ci: Ci) -> None:
    ci.bare.commit_files(WORK, {"note.txt": "mine"}, "A person's commit")
    before = repaired(ci).tips
    assert_refused(ci.laptop.loop("publish"), 5, "has commits that the local loop lacks")
    assert_nothing_pushed(ci, before)


def test_a_work_branch_that_is_gone_is_not_made_again(ci: Ci) -> None:
    repaired(ci)
    ci.bare.delete_branch(WORK)
    assert_refused(ci.laptop.loop("publish"), 5, "was it merged?")
    assert ci.bare.head(WORK) is None


def test_a_state_branch_that_was_deleted_is_reported(ci: Ci) -> None:
    repaired(ci)
    ci.bare.delete_branch(STATE)
    assert_refused(ci.laptop.loop("publish"), 5, "its state branch was deleted")


def test_commits_that_are_not_the_loops_stay_here_and_are_reported(ci: Ci) -> None:
    head = repaired(ci).laptop.head
    (ci.laptop.root / "note.txt").write_text("mine\n")
    ci.laptop.git("add", "note.txt")
    ci.laptop.git("commit", "--quiet", "-m", "Mine")
    done = ci.laptop.loop("publish")
    assert done.code == 0, done.text
    assert "1 commit on the local branch that the loop did not make" in done.out
    assert ci.bare.head(WORK) == head


@pytest.mark.parametrize("arrived", [True, False])
def test_a_call_that_was_broken_off_is_completed_by_the_next(ci: Ci, arrived: bool) -> None:
    state, record = (ci.laptop.folder / n for n in ("state.json", "runtime/fetched.json"))
    before = record.read_bytes()
    raw = repaired(ci).laptop.folder.joinpath("state.json").read_bytes()
    tips = ci.tips
    assert ci.laptop.loop("publish").code == 0
    end = ci.state
    body: dict[str, Any] = {**json.loads(before), "tried": json.loads(record.read_bytes())["tried"]}
    assert digest(raw) in body["tried"]
    record.write_text(json.dumps(body))
    state.write_bytes(raw)
    if not arrived:
        ci.bare.set_branch(STATE, tips[0] or "")
        ci.bare.set_branch(WORK, tips[1] or "")

    again = ci.laptop.loop("publish")

    assert again.code == 0, again.text
    assert ci.state == ci.laptop.state == end
    assert ci.bare.head(WORK) == end["head_sha"]


def test_a_damaged_report_is_not_published(ci: Ci) -> None:
    before = repaired(ci).tips
    (ci.laptop.folder / "archive" / "T-001" / "r2_work_report.json").write_text("{")
    assert_refused(ci.laptop.loop("publish"), 3, "r2_work_report.json")
    assert_nothing_pushed(ci, before)


def test_a_link_among_the_reports_is_not_followed(ci: Ci) -> None:
    before = repaired(ci).tips
    planted = ci.laptop.folder / "archive" / "T-001" / "r3_work_report.json"
    planted.symlink_to(ci.laptop.home / ".gitconfig")
    assert_refused(ci.laptop.loop("publish"), 3, "r3_work_report.json")
    assert_nothing_pushed(ci, before)


def test_a_stopped_loop_is_published_with_the_command_that_retries_it(ci: Ci) -> None:
    ci.laptop.plan(WORKER_FAILS)
    assert ci.laptop.run("--resume", "--dispatch-retries", "0").code == 2
    done = ci.laptop.loop("publish", "--continue")
    assert done.code == 0, done.text
    assert ci.state["outcome"] == "worker_dispatch_failed"
    assert "Retry the loop with: gh workflow run loop.yml -f task-id=T-001\n" in done.out


def test_a_loop_that_has_not_begun_is_not_published(ci: Ci) -> None:
    before = ci.tips
    fields = {"task_id": "T-001", "publishes": True}
    (ci.laptop.folder / "state.json").write_text(json.dumps(fields))
    assert_refused(ci.laptop.loop("publish"), 5, "has not begun")
    assert_nothing_pushed(ci, before)


def test_a_server_that_is_not_there_is_one_sentence_here_too(ci: Ci) -> None:
    repaired(ci).laptop.git("remote", "set-url", "origin", "http://127.0.0.1:9/octo/demo")
    assert_refused(ci.laptop.loop("publish"), 6, "127.0.0.1")
    assert ci.laptop.ended == ("done", "approved")


def test_it_publishes_from_a_subfolder(ci: Ci) -> None:
    below = repaired(ci).laptop.root / "deep"
    below.mkdir()
    assert ci.laptop.loop("publish", cwd=below).code == 0
    assert ci.state["outcome"] == "approved"


@pytest.mark.parametrize("switch", [["--switch"], []], ids=["on the branch", "beside it"])
@pytest.mark.parametrize("plan", [WORKER_FAILS, REVIEWER_FAILS], ids=["worker", "reviewer"])
def test_commits_that_a_person_pushed_are_accepted_by_starting_the_loop_again(
    repo: Repo, tmp_path: Path, plan: dict[str, Steps], switch: list[str]
) -> None:
    ci = Ci.beside(repo, tmp_path)
    ci.run(plan)
    pushed = ci.bare.commit_files(WORK, {"note.txt": "mine"}, "A person's commit")
    assert ci.laptop.loop("fetch", "T-001", *switch).code == 0

    stopped = ci.laptop.run("--resume")
    assert (stopped.code, ci.laptop.state["reasons"]) == (7, ["human_push"])
    again = ci.laptop.run("--resume")
    assert again.code == 0, again.text
    done = ci.laptop.loop("publish")

    assert done.code == 0, done.text
    assert ci.bare.contains(WORK, pushed)
    assert ci.bare.head(WORK) == ci.state["head_sha"]
    assert ci.state["outcome"] == "approved"


def test_a_stop_for_pushed_commits_is_published_without_touching_them(
    repo: Repo, tmp_path: Path
) -> None:
    ci = Ci.beside(repo, tmp_path)
    ci.run(WORKER_FAILS)
    pushed = ci.bare.commit_files(WORK, {"note.txt": "mine"}, "A person's commit")
    assert ci.laptop.loop("fetch", "T-001", "--switch").code == 0
    assert ci.laptop.run("--resume").code == 7
    done = ci.laptop.loop("publish")
    assert done.code == 0, done.text
    assert ci.state["reasons"] == ["human_push"]
    assert ci.bare.head(WORK) == pushed
