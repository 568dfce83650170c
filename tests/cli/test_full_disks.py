"""A disk that is full or in the way: a sentence where work cannot be saved, a warning elsewhere."""

from __future__ import annotations

import pytest
from tests.cli.harness import FAST, TWO_ROUNDS, Repo, Result
from tests.support.full_disk import fill, limited
from tests.support.programs import LOOP

LIMIT = 200_000
BUG = "bug in loop-kit"


def run_limited(repo: Repo, limit: int, *args: str) -> Result:
    """`loop run` where no file can be longer than `limit`."""
    return repo.execute(limited(limit, LOOP, "run", "--auto-dispatch", *FAST, *args))


def test_a_feed_that_cannot_be_written_is_warned_of_once_and_ends_no_round(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    logs = repo.folder / "logs"
    before = {name: fill(logs / name, LIMIT) for name in ("feed.jsonl", "orchestrator.log")}
    done = run_limited(repo, LIMIT)
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")
    assert done.text.count("cannot be written (File too large)") == 1
    assert {name: (logs / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_a_transcript_that_cannot_be_written_ends_no_attempt(repo: Repo, role: str) -> None:
    path = repo.folder / "logs" / f"{role}_dispatch.log"
    before = fill(path, LIMIT)
    done = run_limited(repo, LIMIT)
    assert done.code == 0, done.text
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert f"{role}_dispatch.log cannot be written (File too large)" in done.text
    assert path.read_bytes() == before


def test_logs_that_are_no_folder_end_no_round(repo: Repo) -> None:
    repo.folder.mkdir(exist_ok=True)
    (repo.folder / "logs").write_text("mine")
    done = repo.run()
    assert done.code == 0, done.text
    assert "Warning: " in done.text
    assert (repo.folder / "logs").read_text() == "mine"


def test_a_heartbeat_that_cannot_be_written_ends_nothing(repo: Repo) -> None:
    (repo.folder / "runtime" / "worker.heartbeat.json" / "mine").mkdir(parents=True)
    done = repo.run()
    assert done.code == 0, done.text
    assert "Exception" not in done.text


@pytest.mark.parametrize("limit", [600, 1000, 1500, 2000, 3000, 5000])
def test_a_full_disk_is_a_sentence_and_with_room_the_run_continues(repo: Repo, limit: int) -> None:
    repo.plan(TWO_ROUNDS)
    stopped = run_limited(repo, limit)
    assert stopped.code != 0
    assert BUG not in stopped.text
    begun = (repo.folder / "state.json").exists()
    done = repo.run(*(("--resume",) if begun else ()))
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")


def test_the_error_of_a_full_disk_names_the_file_and_what_to_do(repo: Repo) -> None:
    stopped = run_limited(repo, 600)
    assert stopped.code == 1
    assert "File too large" in stopped.err
    assert str(repo.root) in stopped.err
    assert "make room on the disk, then run again" in stopped.err


def test_outputs_of_a_plan_that_cannot_be_written_are_a_sentence(repo: Repo) -> None:
    repo.git("remote", "add", "origin", str(repo.root))
    stopped = repo.loop("plan", "--matrix", env={"GITHUB_OUTPUT": "/dev/full"})
    assert BUG not in stopped.text
    assert "/dev/full: No space left on device." in stopped.err
