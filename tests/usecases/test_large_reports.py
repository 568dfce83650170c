"""Reports of text without end, or made to let a page grow: bounded in size and memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from tests.core import builders as b
from tests.usecases.report_loops import RUN, folder_of, long_loop, loop, page_of, sources

from loop_kit.core.loop.state import LoopState
from loop_kit.usecases.report_page import ReportPage
from loop_kit.usecases.report_render import render


def html_of(root: Path, state: LoopState, text: str) -> str:
    return render(page_of(root, state, text).document(), "html")


def test_a_transcript_of_50_mb_is_shown_from_both_ends_in_little_memory(tmp_path: Path) -> None:
    state = loop()
    folder = folder_of(tmp_path, state)
    size = 50 * 1024 * 1024
    for name in ("transcript.txt", "output.log"):
        with (folder / "runs" / RUN / "r2_worker_1" / name).open("r+b") as stream:
            stream.write(b"the beginning\n")
            stream.truncate(size)
            stream.seek(size)
            stream.write(b"\nthe end\n")
    tracemalloc.start()
    html = render(ReportPage(sources(folder, state)).document(), "html")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "the beginning" in html
    assert "the end" in html
    assert "bytes of transcript.txt are left out here" in html
    assert len(html) < 2_000_000
    assert peak < 20_000_000


BOMB = "\x1b[3{}m\x1b[1mx\x1b[0m"


def test_a_text_of_colours_and_brackets_makes_no_larger_page_than_any_other(tmp_path: Path) -> None:
    bombs = {
        "colours": "".join(BOMB.format(n % 8) for n in range(20_000)),
        "brackets": "<>\"'&" * 20_000,
        "lines": "\n" * 100_000,
        "steps": f"{b.AT} Running: x\n" * 4_000,
    }
    for name, text in bombs.items():
        assert len(html_of(tmp_path / name, loop(), text)) < 8_000_000, name


def test_a_loop_of_200_rounds_with_much_text_in_each_has_a_bounded_page(tmp_path: Path) -> None:
    state = long_loop(200, "<it is still wrong> " * 20)
    folder = folder_of(tmp_path, state)
    for number in range(3, 201):
        attempt = folder / "runs" / RUN / f"r{number}_worker_1"
        attempt.mkdir()
        for name in ("prompt.md", "transcript.txt", "output.log", "report.json"):
            (attempt / name).write_text(f"{number} <{'x' * 70}>\n" * 2_000, "utf-8")
    html = render(ReportPage(sources(folder, state)).document(), "html")
    assert html.count('<details class="round"') == 200
    assert "no room for everything" in html
    assert len(html) < 12_000_000
