"""Writes pages of `loop report`: a usual one, of a demo, of 200 rounds, of hostile text, a bad one.

python -m tests.browser FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.usual import usual_page
from tests.usecases.report_loops import HOSTILE, RUN, folder_of, long_loop, loop, page_of, sources

from loop_kit.usecases.report import ReportRequest, render, write_report
from loop_kit.usecases.report_page import ReportPage

BAD = """<!doctype html><html lang="en"><head><title>bad</title></head><body><h1>Bad</h1>
<img src="missing.png"><script>console.error("printed"); throw new Error("thrown")</script>
</body></html>
"""
ROUNDS = 200
_LONG_OUTPUT = 50 * 1024 * 1024


def write_pages(target: Path, scratch: Path) -> None:
    """Write all pages into `target`."""
    demo = scratch / "demo"
    command = (sys.executable, "-P", "-m", "loop_kit", "demo", "--dir", str(demo))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    write_report(ReportRequest(demo, os.environ, output=str(target / "demo.html")))
    (target / "usual.html").write_text(render(usual_page(scratch / "usual"), "html"), "utf-8")
    long = page_of(scratch / "long", long_loop(ROUNDS, "the median of an even list is still wrong"))
    (target / "long.html").write_text(render(long.document(), "html"), "utf-8")
    (target / "hostile.html").write_text(_hostile(scratch / "hostile"), "utf-8", "replace")
    (target / "bad.html").write_text(BAD, "utf-8")


def _hostile(scratch: Path) -> str:
    text = f"{HOSTILE}\n{HOSTILE * 200}\n" + "\x1b[35m\x1b[1mx" * 3_000 + "\u202e\u2066"
    state = loop(HOSTILE * 3)
    folder = folder_of(scratch, state, text)
    with (folder / "runs" / RUN / "r2_worker_1/transcript.txt").open("ab") as stream:
        stream.truncate(_LONG_OUTPUT)
    return render(ReportPage(sources(folder, state)).document(), "html")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        write_pages(Path(sys.argv[1]), Path(folder))
