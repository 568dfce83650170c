"""`.loop/` in an agent's workspace: there for one attempt, whatever an earlier one left there."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.named_pipe import make_pipe

from loop_kit.adapters.loop_dir.mailbox import FolderMailbox
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.ports import Collected, Delivery

CARD = {bus.TASK_CARD: b"{}", bus.STATE: b'{"round": 1}'}
REPORT = b'{"notes": "of this attempt"}'


@dataclass(frozen=True)
class Folder:
    """A workspace that is a plain folder, whose commit has the paths `names`."""

    path: Path
    names: frozenset[str] = frozenset()

    def tracked(self, paths: Collection[str]) -> frozenset[str]:
        return self.names & {*paths}

    def agent_ended(self) -> None:
        raise NotImplementedError

    def collect(
        self, message: str, named: str | None = None, trailers: Sequence[str] = ()
    ) -> Collected:
        raise NotImplementedError

    def fingerprint(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def mailbox(tmp_path: Path) -> FolderMailbox:
    return FolderMailbox(tmp_path / "boxes")


def posted(mailbox: FolderMailbox, workspace: Path, *names: str) -> Delivery:
    return mailbox.post(Role.WORKER, 1, 1, CARD, Folder(workspace, frozenset(names)))


def listing(workspace: Path) -> list[str]:
    return sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob("*"))


def test_the_bus_is_there_for_one_attempt_and_gone_afterwards(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    delivery = posted(mailbox, workspace)
    assert (workspace / ".loop" / bus.TASK_CARD).read_bytes() == b"{}"
    assert (workspace / ".loop" / bus.STATE).read_bytes() == b'{"round": 1}'
    assert mailbox.collect(delivery) is None
    mailbox.discard(delivery)
    assert listing(workspace) == []


def test_a_long_diff_is_beside_the_request_as_in_the_mailbox(
    mailbox: FolderMailbox, workspace: Path, tmp_path: Path
) -> None:
    patch = tmp_path / "long.patch"
    patch.write_bytes(b"diff")
    files: dict[str, bytes | Path] = {bus.REVIEW_REQUEST: b"{}", bus.PATCH: patch}
    mailbox.post(Role.REVIEWER, 1, 1, files, Folder(workspace))
    assert (workspace / ".loop" / bus.PATCH).read_bytes() == b"diff"


def test_a_report_in_the_workspace_is_that_of_the_attempt(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    delivery = posted(mailbox, workspace)
    (workspace / ".loop" / bus.WORK_REPORT).write_bytes(REPORT)
    assert delivery.in_workspace == workspace / ".loop" / bus.WORK_REPORT
    assert mailbox.collect(delivery) == REPORT
    mailbox.discard(delivery)
    assert listing(workspace) == []


def test_the_report_in_the_mailbox_comes_first(mailbox: FolderMailbox, workspace: Path) -> None:
    delivery = posted(mailbox, workspace)
    (workspace / ".loop" / bus.WORK_REPORT).write_bytes(b"{}")
    delivery.report.write_bytes(REPORT)
    assert mailbox.collect(delivery) == REPORT


def test_nothing_but_the_report_of_the_role_is_read_back(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    delivery = posted(mailbox, workspace)
    for name in (bus.REVIEW_REPORT, bus.STATE, bus.TASK_CARD, bus.FIX_LIST):
        (workspace / ".loop" / name).write_bytes(b'{"decision": "approve"}')
    assert mailbox.collect(delivery) is None
    mailbox.discard(delivery)
    assert listing(workspace) == []


def test_what_else_the_agent_left_in_the_folder_is_not_ours_to_remove(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    delivery = posted(mailbox, workspace)
    (workspace / ".loop" / "notes.txt").touch()
    mailbox.discard(delivery)
    assert listing(workspace) == [".loop", ".loop/notes.txt"]


def make_tree(path: Path) -> None:
    (path / "deep" / "down").mkdir(parents=True)


LEFT: dict[str, Callable[[Path], None]] = {
    "a report": lambda path: path.write_bytes(REPORT) and None,
    "a link to a report": lambda path: path.symlink_to(path.parent.parent.parent / "outside.json"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": make_pipe,
    "a folder": make_tree,
    "a huge file": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 1 << 40),
}


@pytest.mark.parametrize("name", [bus.WORK_REPORT, bus.TASK_CARD])
@pytest.mark.parametrize("leave", LEFT.values(), ids=LEFT)
def test_what_an_earlier_attempt_left_is_removed_and_never_followed(
    mailbox: FolderMailbox, workspace: Path, leave: Callable[[Path], None], name: str
) -> None:
    outside = workspace.parent / "outside.json"
    outside.write_bytes(REPORT)
    (workspace / ".loop").mkdir()
    leave(workspace / ".loop" / name)
    delivery = posted(mailbox, workspace)
    assert mailbox.collect(delivery) is None
    assert (workspace / ".loop" / bus.TASK_CARD).read_bytes() == b"{}"
    assert outside.read_bytes() == REPORT


@pytest.mark.parametrize(
    "kind", [kind for kind in LEFT if kind not in {"a report", "a link to nowhere"}]
)
def test_a_report_that_is_no_plain_file_of_a_sane_size_is_refused(
    mailbox: FolderMailbox, workspace: Path, kind: str
) -> None:
    (workspace.parent / "outside.json").write_bytes(REPORT)
    delivery = posted(mailbox, workspace)
    LEFT[kind](workspace / ".loop" / bus.WORK_REPORT)
    with pytest.raises(ReportInvalid, match=r"work_report\.json"):
        mailbox.collect(delivery)
    mailbox.discard(delivery)
    assert listing(workspace) == []


def test_a_folder_that_an_earlier_attempt_made_a_link_is_not_written_through(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / bus.WORK_REPORT).write_bytes(REPORT)
    (workspace / ".loop").symlink_to(outside)
    delivery = posted(mailbox, workspace)
    assert not (workspace / ".loop").is_symlink()
    assert mailbox.collect(delivery) is None
    assert listing(outside) == [bus.WORK_REPORT]


def test_a_folder_that_the_agent_makes_a_link_is_not_read_through(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    outside = workspace.parent / "outside"
    delivery = posted(mailbox, workspace)
    (workspace / ".loop").rename(outside)
    (outside / bus.WORK_REPORT).write_bytes(REPORT)
    (workspace / ".loop").symlink_to(outside)
    assert mailbox.collect(delivery) is None
    mailbox.discard(delivery)
    assert (outside / bus.WORK_REPORT).read_bytes() == REPORT


@pytest.mark.parametrize("remains", ["a file", "nothing"])
def test_a_folder_that_the_agent_removes_holds_no_report(
    mailbox: FolderMailbox, workspace: Path, remains: str
) -> None:
    delivery = posted(mailbox, workspace)
    (workspace / ".loop").rename(workspace.parent / "moved")
    if remains == "a file":
        (workspace / ".loop").write_bytes(REPORT)
    assert mailbox.collect(delivery) is None
    mailbox.discard(delivery)


def test_what_the_repository_tracks_stays_as_it_is(mailbox: FolderMailbox, workspace: Path) -> None:
    card, config = workspace / ".loop" / bus.TASK_CARD, workspace / ".loop" / "config.yaml"
    card.parent.mkdir()
    card.write_bytes(b"the repository's own card")
    config.write_bytes(b"max_rounds: 5")
    delivery = posted(mailbox, workspace, f".loop/{bus.TASK_CARD}", ".loop/config.yaml")
    assert card.read_bytes() == b"the repository's own card"
    assert (workspace / ".loop" / bus.STATE).exists()
    mailbox.discard(delivery)
    assert listing(workspace) == [".loop", ".loop/config.yaml", f".loop/{bus.TASK_CARD}"]
    assert card.read_bytes() == b"the repository's own card"


def test_a_report_that_the_repository_tracks_counts_once_it_is_another(
    mailbox: FolderMailbox, workspace: Path
) -> None:
    report = workspace / ".loop" / bus.WORK_REPORT
    report.parent.mkdir()
    report.write_bytes(b"of another loop")
    delivery = posted(mailbox, workspace, f".loop/{bus.WORK_REPORT}")
    assert mailbox.collect(delivery) is None
    assert delivery.in_workspace is None
    report.write_bytes(REPORT)
    assert mailbox.collect(delivery) == REPORT
    mailbox.discard(delivery)
    assert report.read_bytes() == b"of another loop"


@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_where_the_repository_has_no_folder_of_this_name_there_is_no_bus(
    mailbox: FolderMailbox, workspace: Path, kind: str
) -> None:
    outside = workspace.parent / "outside"
    outside.mkdir()
    if kind == "a file":
        (workspace / ".loop").write_bytes(b"text")
    else:
        (workspace / ".loop").symlink_to(outside)
    delivery = posted(mailbox, workspace, ".loop")
    assert (delivery.in_workspace, mailbox.collect(delivery)) == (None, None)
    mailbox.discard(delivery)
    assert os.path.lexists(workspace / ".loop")
    assert listing(outside) == []


def test_a_person_gets_no_bus_of_an_agent(mailbox: FolderMailbox, workspace: Path) -> None:
    assert mailbox.post(Role.WORKER, 1, 1, CARD).in_workspace is None
    assert listing(workspace) == []
