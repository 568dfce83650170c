"""health, heartbeat, archive and extract-diff, through the installed command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tests.cli.harness import SENT_BACK, TWO_ROUNDS, assert_refused, eventually
from tests.support.programs import LOOP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Repo


def test_without_heartbeats_both_roles_are_dead(repo: Repo) -> None:
    shown = repo.loop("health")

    assert shown.code == 0
    assert "worker: dead  (missing)" in shown.out
    assert "reviewer: dead  (missing)" in shown.out


def test_a_heartbeat_lives_until_interrupted_and_goes_stale_by_its_age(repo: Repo) -> None:
    beating = repo.launch([LOOP, "heartbeat", "--role", "worker", "--interval", "1"])
    path = repo.folder / "runtime" / "worker.heartbeat.json"
    eventually(path.is_file, "the first beat")
    alive = json.loads(repo.loop("health", "--json").out)["worker"]
    beating.send_signal(signal.SIGINT)

    assert beating.wait(30) == 0
    assert (alive["alive"], alive["pid"]) == (True, beating.pid)
    old = time.time() - 100
    os.utime(path, (old, old))
    assert "worker: dead  (stale: age=" in repo.loop("health").out
    os.utime(path, (time.time() + 100, time.time() + 100))
    assert json.loads(repo.loop("health", "--json").out)["worker"]["age"] == 0


def test_a_heartbeat_of_nobody_is_refused(repo: Repo) -> None:
    assert_refused(repo.loop("heartbeat", "--role", "boss"), 3, "boss", "worker, reviewer")


def test_the_archive_lists_and_restores_byte_for_byte(repo: Repo) -> None:
    kept = repo.folder / "archive" / "T-001"
    kept.mkdir(parents=True)
    for name in ("r1_work_report", "r1_state", "summary", "task_card"):
        (kept / f"{name}.json").write_bytes(f'{{ "{name}": 1 }}\r\n'.encode())

    listed = repo.loop("archive", "--task-id", "T-001")
    as_json = json.loads(repo.loop("archive", "--task-id", "T-001", "--json").out)

    assert [line.strip() for line in listed.out.splitlines()[1:]] == as_json["files"]
    for name, target in (
        ("r1_work_report", "work_report.json"),
        ("r1_state.json", "state.json"),
        ("summary", "summary.json"),
    ):
        assert repo.loop("archive", "--task-id", "T-001", "--restore", name).code == 0
        source = kept / f"{name.removesuffix('.json')}.json"
        assert (repo.folder / target).read_bytes() == source.read_bytes()


def test_a_second_run_keeps_what_the_first_one_archived(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    archive = repo.folder / "archive" / "T-001"
    first = {path.name: path.read_bytes() for path in archive.iterdir()}
    assert "r2_review_report.json" in first
    repo.plan({})
    assert repo.run().code == 0
    moved = next((archive / "runs").iterdir())
    assert {path.name: path.read_bytes() for path in moved.iterdir()} == first
    second = {path.name for path in archive.iterdir() if path.is_file()}
    assert not [name for name in second if name.startswith("r2_")]
    name = f"runs/{moved.name}/r2_review_report.json"
    assert f"  {name}\n" in repo.loop("archive", "--task-id", "T-001").out
    assert repo.loop("archive", "--task-id", "T-001", "--restore", name).code == 0
    restored = (repo.folder / "review_report.json").read_bytes()
    assert restored == first["r2_review_report.json"]


def test_a_link_in_the_archive_leads_nowhere_else(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "r1_state.json").write_text("{}")
    runs = repo.folder / "archive" / "T-001" / "runs"
    runs.mkdir(parents=True)
    (runs / "2030").symlink_to(tmp_path)
    name = "runs/2030/r1_state"
    assert_refused(
        repo.loop("archive", "--task-id", "T-001", "--restore", name), 1, "does not exist"
    )


VERIFY = {"LOOP_VERIFY": "true"}


def test_a_restored_state_continues_with_the_verify_commands_of_today(repo: Repo) -> None:
    repo.plan({"reviewer/1": SENT_BACK, "worker/2": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run(env=VERIFY).code == 2
    assert repo.loop("archive", "--task-id", "T-001", "--restore", "r2_state").code == 0
    assert "schema_version" not in repo.state
    repo.plan({})
    assert repo.run("--resume", env=VERIFY).code == 0
    assert (repo.state["verify"], repo.state["verification"]["results"][0]["exit_code"]) == (
        ["true"],
        0,
    )
    assert [finding["status"] for finding in repo.state["findings"]] == ["fixed"]


def test_an_archive_of_nothing_is_no_error(repo: Repo) -> None:
    shown = repo.loop("archive", "--task-id", "T-9")

    assert (shown.code, "Nothing is archived for T-9" in shown.out) == (0, True)


def test_the_archive_leads_nowhere_else(repo: Repo) -> None:
    for task_id in ("../T-001", "T-001/sub", "T-001\\sub"):
        assert_refused(repo.loop("archive", "--task-id", task_id), 1, "path traversal")
    for name in ("../../etc/passwd", "../x", "a/b"):
        assert_refused(repo.loop("archive", "--task-id", "T-001", "--restore", name), 1, "escapes")
    missing = repo.loop("archive", "--task-id", "T-001", "--restore", "r9_x")
    assert_refused(missing, 1, "does not exist")


def test_an_extracted_diff_can_be_applied_binary_files_and_all(repo: Repo) -> None:
    (repo.root / "data.bin").write_bytes(bytes(range(256)))
    (repo.root / "latin.txt").write_bytes("caf\xe9 \n\n\n".encode("latin-1"))
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "-m", "Bytes")
    command = [str(LOOP), "extract-diff", "HEAD~1", "HEAD"]
    patch = subprocess.run(
        command, cwd=repo.root, env=repo.environ, capture_output=True, check=True
    ).stdout
    repo.git("reset", "--quiet", "--hard", "HEAD~1")

    subprocess.run(["git", "apply", "--index"], cwd=repo.root, input=patch, check=True)

    assert (repo.root / "data.bin").read_bytes() == bytes(range(256))
    assert (repo.root / "latin.txt").read_bytes() == b"caf\xe9 \n\n\n"


def test_a_diff_between_what_is_not_there_is_refused(repo: Repo) -> None:
    assert_refused(repo.loop("extract-diff", "HEAD", "nowhere"), 1, "invalid git ref 'nowhere'")
    assert_refused(repo.loop("extract-diff", "nowhere", "HEAD"), 1, "invalid git ref")
    assert_refused(repo.loop("extract-diff", "--", "-x", "HEAD"), 1, "invalid git ref '-x'")
