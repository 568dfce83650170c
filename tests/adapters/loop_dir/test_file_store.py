"""The store in a folder: whole files or none, the user's card untouched, and one run at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loop_kit.adapters.loop_dir.file_store import FileStore
from loop_kit.adapters.loop_dir.loop_folder import write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import bus
from loop_kit.core.loop.messages import (
    AttemptStarted,
    HandedOver,
    TaskStarted,
)
from loop_kit.core.loop.state import (
    Limits,
    LoopState,
    OutboxItem,
    Outcome,
    Phase,
    Role,
    RoundDetail,
    RoundRecord,
    Session,
)
from loop_kit.errors import AlreadyRunning, StateRefused

STARTED = AttemptStarted(Role.WORKER, "2030-01-01T00:00:00Z")
OTHER = HandedOver(None)
CARD = TaskCard(task_id="T-001", goal="It works")


def state(**more: object) -> LoopState:
    known = {"seq": 1, "task_id": "T-001", "round": 1, "state": Phase.AWAITING_WORK}
    return LoopState.model_validate({**known, **more})


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_replaced_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert names(tmp_path) == ["deep/file"]


def test_a_write_that_fails_leaves_the_old_bytes_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OSError):  # noqa: PT011
        write_atomically(target, b"new")
    assert names(tmp_path) == ["file/inside"]


FULL = """
import resource, signal, sys
from pathlib import Path
from loop_kit.adapters.loop_dir.loop_folder import write_atomically
from loop_kit.adapters.loop_dir.loop_lock import exclusive
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(Path(sys.argv[1]), b"x" * 5000)
"""


def test_a_disk_that_is_full_leaves_the_old_bytes_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    target.write_bytes(b"old")
    argv = [sys.executable, "-c", FULL, str(target)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["state.json"]


def test_what_was_saved_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    FileStore(tmp_path).save(state(), OTHER, {"fix_list.json": b"{}", "a/b.json": b"x"})
    store = FileStore(tmp_path)
    assert store.load() == state()
    assert (store.read("fix_list.json"), store.read("a/b.json")) == (b"{}", b"x")
    assert store.read("nowhere.json") is None
    assert store.work_tip == ""


def test_an_empty_folder_has_no_loop(tmp_path: Path) -> None:
    assert FileStore(tmp_path / "none").load() is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"round": "x"}'])
def test_a_corrupt_state_is_refused_and_can_be_set_aside(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "state.json").write_bytes(raw)
    store = FileStore(tmp_path)
    with pytest.raises(StateRefused, match=r"state\.json cannot be read"):
        store.load()
    assert store.set_aside() == tmp_path / "state.json.corrupt"
    assert (tmp_path / "state.json.corrupt").read_bytes() == raw
    assert (store.load(), store.set_aside()) == (None, None)


def test_the_users_own_card_is_never_rewritten(tmp_path: Path) -> None:
    theirs = tmp_path / "task_card.json"
    theirs.write_text('{"task_id": "T-001",   "goal": "It works"}')
    before = theirs.read_bytes()
    store = FileStore(tmp_path)
    store.save(state(), OTHER, {bus.TASK_CARD: CARD.to_json("in_progress")})
    store.save(state(state=Phase.DONE, outcome=Outcome.APPROVED), OTHER)
    assert theirs.read_bytes() == before
    assert json.loads(store.read(bus.TASK_CARD) or b"")["status"] == "done"


def test_a_card_from_elsewhere_is_shown_on_the_bus_and_marked(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.save(state(), OTHER, {bus.TASK_CARD: CARD.to_json("in_progress")})
    shown = tmp_path / bus.TASK_CARD
    assert json.loads(shown.read_bytes())["status"] == "in_progress"
    store.save(state(state=Phase.DONE, outcome=Outcome.NEEDS_HUMAN), OTHER)
    assert json.loads(shown.read_bytes())["status"] == "blocked"


def test_a_tracked_card_is_kept_even_when_it_is_ours_byte_for_byte(tmp_path: Path) -> None:
    write_atomically(tmp_path / bus.TASK_CARD, CARD.to_json("in_progress"))
    store = FileStore(tmp_path, keep_card=lambda: True)
    store.save(state(), OTHER, {bus.TASK_CARD: CARD.to_json("in_progress")})
    store.save(state(state=Phase.DONE, outcome=Outcome.APPROVED), OTHER)
    assert json.loads((tmp_path / bus.TASK_CARD).read_bytes())["status"] == "in_progress"


def test_a_leftover_report_is_archived_by_the_round_it_speaks_of(tmp_path: Path) -> None:
    report = {"task_id": "T-000", "round": 7}
    write_atomically(tmp_path / bus.WORK_REPORT, json.dumps(report).encode())
    write_atomically(tmp_path / bus.REVIEW_REPORT, b"no json")
    removed = {bus.WORK_REPORT: None, bus.REVIEW_REPORT: None}
    FileStore(tmp_path).save(state(round=2), STARTED, removed)
    assert "archive/T-000/r7_work_report.json" in names(tmp_path)
    assert "archive/T-001/r2_review_report.json" in names(tmp_path)
    assert not (tmp_path / bus.WORK_REPORT).exists()


def test_a_leftover_report_cannot_name_a_path_outside_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "a" / ".loop"
    report = {"task_id": "../../../..", "round": 1}
    write_atomically(folder / bus.WORK_REPORT, json.dumps(report).encode())
    FileStore(folder).save(state(), STARTED, {bus.WORK_REPORT: None})
    assert "archive/T-001/r1_work_report.json" in names(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_archived_report_is_never_overwritten_by_a_leftover(tmp_path: Path) -> None:
    write_atomically(tmp_path / "archive/T-001/r1_work_report.json", b"kept")
    report = json.dumps({"task_id": "T-001", "round": 1})
    write_atomically(tmp_path / bus.WORK_REPORT, report.encode())
    FileStore(tmp_path).save(state(round=2), STARTED, {bus.WORK_REPORT: None})
    assert (tmp_path / "archive/T-001/r1_work_report.json").read_bytes() == b"kept"


def test_the_state_before_each_worker_is_archived(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.save(state(), OTHER)
    store.save(state(seq=2), STARTED)
    archived = json.loads((tmp_path / "archive/T-001/r1_state.json").read_bytes())
    seed = {"version": 1, "state": "awaiting_work", "round": 1, "task_id": "T-001"}
    assert archived == seed


def details(round_: int, notes: str = "") -> RoundDetail:
    return RoundDetail(round=round_, started_at=f"2030-01-0{round_}T00:00:00Z", worker_notes=notes)


def test_what_is_ours_in_a_state_is_kept_once_however_many_rounds_there_were(
    tmp_path: Path,
) -> None:
    store, sizes = FileStore(tmp_path), []
    for n in range(2, 10):
        rounds = tuple(details(one, "word " * 100) for one in range(1, n))
        record = RoundRecord(round=n - 1, parent_sha="a" * 40, head_sha="b" * 40)
        session = Session(session_id="s", backend="codex", tokens_in=5, tokens_out=5)
        ours = {"history": (record,) * n, "outbox": (OutboxItem(key="k"),) * n}
        known = {"round_details": rounds, "sessions": {"worker": session}, "head_sha": "b" * 40}
        store.save(state(round=n, **ours, **known), OTHER)
        store.save(state(seq=2, round=n, **ours, **known), STARTED)
        raw = (tmp_path / f"archive/T-001/r{n}_state.json").read_bytes()
        archived = json.loads(raw)
        assert [detail["round"] for detail in archived["round_details"]] == [n - 1]
        assert archived["sessions"]["worker"].keys() == {"session_id", "backend", "started_round"}
        assert not {"history", "findings", "outbox", "usage", "schema_version"} & archived.keys()
        sizes.append(len(raw))
    assert max(sizes) == min(sizes)


BEGUN = TaskStarted("T-001", "c" * 64, "a" * 40, "a" * 40, Limits(), "2030-02-01T00:00:00Z")


def a_first_run(folder: Path) -> FileStore:
    """A loop of two rounds, whose last reports are still on the bus."""
    store = FileStore(folder)
    store.save(state(started_at="2030-01-01T00:00:00Z"), BEGUN)
    for n in (1, 2):
        store.save(state(round=n, round_details=tuple(map(details, range(1, n)))), STARTED)
        report = json.dumps({"task_id": "T-001", "round": n}).encode()
        kept = bus.archive_path("T-001", n, bus.WORK_REPORT)
        store.save(
            state(round=n, round_details=tuple(map(details, range(1, n + 1)))),
            OTHER,
            {bus.WORK_REPORT: report, kept: report},
        )
    return store


def test_a_second_run_keeps_the_archive_of_the_first(tmp_path: Path) -> None:
    store, archive = a_first_run(tmp_path), tmp_path / "archive" / "T-001"
    before = {name: (archive / name).read_bytes() for name in names(archive)}
    store.save(state(), BEGUN)
    store.save(state(seq=2), STARTED, {bus.WORK_REPORT: None})
    moved = "runs/2030-01-01T00-00-00Z"
    assert {name: (archive / moved / name).read_bytes() for name in before} == before
    assert names(archive) == ["r1_state.json", *sorted(f"{moved}/{name}" for name in before)]


def test_runs_that_began_in_the_same_second_are_kept_apart(tmp_path: Path) -> None:
    archive = tmp_path / "archive" / "T-001"
    for _ in range(3):
        a_first_run(tmp_path)
    kept = sorted(path.name for path in (archive / "runs").iterdir())
    assert kept == ["2030-01-01T00-00-00Z", "2030-01-01T00-00-00Z-2"]
    assert len(names(archive)) == 3 * 4


def test_a_run_of_another_task_in_between_changes_nothing_about_that(tmp_path: Path) -> None:
    store = a_first_run(tmp_path)
    store.save(state(task_id="T-002", started_at="2031-01-01T00:00:00Z"), OTHER)
    store.save(state(), BEGUN)
    assert [p.name for p in (tmp_path / "archive/T-001/runs").iterdir()] == ["2030-01-01T00-00-00Z"]


def test_a_start_that_says_no_time_cannot_lead_out_of_the_archive(tmp_path: Path) -> None:
    store = a_first_run(tmp_path)
    store.save(state(started_at="../../../out"), OTHER)
    store.save(state(), BEGUN)
    runs = tmp_path / "archive/T-001/runs"
    assert [p.name for p in runs.iterdir()] == ["0000-00-00T00-00-00Z"]


def test_a_link_on_the_bus_is_neither_read_nor_followed_when_removed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    folder = tmp_path / ".loop"
    folder.mkdir()
    (folder / bus.WORK_REPORT).symlink_to(secret)
    store = FileStore(folder)
    assert store.read(bus.WORK_REPORT) is None
    store.save(state(), STARTED, {bus.WORK_REPORT: None})
    assert secret.read_text() == "s3cret"
    assert not (folder / bus.WORK_REPORT).is_symlink()


HOLD = """
import sys, time
from pathlib import Path
from loop_kit.adapters.loop_dir.loop_lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_the_lock_is_exclusive_and_goes_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    argv = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(AlreadyRunning, match="already running") as refused, exclusive(lock):
            pass
        assert refused.value.exit_code == 5
        holder.kill()
        holder.wait()
        with exclusive(lock):
            assert lock.exists()


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive(tmp_path / "lock"):
        raise RuntimeError
    with exclusive(tmp_path / "lock"):
        pass
