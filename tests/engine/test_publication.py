"""What a loop shows on the forge as it stops, continues and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.world import BLOCKER, World, two_rounds
from tests.fakes import Act, AgentExit

from loop_kit.core.loop.state import Limits, Outcome, Role

if TYPE_CHECKING:
    from loop_kit.ports import Assignment


def status_comment(world: World) -> str:
    (post,) = world.forge.pulls[0].comments
    return post.body


def shown(world: World) -> tuple[set[str], str]:
    """The labels, and the state of the last commit status."""
    return world.forge.pulls[0].labels, world.forge.statuses[-1][1]


def test_an_approved_loop_ends_its_draft_and_shows_it_everywhere(world: World) -> None:
    world.job()
    assert shown(world) == (set(), "pending")
    assert world.forge.pulls[0].draft

    state = world.job()

    assert not world.forge.pulls[0].draft
    assert shown(world) == ({"loop:approved"}, "success")
    assert world.forge.statuses[-1][0] == state.head_sha
    assert "### ✅ Approved in round 2\n" in status_comment(world)


def test_a_loop_that_is_approved_at_once_opens_no_draft(world: World) -> None:
    def content(job: Assignment) -> Act:
        approved = {"decision": "approve", "files_examined": ["a1.py"]}
        met = [
            {"id": "C1", "met": True, "evidence": "seen"},
            {"id": "C2", "met": True, "evidence": "seen"},
        ]
        return two_rounds(job) if job.role is Role.WORKER else Act({**approved, "criteria": met})

    world.script = content
    world.job()

    assert not world.forge.pulls[0].draft


def test_a_reviewer_with_a_token_of_its_own_gives_each_verdict_once(world: World) -> None:
    world.limits = Limits(formal_reviews=True)
    world.forge.reviewer = "critic[bot]"

    world.to_the_end()

    (pull,) = world.forge.pulls
    assert pull.verdicts == ["CHANGES_REQUESTED", "APPROVED"]
    own = [post.body for post in pull.posts if post.author == "critic[bot]"]
    assert "approved this in round 2" in own[1]
    assert "**Review:**" not in status_comment(world)


def test_a_verdict_that_is_refused_leaves_the_review_as_a_comment_and_says_why(
    world: World,
) -> None:
    world.limits = Limits(formal_reviews=True)

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert "- **Review:** as a comment only. This job has no reviewer-token." in status_comment(
        world
    )


def test_github_merges_an_approved_loop_where_it_was_asked_to(world: World) -> None:
    world.limits = Limits(on_approved="auto-merge")

    world.to_the_end()

    assert world.forge.pulls[0].auto_merge
    assert "GitHub merges it when its rules are satisfied" in status_comment(world)


def test_a_loop_whose_merge_stays_with_people_says_why(world: World) -> None:
    world.limits = Limits(on_approved="auto-merge")
    world.forge.people_merge = "Turn on 'Allow auto-merge'."

    world.to_the_end()

    assert not world.forge.pulls[0].auto_merge
    assert "people merge it. Turn on 'Allow auto-merge'." in status_comment(world)
    assert "read it and merge it" in status_comment(world)


def test_a_draft_that_may_not_be_ended_is_left_to_a_person_to_click(world: World) -> None:
    world.forge.ready_allowed = False

    state = world.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert shown(world) == ({"loop:approved"}, "success")
    assert "click **Ready for review**" in status_comment(world)


def test_a_failure_in_a_later_round_is_shown_and_withdrawn_when_it_continues(world: World) -> None:
    broken = True

    def failing(job: Assignment) -> Act:
        if broken and job.round == 2:
            return Act(report=None, ended=AgentExit(exit_code=1))
        return two_rounds(job)

    world.script = failing
    world.job()
    state = world.job()
    assert state.outcome is not None
    assert shown(world) == ({"loop:failed"}, "failure")
    assert "### 🔴 Failed in round 2: the worker could not" in status_comment(world)

    broken = False
    world.job()

    assert shown(world) == ({"loop:approved"}, "success")
    assert [said for _, said, _ in world.forge.statuses] == [
        *("pending", "failure", "pending", "success")
    ]


def test_dispatches_that_are_used_up_are_shown_although_the_round_was_over(world: World) -> None:
    world.limits = world.limits.model_copy(update={"max_dispatches": 0})

    state = world.job()

    assert state.reasons == ("budget",)
    assert shown(world) == ({"loop:needs-human"}, "failure")
    assert {item.status for item in state.outbox} == {"done"}


def test_a_worker_that_fails_in_the_first_round_posts_nothing(world: World) -> None:
    world.script = lambda job: Act(report=None, ended=AgentExit(exit_code=1))

    world.job()

    assert (world.forge.pulls, world.forge.statuses) == ([], [])


def test_a_pull_request_that_was_refused_is_opened_when_a_person_starts_the_loop_again(
    world: World,
) -> None:
    world.limits = world.limits.model_copy(update={"max_rounds": 1})
    world.forge.pulls_allowed = False
    assert world.job().outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert world.forge.pulls == []

    world.forge.pulls_allowed = True
    world.limits = world.limits.model_copy(update={"max_rounds": 3})
    world.job()

    assert world.posted() == [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]
    assert shown(world) == ({"loop:approved"}, "success")


def on_a_line(job: Assignment) -> Act:
    """Two rounds with a finding on a line of the change."""
    if job.role is Role.REVIEWER and job.round == 1:
        wrong = {**BLOCKER, "file": "a1.py", "line": 1}
        return Act({"decision": "changes_required", "blocking_issues": [wrong]})
    return two_rounds(job)


def threads(world: World) -> list[tuple[str, bool]]:
    """The second line of each inline comment, and whether its thread is resolved."""
    return [(post.body.splitlines()[1], post.resolved) for post in world.forge.pulls[0].inline]


def test_the_thread_of_a_finding_that_was_fixed_is_marked_and_resolved(world: World) -> None:
    world.script = on_a_line
    world.job()
    ((line, resolved),) = threads(world)
    assert (line.startswith("**F1**"), resolved) == (True, False)

    world.job()

    ((line, resolved),) = threads(world)
    assert (line.startswith("✅"), resolved) == (True, True)


def test_a_token_that_may_not_resolve_is_named_once_and_the_mark_is_there(world: World) -> None:
    world.script = on_a_line
    world.forge.resolving_allowed = False

    world.to_the_end()

    ((line, resolved),) = threads(world)
    assert (line.startswith("✅"), resolved) == (True, False)
    said = [text for text in world.reporter.warnings if "may not resolve review threads" in text]
    assert len(said) == 1
