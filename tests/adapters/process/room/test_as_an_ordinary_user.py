"""The tests of rooms once more as an ordinary user, who has `sudo`, namespaces or Landlock."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.ordinary_user import USER, as_ordinary_user, make_sudo

ROOMS = Path(__file__).with_name("test_rooms.py")
PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an ordinary user can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_rooms_keep_their_promises_for_an_ordinary_user(folder: Path) -> None:
    if os.geteuid() != 0:
        return  # then the tests themselves are run as one
    make_sudo(folder / "bin")
    home = folder / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    done = subprocess.run(
        as_ordinary_user(
            [*PYTEST, "-k", "sudo or reason or Landlock", f"--basetemp={home}/tmp", str(ROOMS)]
        ),
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(home)},
        cwd=ROOMS.parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_what_root_installed_in_a_closed_folder_is_run_by_an_ordinary_user(tmp_path: Path) -> None:
    """As `python -m tests.hostile --loop` does with a copy in the home of root."""
    if os.geteuid() != 0:
        return
    program, link = tmp_path / "tool" / "bin" / "tool", tmp_path / "link"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nid -u; cat $(dirname $0)/../about\n")
    program.chmod(0o755)
    (tmp_path / "tool" / "about").write_text("all of it\n")
    link.symlink_to(program)
    tmp_path.chmod(0o700)
    done = subprocess.run(
        as_ordinary_user([str(program)], link), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"{USER}\nall of it\n", "")
