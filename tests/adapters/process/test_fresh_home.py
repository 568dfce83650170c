"""A home for each program, where what one writes is not read by the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest
from tests.adapters.process.test_process import Recording

from loop_kit.adapters.process import process
from loop_kit.adapters.process.fresh_home import FreshHome, HomeView
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room.rooms import Rooms, Wishes
from loop_kit.adapters.process.room.rungs import Choice, Rung

SITE = ".local/lib/python3.12/site-packages"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with settings, a cache, a program and a package."""
    folder = tmp_path / "home"
    for name in (".config/git", ".config/tool", ".cache", ".local/bin", f"{SITE}/package"):
        (folder / name).mkdir(parents=True)
    (folder / ".gitconfig").write_text("[user]\n\tname = Me\n")
    (folder / ".netrc").write_text("password s3cret\n")
    (folder / ".toolrc").write_text("mine\n")
    (folder / ".config" / "git" / "ignore").write_text("*.pyc\n")
    (folder / ".local" / "bin" / "tool").touch()
    return folder


def run(view: HomeView, script: str, cwd: Path) -> str:
    heard = Recording()
    argv, env = ["/bin/sh", "-c", script], {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    box = FreshHome(Bare(), view)
    process.stream(argv, cwd=cwd, env=env, stdin=b"", listener=heard, timeout=60, box=box)
    return heard.raw["stdout"].decode()


def test_what_a_program_writes_into_its_home_is_gone_with_it(home: Path, tmp_path: Path) -> None:
    view = HomeView(home)
    attack = (
        'git config --global diff.external evil; echo x >> "$HOME/.profile";'
        f' touch "$HOME/{SITE}/usercustomize.py"; mkdir -p "$HOME/.config/git";'
        ' echo x > "$HOME/.config/git/attributes";'
        ' echo "$HOME"'
    )
    used = run(view, attack, tmp_path).strip()

    shown = run(view, "cd && find . && cat .gitconfig", tmp_path)
    assert not [
        word for word in ("evil", "usercustomize", "attributes", ".profile") if word in shown
    ]
    assert not Path(used).exists()
    assert not (home / ".profile").exists()
    assert "evil" not in (home / ".gitconfig").read_text()


def test_what_is_written_into_the_real_home_configures_no_later_program(
    home: Path, tmp_path: Path
) -> None:
    view = HomeView(home)
    (home / ".gitconfig").write_text("[diff]\n\texternal = evil\n")
    (home / ".toolrc").write_text("evil\n")
    (home / SITE / "usercustomize.py").touch()

    shown = run(view, f'cd; cat .gitconfig .toolrc .netrc; ls "{SITE}"', tmp_path)

    assert "mine" in shown
    assert "evil" not in shown
    assert "s3cret" not in shown
    assert "usercustomize" not in shown


def test_caches_programs_and_packages_are_where_they_were(home: Path, tmp_path: Path) -> None:
    look = f'touch "$HOME/.cache/kept"; ls "$HOME/.local/bin" "$HOME/{SITE}" "$HOME/.config"'
    shown = run(HomeView(home), look, tmp_path)
    assert (home / ".cache" / "kept").exists()
    assert {"tool", "package"} <= {*shown.split()}


def test_a_home_that_is_not_there_is_an_empty_one(tmp_path: Path) -> None:
    assert run(HomeView(tmp_path / "none"), 'ls -A "$HOME"', tmp_path) == ""


@pytest.mark.parametrize(
    ("in_job", "sandbox", "fresh"),
    [(True, "auto", True), (True, "off", False), (False, "auto", False)],
)
def test_a_job_without_a_room_gets_it_unless_that_is_what_was_asked_for(
    home: Path, in_job: bool, sandbox: Literal["auto", "off"], fresh: bool
) -> None:
    rooms = Rooms(Wishes(sandbox, {"HOME": str(home), "PATH": os.environ["PATH"]}, in_job=in_job))
    vars(rooms)["_choice"] = Choice(Rung.NONE)
    box = rooms.agent([], ["true"], {})
    found = box.environment({"HOME": str(home)})["HOME"]
    box.release()
    box.close()
    assert (found != str(home)) is fresh
