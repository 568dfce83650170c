"""What real events ask of us, and what is refused in them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.actions.reading import (
    HEAD,
    PUSHED,
    REPOSITORY,
    SCHEDULE,
    ZEROS,
    assert_not_for_us,
    payload,
    refusal,
    request,
)

from loop_kit.adapters.runner.job import BOT
from loop_kit.core.ci.requests import (
    ChecksEnded,
    Comment,
    NotForUs,
    PullFacts,
    PushedCards,
    Request,
    Resume,
    StartFile,
    StartIssue,
    StartPull,
    SweepAll,
)
from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.errors import BadSetting, BranchRefused, ForgeRefused
from loop_kit.settings import Settings


def dispatched(**inputs: Any) -> Request:
    return request("workflow_dispatch", payload("workflow-dispatch"), Settings(**inputs))


def commented(body: str, settings: Settings | None = None, **changes: Any) -> Request:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": body, **changes}
    return request("issue_comment", document, settings)


def commented_by(login: str, type_: str, **settings: Any) -> Request:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": "/loop stop", "user": {"login": login, "type": type_}}
    document["sender"] = {"login": login, "type": type_}
    return request("issue_comment", document, Settings(**settings))


# --- workflow_dispatch -----------------------------------------------------------------------


def test_a_dispatch_without_inputs_starts_the_default_card() -> None:
    assert dispatched() == StartFile(".loop/task_card.json")
    assert dispatched(task=".loop/task_card.json") == StartFile(".loop/task_card.json")
    assert dispatched(task=".loop/tasks/a.yml") == StartFile(".loop/tasks/a.yml")


def test_a_dispatch_names_an_issue_or_a_pull_request_that_the_api_is_asked_for() -> None:
    assert dispatched(issue=7) == StartIssue(7, "", None, labelled=False)
    assert dispatched(pull_request=8) == StartPull(8, None, labelled=False)


def test_a_continuation_names_its_loop_its_round_and_its_state() -> None:
    found = dispatched(task_id="T-001", round=2, expected_state=9)
    assert found == Resume("T-001", 2, 9)
    assert dispatched(task_id="T-001") == Resume("T-001", None, None)


def test_the_default_card_of_the_action_does_not_contradict_another_input() -> None:
    assert dispatched(task=".loop/task_card.json", issue=7) == StartIssue(
        7, "", None, labelled=False
    )
    assert dispatched(task=".loop/task_card.json", task_id="T-1") == Resume("T-1", None, None)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"issue": 1, "pull_request": 2}, "issue and pull-request"),
        ({"task": "a.json", "task_id": "T-1"}, "task and task-id"),
        ({"task_id": "T-1", "issue": 1}, "task-id and issue"),
        ({"task": "a", "task_id": "T", "issue": 1, "pull_request": 1}, "task and task-id and"),
    ],
)
def test_inputs_that_ask_for_two_loops_are_refused(inputs: dict[str, Any], named: str) -> None:
    with pytest.raises(BadSetting, match=named) as caught:
        dispatched(**inputs)
    assert caught.value.remedy == "Give one of them."


def test_a_round_without_its_loop_is_refused() -> None:
    for inputs in ({"round": 2}, {"expected_state": 0}, {"round": 1, "issue": 4}):
        with pytest.raises(BadSetting, match="belong to a loop that is continued"):
            dispatched(**inputs)


def test_a_task_id_that_is_no_id_is_refused() -> None:
    for task_id in ("../x", "-u", "a..b", "x.lock", "a" * 65, "a\nb"):
        with pytest.raises(BadSetting, match="The input task-id must be"):
            dispatched(task_id=task_id)


@pytest.mark.parametrize("event", ["workflow_dispatch", "issues", "issue_comment", "schedule"])
def test_a_job_on_a_loop_branch_is_refused_whatever_the_event(event: str) -> None:
    found = refusal(event, {}, GITHUB_REF="refs/heads/loop/T-001/work")
    assert isinstance(found, BranchRefused)
    assert "default branch" in found.remedy


# --- labels ----------------------------------------------------------------------------------


def test_the_label_on_an_issue_starts_its_loop_with_the_text_of_the_event() -> None:
    found = request("issues", payload("issues-labeled"))
    title = "Spelling error in the README file"
    body = "It looks like you accidently spelled 'commit' with two 't's."
    assert found == StartIssue(1, title, body, labelled=True)


def test_labels_are_the_same_in_any_case() -> None:
    found = request("issues", payload("issues-labeled"), Settings(trigger_label="BUG "))
    assert isinstance(found, StartIssue)


def test_an_issue_without_text_has_an_empty_one_which_is_not_asked_for_again() -> None:
    document = payload("issues-labeled")
    document["issue"]["body"] = None
    found = request("issues", document)
    assert isinstance(found, StartIssue)
    assert found.body == ""


def test_another_label_or_action_or_a_closed_issue_is_not_for_us() -> None:
    document = payload("issues-labeled")
    assert_not_for_us(request("issues", document, Settings()), "'bug' is not 'loop'")
    for action in ("opened", "edited", "unlabeled", "closed", ""):
        assert_not_for_us(request("issues", {**document, "action": action}), action)
    document["issue"]["state"] = "closed"
    assert_not_for_us(request("issues", document), "#1 is not open")
    demilestoned = payload("issues-demilestoned-on-pull-request")
    assert_not_for_us(request("issues", demilestoned), "demilestoned")


def test_a_pull_request_that_comes_as_an_issue_starts_nothing_twice() -> None:
    document = payload("issues-demilestoned-on-pull-request")
    document |= {"action": "labeled", "label": {"name": "bug"}}
    assert_not_for_us(request("issues", document), "is a pull request")


def test_the_label_on_a_pull_request_starts_its_loop_at_the_head_that_was_labelled() -> None:
    found = request("pull_request", payload("pull-request-labeled"))
    facts = PullFacts(
        number=2,
        title="Update the README with new information.",
        body="This is a pretty simple change that we need to pull into master.",
        head="changes",
        head_sha=HEAD,
        head_repository=REPOSITORY,
        base="master",
        url=f"https://github.com/{REPOSITORY}/pull/2",
        is_open=True,
        merged=False,
    )
    assert found == StartPull(2, facts, labelled=True)


def test_the_address_of_a_pull_request_is_made_and_not_taken_from_the_event() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["html_url"] = "https://evil.test/`x`"
    found = request("pull_request", document, GITHUB_SERVER_URL="https://ghe.test")
    assert isinstance(found, StartPull)
    assert found.facts is not None
    assert found.facts.url == f"https://ghe.test/{REPOSITORY}/pull/2"


@pytest.mark.parametrize(
    ("repo", "named"),
    [
        ({"full_name": "mallory/Hello-World"}, "the fork mallory/Hello-World"),
        (None, "a fork that is gone"),
        ({"full_name": "x/y\n::error::z"}, "a fork that is gone"),
        ({"full_name": None}, "a fork that is gone"),
    ],
)
def test_a_pull_request_from_a_fork_is_refused(repo: object, named: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"] = repo
    found = refusal("pull_request", document)
    assert isinstance(found, ForgeRefused)
    assert found.sentence == f"The pull request #2 comes from {named}."
    assert "to this repository" in found.remedy


def test_another_label_on_a_pull_request_from_a_fork_is_not_for_us() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"] = None
    assert_not_for_us(request("pull_request", document, Settings()), "is not 'loop'")


def test_the_name_of_the_repository_is_the_same_in_any_case() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"]["full_name"] = REPOSITORY.upper()
    assert isinstance(request("pull_request", document), StartPull)


@pytest.mark.parametrize("side", ["head", "base"])
@pytest.mark.parametrize("branch", ["loop", "loop/T-001/work", "loop/x"])
def test_a_pull_request_of_a_loop_branch_is_refused(side: str, branch: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"][side]["ref"] = branch
    found = refusal("pull_request", document)
    assert isinstance(found, BranchRefused)
    assert "/loop retry" in found.remedy


def test_other_actions_and_closed_pull_requests_are_not_for_us() -> None:
    document = payload("pull-request-labeled")
    for action in ("opened", "synchronize", "unlabeled", "closed"):
        assert_not_for_us(request("pull_request", {**document, "action": action}), action)
    document["pull_request"]["state"] = "closed"
    assert_not_for_us(request("pull_request", document), "#2 is not open")


# --- comments --------------------------------------------------------------------------------


def test_a_comment_that_is_no_command_is_not_for_us() -> None:
    found = request("issue_comment", payload("issue-comment-created"))
    assert_not_for_us(found, "no /loop command")


def test_a_command_comes_with_what_it_was_said_on() -> None:
    assert commented("/loop extend 2\nthanks") == Comment(
        id=492700400,
        number=1,
        on_pull=False,
        command=Command(
            comment=492700400,
            verb="extend",
            by="Codertocat",
            at="2019-05-15T15:20:21Z",
            rounds=2,
        ),
        title="Spelling error in the README file",
        body="It looks like you accidently spelled 'commit' with two 't's.",
    )


def test_a_comment_on_a_pull_request_is_known_by_the_issue_it_is() -> None:
    document = payload("issue-comment-created")
    document["comment"]["body"] = "/loop"
    document["issue"] = payload("issues-demilestoned-on-pull-request")["issue"]
    document["issue"]["pull_request"] = {"url": "https://api.github.com/repos/x/y/pulls/2"}
    found = request("issue_comment", document)
    assert isinstance(found, Comment)
    assert isinstance(found.command, Command)
    assert (found.number, found.on_pull, found.command.verb) == (2, True, "status")


def test_a_misspelt_command_is_for_us_so_that_it_can_be_answered() -> None:
    found = commented("/loop stpo")
    assert isinstance(found, Comment)
    assert isinstance(found.command, Misspelt)
    assert found.command.nearest == "stop"


def test_only_a_new_comment_is_read() -> None:
    document = payload("issue-comment-created")
    document["comment"]["body"] = "/loop stop"
    for action in ("edited", "deleted", ""):
        assert_not_for_us(request("issue_comment", {**document, "action": action}), action)


def test_our_own_comments_and_those_of_other_bots_command_nothing() -> None:
    assert_not_for_us(commented_by(BOT, "Bot"), BOT)
    assert_not_for_us(commented_by(BOT, "User", allowed_bots=(BOT,)), BOT)
    assert_not_for_us(commented_by("renovate[bot]", "Bot"), "may not command")
    assert_not_for_us(commented_by("Copilot", "Bot", allowed_bots=("renovate",)), "Copilot")


def test_a_bot_that_is_allowed_commands_like_a_person() -> None:
    found = commented_by("renovate[bot]", "Bot", allowed_bots=("Renovate",))
    assert isinstance(found, Comment)
    assert isinstance(found.command, Command)
    assert found.command.by == "renovate[bot]"


def test_a_comment_that_another_account_sent_commands_nothing() -> None:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": "/loop stop", "user": {"login": "mona", "type": "User"}}
    assert_not_for_us(request("issue_comment", document), "not by the account")


def test_a_time_that_is_none_is_left_out() -> None:
    for made in (None, 3, "yesterday", "2019-05-15", "2019-05-15T15:20:21Z\n", "\u0662019"):
        found = commented("/loop", created_at=made)
        assert isinstance(found, Comment)
        assert isinstance(found.command, Command)
        assert found.command.at == ""


# --- pushes, the clock, the rest -------------------------------------------------------------


def test_a_push_to_the_default_branch_may_hold_cards() -> None:
    found = request("push", payload("push"))
    assert found == PushedCards(before=ZEROS, after=PUSHED, ref="refs/heads/master")
    between = request("push", {**payload("push"), "before": HEAD})
    assert isinstance(between, PushedCards)
    assert between.before == HEAD


def test_other_pushes_are_not_for_us() -> None:
    document = payload("push")
    assert_not_for_us(request("push", payload("push-tag-deleted")), "not one of a branch")
    assert_not_for_us(request("push", {**document, "ref": "refs/heads/x"}), "to x")
    assert_not_for_us(request("push", {**document, "deleted": True}), "deleted")
    assert_not_for_us(request("push", {**document, "after": ZEROS}), "deleted")


def test_a_push_to_a_loop_branch_is_refused() -> None:
    found = refusal("push", {**payload("push"), "ref": "refs/heads/loop/T-001/work"})
    assert isinstance(found, BranchRefused)


def test_the_clock_asks_for_a_sweep() -> None:
    assert request("schedule", SCHEDULE) == SweepAll()
    assert request("schedule", {}, GITHUB_ACTOR="") == SweepAll()


def ended(settings: Settings | None = None, **run: Any) -> Request:
    document = payload("workflow-run-completed")
    document["workflow_run"] |= {"head_branch": "loop/T-001/work", "head_sha": HEAD, **run}
    workflow = f"{REPOSITORY}/.github/workflows/loop.yml@refs/heads/master"
    return request("workflow_run", document, settings, GITHUB_WORKFLOW_REF=workflow)


OURS = {"head_repository": {"full_name": REPOSITORY}}


def test_the_end_of_a_workflow_names_the_loop_by_its_branch_and_its_commit() -> None:
    assert ended(**OURS) == ChecksEnded(HEAD, "loop/T-001/work", "T-001", (2,))
    assert ended(**OURS, head_branch="topic") == ChecksEnded(HEAD, "topic", "", (2,))
    other = ended(Settings(branch_prefix="bots/loop"), **OURS, head_branch="bots/loop/A/work")
    assert other == ChecksEnded(HEAD, "bots/loop/A/work", "A", (2,))
    for branch in ("loop/T-001/state", "loop/a..b/work", "loop/work", "T-001/work"):
        found = ended(**OURS, head_branch=branch)
        assert isinstance(found, NotForUs) or found == ChecksEnded(HEAD, branch, "", (2,))


def test_the_end_of_a_workflow_of_a_fork_or_of_the_loop_itself_is_not_for_us() -> None:
    assert_not_for_us(ended(), "another repository")
    assert_not_for_us(ended(**OURS, path=".github/workflows/loop.yml"), "runs the loop")
    assert_not_for_us(ended(**OURS, head_branch=None), "no branch")
    assert_not_for_us(request("workflow_run", {"action": "requested"}), "end")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("pull_request_target", "pull-request-labeled"),
        ("check_suite", "workflow-run-completed"),
        ("repository_dispatch", "repository-dispatch"),
        ("pull_request_review_comment", "issue-comment-created"),
        ("watch", "push"),
        ("", "push"),
    ],
)
def test_every_other_event_is_not_for_us_even_on_a_loop_branch(event: str, name: str) -> None:
    assert_not_for_us(request(event, payload(name)), event or "(none)")
    on_loop = request(event, payload(name), GITHUB_REF="refs/heads/loop/T-001/work")
    assert_not_for_us(on_loop, "acts on")


@pytest.mark.parametrize("phase", ["agents", "publish"])
def test_a_later_phase_goes_on_with_the_loop_that_was_claimed(phase: Any) -> None:
    settings = Settings(phase=phase, task_id="issue-1", trigger_label="bug")
    for event, name in (("issues", "issues-labeled"), ("push", "push"), ("fork", "push")):
        assert request(event, payload(name), settings) == Resume("issue-1", None, None)
    missing = refusal("issues", payload("issues-labeled"), Settings(phase=phase))
    assert missing.sentence == f"The input task-id is empty in the phase {phase}."
    on_loop = refusal("push", {}, settings, GITHUB_REF="refs/heads/loop/T-001/work")
    assert isinstance(on_loop, BranchRefused)


def test_the_phase_that_claims_reads_the_event() -> None:
    settings = Settings(phase="claim", trigger_label="bug")
    assert isinstance(request("issues", payload("issues-labeled"), settings), StartIssue)


def test_an_event_that_nobody_sent_starts_nothing() -> None:
    document = {**payload("issues-labeled"), "sender": None}
    found = refusal("issues", document, GITHUB_ACTOR="")
    assert isinstance(found, ForgeRefused)
    assert "who sent it" in found.sentence
