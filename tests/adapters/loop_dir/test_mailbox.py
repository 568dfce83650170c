"""What an agent can put where its report should be, and what comes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.named_pipe import make_pipe

from loop_kit.adapters.loop_dir.mailbox import FolderMailbox, kill_leftovers
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role


def secret_link(report: Path) -> None:
    secret = report.parent.parent / "secret"
    secret.write_text("s3cret")
    report.symlink_to(secret)


def huge(report: Path) -> None:
    with report.open("wb") as out:
        out.truncate(60 * 1024 * 1024)


def just_too_long(report: Path) -> None:
    report.write_bytes(b"x" * (bus.MAX_REPORT + 1))


TRICKS: dict[str, Callable[[Path], None]] = {
    "a pipe": make_pipe,
    "a folder": lambda report: report.mkdir(),
    "a link to a secret": secret_link,
    "a link to nothing": lambda report: report.symlink_to("nowhere"),
    "a link to a device": lambda report: report.symlink_to("/dev/zero"),
    "60 MB": huge,
    "one byte too many": just_too_long,
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_what_is_no_plain_file_of_a_sane_size_is_refused_at_once(
    tmp_path: Path, trick: Callable[[Path], None]
) -> None:
    mailbox = FolderMailbox(tmp_path)
    delivery = mailbox.post(Role.WORKER, 1, 1, {})
    trick(delivery.report)
    with pytest.raises(ReportInvalid, match=r"work_report\.json"):
        mailbox.collect(delivery)
    mailbox.discard(delivery)
    assert not delivery.folder.exists()


@pytest.mark.parametrize("ends", ["discarded", "left by a run that was killed"])
def test_folders_deeper_than_a_program_can_follow_are_removed(tmp_path: Path, ends: str) -> None:
    root = tmp_path / "mailboxes"
    mailbox = FolderMailbox(root)
    delivery = mailbox.post(Role.WORKER, 1, 1, {})
    deepen = (
        "import os, sys; os.chdir(sys.argv[1])\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    )
    subprocess.run([sys.executable, "-c", deepen, str(delivery.folder)], check=True)

    if ends == "discarded":
        mailbox.discard(delivery)
    else:
        kill_leftovers(root)

    assert not delivery.folder.exists()


def test_a_late_writer_finds_nothing_to_write_to(tmp_path: Path) -> None:
    mailbox = FolderMailbox(tmp_path)
    delivery = mailbox.post(Role.REVIEWER, 1, 1, {})
    mailbox.discard(delivery)
    with pytest.raises(FileNotFoundError):
        delivery.report.write_text("{}")


def test_the_next_mailbox_is_where_nobody_could_know(tmp_path: Path) -> None:
    mailbox = FolderMailbox(tmp_path)
    folders = {mailbox.post(Role.REVIEWER, 1, 1, {}).folder for _ in range(20)}
    assert len(folders) == 20


def test_a_mailbox_that_was_replaced_by_a_link_is_removed_and_its_target_is_not(
    tmp_path: Path,
) -> None:
    mailbox = FolderMailbox(tmp_path / "boxes")
    delivery = mailbox.post(Role.WORKER, 1, 1, {})
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    delivery.folder.rename(tmp_path / "moved")
    delivery.folder.symlink_to(kept)
    mailbox.discard(delivery)
    assert (kept / "file").exists()
    assert not delivery.folder.is_symlink()
