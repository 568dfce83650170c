"""A `.loop/` that agent-task-runner left is read as it is, and its loop continues here.

The folders in seed_loop/ were written by versions 0.3.0 and 0.3.1 themselves; only the commits in
them are named instead of numbered, and are put in when a test makes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.harness import Repo, agents_of, assert_refused

LEFT = Path(__file__).with_name("seed_loop")
FINDINGS = ("[high] calc.py: VALUE is wrong", "set VALUE to 2", "no test was added")
SESSION = "0199a213-81c0-7800-8aa1-0000776f726b"


def leave(repo: Repo, name: str, rounds: int, loop_dir: str = ".loop") -> list[str]:
    """Make the commits of `rounds` rounds and the folder that the old tool left after them.

    Returns:
        the base commit and one commit per round.
    """
    return lay_out(repo, (LEFT / f"{name[:5]}-init", LEFT / name), rounds, loop_dir)


def lay_out(repo: Repo, folders: Sequence[Path], rounds: int, loop_dir: str = ".loop") -> list[str]:
    """The same with the files of `folders`."""
    commits = [repo.head]
    for number in range(1, rounds + 1):
        (repo.root / "calc.py").write_text(f"VALUE = {number}\n")
        repo.git("commit", "--quiet", "--all", "-m", f"Set VALUE to {number}")
        commits.append(repo.head)
    known = {"base": commits[0], **{f"round-{n}": sha for n, sha in enumerate(commits) if n}}

    def commit(match: re.Match[str]) -> str:
        return known[match[1]][: int(match[2] or 40)]

    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target = repo.root / loop_dir / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                text = re.sub(r"<(base|round-\d)(?::(\d+))?>", commit, path.read_text("utf-8"))
                target.write_text(text, "utf-8")
    (repo.root / loop_dir / "lock").write_bytes(b"\0")
    return commits


@dataclass(frozen=True)
class Left:
    """What the old tool left, and who is to be called when it is continued."""

    rounds: int
    state: str
    round: int
    calls: tuple[str, ...]
    outcome: str = ""


WORK_2 = ("worker/2/1", "reviewer/2/1")
LOOPS = {
    "0.3.1-reviewer-failed": Left(1, "done", 1, ("reviewer/1/1",), "single_round_failed"),
    "0.3.1-interrupted": Left(1, "done", 1, ("reviewer/1/1",), "interrupted"),
    "0.3.1-awaiting-work": Left(1, "awaiting_work", 2, WORK_2),
    "0.3.1-awaiting-review": Left(1, "awaiting_review", 1, ("reviewer/1/1",)),
    "0.3.1-awaiting-review-2": Left(2, "awaiting_review", 2, ("reviewer/2/1",)),
    "0.3.1-worker-failed": Left(1, "done", 2, WORK_2, "single_round_failed"),
    "0.3.1-reviewer-failed-alone": Left(
        1, "done", 1, ("reviewer/1/1",), "reviewer_dispatch_failed"
    ),
    "0.3.1-out-of-rounds": Left(
        2, "done", 3, ("worker/3/1", "reviewer/3/1"), "max_rounds_exhausted"
    ),
    "0.3.0-awaiting-work": Left(1, "awaiting_work", 2, WORK_2),
    "0.3.0-awaiting-review": Left(1, "awaiting_review", 1, ("reviewer/1/1",)),
}


@pytest.mark.parametrize("name", LOOPS)
def test_status_shows_what_the_old_tool_left_and_changes_nothing(repo: Repo, name: str) -> None:
    left = LOOPS[name]
    leave(repo, name, left.rounds)
    before = {file: (repo.folder / file).read_bytes() for file in repo.tree()}

    shown = repo.loop("status")

    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[:3] == [f"State: {left.state}", f"Round: {left.round}", "Task ID: T-001"]
    assert (f"Outcome: {left.outcome}" in lines) == bool(left.outcome)
    assert "  task_card.json: EXISTS" in lines
    assert {file: (repo.folder / file).read_bytes() for file in repo.tree()} == before


@pytest.mark.parametrize("name", LOOPS)
def test_resume_continues_at_what_the_old_tool_left_undone(repo: Repo, name: str) -> None:
    left = LOOPS[name]
    base, *_ = leave(repo, name, left.rounds)

    done = repo.run("--resume")

    assert (done.code, done.err) == (0, ""), done.text
    assert repo.names == list(left.calls)
    assert repo.ended == ("done", "approved")
    assert repo.state["base_sha"] == base
    assert "version" not in repo.state
    rounds = [detail["round"] for detail in repo.json("summary.json")["round_details"]]
    assert rounds == list(range(1, repo.state["round"] + 1))


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1"])
def test_the_old_templates_carry_everything_that_the_agents_need(repo: Repo, version: str) -> None:
    leave(repo, f"{version}-awaiting-work", 1)
    assert repo.run("--resume").code == 0
    worker, reviewer = repo.calls
    for prompt, role, report in (
        (worker.stdin, "code-writer worker", "work_report.json"),
        (reviewer.stdin, "reviewer", "review_report.json"),
    ):
        assert prompt.startswith(f"Role: {role} for PM loop.\nCurrent task_id: T-001, round: 2.\n")
        assert "Goal: Make VALUE right." in prompt
        assert "C1: VALUE is 2" in prompt
        assert '"round": 2' in prompt
        assert re.search(rf"only finish after writing \S+/{report}\.", prompt)
        assert not re.search(r"\{[a-z_]+\}", prompt)
        fences = [line for line in prompt.splitlines() if line.startswith("```")]
        assert set(fences[::2]) <= {"```", "```diff"}
        assert set(fences[1::2]) == {"```"}
    for finding in FINDINGS:
        assert finding in worker.stdin
    assert "VALUE is 1 now" in worker.stdin
    assert "say why" in worker.stdin


def test_findings_of_the_old_fix_list_have_ids_of_ours_for_both_roles(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    assert repo.run("--resume").code == 0
    worker, reviewer = repo.calls
    assert "F1 [high] calc.py: VALUE is wrong" in worker.stdin
    assert "F2 [high] <no file>: no test was added" in worker.stdin
    sent = json.loads(worker.mailbox["fix_list.json"])["fixes"]
    assert [fix["id"] for fix in sent] == ["F1", "F2"]
    assert json.loads(reviewer.mailbox["review_request.json"])["open_findings"] == sent
    assert [(f["id"], f["status"]) for f in repo.state["findings"]] == [
        ("F1", "fixed"),
        ("F2", "fixed"),
    ]


def test_a_review_of_old_work_shows_the_old_report_and_commits(repo: Repo) -> None:
    leave(repo, "0.3.1-reviewer-failed", 1)
    assert repo.run("--resume").code == 0
    request = json.loads(repo.calls[0].mailbox["review_request.json"])
    assert request["worker_notes"] == "VALUE is 1 now"
    assert request["commits"].partition(" ")[2] == "Set VALUE to 1"
    assert request["worker_tests"] == [{"name": "pytest", "status": "pass"}]


def test_what_the_old_init_said_about_its_own_code_reaches_no_prompt(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    with (repo.folder / "context" / "pitfalls.md").open("a") as pitfalls:
        pitfalls.write("- the decimal comma of calc.py\n")
    assert repo.run("--resume").code == 0
    prompt = repo.calls[0].stdin
    assert "the decimal comma of calc.py" in prompt
    for foreign in ("orchestrator.py", "subprocess-per-round", "PID", "antivirus", "uv tests"):
        assert foreign not in prompt


def test_the_conversation_of_the_old_worker_is_taken_up(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    assert repo.run("--resume").code == 0
    assert SESSION in repo.calls[0].argv


def test_a_single_round_of_an_old_loop_can_be_run(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    assert repo.run("--single-round", "--round", "2").code == 0
    assert repo.names == list(WORK_2)
    assert repo.ended == ("done", "approved")


def test_an_approved_loop_of_the_old_tool_calls_nobody(repo: Repo) -> None:
    leave(repo, "0.3.1-approved", 2)
    done = repo.run("--resume")
    assert (done.code, repo.names) == (0, [])
    assert "approved already" in done.out


def test_rounds_that_the_old_tool_used_up_count(repo: Repo) -> None:
    leave(repo, "0.3.1-out-of-rounds", 2)
    done = repo.run("--resume", "--max-rounds", "2")
    assert (done.code, repo.names) == (7, [])
    assert repo.ended == ("done", "max_rounds_exhausted")
    assert repo.run("--resume", "--max-rounds", "3").code == 0
    assert repo.names == ["worker/3/1", "reviewer/3/1"]


def test_the_archive_of_the_old_tool_is_listed_restored_and_added_to(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    kept = [Path(name).name for name in repo.tree() if name.startswith("archive/")]
    first = (repo.folder / "archive/T-001/r1_work_report.json").read_bytes()
    listed = repo.loop("archive", "--task-id", "T-001").out.splitlines()[1:]
    assert [line.strip() for line in listed] == kept
    assert repo.loop("archive", "--task-id", "T-001", "--restore", "r1_work_report").code == 0
    assert repo.json("work_report.json")["notes"] == "VALUE is 1 now"
    assert repo.run("--resume").code == 0
    assert (repo.folder / "archive/T-001/r1_work_report.json").read_bytes() == first
    assert repo.json("archive/T-001/r2_review_report.json")["round"] == 2


def test_a_state_restored_from_the_old_archive_continues(repo: Repo) -> None:
    leave(repo, "0.3.1-approved", 2)
    assert repo.loop("archive", "--task-id", "T-001", "--restore", "r2_state").code == 0
    assert repo.run("--resume").code == 0
    assert repo.names == list(WORK_2)


CONFIG: dict[str, object] = {
    "max_rounds": 5,
    "timeout": 0,
    "heartbeat_ttl": 30,
    "auto_dispatch": True,
    "dispatch_backend": "native",
    "worker_backend": "codex",
    "reviewer_backend": "claude",
    "dispatch_timeout": 0,
    "dispatch_retries": 1,
    "dispatch_retry_base_sec": 1,
    "artifact_timeout": 3,
    "max_session_rounds": 2,
    "backend_preference": ["claude", "codex"],
}


@pytest.mark.parametrize("name", ["config.json", "config.yaml"])
def test_every_key_of_an_old_configuration_is_understood(repo: Repo, name: str) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    (repo.folder / name).write_text(json.dumps(CONFIG))
    done = repo.loop("run", "--resume")
    assert (done.code, done.err) == (0, "")
    assert [Path(call.argv[0]).name for call in repo.calls] == ["codex", "claude"]


@pytest.mark.parametrize("silent", ["", "# max_rounds: 9\n"])
def test_a_yaml_file_that_sets_nothing_leaves_the_word_to_the_json_file(
    repo: Repo, silent: str
) -> None:
    (repo.folder / "config.yaml").write_text(silent)
    (repo.folder / "config.json").write_text(json.dumps(CONFIG))
    assert repo.loop("run").code == 0
    assert [Path(call.argv[0]).name for call in repo.calls] == ["codex", "claude"]


def test_the_old_variables_are_understood(repo: Repo) -> None:
    leave(repo, "0.3.1-out-of-rounds", 2)
    old = {"LOOP_DISPATCH_TIMEOUT": "50", "LOOP_BACKEND_PREFERENCE": "claude,codex"}
    assert repo.run("--resume", env={"LOOP_MAX_ROUNDS": "2", **old}).code == 7
    assert repo.run("--resume", env={"LOOP_MAX_ROUNDS": "3", **old}).code == 0
    assert {Path(call.argv[0]).name for call in repo.calls} == {"claude"}


def test_another_folder_than_the_default_is_continued_too(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-review", 1, "my-loop")
    before = repo.tree()
    assert repo.run("--resume", "--loop-dir", "my-loop").code == 0
    assert repo.names == ["reviewer/1/1"]
    assert repo.tree() == before


def test_a_run_without_resume_says_what_it_leaves_behind(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 7\n"}}, {"commit": "W"}, {"report": {}}]})
    done = repo.run()
    assert done.code == 0, done.text
    assert "T-001 was at round 2 and starts again; --resume would have continued it" in done.err
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert "VALUE is wrong" not in agents_of(repo, "worker")[0].stdin


def test_the_card_of_another_task_does_not_continue_the_old_loop(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    repo.card(task_id="T-002")
    assert_refused(repo.run("--resume"), 5, "T-001", "T-002")
    assert repo.names == []
    assert repo.state["version"] == 1


def test_an_old_card_with_a_key_that_nobody_read_is_refused_by_name(repo: Repo) -> None:
    leave(repo, "0.3.1-awaiting-work", 1)
    repo.card(owner="me")
    assert_refused(repo.run("--resume"), 3, "unknown key 'owner'")
    repo.card()
    assert repo.run("--resume").code == 0
