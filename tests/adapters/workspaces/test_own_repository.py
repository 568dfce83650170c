"""The `.git` of the user's checkout, after a program that damages it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import Hosted, Local

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.partial_checkout import PartialCheckout
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.workspaces.own_repository import OwnRepository
from loop_kit.ports import Tampered


def put_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def replace(path: Path, content: bytes | None) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)


def interrupt(path: Path) -> None:
    path.unlink()
    raise KeyboardInterrupt


PIPES = ("HEAD", "config", "packed-refs", "index", "info/exclude", "refs/heads/x", "shallow")


@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_is_removed_and_what_was_there_is_back(local: Local, name: str) -> None:
    local.git.run("pack-refs", "--all")
    path = local.root / ".git" / name
    before = path.read_bytes() if path.exists() else None

    with pytest.raises(Tampered, match=name), OwnRepository(local.root / ".git").kept():
        put_pipe(path)

    assert (path.read_bytes() if path.exists() else None) == before
    assert local.git.text("status", "--porcelain") == ""
    assert local.git.text("rev-parse", "HEAD") == local.head


def test_the_socket_with_which_git_watches_files_for_the_user_stays(local: Local) -> None:
    path = local.root / ".git" / "fsmonitor--daemon.ipc"
    with OwnRepository(local.root / ".git").kept():
        os.mknod(path, stat.S_IFSOCK | 0o600)
    assert path.is_socket()

    path.unlink()
    with pytest.raises(Tampered, match=path.name), OwnRepository(local.root / ".git").kept():
        put_pipe(path)


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"\0" * 5000])
def test_a_head_that_names_nothing_is_put_back(local: Local, content: bytes | None) -> None:
    with pytest.raises(Tampered, match="HEAD"), OwnRepository(local.root / ".git").kept():
        replace(local.root / ".git" / "HEAD", content)

    assert local.git.text("rev-parse", "HEAD") == local.head


@pytest.mark.parametrize("damage", [lambda path: replace(path, b"garbage\n"), put_pipe])
def test_a_branch_that_names_nothing_is_put_back(
    local: Local, damage: Callable[[Path], None]
) -> None:
    branch = local.git.text("symbolic-ref", "HEAD")
    with pytest.raises(Tampered, match=branch), OwnRepository(local.root / ".git").kept():
        damage(local.root / ".git" / branch)

    assert local.git.text("rev-parse", "HEAD") == local.head


def test_objects_that_are_gone_are_named_as_lost(local: Local) -> None:
    objects = local.root / ".git" / "objects"
    with (
        pytest.raises(Tampered, match=r"objects \(gone\)") as caught,
        OwnRepository(local.root / ".git").kept(),
    ):
        shutil.rmtree(objects)

    assert "clone the repository again" in caught.value.remedy


def test_what_is_gone_is_put_back_when_the_run_is_interrupted(local: Local) -> None:
    with pytest.raises(KeyboardInterrupt), OwnRepository(local.root / ".git").kept():
        interrupt(local.root / ".git" / "config")

    assert (local.root / ".git" / "config").exists()


def test_what_a_person_does_meanwhile_is_no_damage(local: Local, tmp_path: Path) -> None:
    outside = tmp_path / "objects"
    local.git.run("branch", "old")
    with OwnRepository(local.root / ".git").kept():
        local.git.run("branch", "unused")
        local.git.run("switch", "--quiet", "--create", "other")
        local.commit({"b.py": "new\n"})
        local.git.run("config", "user.name", "Somebody Else")
        local.git.run("branch", "--quiet", "--delete", "old")
        local.git.run("gc", "--quiet", "--prune=now")
        shutil.move(local.root / ".git" / "objects", outside)
        (local.root / ".git" / "objects").symlink_to(outside)

    assert local.git.text("symbolic-ref", "HEAD") == "refs/heads/other"
    assert local.git.text("config", "user.name") == "Somebody Else"


STATE = "refs/loop-kit/T-001/state"


def repository_of_job(hosted: Hosted, token: str = "bot") -> tuple[Git, OwnRepository]:
    """A shallow checkout in which a loop has fetched its state."""
    git = hosted.checkout()
    git.run("update-ref", STATE, "HEAD")
    supply = PartialCheckout(git, Remote(hosted.url, hosted.server.url, token))
    head = git.text("rev-parse", "HEAD")
    return git, OwnRepository(git.directory / ".git", head, supply.refetch)


def overwrite(path: Path) -> None:
    """Other bytes, as many as before, and the time of the old ones."""
    about = path.stat()
    path.chmod(0o600)
    path.write_bytes(b"x" * about.st_size)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def overwrite_objects(inside: Path) -> None:
    for path in (inside / "objects").rglob("*"):
        if path.is_file():
            overwrite(path)


def replace_by_pipe(inside: Path) -> None:
    shutil.rmtree(inside)
    os.mkfifo(inside)


def replace_by_link(inside: Path) -> None:
    inside.rename(inside.with_name("elsewhere"))
    inside.symlink_to("elsewhere")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "everything is gone": shutil.rmtree,
    "a pipe": replace_by_pipe,
    "a link": replace_by_link,
    "no objects": lambda inside: shutil.rmtree(inside / "objects"),
    "empty objects": lambda inside: empty(inside / "objects"),
    "other objects": overwrite_objects,
    "no refs": lambda inside: shutil.rmtree(inside / "refs"),
    "another state": lambda inside: (inside / STATE).write_text(f"{'0' * 39}1\n"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_in_a_job_what_is_lost_is_fetched_again(
    hosted: Hosted, damage: Callable[[Path], None]
) -> None:
    git, repository = repository_of_job(hosted)
    head = git.text("rev-parse", "HEAD")

    with pytest.raises(Tampered, match="objects") as caught, repository.kept():
        damage(git.directory / ".git")

    assert "It is as before again" in caught.value.remedy
    assert git.text("rev-parse", "HEAD", STATE).split() == [head, head]
    assert git.text("status", "--porcelain", "--untracked-files=no") == ""
    git.run("fsck", "--strict")


@pytest.mark.parametrize("name", ["heads", "loop-kit"])
def test_folders_deeper_than_a_program_can_follow_end_nothing(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    git, repository = repository_of_job(hosted)
    with repository.kept():
        monkeypatch.chdir(git.directory / ".git" / "refs" / name)
        for _ in range(1500):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        monkeypatch.undo()

    with repository.kept():
        assert git.text("rev-parse", STATE) == git.text("rev-parse", "HEAD")
        assert STATE in git.text("for-each-ref")
    remove(git.directory / ".git" / "refs" / name)


def test_what_the_server_does_not_give_back_is_named_as_lost(hosted: Hosted) -> None:
    git, repository = repository_of_job(hosted, token="nobody")

    with pytest.raises(Tampered, match=r"objects \(gone\)"), repository.kept():
        shutil.rmtree(git.directory / ".git" / "objects")


def test_what_a_job_has_and_an_agent_reads_is_no_damage(hosted: Hosted, tmp_path: Path) -> None:
    git, repository = repository_of_job(hosted)
    (git.directory / "a.py").write_text("new\n")

    with repository.kept():
        git.run("clone", "--quiet", "--local", ".", str(tmp_path / "linked"))
        git.run("hash-object", "-w", "a.py")
        git.run("-c", "core.looseCompression=0", "add", "--all")
        for path in (git.directory / ".git" / "objects").rglob("*"):
            os.utime(path)

    assert git.text("status", "--porcelain") == "M  a.py"
