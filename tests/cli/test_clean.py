"""What a run leaves outside the user's tree, and what `loop clean` removes of it."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.harness import SENT_BACK, TWO_ROUNDS, Program, Repo, ended_by

GATED = {"worker": [{"write": {"calc.py": "VALUE = 2\n"}}, {"gate": "w"}]}


def workspaces(repo: Repo) -> list[Path]:
    """The folders of tasks below the user's cache."""
    return sorted((repo.home / ".cache" / "loop-kit").glob("*/*/"))


def started(repo: Repo, *args: str) -> Program:
    repo.plan(GATED)
    process = repo.start(*args)
    repo.reached("w")
    return process


def test_a_loop_that_is_approved_leaves_nothing(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    assert [call.cwd for call in repo.calls if call.cwd.startswith(str(repo.root))] == []
    assert len({call.cwd for call in repo.calls}) == 1
    assert workspaces(repo) == []
    assert repo.git("for-each-ref", "refs/loop-kit") == ""
    assert repo.loop("clean").out == "There are no workspaces of this repository.\n"


def test_a_loop_that_can_be_resumed_keeps_the_workers_files(repo: Repo) -> None:
    process = started(repo)
    ended_by(process, signal.SIGINT)
    (folder,) = workspaces(repo)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["loop-kit.json", "worker", "worker.prepared"]

    stale = "refs/loop-kit/incoming-0123456789ab"
    repo.git("update-ref", stale, "HEAD")
    assert repo.loop("clean").out == f"can be resumed: {folder} (T-001)\n"
    assert stale not in repo.git("for-each-ref")
    assert repo.loop("clean", "--all").out == f"removed: {folder} (T-001)\n"
    assert workspaces(repo) == []

    repo.plan({})
    assert repo.run("--resume").code == 0


def test_the_files_of_another_loop_that_replaced_it_are_removed(repo: Repo) -> None:
    ended_by(started(repo), signal.SIGINT)
    repo.plan({})
    repo.card(task_id="T-002")
    assert repo.run("--reset").code == 0
    (folder,) = workspaces(repo)
    assert repo.loop("clean").out == f"removed: {folder} (T-001)\n"


def test_what_a_crashed_run_left_is_removed_by_the_next_run(repo: Repo) -> None:
    ended_by(started(repo), signal.SIGKILL)
    assert [path.name for path in workspaces(repo)] == ["T-001"]

    repo.plan({})
    repo.card(task_id="T-002")
    assert repo.run("--reset").code == 0

    assert workspaces(repo) == []


def test_what_a_crashed_run_left_is_removed_by_clean(repo: Repo) -> None:
    ended_by(started(repo), signal.SIGKILL)
    (folder,) = workspaces(repo)
    assert repo.loop("clean").out == f"removed: {folder} (T-001)\n"
    assert list(folder.parents[1].iterdir()) == []


def test_two_loops_of_one_task_in_two_work_trees_leave_each_other_alone(repo: Repo) -> None:
    second = repo.root.with_name("second")
    repo.git("worktree", "add", "--quiet", "-b", "other", str(second))
    process = started(repo)
    (folder,) = workspaces(repo)

    assert repo.loop("clean", "--all", cwd=second).out == f"in use: {folder} (T-001)\n"
    (second / ".loop").mkdir()
    (second / ".loop" / "task_card.json").write_text((repo.folder / "task_card.json").read_text())
    repo.plan({"reviewer": SENT_BACK})
    done = repo.run("--max-rounds", "1", cwd=second, env={"LOOP_BRANCH_PREFIX": "second"})

    assert done.code == 7, done.text
    assert len({call.cwd for call in repo.calls}) == 2
    assert (folder / "workspace" / "calc.py").read_text() == "VALUE = 2\n"
    ended_by(process, signal.SIGINT)


def test_a_root_in_the_repository_is_refused_before_an_agent_is_paid(repo: Repo) -> None:
    done = repo.run("--workspace-root", "build")
    assert done.code == 3
    assert "inside the repository" in done.text
    assert "Name another folder with --workspace-root" in done.text
    assert "--resume" not in done.text
    assert repo.calls == []
    assert not (repo.root / "build").exists()
