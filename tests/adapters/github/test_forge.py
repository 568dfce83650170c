"""The forge, over real HTTP against the GitHub stand-in: no post twice, and every no explained."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import FakeClock
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.adapters.retry import TRIES
from loop_kit.core.forge.inline_comments import InlineComment, ReviewPost
from loop_kit.core.forge.status import LABELS
from loop_kit.core.loop.state import Lease
from loop_kit.core.text.sanitize import MAX_BODY
from loop_kit.errors import ForgeRefused, ForgeUnavailable, LoopError
from loop_kit.ports.forge import ThreadUpdate

if TYPE_CHECKING:
    from tests.support.github_state import HostedRepository

WORKFLOW = """\
on:
  workflow_dispatch:
    inputs: {task-id: {}, round: {}, expected-state: {}}
jobs: {}
"""
INPUTS = {"task-id": "T-001", "round": "2", "expected-state": "9"}
MARKER = "<!-- loop-kit:T-001:review-r1 -->"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubServer]:
    """A repository with a work branch, a token of Actions and one of a person."""
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as server:
        git.create_repository("octo/demo")
        git.add_token("bot", "github-actions[bot]")
        git.add_token("mona-token", "mona")
        scopes = ("contents", "pull_requests", "issues", "actions")
        server.set_permissions("bot", dict.fromkeys(scopes, "write"))
        bare = server.repository("octo/demo").git
        files = {"a.py": "a\n", ".github/workflows/loop.yml": WORKFLOW}
        start = bare.commit_files("main", files, "Start")
        bare.commit_files("loop/T-001/work", {"a.py": "b\n"}, "Work", parent=start)
        yield server


@pytest.fixture
def demo(hub: GitHubServer) -> HostedRepository:
    return hub.repository("octo/demo")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def connected(hub: GitHubServer, clock: FakeClock, token: str = "bot") -> GitHubForge:
    access = Access(hub.url, "https://github.test", "octo/demo", token, pace=0)
    return GitHubForge(access, clock.sleep)


@pytest.fixture
def forge(hub: GitHubServer, clock: FakeClock) -> Iterator[GitHubForge]:
    forge = connected(hub, clock)
    yield forge
    forge._github.close()


def open_pull(forge: GitHubForge) -> int:
    head = "loop/T-001/work"
    return forge.open_pull_request(head, "main", "Title", "Body", draft=True).number


def post(forge: GitHubForge, hub: GitHubServer, number: int) -> str:
    sha = hub.pull("octo/demo", number).head_sha
    return forge.post_review(number, sha, ReviewPost(f"{MARKER}\nbody"), MARKER)


def refused(act: Callable[[], Any]) -> LoopError:
    with pytest.raises(ForgeRefused) as caught:
        act()
    assert caught.value.exit_code == 6
    return caught.value


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_lost_answer_to_a_new_pull_request_makes_no_second_one(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository, *, before: bool
) -> None:
    hub.fail_next("POST", "/pulls$", drop_before=before, drop_after=not before)
    assert open_pull(forge) == 1
    assert len(demo.pulls) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_lost_answer_to_a_review_makes_no_second_one(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository, *, before: bool
) -> None:
    number = open_pull(forge)
    hub.fail_next("POST", "/reviews$", drop_before=before, drop_after=not before)
    id_ = post(forge, hub, number)
    assert [str(review.id) for review in demo.pulls[number].reviews] == [id_]


def test_server_errors_are_waited_out_and_then_reported(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    hub.fail_next("POST", "/pulls$", status=502, times=2)
    assert open_pull(forge) == 1
    assert len(clock.slept) == 2
    hub.fail_next("POST", "/reviews$", status=500, times=TRIES)
    with pytest.raises(ForgeUnavailable, match="500") as failed:
        post(forge, hub, 1)
    assert failed.value.exit_code == 6


def test_reads_are_repeated(forge: GitHubForge, hub: GitHubServer) -> None:
    number = open_pull(forge)
    hub.fail_next("GET", "/pulls", status=503, times=2)
    found = forge.find_pull_request("loop/T-001/work")
    assert found is not None
    assert found.number == number


def test_a_rate_limit_is_waited_out_as_long_as_github_says(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    hub.fail_next("POST", "/pulls$", status=403, headers={"Retry-After": "7"})
    hub.fail_next("POST", "/pulls$", status=429, headers={"Retry-After": "11"})
    assert open_pull(forge) == 1
    assert clock.slept == [7, 11]


def test_a_rate_limit_that_lasts_too_long_is_reported_at_once(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    hub.fail_next("POST", "/pulls$", status=403, headers={"Retry-After": "3600"})
    with pytest.raises(ForgeUnavailable, match="used up for 3600 s"):
        open_pull(forge)
    assert clock.slept == []


class Stubborn(BaseHTTPRequestHandler):
    """Answers every request with one status and body; GitHub's rate limits word themselves."""

    status, body, headers_out = 429, {"message": "Too many requests"}, {"Retry-After": "3"}

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        raw = json.dumps(self.body).encode()
        self.send_response(self.status)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_a_rate_limit_in_other_words_is_no_final_no(clock: FakeClock) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stubborn)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    forge = GitHubForge(Access(url, url, "octo/demo", "x", pace=0), clock.sleep)
    try:
        with pytest.raises(ForgeUnavailable):
            open_pull(forge)
    finally:
        forge._github.close()
        server.shutdown()
        server.server_close()
    assert 3 in clock.slept


def test_a_server_that_is_not_there_is_unavailable(clock: FakeClock) -> None:
    access = Access("http://127.0.0.1:9", "http://127.0.0.1:9", "octo/demo", "x", pace=0)
    forge = GitHubForge(access, clock.sleep)
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        open_pull(forge)
    forge._github.close()


def test_drafts_are_left_out_where_they_are_not_supported(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    demo.drafts_supported = False
    assert not demo.pulls[open_pull(forge)].draft


def test_a_pull_request_that_is_there_already_is_taken(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    assert open_pull(forge) == open_pull(forge)
    assert len(demo.pulls) == 1


def test_where_actions_may_not_open_pull_requests_a_link_is_given(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    demo.actions_may_open_pulls = False
    error = refused(lambda: open_pull(forge))
    assert "may not open pull requests" in error.sentence
    assert "https://github.test/octo/demo/compare/main...loop/T-001/work?expand=1" in error.remedy


def test_a_missing_permission_is_named(forge: GitHubForge, hub: GitHubServer) -> None:
    hub.set_permissions("bot", {"contents": "write", "pull_requests": "read"})
    error = refused(lambda: open_pull(forge))
    assert "permissions: pull-requests: write" in error.remedy


def test_a_wrong_token_is_said_and_not_shown(hub: GitHubServer, clock: FakeClock) -> None:
    forge = connected(hub, clock, "f0rged-token")
    error = refused(lambda: open_pull(forge))
    assert "does not know the token" in error.sentence
    assert "f0rged-token" not in f"{error}{forge._access!r}"
    forge._github.close()


def test_a_marker_is_found_on_any_page(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    pull = demo.pulls[number]
    for n in range(70):
        forge.post_review(number, pull.head_sha, ReviewPost(f"noise {n}"), "no marker")
    wanted = post(forge, hub, number)
    for n in range(70):
        hub.comment("octo/demo", number, "mona", f"more {n}")
    assert forge.find_post(number, MARKER) == wanted
    assert forge.find_post(number, "<!-- loop-kit:T-001:review-r2 -->") is None


def test_a_marker_in_a_comment_of_ours_counts_and_in_anybody_elses_does_not(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    number = open_pull(forge)
    hub.comment("octo/demo", number, "mona", f"{MARKER} I am the loop")
    theirs = connected(hub, clock, "mona-token")
    post(theirs, hub, number)
    theirs._github.close()
    assert forge.find_post(number, MARKER) is None
    ours = hub.comment("octo/demo", number, "github-actions[bot]", f"{MARKER}\nx")
    assert forge.find_post(number, MARKER) == str(ours.id)


def test_a_review_that_is_not_taken_becomes_a_comment(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    hub.fail_next("POST", "/reviews$", status=422)
    id_ = post(forge, hub, number)
    assert [str(comment.id) for comment in demo.issues[number].comments] == [id_]


def with_inline(line: int, plain: str) -> ReviewPost:
    """A review of a.py, which has one line."""
    return ReviewPost(f"{MARKER}\nshort", (InlineComment("a.py", line, "F1"),), plain)


def test_a_comment_on_a_line_that_is_not_in_the_diff_goes_into_the_body(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    pull = demo.pulls[number]
    forge.post_review(number, pull.head_sha, with_inline(99, f"{MARKER}\nwhole"), MARKER)
    forge.post_review(number, pull.head_sha, with_inline(1, f"{MARKER}\nwhole"), MARKER)
    assert [(r.body, len(r.comments)) for r in pull.reviews] == [
        (f"{MARKER}\nwhole", 0),
        (f"{MARKER}\nshort", 1),
    ]


def test_a_comment_on_a_line_of_a_deleted_file_is_on_the_left(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    demo.git.commit_files("loop/T-001/work", {"a.py": None}, "Delete it")
    number = open_pull(forge)
    pull = demo.pulls[number]
    comment = InlineComment("a.py", 1, "F1", "LEFT")
    forge.post_review(number, pull.head_sha, ReviewPost(MARKER, (comment,)), MARKER)
    (made,) = pull.reviews[0].comments
    assert (made.path, made.line, made.side) == ("a.py", 1, "LEFT")


def test_a_body_of_the_longest_size_is_taken(forge: GitHubForge, demo: HostedRepository) -> None:
    number = open_pull(forge)
    body = f"{MARKER}\n".ljust(MAX_BODY, "x")
    forge.post_review(number, demo.pulls[number].head_sha, ReviewPost(body), MARKER)
    forge.put_comment(number, "", body, MARKER)
    assert demo.issues[number].comments[0].body == demo.pulls[number].reviews[0].body == body


def test_many_findings_are_marked_with_one_read_and_one_mutation(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    comments = tuple(InlineComment("a.py", 1, f"<!-- F{n} -->\nopen") for n in range(40))
    post = ReviewPost(f"{MARKER}\nbody", comments)
    id_ = forge.post_review(number, demo.pulls[number].head_sha, post, MARKER)
    before = hub.count()
    marks = [f"<!-- F{n} -->" for n in range(40)]
    fixed = {mark: ThreadUpdate(f"{mark}\nfixed", resolved=True) for mark in marks}
    forge.update_threads(number, {id_}, fixed, resolves=True)
    assert hub.count() - before == 2
    assert all(comment.resolved_by for comment in demo.pulls[number].reviews[0].comments)
    bodies = {comment.body for comment in demo.pulls[number].reviews[0].comments}
    assert bodies == {f"<!-- F{n} -->\nfixed" for n in range(40)}


def test_what_was_read_before_a_round_is_not_read_again_after_it(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    comments = (InlineComment("a.py", 1, "<!-- F1 -->\nopen"),)
    post = ReviewPost(f"{MARKER}\nbody", comments)
    id_ = forge.post_review(number, demo.pulls[number].head_sha, post, MARKER)
    forge.read_pull(number, None, {id_})
    before = hub.count()
    assert forge.find_issue(MARKER) is None
    assert hub.count() - before == 1  # who we are came with the answer
    before = hub.count()
    fixed = {"<!-- F1 -->": ThreadUpdate("<!-- F1 -->\nfixed", resolved=True)}
    forge.update_threads(number, {id_}, fixed, resolves=True)
    forge.mark_ready(number)
    assert hub.count() - before == 2
    again = {"<!-- F1 -->": ThreadUpdate("<!-- F1 -->\nopen", resolved=False)}
    forge.update_threads(number, {id_}, again, resolves=True)
    (comment,) = demo.pulls[number].reviews[0].comments
    assert (comment.body, comment.resolved_by) == ("<!-- F1 -->\nopen", None)


def review_by_strangers(demo: HostedRepository, number: int, times: int) -> None:
    for n in range(times):
        demo.review(demo.pulls[number], "rita", f"{n}", "COMMENTED", ())


def test_reviews_are_read_back_to_one_that_was_read_before(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    demo.roles["mona"] = "write"
    number = open_pull(forge)
    old = demo.review(demo.pulls[number], "mona", "one", "COMMENTED", ())
    review_by_strangers(demo, number, 60)
    new = demo.review(demo.pulls[number], "mona", "two", "COMMENTED", ())
    before = hub.count()
    _, found = forge.read_pull(number, None, (), {-old.id})
    assert ([post.body for post in found.posts], hub.count() - before) == (["one", "two"], 2)
    before = hub.count()
    _, found = forge.read_pull(number, None, (), {-old.id, -new.id})
    assert ([post.body for post in found.posts], hub.count() - before) == (["two"], 1)


def test_what_is_in_force_is_read_behind_any_number_of_reviews_and_what_is_not_is_named(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    demo.roles["mona"] = "write"
    number = open_pull(forge)
    demo.review(demo.pulls[number], "mona", "Why?", "COMMENTED", ())
    required = demo.review(demo.pulls[number], "mona", "Not yet", "CHANGES_REQUESTED", ())
    review_by_strangers(demo, number, 500)
    before = hub.count()
    _, found = forge.read_pull(number, None, ())
    assert hub.count() - before == 10
    assert [(p.id, p.body) for p in found.posts] == [(-required.id, "Not yet")]
    assert len(found.unread) == 1
    assert "more than 500 reviews" in found.unread[0]
    before = hub.count()
    assert forge.newest_reviews([number]) == {number: (required.id,)}
    assert hub.count() - before == 10


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_lost_answer_to_a_comment_makes_no_second_one(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository, *, before: bool
) -> None:
    number = open_pull(forge)
    hub.fail_next("POST", "/comments$", drop_before=before, drop_after=not before)
    forge.put_comment(number, "", f"{MARKER}\none", MARKER)
    assert len(demo.issues[number].comments) == 1


def test_what_sets_a_value_is_repeated_when_its_answer_is_lost(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    hub.fail_next("POST", "/labels$", drop_after=True, times=2)
    hub.fail_next("POST", "/graphql$", drop_after=True)
    forge.set_label(number, LABELS[0], ())
    forge.mark_ready(number)
    assert demo.issues[number].labels == ["loop:approved"]
    assert not demo.pulls[number].draft


def test_a_new_label_gets_its_colour_and_an_existing_one_keeps_its_own(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    number = open_pull(forge)
    demo.label("loop:failed").color = "abcdef"
    approved, _, failed = LABELS
    forge.set_label(number, approved, ())
    forge.set_label(number, failed, ())
    assert demo.label("loop:approved").color == approved.color
    assert demo.label("loop:approved").description == approved.description
    assert demo.label("loop:failed").color == "abcdef"


def test_a_label_that_the_repository_has_is_put_on_by_one_request(
    forge: GitHubForge, hub: GitHubServer
) -> None:
    number = open_pull(forge)
    forge.set_label(number, LABELS[0], ())
    before = hub.count()
    forge.set_label(number, LABELS[0], ())
    assert hub.count() - before == 1


@pytest.mark.parametrize("scope", ["statuses", "issues"])
def test_each_missing_permission_is_named_with_its_line(
    forge: GitHubForge, hub: GitHubServer, scope: str
) -> None:
    number = open_pull(forge)
    hub.set_permissions("bot", {"contents": "write"})
    sha = hub.pull("octo/demo", number).head_sha
    asked: dict[str, Callable[[], Any]] = {
        "statuses": lambda: forge.set_status(sha, "pending", "x", ""),
        "issues": lambda: forge.set_label(number, LABELS[0], ()),
    }
    assert f"permissions: {scope}: write" in refused(asked[scope]).remedy


def test_a_dispatch_carries_its_inputs(forge: GitHubForge, hub: GitHubServer) -> None:
    forge.dispatch("loop.yml", "main", INPUTS)
    (dispatch,) = hub.dispatches
    assert (dispatch.workflow, dispatch.ref, dispatch.inputs) == ("loop.yml", "main", INPUTS)


def test_a_dispatch_whose_answer_is_lost_is_not_repeated(
    forge: GitHubForge, hub: GitHubServer
) -> None:
    hub.fail_next("POST", "/dispatches$", drop_after=True)
    with pytest.raises(ForgeUnavailable):
        forge.dispatch("loop.yml", "main", INPUTS)
    assert len(hub.dispatches) == 1


def test_undeclared_inputs_print_the_block_to_add(
    forge: GitHubForge, demo: HostedRepository
) -> None:
    text = "on: {workflow_dispatch: {inputs: {task-id: {}}}}\njobs: {}\n"
    demo.git.commit_files("main", {".github/workflows/loop.yml": text})
    error = refused(lambda: forge.dispatch("loop.yml", "main", INPUTS))
    assert "does not declare the inputs" in error.sentence
    for name in INPUTS:
        assert f"{name}: {{type: string}}" in error.remedy


def test_a_workflow_that_is_not_there_is_said(forge: GitHubForge) -> None:
    error = refused(lambda: forge.dispatch("other.yml", "main", INPUTS))
    assert "not on the default branch" in error.sentence


def test_a_steady_round_is_cheap(forge: GitHubForge, hub: GitHubServer) -> None:
    number = open_pull(forge)
    post(forge, hub, number)
    forge.dispatch("loop.yml", "main", INPUTS)
    assert hub.count() <= 4


def test_a_run_that_cannot_be_looked_up_is_neither_over_nor_alive(
    forge: GitHubForge, hub: GitHubServer
) -> None:
    assert forge.run_status(Lease(holder="x", run_id="")) is None
    assert forge.run_status(Lease(holder="x", run_id="../../x")) is None
    assert forge.run_status(Lease(holder="x", run_id="404")) is None
