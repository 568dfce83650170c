"""The process that holds the secrets of a job, as others of the same user and as root see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CLOSED = """
import ctypes, json, os, sys
from loop_kit.adapters.process.own_process import close_own_process
whole = close_own_process(os.environ)
dumpable = ctypes.CDLL(None).prctl(3)
token = whole["INPUT_GITHUB_TOKEN"]
print(json.dumps([token, dict(os.environ), os.getpid(), dumpable]), flush=True)
sys.stdin.readline()
"""
ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/root", "INPUT_GITHUB_TOKEN": "s3cret", "X_KEY": "s3c"}


def test_what_the_process_was_started_with_is_nowhere_in_proc() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLOSED],
        env=ENVIRON,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as closed:
        assert closed.stdout is not None
        token, environ, pid, dumpable = json.loads(closed.stdout.readline())
        shown = Path(f"/proc/{pid}/environ").read_bytes()
        closed.communicate(b"\n")
    assert token == "s3cret"
    assert environ["PATH"] == "/usr/bin:/bin"
    assert not {"INPUT_GITHUB_TOKEN", "X_KEY"} & {*environ}
    assert b"s3c" not in shown
    assert dumpable == 0
