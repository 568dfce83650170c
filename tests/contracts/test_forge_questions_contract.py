"""What every forge promises to answer: the fake, and GitHub's API as the stand-in serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.github_forge_world import FORGES, HEAD, STATUS, World, forge_world, opened

from loop_kit.core.forge.status import LABELS
from loop_kit.errors import ForgeRefused
from loop_kit.ports.forge import Issue, OpenStatus


@pytest.fixture(params=FORGES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with forge_world(request.param, tmp_path) as made:
        yield made


def test_an_issue_is_shown_as_it_is_now(world: World) -> None:
    number = world.open_issue("Add sub", "Please.", "loop", "bug")
    shown = world.forge.issue(number)
    assert shown is not None
    assert shown == Issue(number, "Add sub", "Please.", is_open=True, labels=shown.labels)
    assert set(shown.labels) == {"loop", "bug"}
    world.close(number)
    closed = world.forge.issue(number)
    assert closed is not None
    assert not closed.is_open


def test_a_pull_request_is_no_issue_and_an_issue_no_pull_request(world: World) -> None:
    issue, pull = world.open_issue("Add sub"), opened(world)
    assert world.forge.issue(pull) is None
    assert world.forge.pull(issue) is None


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_rule_may_ask_that_work_holds_the_tip_of_its_base(
    world: World, *, is_strict: bool
) -> None:
    world.require_checks(is_strict)
    assert world.forge.requires_current("main") == is_strict


@pytest.mark.parametrize("number", [-1, 0, 99, 2**31, 10**30])
def test_what_has_no_such_number_is_none(world: World, number: int) -> None:
    assert world.forge.issue(number) is None
    assert world.forge.pull(number) is None
    assert world.forge.open_status(number, None) == OpenStatus(issue_open=False)
    assert world.forge.loop_of(99) == ""


def test_a_pull_request_names_its_origin_and_what_it_closes(world: World) -> None:
    issue = world.open_issue("Add sub")
    body = f"Closes #{issue}"
    number = opened(world, body=body)
    world.label(number, "loop")
    shown = world.forge.pull(number)
    assert shown is not None
    assert (shown.number, shown.title, shown.body, shown.head, shown.base) == (
        *(number, "Title", body, HEAD, "main"),
    )
    assert shown.head_sha == world.sha
    assert (shown.head_repository, shown.closes, shown.labels) == ("octo/demo", issue, ("loop",))
    assert (shown.is_open, shown.merged, shown.closed_at) == (True, False, "")
    assert shown.url.endswith(f"/pull/{number}")


@pytest.mark.parametrize("body", ["Closes #{0} and closes #{1}", "About #{0}", ""])
def test_what_closes_two_issues_or_none_closes_no_one_issue(world: World, body: str) -> None:
    text = body.format(world.open_issue("One"), world.open_issue("Two"))
    number = opened(world, body=text)
    shown = world.forge.pull(number)
    assert shown is not None
    assert shown.closes is None


def test_the_newest_pull_request_of_a_branch_is_found_even_when_it_is_closed(world: World) -> None:
    assert world.forge.newest_pull(HEAD) is None
    first = opened(world)
    world.closed_at(first, "2026-02-03T04:05:06Z")
    closed = world.forge.newest_pull(HEAD)
    assert closed is not None
    assert (closed.number, closed.is_open, closed.closed_at) == (
        *(first, False, "2026-02-03T04:05:06Z"),
    )
    second = opened(world)
    assert second != first
    newest = world.forge.newest_pull(HEAD)
    assert newest is not None
    assert (newest.number, newest.is_open, newest.head_sha) == (second, True, world.sha)
    assert world.forge.newest_pull("loop/T-002/work") is None


def test_a_branch_of_the_same_name_in_a_fork_is_not_ours(world: World) -> None:
    number = opened(world)
    world.fork("mallory")
    newest = world.forge.newest_pull(HEAD)
    assert newest is not None
    assert newest.number == number


def test_the_status_of_an_issue_and_a_pull_request_is_one_answer(world: World) -> None:
    issue, pull = world.open_issue("Add sub", "", "loop"), opened(world)
    world.label(pull, "other")
    assert world.forge.open_status(issue, pull) == OpenStatus(
        issue_open=True, pull_open=True, pull_merged=False, labels=frozenset({"loop"})
    )
    world.close(issue)
    world.merge(pull)
    assert world.forge.open_status(issue, pull) == OpenStatus(
        issue_open=False, pull_open=False, pull_merged=True, labels=frozenset({"loop"})
    )
    world.reopen(issue)
    assert world.forge.open_status(issue, None).issue_open is True


def test_what_was_not_asked_for_is_not_answered(world: World) -> None:
    pull = opened(world)
    world.label(pull, "loop")
    assert world.forge.open_status(None, None) == OpenStatus()
    assert world.forge.open_status(None, pull) == OpenStatus(
        pull_open=True, pull_merged=False, labels=frozenset({"loop"})
    )


def test_one_of_two_that_is_not_there_is_closed_and_the_other_is_open(world: World) -> None:
    issue = world.open_issue("Add sub", "", "loop")
    assert world.forge.open_status(issue, 99) == OpenStatus(
        issue_open=True, pull_open=False, pull_merged=False, labels=frozenset({"loop"})
    )
    assert world.forge.open_status(98, opened(world)) == OpenStatus(
        issue_open=False, pull_open=True, pull_merged=False
    )


def test_two_branches_part_at_a_commit(world: World) -> None:
    assert world.forge.merge_base("main", HEAD) == world.base_sha


def test_branches_that_are_not_there_part_nowhere(world: World) -> None:
    with pytest.raises(ForgeRefused, match="Not Found"):
        world.forge.merge_base("main", "nowhere")


def test_the_loop_of_an_issue_is_in_the_marker_of_our_newest_comment(world: World) -> None:
    number = world.open_issue("Add sub")
    assert world.forge.loop_of(number) == ""
    first, second = (STATUS.replace("T-001", f"issue-{number}{end}") for end in ("", "-2"))
    world.forge.put_comment(number, "", f"{first}\none", first)
    assert world.forge.loop_of(number) == f"issue-{number}"
    world.forge.put_comment(number, "", f"{second}\ntwo", second)
    world.forge.put_comment(number, "", f"> {first}\nquoted", "<!-- none -->")
    world.comment(number, "mona", f"{first}\nI am the loop")
    assert world.forge.loop_of(number) == f"issue-{number}-2"


def test_an_issue_is_talked_on_like_a_pull_request(world: World) -> None:
    number = world.open_issue("Add sub")
    assert world.forge.find_post(number, STATUS) is None
    id_ = world.forge.put_comment(number, "", f"{STATUS}\none", STATUS)
    assert world.forge.put_comment(number, id_, f"{STATUS}\ntwo", STATUS) == id_
    assert world.comments(number) == [f"{STATUS}\ntwo"]
    assert world.forge.find_post(number, STATUS) == id_
    world.forge.set_label(number, LABELS[0], ())
    assert world.labels(number) == {"loop:approved"}


def test_a_comment_is_answered_with_a_sign(world: World) -> None:
    number = world.open_issue("Add sub")
    comment = world.comment(number, "mona", "/loop status")
    world.forge.react(comment, "eyes")
    assert world.reactions(comment) == ["eyes"]


def test_a_comment_that_is_gone_gets_no_sign(world: World) -> None:
    world.forge.react(424242, "confused")
    assert world.reactions(424242) == []


def test_the_checks_of_a_commit_are_shown_with_their_workflow_and_their_failed_step(
    world: World,
) -> None:
    for name, conclusion in (("lint", "failure"), ("unit", "success"), ("e2e", None)):
        world.add_check(name, conclusion)
    world.add_check("slow", "cancelled")

    shown = {check.name: check for check in world.forge.checks(world.sha)}

    assert {name: check.state for name, check in shown.items()} == {
        "lint": "failed",
        "unit": "passed",
        "e2e": "pending",
        "slow": "cancelled",
    }
    assert (shown["lint"].workflow, shown["lint"].step) == ("ci.yml", "test")
    assert 0 not in {shown["lint"].job, shown["lint"].run}


def test_the_log_of_a_check_is_shown_up_to_its_last_error(world: World) -> None:
    stamp = "2026-01-01T00:00:00.0000000Z"
    world.add_check("lint", "failure", f"{stamp} one\n{stamp} ##[error]red\n{stamp} clean up\n")
    (check,) = world.forge.checks(world.sha)
    assert world.forge.check_log(check.job) == "one\nred"


def test_a_branch_without_rules_requires_nothing(world: World) -> None:
    assert world.forge.required_checks("main") == ()
    assert not world.forge.requires_current("main")


def test_what_the_rules_of_a_branch_require_is_known_by_name(world: World) -> None:
    world.require_check("build")
    assert world.forge.required_checks("main") == ("build",)


def test_the_token_of_a_job_starts_no_checks(world: World) -> None:
    assert not world.forge.starts_checks()


def test_a_cancelled_run_is_run_again(world: World) -> None:
    world.add_check("slow", "cancelled")
    (check,) = world.forge.checks(world.sha)
    world.forge.rerun(check.run)
    assert world.reruns() == [check.run]
