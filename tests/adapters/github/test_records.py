"""The record in the artifact of a job: known names alone, each to a bound, nothing damaged."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from loop_kit.adapters.github.records import MAX_FILE, MAX_RECORD, unpack_record
from loop_kit.adapters.loop_dir import bounded_file

RUN = "2025-01-02T03-04-05Z"


def packed(files: Mapping[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return kept.getvalue()


def unpacked(target: Path, archive: bytes) -> dict[str, bytes]:
    unpack_record(io.BytesIO(archive), RUN, target)
    files = (path for path in target.rglob("*") if path.is_file())
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


def test_only_files_of_the_record_of_this_run_are_taken(tmp_path: Path) -> None:
    wanted = {f"{RUN}/run.json": b"{}", f"{RUN}/r2_reviewer_1/prompt.md": b"Read it."}
    others = [
        *("report.html", "2024-01-02T03-04-05Z/run.json", f"{RUN}/other.json", "../run.json"),
        *(f"{RUN}/../{RUN}/run.json", f"{RUN}/r1_worker_1/../run.json", f"/{RUN}/run.json"),
        *(f"{RUN}/r1_worker_1/prompt.md/x", f"{RUN}/r1_worker_1/", f"{RUN}//run.json"),
    ]

    assert unpacked(tmp_path, packed({**wanted, **dict.fromkeys(others, b"x")})) == wanted


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    unpacked(tmp_path, packed({f"{RUN}/run.json": b"newer"}))

    assert unpacked(tmp_path, packed({f"{RUN}/run.json": b"older"})) == {
        f"{RUN}/run.json": b"newer"
    }


def test_a_small_archive_of_large_files_is_read_to_a_bound(tmp_path: Path) -> None:
    assert bounded_file.MAX_FILE + len(bounded_file.CUT) < MAX_FILE
    files = {f"{RUN}/r{number}_worker_1/output.log": bytes(MAX_FILE + 1) for number in range(1, 6)}

    found = unpacked(tmp_path, packed(files, zipfile.ZIP_DEFLATED))

    assert len(found) == 4
    assert max(map(len, found.values())) == MAX_FILE
    assert sum(map(len, found.values())) == MAX_RECORD


@pytest.mark.parametrize("damage", ["none of it", "its end", "a file"])
def test_what_is_damaged_is_left_out(tmp_path: Path, damage: str) -> None:
    whole = packed({f"{RUN}/run.json": b"first", f"{RUN}/settings.json": b"second"})
    broken = {
        "none of it": b"Not Found",
        "its end": whole[:-30],
        "a file": whole.replace(b"first", b"1st!!"),
    }

    kept = {f"{RUN}/settings.json": b"second"} if damage == "a file" else {}
    assert unpacked(tmp_path, broken[damage]) == kept
