"""What every forge promises to post: the fake, and GitHub's API as the stand-in serves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.github_forge_world import FORGES, HEAD, STATUS, World, forge_world, opened

from loop_kit.core.forge.inline_comments import InlineComment, ReviewPost
from loop_kit.core.forge.status import LABELS
from loop_kit.core.loop.run_ends import RunStatus
from loop_kit.core.loop.state import Lease
from loop_kit.errors import ForgeRefused
from loop_kit.ports.forge import ThreadUpdate

MARKER = "<!-- loop-kit:T-001:review-r1 -->"
INLINE = "<!-- loop-kit:T-001:finding-F1 -->"


@pytest.fixture(params=FORGES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with forge_world(request.param, tmp_path) as made:
        yield made


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


def test_a_run_is_over_when_it_completed_and_why_or_was_started_again(world: World) -> None:
    lease, over = Lease(holder="x", run_id="77", run_attempt=1), RunStatus(ended=True)
    assert world.forge.run_status(lease) is None
    world.set_run("77", RunStatus(ended=False), 1)
    assert world.forge.run_status(lease) == RunStatus(ended=False)
    world.set_run("77", RunStatus(ended=False), 2)
    assert world.forge.run_status(lease) == over
    cancelled = RunStatus(ended=True, conclusion="cancelled", ended_at="2030-01-01T10:00:00Z")
    world.set_run("77", cancelled, 1)
    assert world.forge.run_status(lease) == cancelled
    world.set_run("77", cancelled, 2)
    assert world.forge.run_status(lease) == over


def test_a_run_is_known_by_the_artifact_that_it_left(world: World) -> None:
    assert not world.forge.has_artifact("77", "loop-kit-work-T-001")
    world.set_run("77", RunStatus(ended=True), 1)
    world.add_artifact("77", "loop-kit-work-T-002")
    assert not world.forge.has_artifact("77", "loop-kit-work-T-001")
    world.add_artifact("77", "loop-kit-work-T-001")
    assert world.forge.has_artifact("77", "loop-kit-work-T-001")
    assert not world.forge.has_artifact("", "loop-kit-work-T-001")


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


def test_a_finding_is_posted_on_its_line_and_marked_and_resolved_there_when_it_is_fixed(
    world: World,
) -> None:
    number = opened(world)
    id_ = posted_inline(world, number)
    assert world.reviews(number) == [f"{MARKER}\nbody"]
    assert world.inline(number) == [f"{INLINE}\nF1 is wrong"]
    fixed = {INLINE: ThreadUpdate(f"{INLINE}\nfixed", True), MARKER: ThreadUpdate("other", True)}
    for _ in range(2):
        assert world.forge.update_threads(number, {id_}, fixed, resolves=True) is None
        assert (world.inline(number), world.resolved(number)) == ([f"{INLINE}\nfixed"], [True])
    again = {INLINE: ThreadUpdate(f"{INLINE}\nis back", False)}
    assert world.forge.update_threads(number, {id_}, again, resolves=True) is None
    assert (world.inline(number), world.resolved(number)) == ([f"{INLINE}\nis back"], [False])


def test_threads_of_other_reviews_are_left_as_they_are(world: World) -> None:
    number = opened(world)
    posted_inline(world, number)
    fixed = {INLINE: ThreadUpdate(f"{INLINE}\nfixed", True)}
    world.forge.update_threads(number, {"1"}, fixed, resolves=True)
    assert (world.inline(number), world.resolved(number)) == ([f"{INLINE}\nF1 is wrong"], [False])


def test_a_token_that_may_not_resolve_threads_marks_them_all_the_same(world: World) -> None:
    number = opened(world)
    id_ = posted_inline(world, number)
    world.forbid_resolving()
    fixed = {INLINE: ThreadUpdate(f"{INLINE}\nfixed", True)}
    why = world.forge.update_threads(number, {id_}, fixed, resolves=True)
    assert "not accessible" in (why or "")
    assert (world.inline(number), world.resolved(number)) == ([f"{INLINE}\nfixed"], [False])
    assert world.forge.update_threads(number, {id_}, fixed, resolves=False) is None


def test_a_draft_is_made_ready_once_and_then_left_alone(world: World) -> None:
    number = opened(world)
    world.forge.mark_ready(number)
    world.forge.mark_ready(number)
    assert not world.is_draft(number)


def test_for_a_token_that_may_not_end_a_draft_the_permission_is_named(world: World) -> None:
    number = opened(world)
    world.forbid_ready()
    with pytest.raises(ForgeRefused) as error:
        world.forge.mark_ready(number)
    assert "contents: write" in error.value.remedy
    assert world.is_draft(number)


def test_a_reviewer_with_a_token_of_its_own_requests_changes_and_approves(world: World) -> None:
    number = opened(world)
    world.set_reviewer("critic[bot]")
    mark = "<!-- loop-kit:T-001:approval -->"
    world.forge.submit_verdict(number, world.sha, "No.", "<!-- x -->", approves=False)
    made = world.forge.submit_verdict(number, world.sha, f"{mark}\nYes.", mark, approves=True)
    assert world.verdicts(number) == ["CHANGES_REQUESTED", "APPROVED"]
    assert world.forge.find_post(number, mark) == made


def test_nobody_reviews_what_they_have_opened(world: World) -> None:
    number = opened(world)
    world.set_reviewer("github-actions[bot]")
    with pytest.raises(ForgeRefused, match=r"(?i)nobody can review"):
        world.forge.submit_verdict(number, world.sha, "Yes.", "<!-- x -->", approves=True)
    assert world.verdicts(number) == []


def test_one_comment_is_kept_up_to_date_and_found_by_its_marker(world: World) -> None:
    number = opened(world)
    id_ = world.forge.put_comment(number, "", f"{STATUS}\none", STATUS)
    assert world.forge.put_comment(number, id_, f"{STATUS}\ntwo", STATUS) == id_
    assert world.comments(number) == [f"{STATUS}\ntwo"]
    assert world.forge.find_post(number, STATUS) == id_


def test_a_copy_of_a_post_of_ours_without_its_nonce_is_not_taken_for_it(world: World) -> None:
    number, signed = opened(world), f"{STATUS}\n[//]: # (0123456789abcdef)\n"
    world.forge.put_comment(number, "", f"{STATUS}\ncopied", "<!-- x -->")
    world.forge.put_comment(number, "", f"{STATUS}\n[//]: # (00)\ncopied", "<!-- x -->")
    assert world.forge.find_post(number, signed) is None
    made = world.forge.put_comment(number, "", f"{signed}\nours", signed)
    assert world.forge.find_post(number, signed) == made
    assert len(world.comments(number)) == 3


def test_a_comment_that_somebody_deleted_is_posted_again(world: World) -> None:
    number = opened(world)
    assert not world.forge.edit_comment("424242", STATUS)
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


def test_an_issue_of_ours_is_found_by_its_marker_and_no_other_one(world: World) -> None:
    assert world.forge.find_issue(MARKER) is None
    world.open_issue("Forged", f"{MARKER}\nby somebody else")
    assert world.forge.find_issue(MARKER) is None
    number = world.forge.post_issue("2 findings for later", f"{MARKER}\nbody", MARKER)
    world.forge.post_issue("Another", f"{INLINE}\n{MARKER}", INLINE)
    assert world.forge.find_issue(MARKER) == number
    found = world.forge.issue(int(number))
    assert found is not None
    assert (found.title, found.body) == ("2 findings for later", f"{MARKER}\nbody")
    world.close(int(number))
    assert world.forge.find_issue(MARKER) == number
