"""Events that no forge sends: read or refused in one sentence, and never a traceback."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from tests.actions.reading import HEAD, REPOSITORY, ZEROS, payload, refusal, request

from loop_kit.core.ci.requests import (
    NotForUs,
    PushedCards,
    Request,
    StartIssue,
    StartPull,
    is_branch_name,
    is_sha,
)
from loop_kit.core.text.sanitize import MAX_BODY
from loop_kit.errors import LoopError

EVENTS = [
    ("issues", "issues-labeled"),
    ("pull_request", "pull-request-labeled"),
    ("issue_comment", "issue-comment-created"),
    ("push", "push"),
    ("workflow_dispatch", "workflow-dispatch"),
]
DEEP: list[Any] = []
for _ in range(500):
    DEEP = [DEEP]
NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", [], {}, DEEP, [1], {"login": {}}),
    *("-u", "--output=x", "../..", "a\x00b", "\ud800", "\x1b]0;x\x07", "x\n::error::y"),
    *("a" * 70_000, "refs/heads/-u", "@{-1}", f"/loop {chr(0x202E)}", "0" * 40, "G" * 40),
]


def paths(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in document.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def damaged(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def assert_usable(found: Request) -> None:
    """Nothing in a request can hurt git, the API, a store or a log."""
    assert isinstance(found, get_args(Request))
    text = repr(found)
    text.encode()
    json.dumps(text)
    assert len(text) < 4 * MAX_BODY
    for name in ("number", "id", "round"):
        number = getattr(found, name, None)
        assert number is None or (type(number) is int and 0 < number < 2**63)
    if isinstance(found, StartPull) and found.facts:
        assert is_branch_name(found.facts.head)
        assert is_branch_name(found.facts.base)
        assert is_sha(found.facts.head_sha)
        assert found.facts.head_repository.lower() == REPOSITORY.lower()
    if isinstance(found, PushedCards):
        assert is_sha(found.before)
        assert is_sha(found.after)
        assert found.ref == "refs/heads/master"
    if isinstance(found, NotForUs):
        assert found.why.isprintable()


def assert_read_or_refused(event: str, document: Any) -> bool:
    """Whether it was read; what is refused is refused in one printable sentence."""
    refused = None
    try:
        found = request(event, document)
    except LoopError as error:
        refused = error
    if refused is None:
        assert_usable(found)
        return True
    assert refused.remedy
    assert refused.sentence.isprintable()
    assert len(refused.sentence) < 500
    return False


@pytest.mark.parametrize(("event", "name"), EVENTS)
def test_a_field_of_any_other_kind_is_read_or_refused_and_never_a_traceback(
    event: str, name: str
) -> None:
    document = payload(name)
    if event == "issue_comment":
        document["comment"]["body"] = "/loop stop"
    read = 0
    for path in list(paths(document)):
        for value in (*NASTY, ...):
            read += assert_read_or_refused(event, damaged(document, path, value))
    assert read > 0


@pytest.mark.parametrize(("event", "name"), EVENTS)
def test_an_event_that_is_something_else_altogether_is_read_or_refused(
    event: str, name: str
) -> None:
    for value in (*NASTY, payload(name)["repository"]):
        assert_read_or_refused(event, value)
    assert assert_read_or_refused(event, payload(name))


@pytest.mark.parametrize(
    ("event", "name", "path"),
    [
        ("issues", "issues-labeled", ("issue", "number")),
        ("pull_request", "pull-request-labeled", ("pull_request", "number")),
        ("issue_comment", "issue-comment-created", ("issue", "number")),
        ("issue_comment", "issue-comment-created", ("comment", "id")),
    ],
)
def test_a_number_is_a_whole_one_above_zero(event: str, name: str, path: tuple[str, ...]) -> None:
    document = payload(name)
    if event == "issue_comment":
        document["comment"]["body"] = "/loop stop"
    for value in (0, -1, True, 1.0, "1", None, 2**63):
        found = refusal(event, damaged(document, path, value))
        assert found.sentence == f"The event {event} holds no usable {'.'.join(path)}."


@pytest.mark.parametrize("sha", ["", "x", HEAD[:39], HEAD.upper(), f"{HEAD}\n", ZEROS, "--all"])
def test_a_head_that_is_no_commit_is_refused(sha: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["sha"] = sha
    assert "pull_request.head.sha" in refusal("pull_request", document).sentence


def test_a_body_over_the_limit_stays_over_it() -> None:
    document = payload("issues-labeled")
    document["issue"] |= {"body": "b" * 10**6, "title": "t" * 10**6}
    found = request("issues", document)
    assert isinstance(found, StartIssue)
    assert found.body == "b" * (MAX_BODY + 1)
    assert found.title == "t" * 1_000


def test_text_that_cannot_be_stored_is_replaced() -> None:
    document = payload("issues-labeled")
    document["issue"] |= {"body": "a\ud800b\x00c", "title": "\udfff"}
    found = request("issues", document)
    assert found == StartIssue(1, "\ufffd", "a\ufffdb\ufffdc", labelled=True)


# --- names that reach git --------------------------------------------------------------------

NAMES = [
    *("main", "feature/x", "a-b_c.d", "\u00fcml\u00e4ut", "\u2764\ufe0f", "a@b", "a{b", "x/@", "1"),
    *("", "@", "HEAD", "-", "-u", "--all", ".a", "a.", "a..b", "a/.b", "a/", "/a", "a//b"),
    *("a.lock", "a.lock/b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{b", "@{-1}"),
    *("a\tb", "a\nb", "a\x7fb", "a/-u", "refs/heads/x", "a]b", "a,b", "a$b", "a;b", "..", "."),
    *("a.lockx", "lock", "a/b.c/d", "'", '"', "a|b", "a&b", "\u202eabc"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_branch_is_one_where_git_says_so(name: str) -> None:
    done = subprocess.run(
        ["git", "check-ref-format", f"refs/heads/{name}"], capture_output=True, check=False
    )
    reserved = name.startswith("-") or name in {"@", "HEAD"}
    assert is_branch_name(name) is (done.returncode == 0 and not reserved)


def test_a_branch_has_no_character_that_steers_a_terminal_and_fits_a_file_system() -> None:
    assert not is_branch_name("a\x9bb")
    assert not is_branch_name("a\x00b")
    assert not is_branch_name("a\ud800b")
    assert is_branch_name("a" * 244)
    assert not is_branch_name("a" * 245)
    assert not is_branch_name("\u00fc" * 123)
