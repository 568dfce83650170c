"""Whatever comes from outside is read, or refused in the one way that its reader documents.

`make fuzz` tries many more, drawn anew each time: `make fuzz EXAMPLES=20000`.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.actions.reading import payload, request
from tests.adapters.fake_cli import job
from tests.core import builders as b

from loop_kit.adapters.agents.claude import ClaudeReader
from loop_kit.adapters.agents.codex import CodexReader
from loop_kit.adapters.agents.opencode import Reader as OpencodeReader
from loop_kit.adapters.agents.script import parse_script
from loop_kit.config_file import parse_config
from loop_kit.core.agent.checkup import version_in
from loop_kit.core.agent.diagnosis import api_error, from_exit, from_stderr, retry_after
from loop_kit.core.agent.login_file import renewed_login
from loop_kit.core.agent.places import possible_paths
from loop_kit.core.agent.reports import (
    ReportInvalid,
    parse_review_report,
    parse_work_report,
    read_report,
)
from loop_kit.core.briefing.knowledge import read_knowledge
from loop_kit.core.briefing.module_map import parse_modules
from loop_kit.core.card.issue import attachment_links, card_in_issue
from loop_kit.core.card.task import parse_card
from loop_kit.core.checks.junit import failing_tests, report_paths
from loop_kit.core.checks.log_excerpt import MAX_CHARACTERS, excerpt
from loop_kit.core.ci.bundle import BundleInvalid, parse_bundle, parse_header
from loop_kit.core.ci.fetched import parse_fetched
from loop_kit.core.forge.inline_comments import positions
from loop_kit.core.forge.render import read_marker
from loop_kit.core.loop.budget import parse_budget
from loop_kit.core.loop.commands import parse_inbox_file, read_command
from loop_kit.core.loop.state import Finding, StateCorrupt, StateTooNew, parse_state
from loop_kit.core.report.patch import annotated
from loop_kit.core.report.transcript import steps
from loop_kit.errors import LoopError
from loop_kit.ports import Assignment

STREAMS = Path(__file__).parent / "adapters" / "streams"
ASKED = os.environ.get("FUZZ_EXAMPLES")
tries = settings(
    max_examples=int(ASKED or 25),
    deadline=None,
    derandomize=ASKED is None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((0, -1, 10**40, 1e308, float("inf"), float("nan"))),
    st.sampled_from(
        ("", "T-001", "approve", "F1", "C0", "x" * 3000, "\0", "\ud800", "\u202e", "../")
    ),
    st.text(max_size=12),
)
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
pieces = st.sampled_from(
    (
        *(
            "```json\n",
            "```yaml loop\n",
            "```\n",
            "~~~\n",
            "### Goal\n",
            "### Verify\n",
            "- [x] ",
            "> ",
        ),
        *(
            "goal: x\n",
            "task_id: T-1\n",
            '{"goal": "x"}',
            "a: &a [*a]\n",
            "<<: *a\n",
            "? ",
            "- ",
            "\t",
        ),
        *(
            "<!-- ",
            "-->",
            "<details>\n\n",
            "<a href='",
            "![](",
            "[a]: b\n",
            "`",
            "\\",
            "\n",
            "\r",
            "\0",
        ),
        *(
            "/loop ",
            "retry ",
            "budget 2 USD",
            "waive F3",
            "dismiss F3 because ",
            "extend 3\n",
            "@",
            "#1",
        ),
        *(
            "diff --git a/a.py b/a.py\n",
            "--- a/a.py\n",
            "+++ b/a.py\n",
            "@@ -1,3 +1,9 @@\n",
            "+x\n",
        ),
        *(
            "@@ -0,0 +99999999999999999999 @@\n",
            "-y\n",
            " z\n",
            "# v2 git bundle\n",
            "-" + "0" * 40,
        ),
        *(
            "calc.py:5",
            "(line 5-",
            "L7)",
            "file://",
            "a/",
            "..",
            "\u202e",
            "\x1b[",
            "é",
            "{",
            "}",
            ",",
        ),
    )
)
texts = st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=30).map("".join)
raw = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
)


@st.composite
def changed(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of `documents` with some values replaced, removed or added anywhere inside."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        while isinstance(place, (dict, list)) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key: Any = draw(st.sampled_from(keys))
            if draw(st.booleans()) or not isinstance(place[key], (dict, list)):
                place[key] = draw(values)
                break
            place = place[key]
    return document


def survives(act: Callable[[], object], *refusals: type[Exception]) -> bool:
    """Whether `act` takes what it is given, or refuses it in one of these ways and in words."""
    try:
        act()
    except refusals as refused:
        if isinstance(refused, LoopError):
            return bool(refused.sentence and refused.remedy)
        return bool(str(refused))
    return True


CARDS: list[Any] = [
    b.card(acceptance_criteria=("it adds",), verify=("true",)).model_dump(mode="json"),
    {"task_id": "T-1", "goal": "g", "limits": {"max_rounds": 2}, "out_of_scope": ["a/*", "[a-z]*"]},
]
REPORTS: list[Any] = [
    {
        "task_id": "T-001",
        "round": 2,
        "head_sha": "a",
        "decision": "changes_required",
        "blocking_issues": [{"severity": "high", "file": "a.py:5", "line": 3, "reason": "r"}],
        "dispositions": [{"id": "F1", "status": "fixed", "note": ""}],
        "criteria": [{"id": "C1", "met": True, "evidence": "e"}],
        "responses": [{"id": "F1", "action": "fixed", "evidence": "e"}],
        "files_examined": ["a.py"],
        "tests": [],
    }
]
EVENTS = {
    "issues": "issues-labeled",
    "pull_request": "pull-request-labeled",
    "issue_comment": "issue-comment-created",
    "push": "push",
    "workflow_dispatch": "workflow-dispatch",
}
STATE = b.awaiting_work().model_dump(mode="json")


@tries
@given(st.one_of(raw, changed(CARDS).map(lambda value: json.dumps(value).encode())))
def test_cards(content: bytes) -> None:
    for name in ("card.json", "card.yml"):
        assert survives(partial(parse_card, content, name), LoopError)


@tries
@given(texts)
def test_issues_and_comments(text: str) -> None:
    assert survives(partial(card_in_issue, text, 1), LoopError)
    assert survives(partial(card_in_issue, f"```json\n{text}\n```", 1), LoopError)
    attachment_links(text)
    for body in (text, f"/loop {text}"):
        read_command(body, 1)


def parse_reports(content: bytes) -> None:
    document, _ = read_report(content)
    for parse in (parse_work_report, parse_review_report):
        assert survives(partial(parse, document, "T-001", 2), ReportInvalid)


@tries
@given(st.one_of(raw, changed(REPORTS).map(lambda value: json.dumps(value).encode())), texts)
def test_reports(content: bytes, around: str) -> None:
    fenced = f"{around}\n```json\n".encode("utf-8", "replace") + content + b",\n```\n"
    for each in (content, fenced):
        assert survives(partial(parse_reports, each), ReportInvalid)


@tries
@given(st.sampled_from(sorted(EVENTS)), st.data())
def test_events(event: str, data: st.DataObject) -> None:
    document = data.draw(changed([payload(EVENTS[event])]))
    assert survives(partial(request, event, document), LoopError)


READERS: dict[str, Callable[[Assignment], Any]] = {
    "claude": ClaudeReader,
    "codex": CodexReader,
    "opencode": OpencodeReader,
}


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return job(tmp_path_factory.mktemp("agent"))


LINES = [
    (name, line)
    for name in ("claude", "codex", "opencode")
    for path in sorted(STREAMS.glob(f"{name}-*.jsonl"))
    for line in path.read_bytes().splitlines()[:40]
    if line.startswith(b"{")
]


@tries
@given(st.sampled_from(("claude", "codex", "opencode")), st.data())
def test_streams_of_agents(assignment: Assignment, name: str, data: st.DataObject) -> None:
    stream = READERS[name](assignment)
    documents = [json.loads(line) for kind, line in LINES if kind == name]
    for _ in range(4):
        document = data.draw(changed(documents))
        for line in (json.dumps(document).encode(), data.draw(raw)):
            stream.feed(line)
    assert stream.spent is not None


@tries
@given(raw, changed([STATE]))
def test_what_jobs_and_machines_hand_over(content: bytes, state: Any) -> None:
    written = json.dumps(state).encode()
    for each in (content, written):
        assert survives(partial(parse_bundle, each), BundleInvalid)
        assert survives(partial(parse_header, each, "0" * 40, "1" * 40), BundleInvalid)
        assert survives(partial(parse_state, each), StateCorrupt, StateTooNew)
        parse_fetched(each)
        parse_inbox_file(each)


@tries
@given(raw, texts)
def test_settings_scripts_and_knowledge(content: bytes, text: str) -> None:
    for name in ("config.yaml", "config.json"):
        assert survives(partial(parse_config, content, name), LoopError)
    assert survives(partial(parse_script, content, "script.yml"), LoopError)
    read_knowledge(text, text, text, b.AT)


@tries
@given(texts, texts)
def test_patches_and_places(patch: str, place: str) -> None:
    finding = Finding(id="F1", file="a.py", line=3, reason="r", round=1)
    positions([finding], patch)
    assert all(isinstance(path, str) for path in possible_paths(place))


reports_of_tests = st.lists(
    st.sampled_from(
        (
            *(
                "<?xml version='1.0' encoding='x'?>",
                "<!DOCTYPE a [<!ENTITY b 'c'>]>",
                "<testsuite>",
            ),
            *("<testcase name='a' classname='b'>", "<failure/>", "<error>", "</testcase>", "&b;"),
            *("]]>", "<![CDATA[", "&#0;", "<testcase name='\u202e'/>", "\ufeff"),
        )
    ),
    max_size=12,
).map("".join)


@tries
@given(st.one_of(raw, reports_of_tests.map(str.encode)), texts)
def test_what_verify_commands_and_checks_leave(report: bytes, log: str) -> None:
    assert all(name.isprintable() for name in failing_tests(report))
    assert not [path for path in report_paths(log) if ".." in path.split("/")]
    assert len(excerpt(f"##[error]{log}\n{log}")) <= MAX_CHARACTERS


LOGIN = {"tokens": {"access_token": "a", "refresh_token": "r", "account_id": "me"}, "url": "mine"}


@tries
@given(st.one_of(raw, changed([LOGIN]).map(lambda value: json.dumps(value).encode())))
def test_logins_that_agents_leave(after: bytes) -> None:
    renewed = renewed_login(json.dumps(LOGIN).encode(), after)
    found = LOGIN if renewed is None else json.loads(renewed)
    assert (found["url"], found["tokens"]["account_id"]) == ("mine", "me")


@tries
@given(texts, values)
def test_what_agents_and_people_say(text: str, value: Any) -> None:
    read_marker(text)
    parse_budget(text)
    parse_modules(json.dumps({"files": [value, {"path": value, "exports": [value]}]}))
    version_in(text)
    api_error(text)
    api_error(json.dumps({"error": value}))
    retry_after({"retry-after": text})
    for read in (from_exit, from_stderr):
        assert read("codex", 1, text).kind
    assert isinstance(steps(text), list)
    annotated(text, [Finding(id="F1", file="a.py", line=3, reason="r", round=1)])


def test_every_recorded_stream_is_drawn_from() -> None:
    assert {name for name, _ in LINES} == {"claude", "codex", "opencode"}
    with pytest.raises(ZeroDivisionError):
        assert survives(lambda: 1 // 0, LoopError)
