"""A run that was ended, by whatever, and how the next one takes it up."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.cli.harness import CARD, SENT_BACK, Repo, Steps, ended_by, eventually, is_alive

DONE: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
STUCK: Steps = [{"daemon": "sleep 999"}, {"gate": "stuck"}]
PHASES = {"worker": "awaiting_work", "reviewer": "awaiting_review"}


def stuck(repo: Repo, role: str) -> list[int]:
    """The processes of an agent that runs and will not end."""
    agent = repo.reached("stuck")
    assert is_alive(agent)
    assert repo.state["state"] == PHASES[role]
    return [agent, int((repo.fake / "daemon.pid").read_text())]


@pytest.mark.parametrize(
    ("number", "role"),
    [
        (signal.SIGINT, "worker"),
        (signal.SIGINT, "reviewer"),
        (signal.SIGTERM, "worker"),
        (signal.SIGTERM, "reviewer"),
        (signal.SIGHUP, "worker"),
    ],
)
def test_a_signal_ends_every_agent_and_the_run_can_be_continued(
    repo: Repo, number: signal.Signals, role: str
) -> None:
    repo.plan({role: STUCK})
    process = repo.start()
    pids = stuck(repo, role)
    text = ended_by(process, number)
    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert not [pid for pid in pids if is_alive(pid)]
    assert repo.ended == ("done", "interrupted")
    assert repo.state["resume_phase"] == PHASES[role]
    repo.plan({})
    assert repo.run("--resume").code == 0
    again = ["worker/1/2", "reviewer/1/1"] if role == "worker" else ["reviewer/1/2"]
    assert repo.names[-len(again) :] == again
    assert repo.names.count("worker/1/1") == 1


def test_an_impatient_second_interrupt_leaves_nothing_alive(repo: Repo) -> None:
    repo.plan({"worker": [{"deaf": True}, *STUCK]})
    process = repo.start()
    pids = stuck(repo, "worker")
    process.send_signal(signal.SIGINT)
    repo.reached("sigterm")
    text = ended_by(process, signal.SIGINT)
    assert process.returncode == 130, text
    assert not [pid for pid in pids if is_alive(pid)]
    assert repo.ended == ("done", "interrupted")


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_a_killed_run_is_continued_at_the_outstanding_phase(repo: Repo, role: str) -> None:
    repo.plan({role: [{"gate": "stuck"}]})
    process = repo.start()
    agent = repo.reached("stuck")
    ended_by(process, signal.SIGKILL)
    eventually(lambda: not is_alive(agent), "the end of the agent")
    repo.plan({})
    assert repo.run("--resume").code == 0
    assert repo.ended == ("done", "approved")
    expected = {
        "worker": ["worker/1/1", "worker/1/2", "reviewer/1/1"],
        "reviewer": ["worker/1/1", "reviewer/1/1", "reviewer/1/2"],
    }
    assert repo.names == expected[role]


def test_what_a_killed_worker_had_committed_is_not_in_the_way(repo: Repo) -> None:
    base = repo.head
    repo.plan({"worker/1/1": [*DONE[:2], {"gate": "stuck"}], "worker/1/2": DONE})
    process = repo.start()
    agent = repo.reached("stuck")
    ended_by(process, signal.SIGKILL)
    eventually(lambda: not is_alive(agent), "the end of the agent")
    assert repo.head == base
    assert repo.run("--resume").code == 0
    assert repo.git("rev-list", "--count", f"{base}..HEAD") == "1"
    assert repo.git("show", "HEAD:calc.py") == "VALUE = 1"


def test_what_an_agent_of_a_killed_run_left_running_is_ended_by_the_next(repo: Repo) -> None:
    repo.plan({"worker/1/1": STUCK})
    process = repo.start()
    agent, daemon = stuck(repo, "worker")
    ended_by(process, signal.SIGKILL)
    eventually(lambda: not is_alive(agent), "the end of the agent")
    assert repo.run("--resume").code == 0
    assert not is_alive(daemon)
    assert not list((repo.folder / "runtime" / "mailbox").glob("*"))


def test_what_the_room_of_a_killed_run_left_on_the_disk_is_removed_by_the_next(
    repo: Repo, tmp_path: Path
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    repo.extra = {
        "LOOP_SANDBOX": "auto",
        "LOOP_SHARED_CACHES": str(repo.fake),
        "TMPDIR": str(temp),
    }
    repo.plan({"worker/1/1": [{"gate": "stuck"}]})
    process = repo.start()
    repo.reached("stuck")
    ended_by(process, signal.SIGKILL)
    assert list(temp.glob("loop-kit-room-*"))

    assert repo.run("--resume").code == 0

    assert not list(temp.glob("loop-kit-room-*"))


@pytest.mark.parametrize("name", ["calc.py", "new.py"])
def test_what_an_interrupted_worker_left_uncommitted_is_not_in_the_way(
    repo: Repo, name: str
) -> None:
    half: Steps = [{"write": {name: "VALUE = '\n"}}, {"gate": "stuck"}]
    whole: Steps = [{"write": {name: "VALUE = 1\n"}}, {"report": {}}]
    repo.plan({"worker/1/1": half, "worker/1/2": whole})
    process = repo.start()
    repo.reached("stuck")
    ended_by(process, signal.SIGINT)
    result = repo.run("--resume")
    assert result.code == 0, result.text
    assert repo.git("show", f"HEAD:{name}") == "VALUE = 1"


def test_an_interruption_of_the_wait_between_attempts_can_be_continued(repo: Repo) -> None:
    repo.plan({"worker/1/1": [{"exit": 1}]})
    process = repo.start("--dispatch-retry-base-sec", "60")
    assert process.stdout is not None
    while "Waiting 60 s" not in process.stdout.readline():
        assert process.poll() is None
    ended_by(process, signal.SIGINT)
    assert process.returncode == 130
    assert repo.run("--resume").code == 0
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]


@pytest.mark.parametrize(
    ("failure", "outcome", "code"),
    [
        ([{"stderr": "unauthorized"}, {"exit": 1}], "reviewer_dispatch_failed", 2),
        ([{"report": {"decision": "maybe"}}], "invalid_review_report", 3),
    ],
)
def test_a_worker_that_is_done_is_not_run_again_when_the_reviewer_failed(
    repo: Repo, failure: Steps, outcome: str, code: int
) -> None:
    repo.plan({"reviewer": failure})
    assert repo.run().code == code
    assert repo.ended == ("done", outcome)
    repo.plan({})
    assert repo.run("--resume").code == 0
    assert [name for name in repo.names if name.startswith("worker")] == ["worker/1/1"]
    assert repo.names[-1].startswith("reviewer/1/")


@pytest.mark.parametrize(
    "failure",
    [
        [{"stderr": "unauthorized"}, {"exit": 1}],
        [{"report": {"round": 9}}],
        [{"report": {}}],
    ],
)
def test_a_worker_that_failed_is_run_again(repo: Repo, failure: Steps) -> None:
    repo.plan({"worker": failure})
    assert repo.run().code in {2, 3}
    repo.plan({})
    assert repo.run("--resume").code == 0
    assert repo.ended == ("done", "approved")
    assert "error" not in repo.state
    assert "failed_at" not in repo.state


def test_the_work_of_a_failed_attempt_is_kept_for_the_next(repo: Repo) -> None:
    crash: Steps = [{"write": {"calc.py": "VALUE = 1\n", "new.py": ""}}, {"exit": 1}]
    repo.plan({"worker/1/1": crash, "worker/1/2": [{"report": {}}]})
    assert repo.run("--dispatch-retries", "0").code == 2
    assert repo.run("--resume").code == 0
    assert repo.git("diff", "--name-only", "HEAD~1").split() == ["calc.py", "new.py"]


def test_resuming_in_round_two_keeps_the_base_and_the_fix_list(repo: Repo) -> None:
    base = repo.head
    repo.plan({"reviewer/1": SENT_BACK, "worker/2": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run().code == 2
    repo.plan({})
    assert repo.run("--resume").code == 0
    assert repo.names[-2:] == ["worker/2/2", "reviewer/2/1"]
    assert repo.state["base_sha"] == base
    assert "VALUE is wrong" in repo.calls[-2].stdin


def test_exhausted_rounds_are_continued_with_more_rounds(repo: Repo) -> None:
    repo.plan({"reviewer/1": SENT_BACK})
    result = repo.run("--max-rounds", "1")
    assert result.code == 7
    assert repo.ended == ("done", "max_rounds_exhausted")
    assert "Stopped in round 1: max_rounds_exhausted. The only round is used" in result.out
    assert repo.run("--resume", "--max-rounds", "1").code == 7
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert repo.run("--resume", "--max-rounds", "2").code == 0
    assert repo.names[2:] == ["worker/2/1", "reviewer/2/1"]
    assert [detail["round"] for detail in repo.state["round_details"]] == [1, 2]


def test_an_edit_of_the_card_after_the_start_does_not_count(repo: Repo) -> None:
    repo.card("cards/one.json", goal="The first goal.")
    repo.plan({"reviewer/1": SENT_BACK, "reviewer/2": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run("--task", "cards/one.json").code == 2
    repo.card("cards/one.json", goal="Another goal.")
    repo.plan({})
    result = repo.run("--resume", "--task", "cards/one.json")
    assert "Traceback" not in result.text
    assert "Another goal." not in repo.calls[-1].stdin
    assert "Another goal." not in json.dumps(repo.json("review_request.json"))


def test_resuming_without_a_loop_is_refused(repo: Repo) -> None:
    result = repo.run("--resume")
    assert result.code == 5
    assert result.err.startswith("Error: There is no recorded loop")
    assert repo.names == []


def test_resuming_with_the_card_of_another_task_is_refused(repo: Repo) -> None:
    repo.plan({"worker": [{"exit": 1}]})
    assert repo.run("--dispatch-retries", "0").code == 2
    repo.card("other.json", task_id="T-002")
    result = repo.run("--resume", "--task", "other.json")
    assert result.code == 5
    assert "T-002" in result.err
    assert repo.names == ["worker/1/1"]


def test_a_branch_of_the_user_that_was_moved_meanwhile_stays_there(repo: Repo) -> None:
    repo.plan({"reviewer": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run().code == 2
    work = repo.state["head_sha"]
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    before = repo.head
    repo.plan({})
    result = repo.run("--resume")
    assert result.code == 0, result.text
    assert repo.head == before
    assert repo.git("rev-parse", "loop/T-001/work") == work
    assert "Your branch main stays as it is: main has moved since the loop started." in result.out


def test_two_rounds_can_be_run_by_two_processes(repo: Repo) -> None:
    repo.plan({"reviewer/1": SENT_BACK})
    assert repo.run("--single-round", "--round", "1").code == 0
    assert (repo.state["state"], repo.state["round"]) == ("awaiting_work", 2)
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert repo.json("fix_list.json")["round"] == 2
    assert not (repo.folder / "summary.json").exists()
    assert repo.run("--single-round", "--round", "2").code == 0
    assert repo.ended == ("done", "approved")
    first, second = repo.calls[0], repo.calls[2]
    assert first.parent != second.parent
    assert "VALUE is wrong" in second.stdin


def test_a_single_round_that_failed_is_taken_up_where_it_failed(repo: Repo) -> None:
    repo.plan({"reviewer": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run("--single-round", "--round", "1").code == 2
    repo.plan({})
    assert repo.run("--resume").code == 0
    assert repo.names.count("worker/1/1") == 1


def test_a_round_that_is_not_due_is_refused(repo: Repo) -> None:
    for round_ in ("2", "3"):
        result = repo.run("--single-round", "--round", round_)
        assert result.code == 5
        assert result.err.startswith(f"Error: Round {round_} of {CARD['task_id']} cannot run")
    assert repo.names == []
