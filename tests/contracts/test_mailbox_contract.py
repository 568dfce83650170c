"""What every mailbox promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes import MemoryMailbox

from loop_kit.adapters.loop_dir.mailbox import FolderMailbox
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.ports import Mailbox


@dataclass(frozen=True)
class Box:
    """A mailbox, and how an agent reads from it and writes to it."""

    mailbox: Mailbox
    read: Callable[[Path], bytes]
    write: Callable[[Path, bytes], bool]


def write_file(path: Path, content: bytes) -> bool:
    try:
        path.write_bytes(content)
    except FileNotFoundError:
        return False
    return True


@pytest.fixture(params=["memory", "folder"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    if request.param == "folder":
        return Box(FolderMailbox(tmp_path / "boxes"), Path.read_bytes, write_file)
    memory = MemoryMailbox()
    return Box(memory, lambda path: memory.folders[path.parent][path.name], memory.deliver)


def test_the_agent_finds_its_files_and_a_report_of_its_role_is_expected(
    box: Box, tmp_path: Path
) -> None:
    patch = tmp_path / "big.patch"
    patch.write_bytes(b"diff")
    delivery = box.mailbox.post(Role.REVIEWER, 1, 1, {"a.json": b"{}", "x.patch": patch})
    assert box.read(delivery.folder / "a.json") == b"{}"
    assert box.read(delivery.folder / "x.patch") == b"diff"
    assert delivery.report == delivery.folder / bus.REVIEW_REPORT


def test_every_attempt_has_a_mailbox_of_its_own(box: Box) -> None:
    one = box.mailbox.post(Role.WORKER, 1, 1, {})
    two = box.mailbox.post(Role.WORKER, 1, 1, {})
    assert one.folder != two.folder
    box.write(one.report, b"for one")
    assert box.mailbox.collect(two) is None


def test_a_report_is_collected_byte_for_byte(box: Box) -> None:
    delivery = box.mailbox.post(Role.WORKER, 1, 1, {})
    assert box.mailbox.collect(delivery) is None
    assert box.write(delivery.report, b"\xff\x00 no json")
    assert box.mailbox.collect(delivery) == b"\xff\x00 no json"


def test_a_report_that_is_too_long_is_invalid(box: Box) -> None:
    delivery = box.mailbox.post(Role.WORKER, 1, 1, {})
    box.write(delivery.report, b"x" * (bus.MAX_REPORT + 1))
    with pytest.raises(ReportInvalid, match=r"work_report\.json is longer than"):
        box.mailbox.collect(delivery)


def test_nobody_can_write_to_a_mailbox_that_was_discarded(box: Box) -> None:
    delivery = box.mailbox.post(Role.WORKER, 1, 1, {})
    box.mailbox.discard(delivery)
    box.mailbox.discard(delivery)
    assert not box.write(delivery.report, b"late")
