"""What was saved outlasts a power cut, by one fsync for each transition."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loop_kit.adapters.loop_dir.write_ahead import MAX_LOG, NAME, Boot, WriteAhead, current_boot

FILES = {"state.json": b'{"round": 1}', "archive/T-001/r1.json": b"\xff\n", "fix_list.json": None}


def opened(folder: Path, boot: str, limit: int = MAX_LOG) -> WriteAhead:
    """The log as a process opens it that runs since a start long ago, or since the one just now."""
    began = time.time() - (3600 if boot == "after" else 2 * 3600)
    return WriteAhead(folder, lambda: Boot(boot, lambda: began), limit)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (1, 1))


def test_after_a_power_cut_the_files_are_written_again(tmp_path: Path) -> None:
    opened(tmp_path, "before").append(FILES)
    (tmp_path / "state.json").write_bytes(b"")
    (tmp_path / "fix_list.json").write_bytes(b"{}")
    age(tmp_path / "state.json", tmp_path / "fix_list.json")
    opened(tmp_path, "after").recover()
    assert content(tmp_path) == {name: raw for name, raw in FILES.items() if raw is not None}


def test_while_the_machine_runs_the_files_count_and_not_the_log(tmp_path: Path) -> None:
    opened(tmp_path, "same").append(FILES)
    (tmp_path / "state.json").write_bytes(b"by hand")
    age(tmp_path / "state.json")
    opened(tmp_path, "same").recover()
    assert (tmp_path / "state.json").read_bytes() == b"by hand"


def test_what_a_person_wrote_after_the_power_cut_is_left(tmp_path: Path) -> None:
    opened(tmp_path, "before").append(FILES)
    (tmp_path / "state.json").write_bytes(b"by hand")
    opened(tmp_path, "after").recover()
    assert (tmp_path / "state.json").read_bytes() == b"by hand"


def test_what_was_written_just_before_the_power_cut_is_no_persons(tmp_path: Path) -> None:
    log = opened(tmp_path, "before")
    log.append({"state.json": b"1"})
    log.sync()
    (tmp_path / "state.json").write_bytes(b"")
    os.utime(tmp_path / "state.json", (time.time() - 3601, time.time() - 3601))
    opened(tmp_path, "after").recover()
    assert (tmp_path / "state.json").read_bytes() == b"1"


def test_the_last_contents_count_and_a_torn_record_is_left_out(tmp_path: Path) -> None:
    log = opened(tmp_path, "before")
    log.append({"state.json": b"1"})
    log.append({"state.json": b"2"})
    whole = (tmp_path / NAME).stat().st_size
    log.append({"state.json": b"3" * 100})
    os.truncate(tmp_path / NAME, whole + 20)
    opened(tmp_path, "after").recover()
    assert (tmp_path / "state.json").read_bytes() == b"2"


def test_what_follows_a_torn_record_is_not_lost(tmp_path: Path) -> None:
    opened(tmp_path, "before").append({"state.json": b"1" * 100})
    os.truncate(tmp_path / NAME, (tmp_path / NAME).stat().st_size - 1)
    opened(tmp_path, "before").append({"state.json": b"2"})
    opened(tmp_path, "after").recover()
    assert (tmp_path / "state.json").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["../out.json", "/tmp/loop-kit-out.json", "link/out.json"])
def test_a_log_that_the_repository_brought_writes_nothing_outside(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / ".loop"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    opened(folder, "before").append({name: b"hostile", "state.json": b"1"})
    opened(folder, "after").recover()
    assert (folder / "state.json").read_bytes() == b"1"
    assert not (tmp_path / "out.json").exists()
    assert not Path("/tmp/loop-kit-out.json").exists()


NO_LOGS = (
    *(b"", b"{", b"[]\n", b'{"boot": 1}\n', b"\0" * 5000),
    b'{"boot": 1, "sum": 0, "sizes": [], "files": []}\n',
    b'{"boot": 1, "sum": 0, "sizes": [], "files": {"a": 0}}\n',
    b'{"boot": 1, "sum": 0, "sizes": [0], "files": {"a": "x"}}\n',
    b'{"boot": 1, "sum": 1, "sizes": [-3], "files": {"a": 0}}\n',
    b'{"boot": 1, "sum": 0, "sizes": [9], "files": {"a": 0}}\n',
)


@pytest.mark.parametrize("raw", NO_LOGS)
def test_a_log_that_is_no_log_is_dropped(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / NAME).write_bytes(raw)
    log = opened(tmp_path, "now")
    log.recover()
    assert not (tmp_path / NAME).exists()


def test_what_two_files_hold_is_logged_once(tmp_path: Path) -> None:
    report = b"x" * 5000
    opened(tmp_path, "before").append({"work_report.json": report, "archive/r1.json": report})
    assert (tmp_path / NAME).stat().st_size < 6000
    opened(tmp_path, "after").recover()
    assert content(tmp_path) == {"work_report.json": report, "archive/r1.json": report}


def test_the_log_does_not_grow_over_its_limit(tmp_path: Path) -> None:
    log = WriteAhead(tmp_path, lambda: Boot("now", time.time), limit=1000, transitions=1)
    for _ in range(20):
        log.append({"state.json": b"x" * 200})
    assert (tmp_path / NAME).stat().st_size <= 1000


def test_the_log_has_room_for_some_transitions_of_a_long_loop(tmp_path: Path) -> None:
    log = WriteAhead(tmp_path, lambda: Boot("now", time.time), limit=1000, transitions=4)
    sizes = []
    for _ in range(9):
        log.append({"state.json": b"x" * 2000})
        sizes.append((tmp_path / NAME).stat().st_size // 2000)
    assert sizes == [1, 2, 3, 4, 1, 2, 3, 4, 1]


def test_a_machine_names_its_boot_the_same_way_twice() -> None:
    assert current_boot() == current_boot()
    assert 0 < current_boot().began() < time.time()


def test_a_disk_without_room_for_a_longer_log_gets_a_new_one(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from loop_kit.adapters.loop_dir.write_ahead import WriteAhead
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = WriteAhead(Path({str(tmp_path)!r}))
for number in range(20):
    log.append({{"state.json": b"%d" % number * 200}})
    log.sync()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (tmp_path / NAME).stat().st_size <= 1000
