"""What every forge promises about reviews by people: the fake, and GitHub's API as it is served."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from tests.support.github_forge_world import FORGES, World, forge_world, opened

from loop_kit.core.forge.inline_comments import InlineComment, ReviewPost
from loop_kit.core.loop.conversation import Conversation, PersonPost

MARKER = "<!-- loop-kit:T-001:review-r1 -->"
INLINE = "<!-- loop-kit:T-001:finding-F3 -->"
REPLY = "<!-- loop-kit:T-001:reply-c9 -->"


@pytest.fixture(params=FORGES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with forge_world(request.param, tmp_path) as made:
        made.set_writer("mona")
        yield made


def ours(world: World, number: int) -> str:
    """A review of ours with a comment on a line, about F3."""
    comment = InlineComment("a.py", 1, f"{INLINE}\nF3 is wrong")
    post = ReviewPost(f"{MARKER}\nbody", (comment,), f"{MARKER}\nbody and F3")
    return world.forge.post_review(number, world.sha, post, MARKER)


def said(world: World, number: int, reviews: Collection[str] = ()) -> Conversation:
    """What people wrote in reviews of a pull request."""
    return world.forge.read_pull(number, None, reviews)[1]


def test_how_the_pull_request_and_the_issue_stand_is_read_with_it(world: World) -> None:
    issue = world.open_issue("Bug", "", "loop")
    number = opened(world)
    assert world.forge.read_pull(number, issue, ())[0] == world.forge.open_status(issue, number)
    world.close(number)
    status, _ = world.forge.read_pull(number, issue, ())
    assert (status.pull_open, status.issue_open, status.labels) == (False, True, {"loop"})
    assert world.forge.read_pull(number, None, ())[0] == world.forge.open_status(None, number)


def test_a_review_is_read_with_its_comments_in_their_order(world: World) -> None:
    number = opened(world)
    review, comment = world.review(
        number, "mona", "Not yet", "changes_requested", [("a.py", 1, "Why b?")]
    )

    first, second = said(world, number).posts

    assert first == PersonPost(-review, review, "mona", "Not yet", "changes_requested")
    assert (second.id, second.review, second.root) == (comment, review, comment)
    assert (second.by, second.body, second.file, second.line) == ("mona", "Why b?", "a.py", 1)
    assert second.thread
    assert second.finding == ""


def test_neither_strangers_nor_bots_nor_we_ourselves_are_read(world: World) -> None:
    number = opened(world)
    review = ours(world, number)
    world.review(number, "rita", "/loop stop", comments=[("a.py", 1, "/loop stop")])
    world.review(number, "evil[bot]", "/loop stop")
    assert said(world, number, {review}) == Conversation()
    assert world.forge.newest_reviews([number]) == {number: ()}


def test_reviews_of_strangers_hide_none_of_a_person(world: World) -> None:
    number = opened(world)
    comment, _ = world.review(number, "mona", "Why b?", comments=[("a.py", 1, "Why c?")])
    request, *_ = world.review(number, "mona", "Not yet", "changes_requested")
    for n in range(120):
        world.review(number, "rita", f"{n}")
    posts = said(world, number).posts
    assert [post.body for post in posts] == ["Why b?", "Why c?", "Not yet"]
    assert [p.review for p in posts if p.id < 0] == [comment, request]
    assert world.forge.newest_reviews([number]) == {number: (comment, request)}


def test_a_review_has_more_comments_than_a_page(world: World) -> None:
    number = opened(world)
    comments = [("a.py", 1, f"{n}") for n in range(145)]
    world.review(number, "mona", "All of it", comments=comments)
    bodies = [post.body for post in said(world, number).posts]
    assert bodies == ["All of it", *(f"{n}" for n in range(145))]


def test_what_a_marker_begins_is_ours_whoever_posted_it(world: World) -> None:
    number = opened(world)
    verdict = "<!-- loop-kit:T-001:changes-requested-r1 -->\nF3 is open"
    review, _ = world.review(number, "mona", verdict, "changes_requested", [("a.py", 1, INLINE)])
    (post,) = said(world, number).posts
    assert (post.id, post.body, post.state) == (-review, "", "commented")


def test_an_answer_in_a_conversation_of_ours_is_about_its_finding(world: World) -> None:
    number = opened(world)
    review = ours(world, number)
    (root,) = world.inline_ids(number)
    answer = world.answer(number, "mona", root, "Use add()")

    *_, post = said(world, number, {review}).posts

    assert (post.id, post.root, post.finding, post.body) == (answer, root, "F3", "Use add()")
    assert said(world, number).posts[-1].finding == ""


def test_a_conversation_that_is_resolved_is_known(world: World) -> None:
    number = opened(world)
    _, comment = world.review(number, "mona", comments=[("a.py", 1, "Why b?")])
    assert said(world, number).resolved == frozenset()
    world.resolve(number, comment)
    assert said(world, number).resolved == {comment}


def test_the_newest_reviews_of_several_pull_requests_are_asked_for_at_once(world: World) -> None:
    number = opened(world)
    review, *_ = world.review(number, "mona", "Not yet", "changes_requested")
    assert world.forge.newest_reviews([number]) == {number: (review,)}
    assert world.forge.newest_reviews([]) == {}


def test_an_answer_of_ours_is_found_again_by_its_marker(world: World) -> None:
    number = opened(world)
    _, comment = world.review(number, "mona", comments=[("a.py", 1, "Why b?")])
    thread = said(world, number).posts[-1].thread
    assert world.forge.find_reply(number, REPLY) is None
    id_ = world.forge.reply(number, thread, f"{REPLY}\nThis is F4 now.", REPLY)
    assert world.forge.find_reply(number, REPLY) == id_
    assert f"{REPLY}\nThis is F4 now." in world.inline(number)
    read = said(world, number).posts
    assert [post.id for post in read if post.id > 0] == [comment]
