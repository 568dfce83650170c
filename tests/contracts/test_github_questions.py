"""What the adapter asks of GitHub: how little, how patiently, and what it says of a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import FakeClock

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.adapters.retry import TRIES
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports.forge import OpenStatus

if TYPE_CHECKING:
    from tests.support.github_server import GitHubServer
    from tests.support.github_state import HostedRepository

MARKER = "<!-- loop-kit:T-001:acknowledgement -->"
Question = Callable[[GitHubForge], Any]
QUESTIONS: dict[str, Question] = {
    "issue": lambda forge: forge.issue(1),
    "pull": lambda forge: forge.pull(2),
    "newest_pull": lambda forge: forge.newest_pull("work"),
    "standing": lambda forge: forge.open_status(1, 2),
    "merge_base": lambda forge: forge.merge_base("main", "work"),
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def forge(hub: GitHubServer, demo: HostedRepository, clock: FakeClock) -> Iterator[GitHubForge]:
    """Issue 1 and pull request 2, which closes it."""
    hub.open_issue(demo.name, "Bug", "Text", "mona", ["loop"])
    hub.open_pull(demo.name, "Work", "work", "main", "mona", "Closes #1")
    forge = GitHubForge(Access(hub.url, "https://github.test", demo.name, "bot", 0), clock.sleep)
    yield forge
    forge.close()


def refused(ask: Callable[[], Any]) -> ForgeRefused:
    with pytest.raises(ForgeRefused) as caught:
        ask()
    assert caught.value.exit_code == 6
    return caught.value


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_one_request(hub: GitHubServer, forge: GitHubForge, name: str) -> None:
    assert QUESTIONS[name](forge)
    assert hub.count() == 1


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize(
    "fault", [{"status": 502}, {"drop_before": True}, {"drop_after": True}], ids=str
)
def test_a_question_is_asked_again_when_its_answer_is_lost(
    hub: GitHubServer, forge: GitHubForge, name: str, fault: dict[str, Any]
) -> None:
    expected = QUESTIONS[name](forge)
    for method in ("GET", "POST"):
        hub.fail_next(method, "", times=2, **fault)
    assert QUESTIONS[name](forge) == expected
    assert hub.count() == 4


def test_an_answer_that_never_comes_is_unavailable(hub: GitHubServer, forge: GitHubForge) -> None:
    hub.fail_next("POST", "/graphql", status=502, times=TRIES)
    with pytest.raises(ForgeUnavailable, match="502"):
        forge.open_status(1, 2)


def test_an_answer_that_is_none_of_graphql_is_asked_for_again(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    hub.fail_next("POST", "/graphql", status=200)
    assert forge.open_status(1, None).issue_open
    hub.fail_next("POST", "/graphql", status=200, times=TRIES)
    with pytest.raises(ForgeUnavailable, match="no GraphQL"):
        forge.open_status(1, None)


def test_a_rate_limit_of_a_question_is_waited_out(
    hub: GitHubServer, forge: GitHubForge, clock: FakeClock
) -> None:
    hub.fail_next("POST", "/graphql", status=403, headers={"Retry-After": "7"})
    assert forge.open_status(1, None).issue_open
    assert clock.slept == [7]


@pytest.mark.parametrize(
    ("name", "held", "line"),
    [
        ("issue", {}, "issues: read"),
        ("pull", {}, "pull-requests: read"),
        ("pull", {"pull_requests": "read"}, "issues: read"),
        ("newest_pull", {}, "pull-requests: read"),
        ("standing", {}, "{issues: read, pull-requests: read}"),
        ("standing", {"issues": "read"}, "pull-requests: read"),
        ("standing", {"pull_requests": "read"}, "issues: read"),
        ("merge_base", {}, "contents: read"),
    ],
)
def test_the_permission_that_a_question_needs_is_named(
    hub: GitHubServer, forge: GitHubForge, name: str, held: dict[str, str], line: str
) -> None:
    hub.set_permissions("bot", held)
    error = refused(lambda: QUESTIONS[name](forge))
    assert error.remedy == f"Add to the job: `permissions: {line}`."
    assert "Resource not accessible by integration" in error.sentence


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda forge: forge.loop_of(1), "issues: read"),
        (lambda forge: forge.find_post(1, MARKER), "issues: read"),
        (lambda forge: forge.put_comment(1, "", MARKER, MARKER), "issues: write"),
        (lambda forge: forge.find_pull_request("work"), "pull-requests: read"),
    ],
)
def test_the_permission_to_talk_on_an_issue_is_named(
    hub: GitHubServer, forge: GitHubForge, act: Question, line: str
) -> None:
    hub.set_permissions("bot", {"contents": "write"})
    assert f"permissions: {line}`" in refused(lambda: act(forge)).remedy


def test_in_a_public_repository_no_permission_is_needed_to_ask(
    hub: GitHubServer, forge: GitHubForge, demo: HostedRepository
) -> None:
    demo.private = False
    hub.set_permissions("bot", {})
    assert all(question(forge) for question in QUESTIONS.values())


def test_a_repository_that_cannot_be_seen_holds_nothing_that_is_closed(hub: GitHubServer) -> None:
    forge = GitHubForge(Access(hub.url, "https://github.test", "octo/other", "bot", 0))
    assert "octo/other" in refused(lambda: forge.open_status(1, 2)).sentence
    forge.close()


def test_a_token_that_is_not_known_is_said(hub: GitHubServer) -> None:
    forge = GitHubForge(Access(hub.url, "https://github.test", "octo/demo", "x", 0))
    assert "does not know the token" in refused(lambda: forge.issue(1)).sentence
    forge.close()


def test_branches_with_no_history_in_common_part_nowhere(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    demo.git.commit_files("orphan", {"a": "a\n"})
    assert "No common ancestor" in refused(lambda: forge.merge_base("main", "orphan")).sentence


@pytest.mark.parametrize("name", ["a/b/c", "fix#1", "100%25", "ä-ö", "a&b=c"])
def test_names_of_branches_reach_github_whole(
    hub: GitHubServer, forge: GitHubForge, demo: HostedRepository, name: str
) -> None:
    start = demo.git.head("main") or ""
    demo.git.commit_files(name, {"x.py": "x\n"}, parent=start)
    assert forge.merge_base("main", name) == start
    hub.open_pull("octo/demo", "Named", name, "main", "mona")
    newest = forge.newest_pull(name)
    assert newest is not None
    assert newest.head == name


def test_a_fork_is_named_and_one_that_is_gone_has_no_name(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    numbers = [
        hub.open_fork_pull("octo/demo", "Fork", "work", "main", "mallory", fork).number
        for fork in ("mallory/demo", "")
    ]
    shown = [forge.pull(number) for number in numbers]
    assert [pull and pull.head_repository for pull in shown] == ["mallory/demo", ""]


def test_what_is_merged_is_answered_with_its_moment(hub: GitHubServer, forge: GitHubForge) -> None:
    hub.merge_pull("octo/demo", 2, "mona")
    shown, listed = forge.pull(2), forge.newest_pull("work")
    assert shown is not None
    assert listed is not None
    assert shown.merged
    assert listed.merged
    assert shown.closed_at == listed.closed_at != ""


def test_the_loop_of_an_issue_is_found_on_any_page(hub: GitHubServer, forge: GitHubForge) -> None:
    for n in range(130):
        hub.comment("octo/demo", 1, "mona", f"noise {n}")
    assert forge.loop_of(1) == ""
    hub.comment("octo/demo", 1, "github-actions[bot]", f"{MARKER}\nHello")
    assert forge.loop_of(1) == "T-001"


@pytest.mark.parametrize(
    "first",
    [
        "<!-- loop-kit:../../etc:status -->",
        "<!-- loop-kit:T-001 -->",
        "<!-- loop-kit:T-001:status --> and more",
        "<!-- loop-kit:" + "x" * 65 + ":status -->",
        "<!-- loop-kit:T 1:status -->",
        " " * 300 + MARKER,
    ],
)
def test_a_marker_that_is_not_whole_names_no_loop(
    hub: GitHubServer, forge: GitHubForge, first: str
) -> None:
    hub.comment("octo/demo", 1, "github-actions[bot]", f"{first}\nHello")
    assert forge.loop_of(1) == ""


def test_a_post_on_a_pull_request_costs_no_question_what_it_is(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    assert forge.find_post(2, MARKER) is None
    asked = [(r.method, r.path.rpartition("/")[2]) for r in hub.requests]
    assert asked == [("POST", "graphql"), ("GET", "comments"), ("GET", "reviews")]


def test_a_comment_whose_answer_is_lost_is_posted_once_on_an_issue(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    hub.fail_next("POST", "/comments$", drop_after=True)
    id_ = forge.put_comment(1, "", f"{MARKER}\nHello", MARKER)
    assert [str(comment.id) for comment in hub.issue("octo/demo", 1).comments] == [id_]


def test_a_sign_is_given_once_however_often_its_answer_is_lost(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    comment = hub.comment("octo/demo", 1, "mona", "/loop status")
    hub.fail_next("POST", "/reactions$", drop_after=True, times=2)
    forge.react(comment.id, "+1")
    assert [(r.login, r.content) for r in comment.reactions] == [("github-actions[bot]", "+1")]


def test_a_sign_that_may_not_be_given_is_left_out(hub: GitHubServer, forge: GitHubForge) -> None:
    comment = hub.comment("octo/demo", 1, "mona", "/loop status")
    hub.set_permissions("bot", {"issues": "read"})
    forge.react(comment.id, "eyes")
    forge.react(424242, "eyes")
    assert comment.reactions == []
    assert hub.count("POST", "/reactions$") == 2


def test_what_does_not_exist_costs_no_second_question(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    assert forge.open_status(98, 99) == OpenStatus(
        issue_open=False, pull_open=False, pull_merged=False
    )
    assert forge.pull(2**40) is None
    assert hub.count() == 1


def test_what_classic_protection_requires_is_read_along_with_the_pull_request(
    hub: GitHubServer, demo: HostedRepository, forge: GitHubForge
) -> None:
    """A job's token may read that, and nothing else of it; rulesets count as well."""
    demo.protection["main"] = ("build", "lint")
    demo.require_checks("test", "lint")
    head = next(iter(demo.pulls.values())).head_sha

    forge.read_pull(2, None, (), (), head)
    assert (forge.required_checks("main"), hub.count()) == (("test", "lint", "build"), 2)
    assert forge.required_checks("release") == ("test", "lint")
