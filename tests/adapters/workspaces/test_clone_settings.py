"""A clone is configured as git would configure a new repository on this file system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loop_kit.adapters.workspaces.clone_settings import CAN_PROBE, probed_settings

IMPLIED = {"core.logallrefupdates=true"}
"""What git writes although it holds in every repository with files where nothing is configured."""


def listed(path: Path) -> set[str]:
    command = ("git", "config", "--list", "--file", str(path))
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_the_settings_are_those_that_git_finds(tmp_path: Path, kind: str) -> None:
    by_git, probed = tmp_path / "git", tmp_path / "probed"
    command = ("git", "init", "--quiet", "--template=", f"--object-format={kind}", str(by_git))
    subprocess.run(command, check=True)
    probed.mkdir()
    text = probed_settings(probed, is_sha256=kind == "sha256")
    (probed / "config").write_text(text, "utf-8")
    assert not CAN_PROBE or listed(probed / "config") == listed(by_git / ".git/config") - IMPLIED
