"""Folders that an agent has closed, and files that nobody may remove, end no run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.test_space import fill, space
from tests.support.ordinary_user import USER, as_ordinary_user
from tests.support.programs import LOOP

SCRIPT = """
import sys
from pathlib import Path
from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.workspaces.space import remove_unused
remove(Path(sys.argv[1]))
print(remove_unused(Path(sys.argv[2])))
"""


def close(folder: Path) -> None:
    """What an agent does to its workspaces: nobody can enter them, and a link leads out."""
    deep = folder / "workspace" / "a" / "b"
    deep.mkdir(parents=True, exist_ok=True)
    (deep / "file").write_text("x")
    (deep / "link").symlink_to(folder.parents[1])
    for path in (deep, deep.parent, folder / "workspace", folder):
        path.chmod(0)


def test_a_closed_folder_is_emptied_for_the_next_run_and_no_link_is_followed(
    local: Local, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    one = space(local, tmp_path / "root")
    folder = one.path
    one.close(resumable=True)
    close(folder)

    one = space(local, tmp_path / "root")
    assert one.path == folder
    assert one.close() == ""
    assert (list((tmp_path / "root").iterdir()), precious.read_text()) == ([], "kept")


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that an ordinary user can enter too."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def opened_by(user: str, root: Path, folder: Path) -> list[str]:
    argv = [sys.executable, "-c", SCRIPT, str(root / "gone"), str(folder)]
    return as_ordinary_user(argv) if user == "ordinary" else argv


USERS = ("ordinary", "root") if os.geteuid() == 0 else ("self",)


@pytest.mark.parametrize("user", USERS)
def test_closed_folders_are_removed_by_their_owner(outside: Path, user: str) -> None:
    folder, gone = outside / "key" / "T-1", outside / "gone"
    for path in (folder, gone):
        path.mkdir(parents=True)
        (path / "loop-kit.json").write_text(json.dumps({"task_id": "T-1"}))
    for path in (folder, gone):
        close(path)
    if user == "ordinary":
        for path in (outside, *outside.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)

    argv = opened_by(user, outside, folder)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.stdout == "True\n", done.stderr
    assert not gone.exists()
    assert not folder.exists()


@contextmanager
def protected(path: Path) -> Iterator[None]:
    """A file that root cannot remove, nor its folder."""
    subprocess.run(["chattr", "+i", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


PROTECTED: tuple[Callable[..., object], ...] = (protected,) if os.geteuid() == 0 else ()


@pytest.mark.parametrize("protects", PROTECTED)
def test_what_cannot_be_removed_is_named_and_the_next_run_goes_around_it(
    local: Local, tmp_path: Path, protects: Callable[..., object]
) -> None:
    root = tmp_path / "root"
    one = space(local, root)
    folder = one.path
    fill(folder)
    with protected(folder / "snapshot-1"):
        left = one.close()
        assert str(folder) in left
        assert f"rm -rf -- {folder}" in left
        assert (folder / "snapshot-1" / "file").exists()
        assert not (folder / "worker").exists()

        again = space(local, root)
        assert again.path != folder
        assert again.close() == ""

        home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        argv = [str(LOOP), "clean", "--workspace-root", str(root)]
        run = {"cwd": local.root, "env": home, "capture_output": True, "text": True}
        done = subprocess.run(argv, check=False, **run)
        assert done.returncode == 1, done.stderr
        assert f"not removed: {folder} (T-1)" in done.stdout
        assert f"Something in {folder} cannot be removed" in done.stderr

    done = subprocess.run(argv, check=False, **run)
    assert done.returncode == 0, done.stderr
    assert (done.returncode, done.stdout) == (0, f"removed: {folder} (T-1)\n")
