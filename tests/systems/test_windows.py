"""What loop-kit does for Windows alone, with the names of that system shown to single modules."""

import os
import shutil
import signal
import stat
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.systems.hidden import sitecustomize as lacking

from loop_kit.adapters.files import removal, replacing, times
from loop_kit.adapters.loop_dir import loop_lock
from loop_kit.adapters.process import programs
from loop_kit.adapters.workspaces import space
from loop_kit.cli import run
from loop_kit.core.command_words import quoted, split_words
from loop_kit.core.loop import bus
from loop_kit.core.project import python_setup

SUFFIXES = {"PATHEXT": ".COM;.EXE;.BAT;.CMD"}


def on_windows(monkeypatch: pytest.MonkeyPatch, *modules: types.ModuleType) -> types.ModuleType:
    """Show these modules the `os` of Windows, as far as it is no other file system."""
    shown = lacking.without(os, set(lacking.POSIX["os"].split()))
    vars(shown).update(name="nt", utime=partial(lacking.no_links, os.utime))
    for module in modules:
        monkeypatch.setattr(module, "os", shown)
    return shown


def test_a_program_is_found_with_a_suffix_that_windows_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_windows(monkeypatch, programs)
    for name in ("claude", "claude.ps1", "claude.cmd", "git.exe", "only-a-script"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environ = {**SUFFIXES, "PATH": str(tmp_path)}
    assert programs.find_program("claude", environ) == str(tmp_path / "claude.cmd")
    assert programs.find_program("git.exe", environ) == str(tmp_path / "git.exe")
    assert programs.find_program(str(tmp_path / "git"), environ) == str(tmp_path / "git.exe")
    assert programs.find_program("git", {"PATH": str(tmp_path)}) == str(tmp_path / "git.exe")
    assert programs.find_program("only-a-script", environ) is None


def test_commands_are_run_by_the_shell_that_the_system_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_windows(monkeypatch, programs)
    monkeypatch.setenv("COMSPEC", str(tmp_path / "cmd.exe"))
    assert programs.shell_argv("dir")[0] == str(tmp_path / "cmd.exe")
    monkeypatch.setenv("COMSPEC", "cmd.exe")
    assert programs.shell_argv("dir")[0] == "cmd"


def test_no_archive_has_a_name_that_windows_refuses() -> None:
    began = "2030-01-01T00:00:00Z"
    names = ["state.json", "runs/2030-01-01T00-00-00Z/state.json"]
    for started_at in (began, None):
        for new in bus.archive_of_earlier_run("T-1", started_at, names).values():
            assert not set(new) & set('<>:"|?*')


def test_quotes_in_a_command_are_those_that_a_person_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    on_windows(monkeypatch, programs)
    argv = programs.shell_argv('python -c "print(1)" && echo "a b"')
    line = programs.started_by(["C:\\Windows\\cmd.exe", *argv[1:]])
    assert line == '"C:\\Windows\\cmd.exe" /d /s /c "python -c "print(1)" && echo "a b""'
    assert programs.started_by(["git.exe", "log", "a b"]) == ["git.exe", "log", "a b"]


def test_each_line_of_a_command_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    on_windows(monkeypatch, programs)
    assert programs.shell_argv("npm ci\n\n  npm test\n")[-1] == "npm ci & npm test"


def test_the_path_of_a_program_keeps_its_backslashes() -> None:
    text = 'C:\\tools\\agent.cmd --mode "a b" C:\\x#1'
    words = ("C:\\tools\\agent.cmd", "--mode", "a b", "C:\\x#1")
    assert split_words(text, windows=True) == words
    assert split_words(r"a\ b 'c d' e", windows=False) == ("a b", "c d", "e")


def test_words_are_quoted_as_cmd_and_powershell_take_them() -> None:
    assert quoted("C:\\Program Files\\x.exe", windows=True) == '"C:\\Program Files\\x.exe"'
    assert quoted("C:\\x-1.exe", windows=True) == "C:\\x-1.exe"
    assert quoted("a b", windows=False) == "'a b'"


def test_the_set_up_of_a_python_project_is_one_that_cmd_can_run() -> None:
    assert python_setup(["Pipfile.lock"], windows=True) == (
        "set PIPENV_VENV_IN_PROJECT=1&& pipenv sync --dev"
    )
    assert python_setup(["setup.py"], project="my code", windows=True).endswith('-e "my code"')


def test_a_lock_hides_nothing_that_is_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = []
    on_windows(monkeypatch, loop_lock)
    module = types.ModuleType("msvcrt")
    vars(module).update(
        LK_NBLCK=2, locking=lambda file, *_: locked.append(os.lseek(file, 0, os.SEEK_CUR))
    )
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    path = tmp_path / "lock"
    path.write_text("held by 7")
    with path.open("r") as stream:
        assert loop_lock.try_lock(stream.fileno())
        assert stream.read() == "held by 7"
    assert min(locked) > 1 << 20


def test_a_file_that_is_not_writable_is_removed_as_git_makes_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_windows(monkeypatch, removal)
    monkeypatch.setattr(os, "unlink", partial(lacking.keep_protected, os.unlink))
    folder = tmp_path / "objects" / "ab"
    folder.mkdir(parents=True)
    for path in (folder / "cd", tmp_path / "alone"):
        path.write_text("x")
        path.chmod(stat.S_IREAD)
    with pytest.raises(PermissionError):
        shutil.rmtree(folder)
    removal.remove(tmp_path / "objects")
    removal.remove(tmp_path / "alone")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_program_has_open_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_windows(monkeypatch, replacing)
    tries = []

    def replace(draft: str, name: str) -> None:
        tries.append(name)
        if len(tries) < 3:
            raise PermissionError(13, "The file is used by another process", name)
        Path(draft).replace(name)

    vars(shown).update(replace=replace)
    (tmp_path / "draft").write_text("new")
    (tmp_path / "file").write_text("old")
    replacing.replace_file(str(tmp_path / "draft"), str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "new"
    assert len(tries) == 3


def test_writers_of_a_folder_wait_for_one_another_where_folders_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_windows(monkeypatch, loop_lock)
    if sys.platform != "win32":
        monkeypatch.setitem(sys.modules, "msvcrt", lacking.locks())
    inside, most = [], []

    def write(number: int) -> None:
        with loop_lock.one_writer(tmp_path):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    assert most == [1] * 8


def test_a_closed_console_ends_a_run_as_an_interrupt_does(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = getattr(signal, "SIGBREAK", None) or signal.SIGUSR1
    monkeypatch.setattr(signal, "SIGBREAK", sent, raising=False)
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        run.end_on_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(sent)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_times_of_a_file_are_set_and_those_of_a_link_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_windows(monkeypatch, times)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    times.set_times(tmp_path / "file", 1_000, 2_000)
    times.set_times(tmp_path / "link", 3_000, 4_000)
    assert (tmp_path / "file").stat().st_mtime_ns == 2_000


def test_what_cannot_be_removed_is_removed_by_a_command_of_that_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_windows(monkeypatch, space)
    folder = Path("/a b/DEMO-1")
    _, remedy = space.not_removed([folder])
    assert f'rmdir /s /q "{folder}"' in remedy
