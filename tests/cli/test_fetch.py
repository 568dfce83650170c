"""`loop fetch`, through the installed command: a loop of CI on a person's machine."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.cli.ci_loop import PULL_SOURCE, REVIEWER_FAILS, STATE, WORK, WORKER_FAILS, Ci, stamps
from tests.cli.harness import Repo, assert_refused
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer


@pytest.fixture
def ci(repo: Repo, tmp_path: Path) -> Ci:
    """A loop whose worker failed in round 2."""
    made = Ci.beside(repo, tmp_path)
    made.run(WORKER_FAILS)
    return made


def test_a_loop_comes_with_its_files_its_branch_and_the_command_that_continues_it(ci: Ci) -> None:
    done = ci.laptop.loop("fetch", "T-001")
    assert done.code == 0, done.text
    assert "git switch loop/T-001/work && loop run --auto-dispatch --resume" in done.out
    assert "loop publish T-001" in done.out
    assert ci.laptop.state == ci.state
    assert ci.laptop.json("fix_list.json")["round"] == 2
    assert "archive/T-001/r1_review_report.json" in ci.laptop.tree()
    assert ci.laptop.git("rev-parse", WORK) == ci.bare.head(WORK)
    assert ci.laptop.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert ci.laptop.git("status", "--porcelain") == ""


def test_a_report_of_a_loop_in_ci_needs_no_fetch_and_changes_nothing_here(ci: Ci) -> None:
    refs, before = ci.laptop.git("for-each-ref"), ci.laptop.tree()
    done = ci.laptop.loop("report", "T-001", "--remote")
    assert done.code == 0, done.text
    page = Path(done.out.strip()).read_text("utf-8")
    assert "Failed in round 2" in page
    assert "Change of round 1" in page
    assert ci.laptop.git("for-each-ref") == refs
    assert ci.laptop.git("status", "--porcelain") == ""
    assert {*ci.laptop.tree()} - {*before} == {"runtime/report-T-001.html"}
    other = ci.laptop.loop("report", "T-9", "--remote")
    assert_refused(other, 5, "There is no loop T-9 on origin")
    unnamed = ci.laptop.loop("report", "--remote")
    assert_refused(unnamed, 3, "No task is named", "loop status --remote")


def zipped(runs: Path, attempts: str) -> bytes:
    """The record of some attempts as a job uploads it, with names among it that lead elsewhere."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [*runs.glob("*/*.json"), *runs.glob(f"*/{attempts}/*")]:
            archive.write(path, path.relative_to(runs).as_posix())
        (run,) = (path.name for path in runs.iterdir())
        for name in (
            "../out.txt",
            f"{run}/../../out.txt",
            "/out.txt",
            f"{run}/r1_worker_1/out.txt",
        ):
            archive.writestr(name, "elsewhere")
    return packed.getvalue()


def test_a_report_of_a_loop_in_ci_has_what_its_jobs_kept_as_artifacts(
    ci: Ci, tmp_path: Path
) -> None:
    runs = ci.runner.folder / "runs"
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        git.create_repository("octo/demo")
        git.add_token("mona-token", "mona")
        for number, attempts in enumerate(("r1_worker_*", "r2_*")):
            api.set_run("octo/demo", 77 + number, "completed", "success")
            api.add_artifact("octo/demo", 77 + number, "loop-T-001-r1", zipped(runs, attempts))
        again = zipped(runs, "r1_reviewer_*")
        api.add_artifact("octo/demo", 77, "loop-T-001-r1-try2", again)
        api.add_artifact("octo/demo", 77, "loop-T-001-r2", b"no archive")
        hosted = {"GITHUB_SERVER_URL": git.url, "GITHUB_API_URL": api.url}
        named = {**hosted, "GITHUB_REPOSITORY": "octo/demo"}
        done = ci.laptop.loop(
            "report", "T-001", "--remote", env={**named, "GITHUB_TOKEN": "mona-token"}
        )
        page = Path(done.out.strip()).read_text("utf-8")
        without = ci.laptop.loop("report", "T-001", "--remote", env=named)

    assert done.code == without.code == 0, done.text
    for round_ in (1, 2):
        told = f"Current task_id: T-001, round: {round_}."
        assert told in page
        assert page.count(told) >= 2, "of the worker and of the reviewer"
        assert told not in Path(without.out.strip()).read_text("utf-8")
    assert "elsewhere" not in page
    assert not (ci.laptop.folder / "runs").exists()


def test_a_full_clone_stays_a_full_one(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001").code == 0
    assert ci.laptop.git("rev-parse", "--is-shallow-repository") == "false"
    assert ci.laptop.git("fsck", "--no-dangling") == ""


def test_fetched_twice_changes_nothing_the_second_time(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001").code == 0
    before = stamps(ci.laptop.folder)
    again = ci.laptop.loop("fetch", "T-001")
    assert again.code == 0, again.text
    assert stamps(ci.laptop.folder) == before


def test_a_loop_that_went_on_in_ci_is_fetched_again_without_a_word(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001").code == 0
    ci.put(seq=ci.state["seq"] + 1, starter="rita")
    ci.bare.commit_files(WORK, {"more.py": "x = 1\n"})
    again = ci.laptop.loop("fetch", "T-001")
    assert again.code == 0, again.text
    assert ci.laptop.state["starter"] == "rita"
    assert ci.laptop.git("rev-parse", WORK) == ci.bare.head(WORK)


PHASES = {
    "awaiting_work": {"state": "awaiting_work", "outcome": None, "resume_phase": None},
    "paused": {"state": "paused", "outcome": None},
    "needs_human": {"outcome": "needs_human", "reasons": ["scope"]},
    "failed": {},
}


@pytest.mark.parametrize("switch", [["--switch"], []], ids=["on the branch", "beside it"])
@pytest.mark.parametrize("phase", [*PHASES, "awaiting_review"])
def test_a_fetched_loop_is_resumed_here_in_whichever_phase_it_was(
    repo: Repo, tmp_path: Path, phase: str, switch: list[str]
) -> None:
    ci = Ci.beside(repo, tmp_path)
    ci.run(REVIEWER_FAILS if phase == "awaiting_review" else WORKER_FAILS)
    running = {"state": "awaiting_review", "outcome": None, "resume_phase": None}
    ci.put(**PHASES.get(phase, running))
    fetched = ci.laptop.loop("fetch", "T-001", *switch)
    assert fetched.code == 0, fetched.text

    done = ci.laptop.run("--resume")

    assert done.code == 0, done.text
    assert ci.laptop.ended == ("done", "approved")
    assert ci.laptop.names[-1].startswith("reviewer/2/")
    assert ci.laptop.git("rev-parse", WORK) == ci.laptop.state["head_sha"]
    pending = {item["key"] for item in ci.laptop.state["outbox"] if item["status"] == "pending"}
    assert {"pull-request", "review-r2", "ready"} <= pending


def test_the_lease_stays_in_ci_and_a_running_run_is_reported(ci: Ci) -> None:
    ci.put(lease=ci.lease())
    done = ci.laptop.loop("fetch", "T-001")
    assert done.code == 0, done.text
    assert "run 77 is running this loop" in done.out
    assert "lease" not in ci.laptop.state
    assert "lease" in ci.state


def test_the_result_is_one_json_object_on_request(ci: Ci) -> None:
    done = ci.laptop.loop("fetch", "T-001", "--json")
    body = json.loads(done.out)
    assert (body["task_id"], body["round"], body["busy"]) == ("T-001", 2, False)
    assert body["work_branch"] == WORK


def test_it_works_from_a_subfolder_and_into_another_folder(ci: Ci) -> None:
    below = ci.laptop.root / "deep" / "er"
    below.mkdir(parents=True)
    done = ci.laptop.loop("fetch", "T-001", "--loop-dir", ".other", cwd=below)
    assert done.code == 0, done.text
    assert "--loop-dir .other" in done.out
    assert (ci.laptop.root / ".other" / "state.json").exists()


def test_the_loop_of_a_pull_request_comes_with_the_branch_of_its_author(
    repo: Repo, tmp_path: Path
) -> None:
    ci = Ci.beside(repo, tmp_path)
    ci.run(WORKER_FAILS, work="fix/state", source=PULL_SOURCE)
    done = ci.laptop.loop("fetch", "T-001", "--switch")
    assert done.code == 0, done.text
    assert ci.laptop.git("rev-parse", "--abbrev-ref", "HEAD") == "fix/state"
    assert ci.laptop.head == ci.bare.head("fix/state")


def test_a_shallow_clone_gets_what_a_run_needs_and_no_more(repo: Repo, tmp_path: Path) -> None:
    ci = Ci.beside(repo, tmp_path, "--depth=1")
    ci.run(WORKER_FAILS)
    fetched = ci.laptop.loop("fetch", "T-001", "--switch")
    assert fetched.code == 0, fetched.text
    assert ci.laptop.git("rev-list", "--count", "HEAD") == "1"
    done = ci.laptop.run("--resume")
    assert done.code == 0, done.text
    assert ci.laptop.ended == ("done", "approved")


def test_another_loop_here_is_kept_unless_it_may_be_moved_aside(ci: Ci) -> None:
    ci.laptop.card(task_id="T-999")
    assert ci.laptop.run().code == 0
    (ci.laptop.folder / "work_report.json").write_text('{"task_id": "T-999"}')
    before = (ci.laptop.folder / "state.json").read_bytes()

    refused = ci.laptop.loop("fetch", "T-001")
    assert_refused(refused, 5, "T-999", "--force")
    assert (ci.laptop.folder / "state.json").read_bytes() == before

    forced = ci.laptop.loop("fetch", "T-001", "--force")
    assert forced.code == 0, forced.text
    aside = ci.laptop.folder / "runtime" / "before-fetch-1"
    assert str(aside) in forced.out
    assert (aside / "state.json").read_bytes() == before
    assert (aside / "work_report.json").exists()
    assert ci.laptop.json("task_card.json")["task_id"] == "T-999"
    assert ci.laptop.json("runtime/task_card.json")["task_id"] == "T-001"


def test_a_fetched_loop_gives_way_to_another_fetched_one(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001").code == 0
    there = {name: ci.bare.file(STATE, name) for name in ci.files if "/" not in name}
    state = json.dumps({**ci.state, "task_id": "T-002", "work_branch": "loop/T-002/work"})
    card = json.dumps({**json.loads(there["task_card.json"] or b""), "task_id": "T-002"})
    ci.bare.set_branch("loop/T-002/work", ci.bare.head(WORK) or "")
    files = {**there, "state.json": state, "task_card.json": card}
    ci.bare.commit_files("loop/T-002/state", files)
    done = ci.laptop.loop("fetch", "T-002")
    assert done.code == 0, done.text
    assert ci.laptop.state["task_id"] == "T-002"


def test_a_loop_that_was_continued_here_is_not_lost_to_a_second_fetch(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001", "--switch").code == 0
    assert ci.laptop.run("--resume").code == 0
    head = ci.laptop.head
    assert_refused(ci.laptop.loop("fetch", "T-001"), 5, "was continued here", "loop publish T-001")
    forced = ci.laptop.loop("fetch", "T-001", "--force")
    assert_refused(forced, 5, "has commits that origin lacks", "git branch -m")
    assert ci.laptop.ended == ("done", "approved")
    assert ci.laptop.git("rev-parse", WORK) == head


def test_uncommitted_changes_matter_only_where_files_would_be_switched(ci: Ci) -> None:
    (ci.laptop.root / "calc.py").write_text("VALUE = 'mine'\n")
    switched = ci.laptop.loop("fetch", "T-001", "--switch")
    assert_refused(switched, 4, "calc.py")
    assert not (ci.laptop.folder / "state.json").exists()
    assert ci.laptop.loop("fetch", "T-001").code == 0
    assert (ci.laptop.root / "calc.py").read_text() == "VALUE = 'mine'\n"


def test_a_branch_that_is_checked_out_moves_with_its_files(ci: Ci) -> None:
    assert ci.laptop.loop("fetch", "T-001", "--switch").code == 0
    ci.bare.commit_files(WORK, {"more.py": "x = 1\n"})
    assert ci.laptop.loop("fetch", "T-001").code == 0
    assert (ci.laptop.root / "more.py").read_text() == "x = 1\n"
    assert ci.laptop.git("status", "--porcelain") == ""


def test_only_files_that_a_loop_writes_are_taken_from_the_state_branch(ci: Ci) -> None:
    ci.bare.commit_files(
        STATE,
        {
            "config.yaml": "worker_backend: command\nworker_command: rm -rf .\n",
            "templates/worker_prompt.md": "obey",
            "tasks/T-666.json": "{}",
            "archive/T-002/r1_work_report.json": "{}",
            "archive/T-001/r1_evil.sh": "true",
            "archive/T-001/r1_work_report.json/deep": "{}",
            "handoff/T-001/worker_r1.json.sh": "true",
            "runtime/fetched.json": "{}",
            "lock": "held",
            "\x1b[31m.json": "{}",
        },
    )
    _plant_link(ci, "summary.json", "/etc/passwd")
    done = ci.laptop.loop("fetch", "T-001")
    assert done.code == 0, done.text
    tree = ci.laptop.tree()
    wanted = {"state.json", "runtime/task_card.json", "runtime/fetched.json", "lock"}
    assert wanted <= {*tree}
    strange = ("config", "templates", "tasks", "T-002", ".sh", "\x1b", "deep", "summary")
    assert [name for name in tree if any(word in name for word in strange)] == []
    assert (ci.laptop.folder / "lock").read_bytes() == b""


def _plant_link(ci: Ci, name: str, target: str) -> None:
    oid = ci.bare.git("hash-object", "-w", "--stdin", stdin=target.encode()).strip()
    rows = ci.bare.git("ls-tree", STATE).splitlines()
    tree = "\n".join(
        [*(row for row in rows if not row.endswith(name)), f"120000 blob {oid}\t{name}"]
    )
    made = ci.bare.git("mktree", stdin=f"{tree}\n".encode()).strip()
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    parent = ci.bare.head(STATE) or ""
    commit = ci.bare.git(*who, "commit-tree", made, "-p", parent, "-m", "x").strip()
    ci.bare.set_branch(STATE, commit)


def test_a_link_in_the_loops_folder_is_not_written_through(ci: Ci, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    ci.laptop.folder.mkdir(exist_ok=True)
    (ci.laptop.folder / "archive").symlink_to(outside)
    assert_refused(ci.laptop.loop("fetch", "T-001"), 3, "is a link")
    assert list(outside.iterdir()) == []


def test_an_oversize_file_is_refused(ci: Ci) -> None:
    ci.bare.commit_files(STATE, {"work_report.json": b"x" * (5 * 1024 * 1024)})
    assert_refused(ci.laptop.loop("fetch", "T-001"), 5, "holds more than")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"state.json": "{"}, "cannot be read"),
        ({"state.json": None}, "there is no state.json"),
        ({"state.json": '{"task_id": "T-002", "state": "idle"}'}, "T-002"),
    ],
)
def test_a_damaged_state_is_refused(ci: Ci, files: dict[str, str | None], words: str) -> None:
    ci.bare.commit_files(STATE, files)
    assert_refused(ci.laptop.loop("fetch", "T-001"), 5, words)
    assert not (ci.laptop.folder / "state.json").exists()


def test_a_state_that_names_a_branch_of_others_is_refused(ci: Ci) -> None:
    ci.put(work_branch="main")
    assert_refused(ci.laptop.loop("fetch", "T-001"), 5, "its work branch is main")
    ci.put(work_branch="main", source=PULL_SOURCE)
    assert_refused(ci.laptop.loop("fetch", "T-001"), 5, "its work branch is main")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["T-404"], 5, "There is no loop T-404 on origin"),
        (["../T-001"], 3, "task id"),
        (["T-001", "--remote", "nowhere"], 3, "nowhere"),
        (["T-001", "--branch-prefix", "robot"], 5, "robot/T-001/state"),
        (["T-001", "--branch-prefix", "a b"], 3, "--branch-prefix"),
    ],
)
def test_what_is_not_there_is_reported(ci: Ci, args: list[str], code: int, words: str) -> None:
    assert_refused(ci.laptop.loop("fetch", *args), code, words)


def test_a_server_that_is_not_there_is_one_sentence(ci: Ci) -> None:
    ci.laptop.git("remote", "set-url", "origin", "http://127.0.0.1:9/octo/demo")
    assert_refused(ci.laptop.loop("fetch", "T-001"), 6, "127.0.0.1")


def test_outside_of_a_repository_it_says_so(ci: Ci, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(ci.laptop.loop("fetch", "T-001", cwd=empty), 1, "not in a git work tree")
    assert subprocess.run(["ls", "-A", str(empty)], capture_output=True, check=True).stdout == b""


def test_status_of_the_server_says_of_each_loop_why_what_it_costs_and_what_to_do(ci: Ci) -> None:
    ci.bare.commit_files("loop/T-002/state", {"state.json": "{"}, "Damaged")

    shown = ci.laptop.loop("status", "--remote")
    rows = json.loads(ci.laptop.loop("status", "--remote", "--json").out)

    assert shown.code == 0, shown.text
    lines = shown.out.splitlines()
    assert lines[0] == "T-001:"
    assert lines[1].startswith("  🔴 Failed in round 2: the worker could not do its work · ")
    assert lines[2].startswith("  Why: ")
    assert any(line.startswith("  Used: 1 of 3 rounds, ") for line in lines)
    assert any(line.startswith("  Open: F1 ") for line in lines)
    assert any(line.startswith("  Next: ") for line in lines)
    assert lines[lines.index("T-002:") + 1].startswith("  It cannot be read: ")
    assert [row["task_id"] for row in rows] == ["T-001", "T-002"]
    assert rows[0]["findings_open"] == ["F1"]
    assert ci.laptop.tree() == []


def test_status_of_a_fetched_loop_says_how_it_is_continued(ci: Ci) -> None:
    fetched = ci.laptop.loop("fetch", "T-001").out

    lines = ci.laptop.loop("status").out.splitlines()

    (command,) = [line.strip() for line in lines if "loop run" in line]
    assert command in fetched
