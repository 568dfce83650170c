"""Prepared snapshots: made once for each state of the manifests, and written to by no agent."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local
from tests.adapters.workspaces.stand_ins import Scratch, Unprepared
from tests.adapters.workspaces.test_clones import agent_git, files_at
from tests.adapters.workspaces.test_workplace import status
from tests.support.unix_sockets import bound

from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.copying import Copier, require_space, size_of
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.verifier import CloneVerifier
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.loop.state import Role
from loop_kit.errors import DiskRefused
from loop_kit.ports import SetupFailed

GIB = 1024**3


@dataclass
class Installed(Unprepared):
    """A preparation that installs what the file `lock` names, and counts."""

    local: Local
    prepared: list[Path] = field(default_factory=list)
    fails: bool = False

    def key(self, sha: str) -> str | None:
        return self.local.git.text("rev-parse", f"{sha}:lock")

    def prepare(self, path: Path, sha: str) -> None:
        self.prepared.append(path)
        if self.fails:
            raise SetupFailed("It failed.", "Repair it.")
        installed = path / "modules" / "deep"
        installed.mkdir(parents=True)
        (installed / "x.js").write_text((path / "lock").read_text())
        (installed / "x.js").chmod(0o755)
        (installed / "self").write_text(str(path))
        (path / "modules" / "link").symlink_to("deep/x.js")
        (path / "generated file").write_text("made\n")
        (path / "lock").write_text("rewritten by the installer\n")
        (path / ".git" / "config").write_text("[core]\n\thooksPath = .husky\n")


@pytest.fixture
def base(local: Local) -> str:
    return local.commit({".gitignore": "modules/\n", "lock": "1\n", "src/b.py": "b\n"})


@pytest.fixture
def installed(local: Local) -> Installed:
    return Installed(local)


@pytest.fixture
def place(cloner: Cloner, installed: Installed) -> Workplace:
    return Workplace(Snapshots(cloner, installed))


@pytest.fixture
def clones(place: Workplace) -> Clones:
    return Clones(place, IDENTITY)


def test_everybody_gets_what_was_prepared_once_at_the_very_path_where_they_work(
    clones: Clones, place: Workplace, installed: Installed, base: str
) -> None:
    clones.prepare(base)
    for role in Role:
        workspace = clones.open(role, base)
        assert (workspace.path / "modules" / "link").read_text() == "1\n"
        assert (workspace.path / "modules" / "deep" / "self").read_text() == str(workspace.path)
        assert os.access(workspace.path / "modules" / "deep" / "x.js", os.X_OK)
        assert status(workspace.path) == []
        workspace.close()
    found = CloneVerifier(place, {"PATH": os.environ["PATH"]}).verify(
        base, ["grep 1 modules/deep/x.js && git diff --quiet"], 60
    )
    assert found.passed
    assert installed.prepared == [place.path]


def test_what_is_prepared_is_neither_committed_nor_seen_as_work(
    clones: Clones, local: Local, base: str
) -> None:
    workspace = clones.open(Role.WORKER, base)
    assert (workspace.path / "generated file").read_text() == "made\n"
    assert (workspace.path / "lock").read_text() == "1\n"
    assert workspace.collect("Leftovers").head == base
    (workspace.path / "mine.py").write_text("mine\n")
    head = workspace.collect("Leftovers").head
    assert set(files_at(local, head)) - set(files_at(local, base)) == {"mine.py"}
    workspace.close()

    again = clones.open(Role.WORKER, head)
    assert (again.path / "generated file").read_text() == "made\n"
    assert (again.path / "modules" / "link").read_text() == "1\n"


def test_no_agent_writes_to_the_snapshot(clones: Clones, place: Workplace, base: str) -> None:
    first = clones.open(Role.REVIEWER, base)
    (first.path / "modules" / "deep" / "x.js").write_text("evil\n")
    (first.path / "modules" / "new").write_text("evil\n")
    (first.path / "src" / "b.py").write_text("evil\n")
    first.close()

    second = clones.open(Role.REVIEWER, base)

    assert (second.path / "modules" / "deep" / "x.js").read_text() == "1\n"
    assert not (second.path / "modules" / "new").exists()
    assert (second.path / "src" / "b.py").read_text() == "b\n"


def test_another_commit_gets_its_files_and_another_lock_file_its_own_preparation(
    clones: Clones, installed: Installed, local: Local, base: str
) -> None:
    clones.open(Role.REVIEWER, base).close()
    edited = local.commit({"src/b.py": "edited\n", "src/new.py": "new\n"})
    second = clones.open(Role.REVIEWER, edited)
    assert (second.path / "src" / "b.py").read_text() == "edited\n"
    assert (second.path / "src" / "new.py").read_text() == "new\n"
    assert status(second.path) == []
    assert agent_git(second.path).text("rev-parse", "HEAD") == edited
    second.close()
    assert len(installed.prepared) == 1

    upgraded = local.commit({"lock": "2\n"})
    third = clones.open(Role.REVIEWER, upgraded)
    assert (third.path / "modules" / "link").read_text() == "2\n"
    third.close()
    fourth = clones.open(Role.REVIEWER, edited)
    assert (fourth.path / "modules" / "link").read_text() == "1\n"
    assert len(installed.prepared) == 2


def test_the_work_of_a_failed_attempt_lies_over_a_prepared_workspace(
    clones: Clones, local: Local, base: str
) -> None:
    work = local.commit({"src/b.py": "half\n"})
    workspace = clones.open(Role.WORKER, base, work)
    assert (workspace.path / "src" / "b.py").read_text() == "half\n"
    assert status(workspace.path) == ["M  src/b.py"]
    assert (workspace.path / "modules" / "link").read_text() == "1\n"


def test_files_are_written_as_the_attributes_of_their_own_commit_say(
    clones: Clones, local: Local, base: str
) -> None:
    clones.open(Role.REVIEWER, base).close()
    later = local.commit({".gitattributes": "*.py text eol=crlf\n"})
    for sha, content in ((later, b"b\r\n"), (base, b"b\n"), (later, b"b\r\n")):
        workspace = clones.open(Role.REVIEWER, sha)
        assert (workspace.path / "src" / "b.py").read_bytes() == content
        assert (workspace.path / "modules" / "link").read_text() == "1\n"
        assert status(workspace.path) == []
        workspace.close()


def test_a_preparation_that_fails_leaves_nothing(
    clones: Clones, place: Workplace, installed: Installed, base: str
) -> None:
    installed.fails = True
    with pytest.raises(SetupFailed, match="It failed"):
        clones.prepare(base)
    assert not place.path.exists()


def test_a_disk_without_room_is_said_before_anything_is_copied(
    cloner: Cloner, local: Local
) -> None:
    sha = local.commit({"big.bin": b"x" * 2**21})
    place = Workplace(Snapshots(cloner, Unprepared(), lambda folder: 2**22))

    with pytest.raises(SetupFailed, match=r"needs 6 MB, and .* has 4 MB left") as refused:
        Clones(place, IDENTITY).prepare(sha)

    assert "--workspace-root" in refused.value.remedy
    assert not place.path.exists()
    Workplace(Snapshots(cloner, Unprepared(), lambda folder: 2**23)).prepare(sha)


def test_nobody_counts_files_where_there_is_plenty_of_room(tmp_path: Path) -> None:
    def counted() -> int:
        raise AssertionError

    require_space(tmp_path, counted, lambda folder: 20 * GIB)
    with pytest.raises(DiskRefused, match="needs 9,216 MB"):
        require_space(tmp_path, lambda: 9 * GIB, lambda folder: 8 * GIB)


def test_a_copy_keeps_links_modes_and_times_and_leaves_out_what_is_no_file(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    (source / "locked").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / "locked" / ".git").mkdir()
    (source / "locked" / "file").write_text("content\n")
    (source / "locked" / "file").chmod(0o750)
    os.utime(source / "locked" / "file", ns=(1, 1_234_567_891_000_000_000))
    (source / "broken").symlink_to("/nowhere")
    os.mkfifo(source / "pipe")
    bound(source / "socket").close()
    (source / "locked").chmod(0o550)

    Copier().copy(source, tmp_path / "copy", {".git"})

    copy = tmp_path / "copy"
    assert sorted(path.name for path in copy.iterdir()) == ["broken", "locked"]
    assert (copy / "broken").readlink() == Path("/nowhere")
    about = (copy / "locked" / "file").stat()
    assert (about.st_mode & 0o777, about.st_mtime) == (0o750, 1_234_567_891)
    assert (copy / "locked").stat().st_mode & 0o777 == 0o550
    assert (copy / "locked" / ".git").is_dir()
    assert size_of(source) >= len("content\n")


def test_a_preparation_that_removes_the_workspace_is_refused(local: Local, base: str) -> None:
    class Removes(Installed):
        def prepare(self, path: Path, sha: str) -> None:
            shutil.rmtree(path)

    folder = local.root.with_name("scratch")
    cloner = Cloner(local.git, local.root / ".git", Scratch(folder))
    with pytest.raises(SetupFailed, match="removed the workspace"):
        Snapshots(cloner, Removes(local)).prepare(folder / "workspace", base)


def test_a_snapshot_that_was_removed_is_made_again(
    local: Local, base: str, installed: Installed
) -> None:
    folder = local.root.with_name("scratch")
    snapshots = Snapshots(Cloner(local.git, local.root / ".git", Scratch(folder)), installed)
    snapshots.prepare(folder / "workspace", base)
    shutil.rmtree(folder)
    snapshots.place(folder / "workspace", base)
    assert (folder / "workspace" / "modules" / "link").read_text() == "1\n"
