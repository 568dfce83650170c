"""Output is not the run: a pipe, a disk or a terminal that takes nothing ends no command."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.cli.harness import FAST, PATIENCE, TWO_ROUNDS, Repo, Result
from tests.cli.test_started_by_python import AFTER_A_RUN, PYTHON

if TYPE_CHECKING:
    from tests.cli.conftest import MakeRepo

RUN = (*PYTHON, "run", "--auto-dispatch", *FAST)
LOST = "Standard output could not be written: No space left on device."
NOWHERE = {
    "a full disk": ">/dev/full",
    "no output": ">&-",
    "no streams at all": ">&- 2>&- <&-",
    "full disks": ">/dev/full 2>/dev/full",
}


def redirected(repo: Repo, words: tuple[str, ...], redirection: str) -> Result:
    """Run a command with its streams where a shell puts them."""
    script = f"{shlex.join(words)} {redirection}"
    return repo.execute(["/bin/sh", "-c", script])


def read_by(repo: Repo, words: tuple[str, ...], reader: str) -> Result:
    """Run a command in a pipe to `reader`; the exit code is that of the command."""
    script = f"set -o pipefail; {shlex.join(words)} | {reader}"
    return repo.execute(["bash", "-c", script])


def assert_no_bug(result: Result) -> None:
    assert "Traceback" not in result.text
    assert "bug in loop-kit" not in result.text
    assert "Exception ignored" not in result.text
    assert result.code != 120


@pytest.mark.parametrize("where", NOWHERE)
def test_a_run_whose_output_goes_nowhere_is_approved(repo: Repo, where: str) -> None:
    repo.plan(TWO_ROUNDS)

    done = redirected(repo, RUN, NOWHERE[where])

    assert_no_bug(done)
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")


def test_a_run_says_once_that_its_output_was_lost(repo: Repo) -> None:
    done = redirected(repo, RUN, ">/dev/full")
    assert done.err.startswith(f"Warning: {LOST}\n")
    assert len(done.err.splitlines()) == 2


def test_a_run_whose_reader_leaves_after_a_line_is_approved(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)

    done = read_by(repo, RUN, "head -1")

    assert done.code == 0, done.text
    assert len(done.out.splitlines()) == 1
    assert done.err == ""
    assert repo.ended == ("done", "approved")


def test_a_run_that_fails_keeps_its_exit_code_where_its_output_is_lost(repo: Repo) -> None:
    repo.plan({"worker": [{"report": {}}]})
    assert redirected(repo, RUN, ">/dev/full").code == 3
    assert repo.ended == ("done", "worker_noop")


def in_terminal(repo: Repo, environ: dict[str, str]) -> tuple[int, bytes]:
    """Run a loop in a terminal; its exit code, and the bytes that the terminal gets."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        RUN,
        cwd=repo.root,
        env={**repo.environ, "TERM": "xterm", **environ},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    while piece := _read(master):
        seen += piece
    os.close(master)
    return process.wait(PATIENCE), seen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody has the other end open any more
        return b""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "ascii:surrogateescape", "cp1252"])
def test_a_terminal_that_knows_no_utf_8_shows_the_codes_of_characters(
    repo: Repo, encoding: str
) -> None:
    repo.plan({"worker": [{"sh": "echo 'a → b'; echo VALUE=1 > calc.py"}, {"report": {}}]})

    code, seen = in_terminal(repo, {"PYTHONIOENCODING": encoding})

    assert code == 0, seen
    assert repo.ended == ("done", "approved")
    assert b"Traceback" not in seen
    assert b"\\u28" not in seen


def test_a_terminal_that_hangs_up_stops_the_run_as_an_interrupt_does(repo: Repo) -> None:
    repo.plan({"worker": [{"gate": "stuck"}]})
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_SESSION, *RUN],
        cwd=repo.root,
        env={**repo.environ, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    repo.reached("stuck")
    os.close(master)

    assert process.wait(PATIENCE) == 130
    assert repo.ended == ("done", "interrupted")


_IN_SESSION = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " signal.signal(signal.SIGHUP, signal.SIG_DFL);"  # nohup ignores it for all that it starts
    " os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture(scope="module")
def finished(make_repo: MakeRepo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """A repository after a loop."""
    made = make_repo(tmp_path_factory.mktemp("finished"))
    assert made.run().code == 0
    yield made
    made.close()


@pytest.mark.parametrize("where", NOWHERE)
@pytest.mark.parametrize("words", AFTER_A_RUN, ids=" ".join)
def test_a_command_whose_output_goes_nowhere_ends_without_a_bug(
    finished: Repo, words: tuple[str, ...], where: str
) -> None:
    shown = finished.loop(*words)

    done = redirected(finished, (*PYTHON, *words), NOWHERE[where])

    assert_no_bug(done)
    lost = where.startswith("a full") and shown.code == 0 and shown.out != ""
    if lost:
        assert LOST in done.err
    result_is_lost = "full" in where and shown.out != "" and words[0] not in {"run", "action"}
    assert done.code == (shown.code or int(result_is_lost))


def test_a_reader_that_leaves_is_no_error_but_the_command_did_not_print_all(
    finished: Repo,
) -> None:
    (finished.root / "big.txt").write_text("x\n" * 200_000)
    finished.git("add", "big.txt")
    finished.git("commit", "--quiet", "-m", "big")

    done = read_by(finished, (*PYTHON, "extract-diff", "HEAD~1", "HEAD"), "head -1")

    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("diff --git")
