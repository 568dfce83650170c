"""What every forge promises: the fake, and GitHub's API as the stand-in serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.fakes import FakeClock, MemoryForge, Post
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.adapters.github_forge import Access, GitHubForge
from loop_kit.core.inline import InlineComment, ReviewPost
from loop_kit.core.standing import LABELS
from loop_kit.core.state import Lease
from loop_kit.errors import ForgeRefused
from loop_kit.ports import Forge

HEAD = "loop/T-001/work"
MARKER = "<!-- loop-kit:T-001:review-r1 -->"
WORKFLOW = "on: {workflow_dispatch: {inputs: {round: {}}}}\njobs: {}\n"


@dataclass(frozen=True)
class World:
    """A forge and what a test arranges on it."""

    forge: Forge
    sha: str
    set_writer: Callable[[str], object]
    set_run: Callable[[str, bool, int], object]
    forbid_pulls: Callable[[], object]
    forbid_drafts: Callable[[], object]
    comment: Callable[[int, str, str], object]
    is_draft: Callable[[int], bool]
    close: Callable[[int], object]
    dispatched: Callable[[], list[dict[str, str]]]
    forbid_ready: Callable[[], object]
    comments: Callable[[int], list[str]]
    inline: Callable[[int], list[str]]
    reviews: Callable[[int], list[str]]
    labels: Callable[[int], set[str]]
    statuses: Callable[[], list[tuple[str, str]]]


def memory_world() -> World:
    forge = MemoryForge()
    return World(
        forge=forge,
        sha="0" * 40,
        set_writer=forge.writers.add,
        set_run=lambda run, ended, attempt: forge.ended_runs.update({run: (ended, attempt)}),
        forbid_pulls=lambda: setattr(forge, "pulls_allowed", False),
        forbid_drafts=lambda: setattr(forge, "drafts_supported", False),
        comment=lambda n, who, text: forge.pulls[n - 1].posts.append(Post("9", who, text)),
        is_draft=lambda n: forge.pulls[n - 1].draft,
        close=lambda n: setattr(forge.pulls[n - 1], "is_open", False),
        dispatched=lambda: [inputs for _, _, inputs in forge.dispatches],
        forbid_ready=lambda: setattr(forge, "ready_allowed", False),
        comments=lambda n: [post.body for post in forge.pulls[n - 1].comments],
        inline=lambda n: [post.body for post in forge.pulls[n - 1].inline],
        reviews=lambda n: [post.body for post in forge.pulls[n - 1].posts],
        labels=lambda n: forge.pulls[n - 1].labels,
        statuses=lambda: [(state, said) for _, state, said in forge.statuses],
    )


def github_world(hub: GitHubServer, git: GitServer) -> World:
    git.create_repository("octo/demo")
    git.add_token("bot", "github-actions[bot]")
    scopes = dict.fromkeys(("contents", "pull_requests", "issues", "actions", "statuses"), "write")
    hub.set_permissions("bot", scopes)
    hub.add_user("rita")
    demo = hub.repository("octo/demo")
    start = demo.git.commit_files("main", {".github/workflows/loop.yml": WORKFLOW}, "Start")
    sha = demo.git.commit_files(HEAD, {"a.py": "b\n"}, "Work", parent=start)
    access = Access(hub.url, "https://github.test", "octo/demo", "bot", pace=0)
    return World(
        forge=GitHubForge(access, FakeClock().sleep),
        sha=sha,
        set_writer=lambda login: hub.set_role("octo/demo", login, "write"),
        set_run=lambda run, ended, attempt: hub.set_run(
            "octo/demo", int(run), "completed" if ended else "in_progress", None, attempt
        ),
        forbid_pulls=lambda: setattr(demo, "actions_may_open_pulls", False),
        forbid_drafts=lambda: setattr(demo, "drafts_supported", False),
        comment=lambda n, who, text: hub.comment("octo/demo", n, who, text),
        is_draft=lambda n: demo.pulls[n].draft,
        close=lambda n: demo.issues[n].set_state("closed", "mona"),
        dispatched=lambda: [dispatch.inputs for dispatch in hub.dispatches],
        forbid_ready=lambda: hub.set_permissions("bot", {**scopes, "contents": "read"}),
        comments=lambda n: [comment.body for comment in demo.issues[n].comments],
        inline=lambda n: [c.body for review in demo.pulls[n].reviews for c in review.comments],
        reviews=lambda n: [review.body for review in demo.pulls[n].reviews],
        labels=lambda n: set(demo.issues[n].labels),
        statuses=lambda: [(s.state, s.description or "") for s in demo.statuses],
    )


@pytest.fixture(params=["memory", "github"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        yield memory_world()
        return
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as hub:
        made = github_world(hub, git)
        yield made
        assert isinstance(made.forge, GitHubForge)
        made.forge._github.close()


def opened(world: World, *, draft: bool = True) -> int:
    return world.forge.open_pull_request(HEAD, "main", "Title", "Body", draft=draft).number


INLINE = "<!-- loop-kit:T-001:finding-F1 -->"
STATUS = "<!-- loop-kit:T-001:status-comment -->"


def posted_inline(world: World, number: int, line: int = 1) -> str:
    """A review with one comment on a line of a.py, which has one line."""
    comment = InlineComment("a.py", line, f"{INLINE}\nF1 is wrong")
    post = ReviewPost(f"{MARKER}\nbody", (comment,), f"{MARKER}\nbody and F1")
    return world.forge.post_review(number, world.sha, post, MARKER)


def posted(world: World, number: int) -> str:
    return world.forge.post_review(number, world.sha, ReviewPost(f"{MARKER}\nbody"), MARKER)


def test_only_people_with_write_may_write(world: World) -> None:
    world.set_writer("mona")
    assert world.forge.may_write("mona")
    assert not world.forge.may_write("rita")
    assert not world.forge.may_write("nobody-at-all")


def test_a_run_is_over_when_it_completed_or_was_started_again(world: World) -> None:
    lease = Lease(holder="x", run_id="77", run_attempt=1)
    assert world.forge.run_has_ended(lease) is None
    world.set_run("77", False, 1)
    assert world.forge.run_has_ended(lease) is False
    world.set_run("77", False, 2)
    assert world.forge.run_has_ended(lease) is True
    world.set_run("77", True, 1)
    assert world.forge.run_has_ended(lease) is True


def test_a_pull_request_is_opened_once_and_found_again(world: World) -> None:
    assert world.forge.find_pull_request(HEAD) is None
    number = opened(world)
    found = world.forge.find_pull_request(HEAD)
    assert found is not None
    assert found.number == number
    assert found.url.endswith(f"/pull/{number}")
    assert opened(world) == number
    assert world.forge.find_pull_request("loop/T-002/work") is None


def test_a_closed_pull_request_is_not_found(world: World) -> None:
    world.close(opened(world))
    assert world.forge.find_pull_request(HEAD) is None


@pytest.mark.parametrize("draft", [True, False])
def test_a_draft_is_one_where_that_is_supported(world: World, *, draft: bool) -> None:
    assert world.is_draft(opened(world, draft=draft)) is draft


def test_where_drafts_are_not_supported_it_is_none(world: World) -> None:
    world.forbid_drafts()
    assert not world.is_draft(opened(world))


def test_a_refusal_shows_where_to_open_it_by_hand(world: World) -> None:
    world.forbid_pulls()
    with pytest.raises(ForgeRefused) as refused:
        opened(world)
    assert f"compare/main...{HEAD}" in refused.value.remedy


def test_a_review_is_found_by_its_marker_alone(world: World) -> None:
    number = opened(world)
    assert world.forge.find_post(number, MARKER) is None
    id_ = posted(world, number)
    assert world.forge.find_post(number, MARKER) == id_
    assert world.forge.find_post(number, MARKER.replace("r1", "r11")) is None


def test_somebody_elses_marker_does_not_count(world: World) -> None:
    number = opened(world)
    world.comment(number, "mona", f"{MARKER}\nI am the loop")
    assert world.forge.find_post(number, MARKER) is None


def test_a_marker_that_is_only_quoted_does_not_count(world: World) -> None:
    number = opened(world)
    world.forge.post_review(
        number, world.sha, ReviewPost(f"another\n\n> {MARKER}"), "<!-- another -->"
    )
    assert world.forge.find_post(number, MARKER) is None


def test_the_next_round_is_started_with_its_inputs(world: World) -> None:
    world.forge.dispatch("loop.yml", "main", {"round": "2"})
    assert world.dispatched() == [{"round": "2"}]


def test_a_finding_is_posted_on_its_line_and_marked_there_when_it_is_fixed(world: World) -> None:
    number = opened(world)
    id_ = posted_inline(world, number)
    assert world.reviews(number) == [f"{MARKER}\nbody"]
    assert world.inline(number) == [f"{INLINE}\nF1 is wrong"]
    for _ in range(2):
        world.forge.edit_inline(number, {id_}, {INLINE: f"{INLINE}\nfixed", MARKER: "other"})
        assert world.inline(number) == [f"{INLINE}\nfixed"]


def test_comments_of_other_reviews_are_left_as_they_are(world: World) -> None:
    number = opened(world)
    posted_inline(world, number)
    world.forge.edit_inline(number, {"1"}, {INLINE: f"{INLINE}\nfixed"})
    assert world.inline(number) == [f"{INLINE}\nF1 is wrong"]


def test_a_draft_is_made_ready_once_and_then_left_alone(world: World) -> None:
    number = opened(world)
    world.forge.mark_ready(number)
    world.forge.mark_ready(number)
    assert not world.is_draft(number)


def test_a_token_that_may_not_end_a_draft_is_told_what_it_needs(world: World) -> None:
    number = opened(world)
    world.forbid_ready()
    with pytest.raises(ForgeRefused) as error:
        world.forge.mark_ready(number)
    assert "contents: write" in error.value.remedy
    assert world.is_draft(number)


def test_one_comment_is_kept_up_to_date_and_found_by_its_marker(world: World) -> None:
    number = opened(world)
    id_ = world.forge.put_comment(number, "", f"{STATUS}\none", STATUS)
    assert world.forge.put_comment(number, id_, f"{STATUS}\ntwo", STATUS) == id_
    assert world.comments(number) == [f"{STATUS}\ntwo"]
    assert world.forge.find_post(number, STATUS) == id_


def test_a_comment_that_somebody_deleted_is_posted_anew(world: World) -> None:
    number = opened(world)
    id_ = world.forge.put_comment(number, "424242", f"{STATUS}\none", STATUS)
    assert id_ != "424242"
    assert world.comments(number) == [f"{STATUS}\none"]


def test_a_label_replaces_the_others_of_ours_and_leaves_those_of_people(world: World) -> None:
    number = opened(world)
    approved, person, failed = LABELS
    world.forge.set_label(number, replace(approved, name="bug"), ())
    world.forge.set_label(number, failed, (approved.name, person.name))
    world.forge.set_label(number, approved, (failed.name,))
    assert world.labels(number) == {"bug", "loop:approved"}
    world.forge.set_label(number, None, (approved.name,))
    assert world.labels(number) == {"bug"}


def test_the_status_of_a_commit_is_set_with_its_description(world: World) -> None:
    world.forge.set_status(world.sha, "pending", "Round 2 is next.", "77")
    world.forge.set_status(world.sha, "success", "Approved.", "")
    assert world.statuses() == [("pending", "Round 2 is next."), ("success", "Approved.")]
