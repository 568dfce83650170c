"""A program in a process namespace of its own: what the kernel promises, held to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.adapters.process.test_process import DAEMON, Recording, python

from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare

ENVIRONMENT = {"PATH": os.environ["PATH"]}


Boxes = Callable[[], Bare]


@pytest.fixture(params=[process.namespace_if_allowed, Bare], ids=["namespace", "bare"])
def box(request: pytest.FixtureRequest) -> Boxes:
    """Makes either containment; where no namespace is allowed, both are the bare one."""
    return request.param  # type: ignore[no-any-return]


def stream(
    argv: list[str],
    cwd: Path,
    listener: process.Listener | None = None,
    *,
    box: Boxes = process.namespace_if_allowed,
    **more: object,
) -> process.Streamed:
    known: dict[str, object] = {"stdin": b"", "timeout": 60, "grace": 2, "box": box()}
    return process.stream(
        argv, cwd=cwd, env=ENVIRONMENT, listener=listener or Recording(), **{**known, **more}
    )  # type: ignore[arg-type]


def marked(cwd: Path) -> list[int]:
    """The processes that work in `cwd`."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.cwd() == str(cwd) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize("code", [0, 1, 42, 126, 255])
def test_the_exit_code_is_kept(tmp_path: Path, box: Boxes, code: int) -> None:
    assert stream(python(f"import sys; sys.exit({code})"), tmp_path, box=box).exit_code == code


def test_input_and_both_outputs_are_the_programs_own(tmp_path: Path, box: Boxes) -> None:
    code = "import sys; d = sys.stdin.read(); print(d); print(d[::-1], file=sys.stderr)"
    seen = Recording()
    stream(python(code), tmp_path, seen, stdin=b"abc" * 100_000, box=box)
    assert seen.raw["stdout"] == b"abc" * 100_000 + b"\n"
    assert seen.raw["stderr"] == b"cba" * 100_000 + b"\n"


def test_arguments_are_not_looked_at_by_a_shell(tmp_path: Path, box: Boxes) -> None:
    seen = Recording()
    words = ["$(touch x)", "; touch y", "a b", "", "--", "-c", "'\""]
    stream(python("import sys; print(sys.argv[1:])", *words), tmp_path, seen, box=box)
    assert seen.raw["stdout"].decode().strip() == repr(words)
    assert list(tmp_path.iterdir()) == []


def test_a_program_gets_no_descriptor_but_its_three(tmp_path: Path, box: Boxes) -> None:
    seen = Recording()
    stream(python("import os; print(sorted(os.listdir('/dev/fd'))[:4])"), tmp_path, seen, box=box)
    assert seen.raw["stdout"].decode().strip() == "['0', '1', '2', '3']"


def test_sigterm_reaches_the_program_before_it_is_killed(tmp_path: Path, box: Boxes) -> None:
    code = """
    import signal, sys, time
    def said(*_):
        open("terminated", "w").close(); sys.exit(3)
    signal.signal(signal.SIGTERM, said)
    print("ready", flush=True)
    time.sleep(300)
    """
    done = stream(python(code), tmp_path, timeout=2, box=box)
    assert done.timed_out
    assert done.exit_code == 3
    assert (tmp_path / "terminated").exists()


def test_a_daemon_is_dead_afterwards(tmp_path: Path, box: Boxes) -> None:
    assert stream(python(DAEMON, str(tmp_path / "pid")), tmp_path, box=box).exit_code == 0
    assert marked(tmp_path) == []


def test_a_daemon_is_dead_after_an_interruption(tmp_path: Path, box: Boxes) -> None:
    def interrupt(line: bytes) -> None:
        raise KeyboardInterrupt

    code = DAEMON + "    print('ready', flush=True); time.sleep(300)\n"
    with pytest.raises(KeyboardInterrupt):
        stream(python(code, str(tmp_path / "pid")), tmp_path, Recording(interrupt), box=box)
    assert marked(tmp_path) == []


def test_what_a_program_left_running_may_still_write_the_report(tmp_path: Path, box: Boxes) -> None:
    report = tmp_path / "report"
    late = f"(sleep 1; echo done > {report}) >/dev/null 2>&1 &"
    done = stream(["/bin/sh", "-c", late], tmp_path, linger=30, settled=report.exists, box=box)
    assert done.exit_code == 0
    assert report.read_text() == "done\n"


def test_nobody_is_waited_for_when_nothing_was_left_running(tmp_path: Path, box: Boxes) -> None:
    asked: list[bool] = []

    def settled() -> bool:
        asked.append(True)
        return False

    stream(["/bin/true"], tmp_path, linger=60, settled=settled, box=box)
    assert len(asked) == 1


def test_nothing_of_ours_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    stream(["/bin/true"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_root_cannot_take_the_namespace_apart(tmp_path: Path) -> None:
    heard = Recording()
    look = f"umount /proc; mount -t proc proc /mnt; grep -qz pytest /proc/{os.getpid()}/cmdline"
    script = f"exec 2>/dev/null; {look} && echo seen || echo no; chown 1:1 . && echo root"
    stream(["/bin/sh", "-c", script], tmp_path, heard)
    expected = [b"no", b"root"] if process.is_namespace_allowed() else [b"seen"]
    assert [line for _, line in heard.lines][: len(expected)] == expected


OWNER = """
import sys
from pathlib import Path
from loop_kit.adapters.process import process
process.stream([sys.executable, "-c", sys.argv[1], sys.argv[2]], cwd=Path(sys.argv[3]),
    env={"PATH": "/usr/bin:/bin"}, stdin=b"", listener=process.Listener(),
    box=process.namespace_if_allowed())
"""


def test_everything_in_a_namespace_dies_with_us_even_by_sigkill(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    pid = tmp_path / "pid"
    code = python(DAEMON + "    time.sleep(300)\n")[-1]
    owner = subprocess.Popen([sys.executable, "-c", OWNER, code, str(pid), str(work)])
    end = time.monotonic() + 30
    while not pid.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert marked(work)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    while left := marked(work):
        assert time.monotonic() < end, left
        if not process.is_namespace_allowed():
            os.kill(left[0], signal.SIGKILL)
        time.sleep(0.05)
    assert marked(work) == []
