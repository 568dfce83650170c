"""The report of a loop: complete, bounded, and inert whatever agents and people wrote."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.core import builders as b
from tests.engine.memory_forge import MemoryForge, MemoryIssue, MemoryPull
from tests.usecases.report_loops import (
    HOSTILE,
    committed,
    folder_of,
    long_loop,
    loop,
    page_of,
    sources,
)

from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import Commanded
from loop_kit.core.loop.state import LoopState, Source, parse_state
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.errors import LoopError
from loop_kit.usecases.job_report import write_job_report
from loop_kit.usecases.report import ReportRequest, render, write_report
from loop_kit.usecases.report_card import card_now, cards_on_forge
from loop_kit.usecases.report_files import read_file
from loop_kit.usecases.report_page import ReportPage

URLS = {"src", "action", "data", "srcset", "xlink:href"}


class Page(HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words += " "

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def html_of(root: Path, state: LoopState, text: str = "hello") -> str:
    return render(page_of(root, state, text).document(), "html")


def test_the_page_has_the_outcome_attempts_findings_criteria_costs_and_transcripts(
    tmp_path: Path,
) -> None:
    page = Page(html_of(tmp_path, loop()))
    words = " ".join(page.words.split())
    for part in (
        *("Approved in round 2", "T-001", "transient: double is wrong", "codex gpt-5", "claude"),
        *("F1 high", "calc.py:2", "raised", "fixed", "C1 add works hello", "met", "passed"),
        *("0.25 USD + ~0.40 USD", "is estimated", "transcript of r1_worker_2: hello"),
        *("prompt of r2_worker_1: hello", "$ make ok hello", "SHA-256 " + "c" * 64, "Round 2"),
        *("summary: hello", "+prompt of r2_worker_1: hello", "max-rounds 5 hello", "did it"),
        *("loop fetch T-001", "loop publish T-001", "No secret had to be replaced"),
    ):
        assert part in words, part
    (state,) = page.all("script")
    assert state == {"type": "application/json", "id": "state"}
    assert len(page.all("rect")) > 5
    assert {"class": "ansi2 bold"} in page.all("span")


def test_the_data_in_the_page_is_the_state(tmp_path: Path) -> None:
    state = loop(HOSTILE)
    html = html_of(tmp_path, state, HOSTILE)
    data = html.partition('id="state">')[2].partition("</script>")[0]
    assert json.loads(data) == state.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("form", ["html", "md"])
def test_hostile_text_adds_no_element_and_the_page_asks_for_nothing(
    tmp_path: Path, form: str
) -> None:
    state = loop(HOSTILE)
    document = page_of(tmp_path, state, HOSTILE).document()
    if form == "md":
        text = render(document, "md")
        assert "\u202e" not in text
        assert "<img" not in text.replace("`", "")
        return
    same_shape = "x" * (len(HOSTILE) - 40)
    tame, page = (
        Page(html_of(tmp_path / "tame", loop(), same_shape)),
        Page(render(document, "html")),
    )
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in tame.elements}
    assert {key for _, attrs in page.elements for key in attrs} <= {
        key for _, attrs in tame.elements for key in attrs
    }
    for _, attrs in page.elements:
        assert not URLS & attrs.keys()
        assert (attrs.get("href") or "#").startswith(("#", "https://"))
    assert len(page.all("script")) == 1
    assert "\u202e" not in page.words
    assert "\x1b" not in page.words


def test_a_link_is_made_only_of_the_address_of_a_pull_request(tmp_path: Path) -> None:
    state = loop().model_copy(update={"pull_request": 7, "pull_request_url": "javascript:alert(1)"})
    assert "javascript" not in html_of(tmp_path / "a", state).partition("<script")[0]
    linked = state.model_copy(update={"pull_request_url": "https://github.com/octo/calc/pull/7"})
    hrefs = [attrs["href"] for attrs in Page(html_of(tmp_path / "b", linked)).all("a")]
    assert "https://github.com/octo/calc/pull/7" in hrefs


def test_the_change_of_a_round_has_its_findings_at_their_lines(tmp_path: Path) -> None:
    repository, shas = committed(tmp_path / "repo", ["a = 1\n", "a = 1\nb = 3\n", "a = 1\nb = 2\n"])
    state = loop()
    ends = zip(state.history, shas, shas[1:], strict=False)
    history = [r.model_copy(update={"parent_sha": p, "head_sha": h}) for r, p, h in ends]
    state = state.model_copy(update={"history": tuple(history)})
    folder = folder_of(tmp_path, state)
    first = ReportPage(sources(folder, state, repository)).document()["rounds"][-1]
    blocks = [(block["kind"], (block["finding"] or {}).get("id")) for block in first["patch"]]
    changed = [("hunk", None), ("same", None), ("added", None), ("finding", "F1")]
    assert blocks[:5] == [("file", None), *changed]
    assert first["raised"] == []
    assert "+b = 3" in first["patch"][3]["text"]


def test_a_finding_without_a_line_in_the_change_is_above_it(tmp_path: Path) -> None:
    document = page_of(tmp_path, loop()).document()
    assert [found["id"] for found in document["rounds"][-1]["raised"]] == ["F1"]


def test_what_people_did_is_in_the_round_in_which_they_did_it(tmp_path: Path) -> None:
    rounds = page_of(tmp_path, long_loop(20, "look here")).document()["rounds"]
    told = {round_["number"]: " ".join(round_["people"]) for round_ in rounds}
    assert "mona raised F6: look here (6)" in told[16]
    assert "mona about F6: look here" in told[16]
    assert "F2 was waived" in told[6]


def test_each_command_of_a_person_is_in_its_round_with_who_when_and_the_answer(
    tmp_path: Path,
) -> None:
    state = long_loop(3)
    at = "2026-11-28T14:00:00Z"
    decided = Command(comment=1, verb="waive", by="mona", at=at, findings=("F1",), because="fine")
    for command in (decided, Command(comment=2, verb="extend", by="hubot", rounds=2), decided):
        state = transition(state, Commanded(command, "2026-11-28T15:00:00Z"))

    told = page_of(tmp_path, state).document()["rounds"][0]["people"]
    assert told[:2] == [
        "mona, 2026-11-28 14:00:00: /loop waive F1 because fine. Answer: F1 is waived: real, but"
        " not blocking. It is still stopped.",
        "hubot, 2026-11-28 15:00:00: /loop extend 2. Answer: 5 rounds are allowed now. It is still"
        " stopped.",
    ]
    assert not any("F1 was waived" in line for line in told)
    assert parse_state(state.to_json()).commands == state.commands


def test_what_people_added_to_the_limits_is_among_the_facts(tmp_path: Path) -> None:
    added = {"added_rounds": 2, "added_budget": Budget(cost_usd=1.5, minutes=30)}
    about = dict(page_of(tmp_path, loop().model_copy(update=added)).document()["about"])
    assert about["Rounds that people added"] == "2"
    assert about["Budget that people added"] == "1.5 USD, 30 minutes"
    assert "Continued by people with" not in about


def test_a_round_whose_record_is_elsewhere_names_the_command_that_gets_it(tmp_path: Path) -> None:
    rounds = page_of(tmp_path, long_loop(3)).document()["rounds"]
    command = "gh run download 1003 --name loop-T-001-r3 --dir .loop/runs"
    assert [round_["download"] for round_ in rounds] == [command, None, None]


def test_a_card_that_was_edited_since_shows_the_difference(tmp_path: Path) -> None:
    state = loop()
    folder = folder_of(tmp_path, state)
    (folder / "task_card.json").write_bytes(b.card(acceptance_criteria=["add is fast"]).to_json())
    html = write_report(ReportRequest(tmp_path, {})).read_text("utf-8")
    words = " ".join(Page(html).words.split())
    assert "It has changed since" in words
    assert '- "add works hello"' in words
    assert '+ "add is fast"' in words


def in_issue(goal: str) -> str:
    return f"```json\n{json.dumps({'task_id': 'T-001', 'goal': goal})}\n```"


@pytest.mark.parametrize("kind", ["issue", "pull_request"])
def test_a_card_in_an_issue_or_a_pull_request_is_read_there(kind: str) -> None:
    forge, frozen = MemoryForge(), b.card().to_json()
    pull = MemoryPull(1, "feature", "main", "", in_issue("add is right"), draft=False)
    forge.pulls.append(pull)
    forge.issues[1] = MemoryIssue(1, "", in_issue("add is right"))
    source = Source.model_validate({"kind": kind, "ref": "1"})
    state = loop().model_copy(update={"source": source, "card_sha256": b.card().sha256})
    assert card_now(state, frozen, cards_on_forge(state, forge)) == frozen
    pull.body = forge.issues[1].body = in_issue("add is fast")
    edited = card_now(state, frozen, cards_on_forge(state, forge))
    assert edited is not None
    assert b"add is fast" in edited
    pull.body = forge.issues[1].body = "```json\n{]\n```"
    assert card_now(state, frozen, cards_on_forge(state, forge)) is None
    other = state.model_copy(update={"source": Source(kind="file")})
    assert list(cards_on_forge(other, forge)) == []


def test_very_much_text_is_cut_and_says_so(tmp_path: Path) -> None:
    html = html_of(tmp_path, loop(), "x" * 3_000_000)
    assert len(html) < 2_000_000
    assert "are left out here" in html
    assert "more characters" in html


def test_the_report_of_a_job_has_its_newest_rounds_and_no_secret(tmp_path: Path) -> None:
    state, key = long_loop(9), "sk-proj-0123456789abcdefghij"
    folder = folder_of(tmp_path, state, f"use {key} for it")
    repository, _ = committed(tmp_path / "repo", ["a = 1\n"])
    asked: list[str] = []

    def read(name: str) -> bytes | None:
        asked.append(name)
        return read_file(folder / name)

    record = folder / "runs"
    write_job_report(record, state, read, repository, "", Redactor([key]))
    page = (record / "report.html").read_text("utf-8")
    assert key not in page
    assert "prompt of r2_worker_1: use *** for it" in page
    assert "those of the newest 3 rounds" in " ".join(Page(page).words.split())
    reviews = {f"archive/T-001/r{number}_review_report.json" for number in (7, 8, 9)}
    assert {*asked} == {"task_card.json", *reviews}


def test_a_loop_of_many_rounds_fits_on_the_page(tmp_path: Path) -> None:
    state = long_loop(60)
    html = html_of(tmp_path, state)
    assert html.count('<details class="round"') == len(state.history) == 60
    assert len(html) < 1_500_000


def test_a_loop_without_record_archive_or_card_has_a_page(tmp_path: Path) -> None:
    state = b.awaiting_work()
    html = render(ReportPage(sources(tmp_path, state)).document(), "html")
    assert "T-001" in html


def test_the_report_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    folder_of(tmp_path, loop())
    path = write_report(ReportRequest(tmp_path, {}))
    assert path == tmp_path / ".loop/runtime/report-T-001.html"
    assert path.read_text("utf-8").startswith("<!doctype html>")
    path = write_report(ReportRequest(tmp_path, {}, "T-001", "md", "out/r.md"))
    assert path == tmp_path / "out/r.md"
    assert "| 1 | worker | 2 |" in path.read_text("utf-8")
    with pytest.raises(LoopError, match="not T-9"):
        write_report(ReportRequest(tmp_path, {}, "T-9"))
    with pytest.raises(LoopError, match="There is no loop"):
        write_report(ReportRequest(tmp_path / "out", {}, loop_dir=".other"))
