"""The report of a loop: complete, bounded, and inert whatever agents and people wrote."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.core import builders as b
from tests.core.loop.test_attempts import CLAUDE, CODEX

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.messages import Failure
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.errors import LoopError
from loop_kit.usecases.report import render, write_report
from loop_kit.usecases.report_data import ReportData

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=y> `|` \u202e \"'&"
URLS = {"src", "href", "action", "data", "srcset", "xlink:href"}
RUN = "2025-01-02T03-04-05Z"


class Page(HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def loop(text: str = "double is wrong") -> LoopState:
    issue = ReportedIssue(reason=text, file="calc.py", line=6, severity="high")
    return b.after(
        b.awaiting_work(),
        b.attempted(Role.WORKER),
        b.failed(Role.WORKER, Failure.TRANSIENT, text, spent=CODEX),
        b.attempted(Role.WORKER),
        b.work_reported(1, 1, spent=CODEX, verification=b.verified(1, 0)),
        b.attempted(Role.REVIEWER),
        b.rejected(1, issue),
        b.attempted(Role.WORKER),
        b.work_reported(2, 2, spent=CODEX),
        b.attempted(Role.REVIEWER),
        b.approved(2, b.said("F1", "fixed"), spent=CLAUDE),
    )


def folder_of(tmp_path: Path, state: LoopState, text: str = "hello") -> Path:
    folder = tmp_path / ".loop"
    attempt = folder / "runs" / RUN / "r1_worker_2"
    attempt.mkdir(parents=True)
    for name in ("prompt.md", "transcript.txt", "report.json", "output.log", "failure.txt"):
        (attempt / name).write_text(f"{name}: {text}", "utf-8")
    (folder / "runs" / RUN / "verify_0123456789.txt").write_text(f"$ make\n{text}", "utf-8")
    card = b.card(acceptance_criteria=[f"add works {text}"])
    (folder / "task_card.json").write_bytes(card.to_json())
    archive = folder / "archive" / "T-001"
    archive.mkdir(parents=True)
    answer = {"criteria": [{"id": "C1", "met": True, "evidence": text}, 7]}
    (archive / "r2_review_report.json").write_text(json.dumps(answer))
    (folder / "state.json").write_bytes(state.to_json())
    return folder


def page_of(tmp_path: Path, state: LoopState, text: str = "hello") -> str:
    return render(ReportData(folder_of(tmp_path, state, text), state, None).document(), "html")


def test_the_page_has_the_outcome_attempts_findings_criteria_costs_and_transcripts(
    tmp_path: Path,
) -> None:
    page = Page(page_of(tmp_path, loop()))
    words = " ".join(page.words.split())
    for part in (
        *("Approved in round 2", "T-001", "transient: double is wrong", "codex gpt-5", "claude"),
        *("F1 high", "calc.py:6", "raised", "fixed", "C1 add works hello", "met", "passed"),
        *("about 0.40 USD (estimated)", "0.25 USD", "transcript.txt: hello", "prompt.md: hello"),
        *("$ make hello", "SHA-256 " + "c" * 64, "Round 2"),
    ):
        assert part in words, part
    (state,) = (attrs for tag, attrs in page.elements if tag == "script")
    assert state == {"type": "application/json", "id": "state"}
    bars = [attrs for tag, attrs in page.elements if tag == "rect"]
    assert len(bars) == 5


@pytest.mark.parametrize("form", ["html", "md"])
def test_hostile_text_adds_no_element_and_the_page_asks_for_nothing(
    tmp_path: Path, form: str
) -> None:
    state = loop(HOSTILE)
    document = ReportData(folder_of(tmp_path, state, HOSTILE), state, None).document()
    if form == "md":
        text = render(document, "md")
        assert "\u202e" not in text
        assert "<img" not in text.replace("`", "")
        return
    tame, page = Page(page_of(tmp_path / "tame", loop())), Page(render(document, "html"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in tame.elements]
    assert {key for _, attrs in page.elements for key in attrs} == {
        key for _, attrs in tame.elements for key in attrs
    }
    for _, attrs in page.elements:
        for name in URLS & attrs.keys():
            assert (attrs[name] or "").startswith("#")
    assert "\u202e" not in page.words


def test_very_much_text_is_cut_and_says_so(tmp_path: Path) -> None:
    html = page_of(tmp_path, loop(), "x" * 3_000_000)
    assert len(html) < 2_000_000
    assert "the rest is in the file" in html


def test_a_transcript_of_50_mb_is_shown_from_its_beginning(tmp_path: Path) -> None:
    state = loop()
    folder = folder_of(tmp_path, state)
    with (folder / "runs" / RUN / "r1_worker_2/output.log").open("wb") as stream:
        stream.write(b"the beginning\n")
        stream.truncate(50 * 1024 * 1024)
    html = render(ReportData(folder, state, None).document(), "html")
    assert "the beginning" in html
    assert len(html) < 1_000_000


def test_a_loop_of_many_rounds_fits_on_the_page(tmp_path: Path) -> None:
    state = b.awaiting_work()
    for number in range(1, 61):
        state = state.model_copy(
            update={"limits": state.limits.model_copy(update={"max_rounds": 500})}
        )
        worked = b.after(state, b.attempted(Role.WORKER), b.work_reported(number, number))
        state = b.after(worked, b.attempted(Role.REVIEWER), b.rejected(number))
        if not state.is_running:
            state = b.after(state, b.resumed(state.limits))
    html = render(ReportData(tmp_path, state, None).document(), "html")
    assert html.count("<strong>Round ") == len(state.history) == 60
    assert len(html) < 8_000_000


def test_a_loop_without_record_archive_or_card_has_a_page(tmp_path: Path) -> None:
    state = b.awaiting_work()
    html = render(ReportData(tmp_path, state, None).document(), "html")
    assert "T-001" in html


def test_the_report_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    folder_of(tmp_path, loop())
    path = write_report(tmp_path, {}, ".loop", "", "html", "")
    assert path == tmp_path / ".loop/runtime/report-T-001.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")
    path = write_report(tmp_path, {}, ".loop", "T-001", "md", "out/r.md")
    assert path == tmp_path / "out/r.md"
    assert "| 1 | worker | 2 |" in path.read_text("utf-8")
    with pytest.raises(LoopError, match="not T-9"):
        write_report(tmp_path, {}, ".loop", "T-9", "html", "")
    with pytest.raises(LoopError, match="There is no loop"):
        write_report(tmp_path / "out", {}, ".other", "", "html", "")
