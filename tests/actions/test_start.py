"""The start of the action: what keeps it from being installed is an annotation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import loop_kit.actions.start


def test_a_disk_that_takes_no_installation_is_an_annotation(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 0\n")
    uv.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path / "none")}
    argv = [sys.executable, loop_kit.actions.start.__file__]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=loop-kit::Installing loop-kit in ")
    assert "Traceback" not in done.stderr
