"""A folder for temporary files is removed once its owner is gone, and not before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loop_kit.adapters.files.owned_folder import PREFIX, OwnedFolder, remove_abandoned

OWN = """
import sys, time
from loop_kit.adapters.files.owned_folder import OwnedFolder
folder = OwnedFolder(sys.argv[1])
(folder.path / "left").mkdir()
print("made", flush=True)
time.sleep(60)
"""


def test_a_folder_is_removed_after_its_owner_was_killed_and_not_before(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWN, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"made\n"
        remove_abandoned([str(tmp_path)])
        assert len(list(tmp_path.glob(f"{PREFIX}*/left"))) == 1
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    remove_abandoned([str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_an_own_folder_is_left_until_it_is_removed(tmp_path: Path) -> None:
    folder = OwnedFolder(str(tmp_path))
    remove_abandoned([str(tmp_path)])
    assert folder.path.is_dir()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_folder_of_that_name_is_left(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "precious").mkdir(parents=True)
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    os.mkfifo(tmp_path / f"{PREFIX}pipe")
    before = sorted(tmp_path.rglob("*"))

    remove_abandoned([str(tmp_path), str(tmp_path / "none")])

    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_another_user_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{PREFIX}theirs").mkdir()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    remove_abandoned([str(tmp_path)])
    assert (tmp_path / f"{PREFIX}theirs").is_dir()
