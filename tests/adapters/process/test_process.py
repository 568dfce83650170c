"""The one door to other programs: nothing grows with what they print, and nothing outlives them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from loop_kit.adapters.process import process
from loop_kit.adapters.process.process import CommandTimeout, Completed, LineSplitter, OutputTooLong

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Recording(process.Listener):
    """Keeps what arrives."""

    def __init__(self, on_line: Callable[[bytes], object] = lambda line: None) -> None:
        self.raw = {"stdout": b"", "stderr": b""}
        self.lines: list[tuple[str, bytes]] = []
        self._on_line = on_line

    def chunk(self, source: process.Source, data: bytes) -> None:
        self.raw[source] += data

    def line(self, source: process.Source, line: bytes) -> None:
        self.lines.append((source, line))
        self._on_line(line)


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *args]


def stream(
    argv: list[str], cwd: Path, listener: process.Listener | None = None, **more: Any
) -> process.Streamed:
    options: dict[str, Any] = {"stdin": b"", "timeout": 60, "grace": 0.5, **more}
    return process.stream(
        argv, cwd=cwd, env=ENVIRONMENT, listener=listener or Recording(), **options
    )


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def alive(pid_file: Path) -> bool:
    """Whether the process that wrote its id there runs."""
    pid = int(pid_file.read_text())
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


DAEMON = """
    import os, signal, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        with open(sys.argv[1] + ".new", "w") as out:
            out.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(300)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
"""


def test_run_returns_code_output_and_errors(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert process.run(python(code), cwd=tmp_path) == Completed(3, b"out\n", b"err\n")


def test_run_feeds_standard_input_and_closes_it() -> None:
    data = os.urandom(3_000_000)
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    assert process.run(python(code), stdin=data).out == data
    assert process.run(["cat"]).out == b""


def test_run_writes_to_a_file_on_request(tmp_path: Path) -> None:
    target = tmp_path / "out"
    done = process.run(["printf", "a lot"], stdout=target, limit=1)
    assert (done.out, target.read_bytes()) == (b"", b"a lot")


def test_run_stops_a_program_that_prints_more_than_the_limit() -> None:
    with pytest.raises(OutputTooLong, match="more than 1000 bytes"):
        process.run(["yes"], limit=1000)


def test_run_kills_the_whole_group_at_its_timeout(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(CommandTimeout, match=r"took longer than 0\.5 s"):
        process.run(["sh", "-c", f"sleep 300 & echo $! >{pid}; wait"], timeout=0.5)
    psutil.wait_procs([p for p in [_process(pid)] if p], timeout=5)
    assert not alive(pid)


def _process(pid_file: Path) -> psutil.Process | None:
    try:
        return psutil.Process(int(pid_file.read_text()))
    except psutil.NoSuchProcess:
        return None


def test_run_says_that_a_program_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["no-such-program-anywhere"])


def test_lines_are_cut_over_chunks_and_the_last_needs_no_end() -> None:
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append, limit=10)
    for piece in (b"on", b"e\r\ntw", b"o\n\n", b"x" * 11, b"\nthree"):
        splitter.feed(piece)
    splitter.finish()
    assert seen == [b"one", b"two", b"three"]


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_the_exit_code_is_kept(tmp_path: Path, code: int) -> None:
    assert stream(["sh", "-c", f"exit {code}"], tmp_path).exit_code == code


def test_a_program_killed_by_a_signal_shows_it(tmp_path: Path) -> None:
    assert stream(["sh", "-c", "kill -9 $$"], tmp_path).exit_code == -9


def test_a_program_that_cannot_be_started_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        stream(["no-such-program-anywhere"], tmp_path)


def test_both_outputs_arrive_whole_and_tellable_apart(tmp_path: Path) -> None:
    listener = Recording()
    stream(["sh", "-c", "echo one; echo two >&2; printf three"], tmp_path, listener)
    assert listener.raw == {"stdout": b"one\nthree", "stderr": b"two\n"}
    assert sorted(listener.lines) == [
        ("stderr", b"two"), ("stdout", b"one"), ("stdout", b"three"),
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_data(tmp_path: Path) -> None:
    listener = Recording()
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) + b'\\n\\xff\\xfe\\n')"
    stream(python(code), tmp_path, listener)
    assert listener.raw["stdout"] == bytes(range(256)) + b"\n\xff\xfe\n"
    assert listener.lines[-1] == ("stdout", b"\xff\xfe")


def test_the_prompt_arrives_on_standard_input_followed_by_its_end(tmp_path: Path) -> None:
    listener, prompt = Recording(), b"x" * 5_000_000
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    stream(python(code), tmp_path, listener, stdin=prompt)
    assert listener.lines == [("stdout", b"5000000")]


def test_a_program_that_never_reads_its_prompt_ends_in_its_own_time(tmp_path: Path) -> None:
    ended = stream(["sh", "-c", "exec 0<&-; sleep 0.3; exit 4"], tmp_path, stdin=b"x" * 5_000_000)
    assert ended.exit_code == 4
    ended = stream(["sleep", "0.3"], tmp_path, stdin=b"x" * 5_000_000)
    assert ended == process.Streamed(0)


def test_the_timeout_names_the_setting_that_ended_it(tmp_path: Path) -> None:
    ended = stream(["sleep", "300"], tmp_path, timeout=0.3)
    assert ended == process.Streamed(-15, "timed out after 0.3 s (--dispatch-timeout)")


def test_silence_ends_a_program_and_output_keeps_it_alive(tmp_path: Path) -> None:
    silent = stream(["sleep", "300"], tmp_path, idle_timeout=0.5)
    assert silent.timed_out == "no output for 0.5 s (--idle-timeout)"
    talking = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.25; done"
    assert stream(["sh", "-c", talking], tmp_path, idle_timeout=1.5) == process.Streamed(0)


@pytest.mark.timeout(30)
def test_output_without_an_end_does_not_hold_up_the_timeout(tmp_path: Path) -> None:
    ended = stream(["yes", "x" * 2000], tmp_path, process.Listener(), timeout=1)
    assert ended.timed_out


@pytest.mark.timeout(30)
def test_output_faster_than_its_reader_does_not_hold_up_the_timeout_or_the_ticks(
    tmp_path: Path,
) -> None:
    class Slow(process.Listener):
        ticks = 0

        def chunk(self, source: process.Source, data: bytes) -> None:
            time.sleep(0.002)  # a terminal or a disk, which lets the reading thread continue

        def tick(self) -> None:
            self.ticks += 1

    listener = Slow()
    ended = stream(["yes", "x" * 2000], tmp_path, listener, timeout=1)
    assert ended.timed_out
    assert listener.ticks > 0


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    ended = stream(["sh", "-c", code], tmp_path, timeout=0.5, grace=0.3)
    assert ended.exit_code == -9
    assert ended.timed_out


def test_a_daemon_in_a_session_of_its_own_is_dead_afterwards(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert stream(python(DAEMON, str(pid)), tmp_path).exit_code == 0
    assert not alive(pid)


def test_a_daemon_is_dead_after_a_timeout_too(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = DAEMON + "    time.sleep(300)\n"
    assert stream(python(code, str(pid)), tmp_path, timeout=3).timed_out
    assert not alive(pid)


def test_the_time_that_leftovers_take_to_die_is_not_the_programs_own(tmp_path: Path) -> None:
    code = "(trap '' TERM; sleep 300) >/dev/null 2>&1 & sleep 0.3; exit 0"
    ended = stream(["sh", "-c", code], tmp_path, timeout=2, idle_timeout=2, grace=2.5)
    assert ended == process.Streamed(0)


def test_an_interruption_leaves_nothing_alive(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def interrupt(line: bytes) -> None:
        raise KeyboardInterrupt

    code = DAEMON + "    print('ready', flush=True); time.sleep(300)\n"
    with pytest.raises(KeyboardInterrupt):
        stream(python(code, str(pid)), tmp_path, Recording(interrupt))
    assert not alive(pid)


def test_processes_that_were_there_before_are_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as bystander:
        stream(["true"], tmp_path)
        assert bystander.poll() is None
        bystander.kill()


def test_no_thread_and_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    stream(["true"], tmp_path)
    threads, descriptors = threading.active_count(), open_descriptors()
    for _ in range(3):
        stream(["sh", "-c", "echo x; sleep 300 & exit 1"], tmp_path, stdin=b"x" * 500_000)
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


def test_a_listener_that_fails_leaves_no_thread_and_no_descriptor_behind(tmp_path: Path) -> None:
    def fail(line: bytes) -> None:
        raise OSError("no space left on device")

    stream(["true"], tmp_path)
    threads, descriptors = threading.active_count(), open_descriptors()
    with pytest.raises(OSError, match="no space"):
        stream(["sh", "-c", "echo x; echo y; sleep 300"], tmp_path, Recording(fail))
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


LATE = "(sleep {seconds}; echo late >report) >/dev/null 2>&1 & exit {code}"


def test_a_child_that_is_left_over_may_still_write_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report"
    argv = ["sh", "-c", LATE.format(seconds=1, code=0)]
    stream(argv, tmp_path, linger=30, settled=report.exists)
    assert report.read_text() == "late\n"


@pytest.mark.parametrize(("code", "linger"), [(1, 30), (0, 0)])
def test_nobody_waits_for_a_child_of_a_program_that_failed_or_without_a_linger(
    tmp_path: Path, code: int, linger: float
) -> None:
    report = tmp_path / "report"
    argv = ["sh", "-c", LATE.format(seconds=60, code=code)]
    stream(argv, tmp_path, linger=linger, settled=report.exists)
    assert not report.exists()


MEASURE = """
    import sys
    from pathlib import Path
    from loop_kit.adapters.process import process

    def peak():
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])

    class Counting(process.Listener):
        count = 0
        def chunk(self, source, data):
            self.count += len(data)

    process.stream(["true"], cwd=Path("."), env={}, stdin=b"", listener=process.Listener())
    before, listener = peak(), Counting()
    argv = [sys.executable, "-c", sys.argv[1]]
    process.stream(argv, cwd=Path("."), env={}, stdin=b"", listener=listener)
    print(listener.count, peak() - before)
"""

LONG_LINE = "import os\nfor _ in range(200): os.write(1, bytes([120]) * 2**20)"
MANY_LINES = "import os\nfor _ in range(50): os.write(1, (bytes([120]) * 1023 + b'\\n') * 1024)"


@pytest.mark.parametrize(("code", "size"), [(LONG_LINE, 200), (MANY_LINES, 50)])
def test_memory_is_bounded_whatever_a_program_prints(tmp_path: Path, code: str, size: int) -> None:
    argv = python(MEASURE, code)
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count >= size * 2**20 - 2**21
    assert grown < 40 * 1024
