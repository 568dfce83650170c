"""What GitHub refuses, the stand-in refuses, with the same status and in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from github import GithubException

if TYPE_CHECKING:
    from collections.abc import Callable

    from github.PullRequest import PullRequest
    from github.Repository import Repository
    from tests.contracts.conftest import Connect, Open
    from tests.support.github_server import GitHubServer
    from tests.support.github_state import HostedRepository

NOT_ACCESSIBLE = "Resource not accessible by integration"


def assert_refused(action: Callable[[], Any], status: int) -> dict[str, Any]:
    with pytest.raises(GithubException) as caught:
        action()
    assert caught.value.status == status
    assert isinstance(caught.value.data, dict)
    return caught.value.data


def open_pull(repository: Repository, head: str = "work", **more: Any) -> PullRequest:
    wanted = {"base": "main", "title": "Work", "body": "Text", **more}
    return repository.create_pull(head=head, **wanted)


def only_error(data: dict[str, Any]) -> Any:
    [error] = data["errors"]
    return error


def test_an_unknown_token_is_bad_credentials(connect: Connect, demo: HostedRepository) -> None:
    data = assert_refused(lambda: connect("forged").get_repo(demo.name), 401)
    assert data["message"] == "Bad credentials"


def test_a_request_without_a_token_is_asked_to_sign_in(hub: GitHubServer) -> None:
    answer = requests.get(f"{hub.url}/user", headers={"Connection": "close"}, timeout=10)
    assert (answer.status_code, answer.json()["message"]) == (401, "Requires authentication")


def test_an_installation_is_no_user(connect: Connect) -> None:
    data = assert_refused(lambda: connect("bot").get_user().login, 403)
    assert data["message"] == NOT_ACCESSIBLE


def test_an_unknown_repository_is_not_found(connect: Connect) -> None:
    assert (
        assert_refused(lambda: connect("bot").get_repo("octo/other"), 404)["message"] == "Not Found"
    )


def test_an_operation_that_is_missing_here_is_no_404(connect: Connect, hub: GitHubServer) -> None:
    requester = connect("bot").requester
    assert_refused(lambda: requester.requestJsonAndCheck("GET", "/repos/octo/demo/branches"), 501)
    hub.answers.clear()  # GitHub has this operation, so its description cannot know our answer.


@pytest.mark.parametrize("login", ["github-actions[bot]", "nobody"])
def test_roles_are_answered_for_users_only(open_demo: Open, login: str) -> None:
    data = assert_refused(lambda: open_demo().get_collaborator_permission(login), 404)
    assert data["message"] == f"{login} is not a user"


def test_roles_are_not_answered_to_readers(open_demo: Open) -> None:
    assert_refused(lambda: open_demo("rita").get_collaborator_permission("octo"), 403)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"head": "nope"}, {"resource": "PullRequest", "field": "head", "code": "invalid"}),
        ({"head": "fork:work"}, {"resource": "PullRequest", "field": "head", "code": "invalid"}),
        ({"base": "nope"}, {"resource": "PullRequest", "field": "base", "code": "invalid"}),
        ({"title": ""}, {"resource": "Issue", "field": "title", "code": "missing_field"}),
    ],
)
def test_a_pull_request_needs_two_branches_and_a_title(
    hub: GitHubServer, open_demo: Open, fields: dict[str, str], error: dict[str, str]
) -> None:
    data = assert_refused(lambda: open_pull(open_demo(), **fields), 422)
    assert (data["message"], only_error(data)) == ("Validation Failed", error)
    assert hub.repository("octo/demo").pulls == {}


def test_a_second_pull_request_for_the_same_branches_is_refused(open_demo: Open) -> None:
    repository = open_demo()
    open_pull(repository)
    data = assert_refused(lambda: open_pull(repository, "octo:work"), 422)
    assert only_error(data)["message"] == "A pull request already exists for octo:work."


def test_a_pull_request_needs_commits_of_its_own(open_demo: Open, demo: HostedRepository) -> None:
    demo.git.set_branch("empty", demo.git.head("main") or "")
    demo.git.commit_files("orphan", {"a": "a\n"})
    repository = open_demo()
    data = assert_refused(lambda: open_pull(repository, "empty"), 422)
    assert only_error(data)["message"] == "No commits between main and empty"
    data = assert_refused(lambda: open_pull(repository, "orphan"), 422)
    assert "no history in common" in only_error(data)["message"]


def test_drafts_can_be_unsupported(open_demo: Open, demo: HostedRepository) -> None:
    demo.drafts_supported = False
    repository = open_demo()
    data = assert_refused(lambda: open_pull(repository, draft=True), 422)
    assert data["message"] == "Draft pull requests are not supported in this repository."
    assert not open_pull(repository).draft


def test_actions_can_be_kept_from_opening_pull_requests(
    open_demo: Open, demo: HostedRepository
) -> None:
    demo.actions_may_open_pulls = False
    data = assert_refused(lambda: open_pull(open_demo()), 403)
    assert "GitHub Actions is not permitted to create or approve" in data["message"]
    assert open_pull(open_demo("mona")).number == 1


def test_a_merged_pull_request_stays_closed(hub: GitHubServer, open_demo: Open) -> None:
    pull = open_pull(open_demo())
    hub.merge_pull("octo/demo", pull.number, "mona")
    assert_refused(lambda: pull.edit(state="open"), 422)
    assert hub.pull("octo/demo", pull.number).issue.state == "closed"


@pytest.mark.parametrize("event", ["APPROVE", "REQUEST_CHANGES"])
def test_nobody_judges_their_own_pull_request(open_demo: Open, event: str) -> None:
    pull = open_pull(open_demo())
    data = assert_refused(lambda: pull.create_review(body="Fine", event=event), 422)
    words = {"APPROVE": "approve", "REQUEST_CHANGES": "request changes on"}[event]
    assert only_error(data) == f"Can not {words} your own pull request"
    others = open_demo("mona").get_pull(pull.number)
    assert others.create_review(body="Fine", event=event).user.login == "mona"


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ({"path": "app.py", "line": 1}, "line must be part of the diff"),
        ({"path": "app.py", "line": 20, "side": "MIDDLE"}, "side is invalid"),
        ({"path": "app.py"}, "line must be part of the diff"),
        ({"path": "elsewhere.py", "line": 1}, "path is invalid"),
        ({"path": "app.py", "line": 18, "start_line": 8}, "part of the same hunk"),
        ({"path": "app.py", "line": 10, "start_line": 10}, "start line must precede"),
    ],
)
def test_one_misplaced_comment_refuses_the_whole_review(
    hub: GitHubServer, open_demo: Open, comment: dict[str, Any], reason: str
) -> None:
    pull = open_pull(open_demo())
    good: Any = {"path": "app.py", "line": 10, "side": "RIGHT", "body": "good"}
    bad: Any = {"side": "RIGHT", "body": "bad", **comment}
    data = assert_refused(
        lambda: pull.create_review(body="x", event="COMMENT", comments=[good, bad]), 422
    )
    assert data["message"] == "Unprocessable Entity"
    assert reason in only_error(data)
    assert list(pull.get_reviews()) == []
    assert list(pull.get_review_comments()) == []
    assert hub.pull("octo/demo", pull.number).reviews == []


def test_a_review_needs_something_to_say(open_demo: Open) -> None:
    pull = open_pull(open_demo())
    assert_refused(lambda: pull.create_review(event="COMMENT"), 422)


def test_a_review_is_of_a_commit_of_the_pull_request(
    open_demo: Open, demo: HostedRepository
) -> None:
    elsewhere = demo.git.commit_files("elsewhere", {"a": "a\n"})
    repository = open_demo()
    pull, commit = open_pull(repository), repository.get_commit(elsewhere)
    assert_refused(lambda: pull.create_review(commit=commit, body="x", event="COMMENT"), 422)


def test_bodies_have_a_limit(hub: GitHubServer, open_demo: Open) -> None:
    repository, longest = open_demo(), "x" * 65536
    pull = open_pull(repository, body=longest)
    comment = pull.create_issue_comment(longest)
    pull.create_review(body=longest, event="COMMENT")
    too_long = f"{longest}x"
    hub.repository("octo/demo").git.set_branch("other", pull.head.sha)
    for action in (
        lambda: open_pull(repository, "other", body=too_long),
        lambda: pull.edit(body=too_long),
        lambda: pull.create_issue_comment(too_long),
        lambda: comment.edit(too_long),
        lambda: pull.create_review(body=too_long, event="COMMENT"),
    ):
        assert "too long (maximum is 65536 characters)" in str(
            only_error(assert_refused(action, 422))
        )
    assert list(hub.repository("octo/demo").pulls) == [pull.number]
    assert hub.issue("octo/demo", pull.number).body == longest


def test_blank_comments_are_refused(hub: GitHubServer, open_demo: Open) -> None:
    hub.open_issue("octo/demo", "Bug", None, "mona")
    assert_refused(lambda: open_demo().get_issue(1).create_comment("  "), 422)


def test_what_does_not_exist_is_not_found(open_demo: Open) -> None:
    repository = open_demo()
    pull = open_pull(repository)
    assert_refused(lambda: repository.get_pull(99), 404)
    assert_refused(lambda: repository.get_issue(99), 404)
    assert_refused(lambda: repository.get_issue(pull.number).get_comment(99), 404)
    assert_refused(lambda: repository.get_label("nope"), 404)
    assert_refused(lambda: repository.get_workflow_run(99), 404)
    assert_refused(lambda: repository.get_commit("f" * 40), 422)


def test_a_label_that_is_not_there_cannot_be_removed(open_demo: Open) -> None:
    pull = open_pull(open_demo())
    data = assert_refused(lambda: pull.remove_from_labels("nope"), 404)
    assert data["message"] == "Label does not exist"


def test_labels_are_created_once_and_their_names_are_short(open_demo: Open) -> None:
    repository = open_demo()
    repository.create_label("loop", "ffffff")
    data = assert_refused(lambda: repository.create_label("Loop", "ffffff"), 422)
    assert only_error(data)["code"] == "already_exists"
    assert_refused(lambda: repository.create_label("x" * 51, "ffffff"), 422)
    assert_refused(lambda: open_pull(repository).add_to_labels("x" * 51), 422)


def test_a_status_has_a_short_description_and_a_known_state(open_demo: Open) -> None:
    repository = open_demo()
    commit = repository.get_commit("work")
    commit.create_status("success", description="x" * 140)
    data = assert_refused(lambda: commit.create_status("success", description="x" * 141), 422)
    message = "description is too long (maximum is 140 characters)"
    assert only_error(data) == {
        "resource": "Status", "field": "description", "code": "custom", "message": message,
    }  # fmt: skip
    assert_refused(lambda: commit.create_status("done"), 422)
    assert commit.get_combined_status().total_count == 1
    unknown = f"{repository.url}/statuses/{'f' * 40}"
    asked = {"state": "success"}
    assert_refused(
        lambda: repository.requester.requestJsonAndCheck("POST", unknown, input=asked), 422
    )


def test_a_workflow_must_be_on_the_default_branch(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository
) -> None:
    text = "on: workflow_dispatch\njobs: {}\n"
    demo.git.commit_files("work", {".github/workflows/new.yml": text})
    repository = open_demo()
    url = f"{repository.url}/actions/workflows/new.yml/dispatches"
    asked = {"ref": "work"}
    assert_refused(lambda: repository.requester.requestJsonAndCheck("POST", url, input=asked), 404)
    assert_refused(lambda: repository.get_workflow("new.yml"), 404)
    assert hub.dispatches == []


@pytest.mark.parametrize(
    ("ref", "inputs", "message"),
    [
        ("nope", {"task-id": "T"}, "No ref found for: nope"),
        ("main", {"task-id": "T", "a": "1", "b": "2"}, 'Unexpected inputs provided: ["a", "b"]'),
        ("main", {}, "Required input 'task-id' not provided"),
        (
            "main",
            {"task-id": "T", "phase": "x"},
            "Provided value 'x' for input 'phase' not in the list of allowed values",
        ),
        ("quiet", {}, "Workflow does not have 'workflow_dispatch' trigger"),
        ("gone", {}, "Workflow does not have 'workflow_dispatch' trigger"),
    ],
)
def test_a_dispatch_must_fit_the_workflow(
    hub: GitHubServer,
    open_demo: Open,
    demo: HostedRepository,
    ref: str,
    inputs: dict[str, str],
    message: str,
) -> None:
    loop = ".github/workflows/loop.yml"
    demo.git.commit_files("quiet", {loop: "on: push\njobs: {}\n"}, parent="main")
    demo.git.commit_files("gone", {loop: None}, parent="main")
    workflow = open_demo().get_workflow("loop.yml")
    data = assert_refused(lambda: workflow.create_dispatch(ref, inputs, throw=True), 422)
    assert data["message"] == message
    assert hub.dispatches == []


def permitted(hub: GitHubServer, connect: Connect, **permissions: str) -> Repository:
    hub.set_permissions("bot", permissions)
    return connect("bot").get_repo("octo/demo")


def test_every_write_needs_its_permission(
    hub: GitHubServer, connect: Connect, open_demo: Open
) -> None:
    pull = open_pull(open_demo())
    hub.open_issue("octo/demo", "Bug", None, "mona")
    scopes = ("contents", "pull_requests", "issues", "statuses", "actions")
    repository = permitted(hub, connect, **dict.fromkeys(scopes, "read"))
    pull, issue = repository.get_pull(pull.number), repository.get_issue(2)
    commit, workflow = repository.get_commit("work"), repository.get_workflow("loop.yml")
    for action in (
        lambda: pull.edit(title="x"),
        lambda: pull.create_review(body="x", event="COMMENT"),
        lambda: pull.create_issue_comment("x"),
        lambda: issue.create_comment("x"),
        lambda: issue.add_to_labels("x"),
        lambda: repository.create_label("x", "ffffff"),
        lambda: commit.create_status("success"),
        lambda: workflow.create_dispatch("main", {"task-id": "T"}, throw=True),
    ):
        assert assert_refused(action, 403)["message"] == NOT_ACCESSIBLE
    assert hub.dispatches == []


def test_a_comment_on_a_pull_request_needs_either_of_two_permissions(
    hub: GitHubServer, connect: Connect, open_demo: Open
) -> None:
    pull = open_pull(open_demo())
    issue = hub.open_issue("octo/demo", "Bug", None, "mona")
    for scope in ("issues", "pull_requests"):
        repository = permitted(hub, connect, **{scope: "write"})
        repository.get_issue(pull.number).create_comment("either will do")
    assert_refused(lambda: repository.get_issue(issue.number), 403)


def test_a_public_repository_can_be_read_without_permissions(
    hub: GitHubServer, connect: Connect, open_demo: Open, demo: HostedRepository
) -> None:
    open_pull(open_demo())
    repository = permitted(hub, connect, metadata="read")
    assert_refused(lambda: repository.get_pull(1), 403)
    demo.private = False
    assert repository.get_pull(1).number == 1
    assert_refused(lambda: repository.get_pull(1).edit(title="x"), 403)


def test_ready_for_review_needs_the_contents_as_well(
    hub: GitHubServer, connect: Connect, open_demo: Open
) -> None:
    open_pull(open_demo(), draft=True)
    pull = permitted(hub, connect, pull_requests="write", contents="read").get_pull(1)
    with pytest.raises(GithubException) as caught:
        pull.mark_ready_for_review()
    assert "FORBIDDEN" in str(caught.value.data)
    assert hub.pull("octo/demo", 1).draft


def test_git_and_the_api_agree_about_a_token(hub: GitHubServer) -> None:
    hub.set_permissions("bot", {"contents": "read"})
    identity = hub.git.identity("bot")
    assert identity is not None
    assert (identity.permission, identity.workflows) == ("read", False)
    hub.set_permissions("bot", {"pull_requests": "write"})
    identity = hub.git.identity("bot")
    assert identity is not None
    assert identity.permission == "none"


def test_broken_json_is_refused(hub: GitHubServer, demo: HostedRepository) -> None:
    answer = requests.post(
        f"{hub.url}/repos/{demo.name}/pulls",
        data=b"{",
        headers={"Authorization": "token bot", "Connection": "close"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")
