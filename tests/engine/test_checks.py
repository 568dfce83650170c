"""What the checks of the forge do to a loop: findings, a held approval, reruns, a question."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.world import Died, Fuse, World, two_rounds
from tests.fakes import Act

from loop_kit.core.checks.reading import Check
from loop_kit.core.loop.checks_status import ChecksStatus
from loop_kit.core.loop.state import LoopState, Outcome, Role, parse_state
from loop_kit.errors import ForgeRefused, ForgeUnavailable

if TYPE_CHECKING:
    from loop_kit.ports import Assignment

BUILD = Check("build", "passed", "ci.yml", 7, 71)
LOG = "2026-01-01T00:00:00.1Z collecting\n2026-01-01T00:00:00.2Z ##[error]it is red\nclean up\n"


def state_of(name: str, state: str, **more: object) -> Check:
    return Check(name, state, "ci.yml", 7, 71, **more)  # type: ignore[arg-type]


@pytest.fixture
def checked(world: World) -> World:
    """A loop whose approvals wait for checks, pushed by an app whose pushes start some."""
    world.limits = world.limits.model_copy(update={"checks": "findings", "max_rounds": 4})
    world.forge.me = "loop-app[bot]"
    return world


def at_once(job: Assignment) -> Act:
    """A worker that is approved in every round."""
    met = [{"id": id_, "met": True, "evidence": "seen"} for id_ in ("C1", "C2")]
    if job.role is Role.WORKER:
        return two_rounds(job)
    fixed = [{"id": "F1", "status": "fixed"}] if job.round > 1 else []
    return Act(
        {
            "decision": "approve",
            "files_examined": ["a1.py"],
            "criteria": met,
            "dispositions": fixed,
        }
    )


def test_green_checks_approve_in_the_round_of_the_review(checked: World) -> None:
    checked.forge.every_commit = (BUILD,)

    state = checked.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert state.usage.dispatches == 1
    assert state.history[-1].rules[-1].text == "1 of 1 passed."
    assert state.checks.named == ("build",)


def test_a_check_that_failed_is_a_finding_of_the_next_worker_with_the_end_of_its_log(
    checked: World,
) -> None:
    checked.job()
    checked.forge.every_commit = (state_of("build", "failed", step="pytest"),)
    checked.forge.logs[71] = LOG

    checked.job()

    state = checked.load()
    assert state is not None
    finding = next(f for f in state.findings if f.by == "checks")
    assert finding.reason == "check failed: build"
    assert finding.scenario == "step: pytest\ncollecting\nit is red"
    second = next(j for j in checked.jobs if (j.role, j.round) == (Role.WORKER, 2))
    assert "it is red" in second.prompt


def test_an_approval_with_a_red_check_goes_back_to_the_worker_and_is_posted_once(
    checked: World,
) -> None:
    checked.script = at_once
    checked.forge.every_commit = (state_of("build", "failed"),)
    checked.forge.logs[71] = LOG

    state = checked.job()

    assert (state.state, state.round, state.outcome) == ("awaiting_work", 2, None)
    assert state.history[0].decision == "changes_required"
    assert state.history[0].new_findings == ("F1",)
    assert checked.posted() == ["<!-- loop-kit:T-001:review-r1 -->"]

    checked.forge.every_commit = (BUILD,)
    assert checked.job().outcome is Outcome.APPROVED
    assert [f.status for f in state.findings] == ["open"]


def test_a_pending_check_holds_the_approval_back_without_a_lease_and_without_a_dispatch(
    checked: World,
) -> None:
    checked.script = at_once
    checked.forge.every_commit = (BUILD, state_of("lint", "pending"))

    state = checked.job()

    assert (state.state, state.waiting_for) == ("awaiting_review", ("lint",))
    assert (state.lease, state.continue_to, checked.forge.dispatches) == (None, None, [])
    assert checked.forge.statuses[-1][1] == "pending"
    assert checked.forge.pulls[0].draft
    (comment,) = (post.body for post in checked.forge.pulls[0].comments)
    assert "Approved in round 1, waiting for 1 check: lint" in comment

    checked.forge.every_commit = (BUILD, state_of("lint", "passed"))
    ended = checked.job()

    assert (ended.outcome, ended.waiting_for) == (Outcome.APPROVED, ())
    assert not checked.forge.pulls[0].draft
    assert len(checked.jobs) == 2
    assert checked.forge.statuses[-1][1] == "success"


def test_a_check_that_fails_while_an_approval_waits_begins_the_next_round(checked: World) -> None:
    checked.script = at_once
    checked.forge.every_commit = (state_of("lint", "pending"),)
    checked.job()
    checked.forge.every_commit = (state_of("lint", "failed"),)
    checked.forge.logs[71] = LOG

    state = checked.job()

    assert (state.state, state.round, state.continue_to) == ("awaiting_work", 2, 2)
    assert len(checked.forge.dispatches) == 1
    fix_list = checked.server.files["fix_list.json"]
    assert b"it is red" in fix_list


def test_a_wait_ends_at_its_deadline_and_a_person_begins_a_new_one(checked: World) -> None:
    checked.script = at_once
    checked.forge.every_commit = (state_of("lint", "pending"),)
    checked.job()
    checked.clock.sleep(6 * 3600 + 1)

    stopped = checked.job()

    assert (stopped.outcome, stopped.reasons) == (Outcome.NEEDS_HUMAN, ("checks",))
    assert "lint" in stopped.error
    assert checked.job().waiting_for == ("lint",)


def test_cancelled_checks_are_run_again_until_their_budget_is_used(checked: World) -> None:
    checked.script = at_once
    checked.forge.every_commit = (state_of("lint", "cancelled"),)

    for number in range(1, 4):
        assert checked.job().waiting_for == ("lint",)
        assert checked.forge.reruns == [7] * number
    state = checked.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("checks",))
    assert "cancelled or timed out: lint" in state.error


def test_an_expected_check_that_an_app_token_does_not_start_is_a_question_after_ten_minutes(
    checked: World,
) -> None:
    checked.script = at_once
    checked.forge.required["main"] = ("build",)

    assert checked.job().waiting_for == ("build",)
    checked.clock.sleep(601)
    state = checked.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("checks",))
    assert "not started: build" in state.error


def test_a_check_of_an_earlier_head_is_expected_on_the_next(checked: World) -> None:
    checked.forge.every_commit = (BUILD,)
    checked.job()
    begun = False

    def forget(job: Assignment) -> Act:
        nonlocal begun
        begun = begun or job.role is Role.REVIEWER
        if begun:
            checked.forge.every_commit = ()
        return two_rounds(job)

    checked.script = forget
    assert checked.job().waiting_for == ("build",)


@pytest.mark.parametrize("blocked", [False, True], ids=["job token", "click"])
def test_checks_that_nobody_could_start_do_not_hold_an_approval_back(
    checked: World, *, blocked: bool
) -> None:
    checked.script = at_once
    checked.forge.required["main"] = ("build",)
    if blocked:
        checked.forge.every_commit = (Check("CI", "blocked", "ci.yml", 7),)
    else:
        checked.forge.me = "github-actions[bot]"

    state = checked.job()
    if blocked:
        assert state.waiting_for == ("build",)
        checked.clock.sleep(601)
        state = checked.job()

    assert state.outcome is Outcome.APPROVED
    assert "click Approve and run, or use an App token" in state.checks.note
    (comment,) = (post.body for post in checked.forge.pulls[0].comments)
    assert "Checks did not run: click Approve and run, or use an App token" in comment


@pytest.mark.parametrize("conclusion", ["failed", "pending", "cancelled", "blocked"])
def test_what_a_stranger_has_started_neither_fails_nor_holds_nor_stops_a_loop(
    checked: World, conclusion: str
) -> None:
    checked.script = at_once
    theirs = [
        Check(f"on {event}", conclusion, "talk.yml", run, run, event=event)  # type: ignore[arg-type]
        for run, event in enumerate(("pull_request_review", "issue_comment", "watch"), 11)
    ]
    checked.forge.every_commit = (BUILD, *theirs)

    state = checked.job()

    assert (state.outcome, state.round) == (Outcome.APPROVED, 1)
    assert (state.checks.named, state.checks.passed) == (("build",), 1)
    assert (checked.forge.reruns, state.checks.note) == ([], "")


def test_only_what_comes_with_a_push_is_expected_on_the_next_head(checked: World) -> None:
    by_hand = state_of("release", "passed", event="workflow_dispatch")
    checked.forge.every_commit = (replace(BUILD, event="push"), by_hand, Check("ci/ext", "passed"))

    assert checked.to_the_end().checks.named == ("build", "ci/ext")


def test_a_check_that_the_head_before_no_longer_had_is_not_expected() -> None:
    first = ChecksStatus(seen=("docs",)).with_names("1" * 40, ("build", "docs"))
    second = first.with_names("2" * 40, ()).with_names("2" * 40, ("build",))
    assert second.expected_on("2" * 40) == ("build", "docs")
    assert second.expected_on("3" * 40) == ("build",)
    assert second.with_names("3" * 40, ()).expected_on("4" * 40) == ("build",)


def test_a_check_that_was_not_started_stops_a_loop_once(checked: World) -> None:
    checked.script = at_once
    checked.forge.required["main"] = ("build",)
    checked.job()
    checked.clock.sleep(601)
    assert checked.job().outcome is Outcome.NEEDS_HUMAN

    state = checked.job()

    assert state.outcome is Outcome.APPROVED
    assert "checks did not run" in state.checks.note
    assert "(build)" in state.checks.note


def test_our_own_runs_and_our_own_status_never_count(checked: World) -> None:
    checked.script = at_once
    checked.forge.every_commit = (
        Check("One round", "pending", "loop.yml", 9, 91),
        Check("loop-kit", "pending"),
    )

    assert checked.job().outcome is Outcome.APPROVED


def test_a_finding_of_a_check_is_closed_when_the_check_passes_and_no_worker_is_paid_for_it(
    checked: World,
) -> None:
    def unsure(job: Assignment) -> Act:
        done = at_once(job)
        if job.role is Role.REVIEWER and job.round == 2:
            return Act(
                {
                    "decision": "changes_required",
                    "dispositions": [{"id": "F1", "status": "not_fixed", "note": "who knows"}],
                }
            )
        return done

    checked.script = unsure
    checked.forge.every_commit = (state_of("lint", "failed"),)
    checked.forge.logs[71] = LOG
    checked.job()
    checked.forge.every_commit = ()
    checked.job()
    checked.forge.every_commit = (state_of("lint", "passed"),)

    state = checked.job()

    assert state.outcome is Outcome.APPROVED
    assert checked.asked(Role.WORKER) == [1, 2]
    assert state.findings[0].status == "fixed"


def test_a_missing_permission_is_said_and_does_not_hold_an_approval_back(checked: World) -> None:
    checked.script = at_once
    checked.forge.unread = ForgeRefused("GitHub answered 403.", "Add `checks: read`.")

    state = checked.job()

    assert state.outcome is Outcome.APPROVED
    assert "checks: read" in state.checks.note


@pytest.mark.parametrize("pushed", ["loop-app[bot]", "github-actions[bot]"])
def test_whether_checks_were_to_start_depends_on_who_pushed_and_not_on_who_reads(
    checked: World, pushed: str
) -> None:
    reads = {"loop-app[bot]": "github-actions[bot]", "github-actions[bot]": "loop-app[bot]"}
    checked.script = at_once
    checked.forge.required["main"] = ("build",)
    checked.forge.me = pushed
    checked.forge.every_commit = (state_of("lint", "pending"),)
    assert "lint" in checked.job().waiting_for

    checked.forge.me = reads[pushed]
    checked.forge.every_commit = (state_of("lint", "passed"),)
    checked.clock.sleep(601)
    state = checked.job()

    stopped = pushed == "loop-app[bot]"
    assert state.outcome is (Outcome.NEEDS_HUMAN if stopped else Outcome.APPROVED)
    assert ("not started: build" in state.error) == stopped


def test_who_continues_a_wait_that_stopped_did_not_push_its_commit(checked: World) -> None:
    checked.script = at_once
    checked.forge.required["main"] = ("build",)
    checked.forge.every_commit = (state_of("lint", "pending"),)
    checked.job()
    checked.clock.sleep(6 * 3600 + 1)
    assert checked.job().outcome is Outcome.NEEDS_HUMAN
    checked.forge.me = "github-actions[bot]"

    assert checked.job().waiting_for == ("lint", "build")


def test_checks_that_cannot_be_read_any_more_end_no_wait_before_its_deadline(
    checked: World,
) -> None:
    checked.script = at_once
    checked.forge.every_commit = (state_of("lint", "pending"),)
    checked.job()
    checked.forge.unread = ForgeRefused("GitHub answered 403.", "Add `checks: read`.")

    waits = checked.job()
    checked.clock.sleep(6 * 3600 + 1)
    stopped = checked.job()

    assert (waits.outcome, waits.waiting_for, waits.lease) == (None, ("lint",), None)
    assert (stopped.outcome, stopped.reasons) == (Outcome.NEEDS_HUMAN, ("checks",))
    assert "checks: read" in stopped.error


def test_checks_that_cannot_be_read_do_not_approve_what_a_person_wants_changed(
    checked: World,
) -> None:
    checked.script = at_once
    checked.forge.writers.add("mona")
    checked.forge.unread = ForgeUnavailable("GitHub is down.", "Wait.")
    checked.job()
    checked.forge.review(1, "mona", "Not yet", "changes_requested")
    checked.forge.unread = ForgeRefused("GitHub answered 403.", "Add `checks: read`.")

    state = checked.job()

    assert (state.state, state.round, state.outcome) == ("awaiting_work", 2, None)
    assert [(f.by, f.status) for f in state.findings] == [("mona", "open")]


def test_what_a_person_wants_changed_while_the_reviewer_reads_comes_before_its_approval(
    checked: World,
) -> None:
    def meanwhile(job: Assignment) -> Act:
        if job.role is Role.REVIEWER and job.round > 1:
            checked.forge.review(1, "mona", "Not yet", "changes_requested")
        return two_rounds(job)

    checked.script = meanwhile
    checked.forge.writers.add("mona")
    checked.forge.every_commit = (BUILD,)
    checked.job()

    state = checked.job()

    assert (state.state, state.round, state.outcome) == ("awaiting_work", 3, None)
    assert [(f.by, f.status) for f in state.findings] == [("", "fixed"), ("mona", "open")]


def test_a_forge_that_is_down_leaves_the_approval_to_whoever_reads_next(checked: World) -> None:
    checked.script = at_once
    checked.forge.unread = ForgeUnavailable("GitHub is down.", "Wait.")

    held = checked.job()
    assert (held.state, held.outcome, held.continue_to) == ("awaiting_review", None, None)
    checked.forge.unread = None

    assert checked.job().outcome is Outcome.APPROVED
    assert len(checked.jobs) == 2


def test_a_loop_that_ignores_checks_asks_nothing(checked: World) -> None:
    checked.limits = checked.limits.model_copy(update={"checks": "ignore"})
    checked.forge.every_commit = (state_of("lint", "failed"),)

    assert checked.to_the_end().outcome is Outcome.APPROVED
    assert checked.forge.readings == []


def test_a_wait_whose_pull_request_was_closed_is_cancelled(checked: World) -> None:
    checked.watched = True
    checked.script = at_once
    checked.forge.every_commit = (state_of("lint", "pending"),)
    checked.job()
    checked.forge.pulls[0].close()

    assert checked.job().outcome is Outcome.CANCELLED


def test_a_permission_for_checks_that_an_older_workflow_lacks_is_named_once(
    checked: World,
) -> None:
    checked.forge.unread = ForgeRefused("GitHub answered 403.", "Add `checks: read`.")

    state = checked.to_the_end()

    assert state.left_out == ("checks",)
    said = [text for text in checked.reporter.warnings if "checks are not read" in text]
    assert said == [
        "The checks are not read in this loop: GitHub answered 403. Add `checks: read`."
    ]
    assert "checks were not read" in state.checks.note


def wait_and_approve(world: World, fuse: Fuse) -> LoopState:
    """A round whose check is cancelled, run again, and passes; who dies is followed by another."""
    world.limits = world.limits.model_copy(update={"checks": "findings"})
    world.forge.me, world.script = "loop-app[bot]", at_once
    world.forge.every_commit = (state_of("lint", "cancelled"),)
    with contextlib.suppress(Died):
        world.job(fuse)
    if not world.forge.reruns:
        assert world.job(fuse).waiting_for == ("lint",)
    world.forge.every_commit = (BUILD, state_of("lint", "passed"))
    with contextlib.suppress(Died):
        world.job(fuse)
    state = parse_state(world.server.state)
    return state if state.is_finished else world.job()


def test_a_process_may_die_at_any_call_of_a_wait_and_posts_nothing_twice(tmp_path: Path) -> None:
    undisturbed = Fuse()
    wait_and_approve(World(tmp_path), undisturbed)
    for number in range(1, len(undisturbed.passed) + 1):
        world = World(tmp_path)
        state = wait_and_approve(world, Fuse(number))
        where = undisturbed.passed[number - 1]
        assert (state.outcome, state.lease) == (Outcome.APPROVED, None), where
        posts = Counter([*world.posted(), *world.commented()])
        assert set(posts.values()) == {1}, where
        assert not world.forge.pulls[0].draft, where


def test_people_are_read_before_an_approval_counts_where_checks_are_ignored(
    checked: World,
) -> None:
    checked.limits = checked.limits.model_copy(update={"checks": "ignore"})

    def meanwhile(job: Assignment) -> Act:
        if job.role is Role.REVIEWER and job.round == 2:
            checked.forge.review(1, "mona", "Not yet", "changes_requested")
        return at_once(job) if job.round == 3 else two_rounds(job)

    checked.script = meanwhile
    checked.forge.writers.add("mona")
    checked.job()
    state = checked.job()

    assert (state.state, state.round, state.outcome) == ("awaiting_work", 3, None)
    assert [(f.by, f.status) for f in state.findings] == [("", "fixed"), ("mona", "open")]
    assert checked.forge.readings == []
