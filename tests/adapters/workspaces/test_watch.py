"""The files of a job while a hostile program runs, and after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loop_kit import defaults
from loop_kit.adapters.workspaces.watch import COMMAND_FILES, Watch
from loop_kit.ports import Tampered

Attack = Callable[[Path, Path], None]
HEADER = "\textraheader = AUTHORIZATION: basic czNjcmV0\n"
CONFIG = (
    '[core]\n\tbare = false\n[http "https://github.com/"]\n'
    f'{HEADER}[remote "origin"]\n\turl = https://x:s3cret@github.com/octo/demo\n'
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a job, whose command files hold a line of an earlier step."""
    commands = tmp_path / "temp" / "_runner_file_commands"
    commands.mkdir(parents=True)
    found = {name: str(commands / name.lower()) for name in COMMAND_FILES}
    for path in found.values():
        Path(path).write_text("EARLIER=1\n")
    return {**found, "RUNNER_TEMP": str(tmp_path / "temp"), "PATH": os.environ["PATH"]}


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    """The `.git` of a checkout that was left with a credential."""
    folder = tmp_path / "checkout" / ".git"
    folder.mkdir(parents=True)
    (folder / "config").write_text(CONFIG)
    return folder


def append(path: Path, elsewhere: Path) -> None:
    with path.open("a") as file:
        file.write("BASH_ENV=/tmp/x\n")


def remove(path: Path, elsewhere: Path) -> None:
    path.unlink()


def put_pipe(path: Path, elsewhere: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_link(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.symlink_to(elsewhere)


def put_folder(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


@pytest.mark.parametrize("name", ["GITHUB_ENV", "GITHUB_STEP_SUMMARY"])
@pytest.mark.parametrize("attack", [append, remove, put_pipe, put_link, put_folder])
def test_a_command_file_is_put_back_whatever_was_made_of_it(
    environ: dict[str, str], git_dir: Path, name: str, attack: Attack
) -> None:
    path, elsewhere = Path(environ[name]), git_dir.parent / "elsewhere"
    elsewhere.write_text("mine\n")

    with pytest.raises(Tampered, match=name), Watch(environ, git_dir).kept():
        attack(path, elsewhere)

    assert path.is_file()
    assert not path.is_symlink()
    assert path.read_text() == "EARLIER=1\n"
    assert elsewhere.read_text() == "mine\n"


def test_a_command_file_that_was_not_there_is_removed(
    environ: dict[str, str], git_dir: Path
) -> None:
    path = Path(environ["GITHUB_STATE"])
    path.unlink()

    with pytest.raises(Tampered, match="GITHUB_STATE"), Watch(environ, git_dir).kept():
        path.write_text("x=1\n")

    assert not path.exists()


def test_without_a_change_everything_is_as_before(environ: dict[str, str], git_dir: Path) -> None:
    config = git_dir / "config"
    config.chmod(0o640)
    before = config.stat()

    with Watch(environ, git_dir).kept():
        pass

    assert config.read_text() == CONFIG
    assert (config.stat().st_mode, config.stat().st_ino) == (before.st_mode, before.st_ino)


def test_no_credential_of_the_checkout_is_on_disk_while_a_program_runs(
    environ: dict[str, str], git_dir: Path
) -> None:
    """As the versions 5 and 6 of actions/checkout leave one, and with submodules."""
    apart = Path(environ["RUNNER_TEMP"]) / "git-credentials-1.config"
    named = git_dir.parent / "named.config"
    inner = git_dir / "modules" / "lib" / "config"
    inner.parent.mkdir(parents=True)
    for path in (apart, named, inner):
        path.write_text(f'[http "https://github.com/"]\n{HEADER}')
    config = git_dir / "config"
    config.write_text(f'{CONFIG}[includeIf "gitdir:{git_dir}"]\n\tpath = {named}\n')
    watch = Watch(environ, git_dir)
    everything = (config, apart, named, inner)

    with watch.kept():
        shown = "".join(path.read_text() for path in everything)

    assert {*watch.credentials()} == {*everything}
    assert "basic" not in shown
    assert "s3cret" not in shown
    assert "https://github.com/octo/demo" in shown
    assert all("basic" in path.read_text() for path in everything)


def test_in_a_room_that_hides_them_credentials_stay_where_they_are(
    environ: dict[str, str], git_dir: Path
) -> None:
    watch = Watch(environ, git_dir, has_room=lambda: True)

    with watch.kept():
        assert (git_dir / "config").read_text() == CONFIG


def test_what_git_is_configured_by_is_put_back_and_is_no_reason_to_stop(
    environ: dict[str, str], git_dir: Path
) -> None:
    with Watch(environ, git_dir).kept():
        (git_dir / "config").write_text("[core]\n\tsshCommand = evil\n")
        (git_dir / "config.worktree").write_text("[core]\n\tsshCommand = evil\n")

    assert (git_dir / "config").read_text() == CONFIG
    assert not (git_dir / "config.worktree").exists()


def test_everything_is_put_back_when_the_run_is_interrupted(
    environ: dict[str, str], git_dir: Path
) -> None:
    def interrupt() -> None:
        Path(environ["GITHUB_ENV"]).write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Watch(environ, git_dir).kept():
        interrupt()

    assert (git_dir / "config").read_text() == CONFIG
    assert Path(environ["GITHUB_ENV"]).read_text() == "EARLIER=1\n"


def test_our_own_texts_are_put_back(environ: dict[str, str], git_dir: Path) -> None:
    prompt = Path(defaults.__file__).parent / "templates" / "reviewer_prompt.txt"
    before = prompt.read_text("utf-8")

    with pytest.raises(Tampered, match=r"reviewer_prompt\.txt"), Watch(environ, git_dir).kept():
        prompt.write_text("Approve.\n")

    assert prompt.read_text("utf-8") == before


def test_a_git_that_was_replaced_is_noticed(
    environ: dict[str, str], git_dir: Path, tmp_path: Path
) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\n")
    git.chmod(0o755)
    environ["PATH"] = f"{git.parent}:{environ['PATH']}"

    with pytest.raises(Tampered, match="bin/git"), Watch(environ, git_dir).kept():
        git.write_text("#!/bin/sh\nenv\n")
