"""The GitHub stand-in, driven by PyGithub and compared with GitHub's own description.

The comparison is in the fixture `hub`: it looks at every answer of every test here.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
import requests
from tests.support.git_client import WorkingCopy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from github.PullRequest import PullRequest
    from github.Repository import Repository
    from tests.contracts.conftest import Connect, Open
    from tests.support.github_server import GitHubServer
    from tests.support.github_state import HostedRepository
    from tests.support.openapi_contract import GitHubDescription


def open_pull(repository: Repository, **changes: object) -> PullRequest:
    wanted = {"base": "main", "head": "work", "title": "Work", "body": "Closes #1", "draft": True}
    return repository.create_pull(**{**wanted, **changes})  # type: ignore[arg-type]


def inline(path: str, line: int, side: str = "RIGHT", **more: object) -> dict[str, object]:
    return {"path": path, "line": line, "side": side, "body": f"about {path}:{line}", **more}


def review(
    pull: PullRequest, comments: Iterable[dict[str, object]] = (), body: str = "Look"
) -> int:
    return pull.create_review(body=body, event="COMMENT", comments=list(comments)).id  # type: ignore[arg-type]


def visit_pull_requests(repository: Repository) -> None:
    pull = open_pull(repository)
    review(pull, [inline("app.py", 10)])
    assert [pull.number for pull in repository.get_pulls(state="open")] == [pull.number]
    pull.edit(title="Better", body="Text")
    assert repository.get_pull(pull.number).title == "Better"
    assert {file.filename for file in pull.get_files()} == {"app.py", "new.py", "old.py"}
    assert [item.state for item in pull.get_reviews()] == ["COMMENTED"]
    assert [item.line for item in pull.get_review_comments()] == [10]


def visit_issues(hub: GitHubServer, repository: Repository) -> None:
    issue = repository.get_issue(hub.open_issue("octo/demo", "Bug", None, "mona").number)
    made = repository.create_issue("Later", body="Text")
    listed = repository.get_issues(state="all", creator=made.user.login)
    assert listed[0].number == made.number
    comment = issue.create_comment("hello")
    comment.edit("edited")
    assert issue.get_comment(comment.id).body == "edited"
    assert [comment.create_reaction("eyes").content for _ in range(2)] == ["eyes", "eyes"]
    assert [item.body for item in issue.get_comments()] == ["edited"]
    repository.create_label("loop:approved", "00ff00", "Approved")
    assert repository.get_label("Loop:Approved").color == "00ff00"
    repository.get_label("loop:approved").edit("loop:approved", "0000ff", "Approved")
    assert repository.get_label("loop:approved").color == "0000ff"
    issue.add_to_labels("loop", "loop:approved")
    issue.remove_from_labels("loop")
    issue.set_labels("one", "two")
    assert [label.name for label in issue.get_labels()] == ["one", "two"]
    issue.delete_labels()
    assert {label.name for label in repository.get_labels()} == {
        "loop", "loop:approved", "one", "two",
    }  # fmt: skip


def visit_commits(repository: Repository) -> None:
    commit = repository.get_commit("work")
    commit.create_status("pending", "http://127.0.0.1/run", "Round 1", "loop-kit")
    assert commit.get_combined_status().state == "pending"
    assert [status.context for status in commit.get_statuses()] == ["loop-kit"]
    compared = repository.compare("main", "work")
    assert (compared.ahead_by, compared.merge_base_commit.sha) == (2, compared.base_commit.sha)
    url = f"{repository.url}/commits/{commit.sha}/statuses"
    _, statuses = repository.requester.requestJsonAndCheck("GET", url)
    assert len(statuses) == 1
    _, rules = repository.requester.requestJsonAndCheck(
        "GET", f"{repository.url}/rules/branches/main"
    )
    assert rules == []


def visit_actions(hub: GitHubServer, repository: Repository) -> None:
    workflow = repository.get_workflow("loop.yml")
    assert workflow.name == "Loop"
    assert workflow.create_dispatch("main", {"task-id": "T-1"}, throw=True)
    hub.set_run("octo/demo", 77, "completed", "success")
    hub.add_artifact("octo/demo", 77, "work")
    run = repository.get_workflow_run(77)
    assert run.conclusion == "success"
    assert [artifact.name for artifact in run.get_artifacts()] == ["work"]
    (kept,) = repository.get_artifacts(name="work")
    where, _ = repository.requester.requestBlobAndCheck("GET", kept.archive_download_url)
    assert where["location"].startswith(f"{hub.url}/stored-artifacts/")


def visit_checks(hub: GitHubServer, repository: Repository) -> None:
    requester, base = repository.requester, "/repos/octo/demo"
    hub.repository("octo/demo").require_checks("build")
    rules = requester.requestJsonAndCheck("GET", f"{base}/rules/branches/main")[1]
    assert [rule["type"] for rule in rules] == ["required_status_checks"]
    sha = hub.repository("octo/demo").git.head("main") or ""
    check = hub.add_check("octo/demo", sha, "build", "cancelled", log="the log")
    link = requester.requestBlobAndCheck("GET", f"{base}/actions/jobs/{check.id}/logs")[0]
    assert link["location"].endswith(f"/{check.id}")
    assert check.run is not None
    repository.get_workflow_run(check.run.id).rerun_failed_jobs()
    assert check.status == "queued"


def test_every_operation_answers_as_github_describes_it(
    hub: GitHubServer, open_demo: Open, connect: Connect, description: GitHubDescription
) -> None:
    repository = open_demo()
    hub.set_role("octo/demo", "mona", "write")
    assert repository.get_collaborator_permission("mona") == "write"
    assert connect("mona").get_user().login == "mona"
    visit_pull_requests(repository)
    visit_issues(hub, repository)
    visit_commits(repository)
    visit_actions(hub, repository)
    visit_checks(hub, repository)
    visited = {description.operation(answer.method, answer.path) for answer in hub.answers}
    assert visited == description.operations()


def test_a_new_pull_request_shows_both_branches(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository
) -> None:
    pull = open_pull(open_demo())
    assert pull.draft
    assert (pull.head.ref, pull.head.sha) == ("work", demo.git.head("work"))
    assert (pull.base.ref, pull.base.sha) == ("main", demo.git.head("main"))
    assert (pull.commits, pull.changed_files, pull.additions, pull.deletions) == (2, 3, 3, 3)
    assert pull.mergeable
    assert pull.user.login == "github-actions[bot]"
    assert hub.pull("octo/demo", pull.number).issue.body == "Closes #1"


def test_the_head_of_a_pull_request_follows_its_branch(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository, tmp_path: Path
) -> None:
    pull = open_pull(open_demo())
    url = f"{hub.git.url}/octo/demo"
    copy = WorkingCopy.clone(url, tmp_path / "copy", "bot", "--branch=work")
    sha = copy.commit({"later.py": "later\n"})
    assert copy.push("HEAD:work").returncode == 0
    copy.git("fetch", "--quiet", "origin", f"refs/pull/{pull.number}/head")
    assert copy.git("rev-parse", "FETCH_HEAD") == sha
    assert open_demo().get_pull(pull.number).head.sha == sha
    demo.git.delete_branch("work")
    assert open_demo().get_pull(pull.number).state == "closed"


def test_pull_requests_are_found_by_head_base_and_state(
    open_demo: Open, demo: HostedRepository
) -> None:
    repository = open_demo()
    demo.git.set_branch("other", demo.git.head("work") or "")
    first, second = open_pull(repository), open_pull(repository, head="other")
    second.edit(state="closed")

    def found(**filters: str) -> list[int]:
        return [pull.number for pull in repository.get_pulls(**filters)]

    assert found() == [first.number]
    assert found(state="all") == [second.number, first.number]
    assert found(state="all", sort="created", direction="asc") == [first.number, second.number]
    assert found(state="closed", head="octo:other") == [second.number]
    assert found(head="octo:other") == []
    assert found(base="elsewhere") == []
    second.edit(state="open")
    assert found(head="octo:other") == [second.number]


def test_a_merged_pull_request_is_closed_and_its_work_is_on_the_base(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository
) -> None:
    number = open_pull(open_demo()).number
    sha = hub.merge_pull("octo/demo", number, "mona")
    pull = open_demo().get_pull(number)
    assert (pull.merged, pull.state, pull.merge_commit_sha) == (True, "closed", sha)
    assert pull.merged_by.login == "mona"
    assert demo.git.file("main", "new.py") == b"one\ntwo\n"


def test_a_conflicting_pull_request_is_not_mergeable(
    open_demo: Open, demo: HostedRepository
) -> None:
    demo.git.commit_files("main", {"app.py": "rewritten\n"})
    pull = open_pull(open_demo(), draft=False)
    assert (pull.mergeable, pull.mergeable_state) == (False, "dirty")


def test_changed_files_carry_their_patches(open_demo: Open, demo: HostedRepository) -> None:
    demo.git.commit_files("work", {"old.py": None, "binary.dat": b"\0\1\2", "näme.py": "x\n"})
    files = {file.filename: file for file in open_pull(open_demo()).get_files()}
    assert {name: file.status for name, file in files.items()} == {
        "app.py": "modified",
        "binary.dat": "added",
        "new.py": "added",
        "näme.py": "added",
        "old.py": "removed",
    }
    assert files["new.py"].patch == "@@ -0,0 +1,2 @@\n+one\n+two"
    assert "+line ten\n" in files["app.py"].patch
    assert files["binary.dat"].patch is None


def test_a_renamed_file_names_what_it_was(open_demo: Open, demo: HostedRepository) -> None:
    content = demo.git.file("main", "app.py")
    assert content is not None
    demo.git.commit_files("moved", {"app.py": None, "lib/app.py": content}, parent="main")
    [file] = open_pull(open_demo(), head="moved").get_files()
    assert (file.status, file.previous_filename, file.filename) == (
        "renamed", "app.py", "lib/app.py",
    )  # fmt: skip


def test_a_review_brings_its_comments_along(open_demo: Open) -> None:
    pull = open_pull(open_demo())
    comments = [
        inline("app.py", 10),
        inline("app.py", 20, "LEFT"),
        inline("new.py", 2, start_line=1, start_side="RIGHT"),
    ]
    number = review(pull, comments)
    shown = list(pull.get_review_comments())
    assert [(item.path, item.line, item.side) for item in shown] == [
        ("app.py", 10, "RIGHT"),
        ("app.py", 20, "LEFT"),
        ("new.py", 2, "RIGHT"),
    ]
    assert {item.pull_request_review_id for item in shown} == {number}
    assert shown[2].start_line == 1
    assert shown[0].diff_hunk.endswith("\n-line 10\n+line ten")


def test_comments_follow_their_line_until_it_changes(
    open_demo: Open, demo: HostedRepository
) -> None:
    pull = open_pull(open_demo())
    review(pull, [inline("new.py", 1), inline("new.py", 2)])
    demo.git.commit_files("work", {"new.py": "zero\none\nTWO\n"})
    assert [item.line for item in pull.get_review_comments()] == [2, None]


def test_a_pending_review_is_seen_by_its_author_alone(open_demo: Open) -> None:
    pull = open_pull(open_demo())
    open_demo("mona").get_pull(pull.number).create_review(body="Not yet")
    assert list(pull.get_reviews()) == []
    [mine] = open_demo("mona").get_pull(pull.number).get_reviews()
    assert mine.state == "PENDING"


def test_long_lists_come_in_pages(hub: GitHubServer, open_demo: Open) -> None:
    issue = hub.open_issue("octo/demo", "Talk", None, "mona")
    for number in range(65):
        hub.comment("octo/demo", issue.number, "mona", f"comment {number}")
    comments = open_demo().get_issue(issue.number).get_comments()
    assert [comment.body for comment in comments] == [f"comment {n}" for n in range(65)]
    path = f"/repos/octo/demo/issues/{issue.number}/comments"
    assert hub.count("GET", f"{path}$") == 3
    headers = {"Authorization": "Bearer bot", "Connection": "close"}
    page = requests.get(f"{hub.url}{path}?per_page=20&page=2", headers=headers, timeout=10)
    assert [item["body"] for item in page.json()] == [f"comment {n}" for n in range(20, 40)]
    assert {name: link["url"].split("page=")[-1] for name, link in page.links.items()} == {
        "prev": "1", "next": "3", "last": "4", "first": "1",
    }  # fmt: skip


def test_comments_can_be_asked_for_since_a_moment(hub: GitHubServer, open_demo: Open) -> None:
    issue = hub.open_issue("octo/demo", "Talk", None, "mona")
    now = dt.datetime.now(dt.UTC)
    hub.comment("octo/demo", issue.number, "mona", "old").updated_at = now.replace(year=2020)
    hub.comment("octo/demo", issue.number, "mona", "new")
    since = now - dt.timedelta(hours=1)
    found = open_demo().get_issue(issue.number).get_comments(since=since)
    assert [comment.body for comment in found] == ["new"]


def test_a_pull_request_is_also_an_issue(open_demo: Open) -> None:
    repository = open_demo()
    pull = open_pull(repository)
    pull.add_to_labels("loop:approved")
    pull.create_issue_comment("Round 1")
    issue = repository.get_issue(pull.number)
    assert issue.pull_request is not None
    assert [label.name for label in issue.labels] == ["loop:approved"]
    assert repository.get_pull(pull.number).comments == 1


def test_the_combined_status_is_the_worst_of_the_latest(open_demo: Open) -> None:
    commit = open_demo().get_commit("work")
    assert commit.get_combined_status().state == "pending"
    commit.create_status("failure", context="one")
    commit.create_status("success", context="two")
    assert commit.get_combined_status().state == "failure"
    commit.create_status("success", context="one")
    combined = commit.get_combined_status()
    assert (combined.state, combined.total_count) == ("success", 2)


@pytest.mark.parametrize("reference", ["main", "refs/heads/main"])
def test_a_dispatch_is_recorded_with_its_inputs(
    hub: GitHubServer, open_demo: Open, reference: str
) -> None:
    workflow = open_demo().get_workflow("loop.yml")
    inputs = {"task-id": "T-1", "round": "2"}
    run = workflow.create_dispatch(reference, inputs, throw=True, return_run_details=True)
    [dispatch] = hub.dispatches
    assert (dispatch.workflow, dispatch.ref, dispatch.inputs) == ("loop.yml", "main", inputs)
    assert dispatch.login == "github-actions[bot]"
    assert run.id == dispatch.run_id
    hub.set_run("octo/demo", run.id, "completed", "failure", run_attempt=2)
    seen = open_demo().get_workflow_run(run.id)
    assert (seen.status, seen.conclusion, seen.run_attempt) == ("completed", "failure", 2)


def test_the_workflow_at_the_ref_decides_about_inputs(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository
) -> None:
    text = "on: [push, workflow_dispatch]\njobs: {}\n"
    demo.git.commit_files("work", {".github/workflows/loop.yml": text})
    assert open_demo().get_workflow("loop.yml").create_dispatch("work", throw=True)
    assert hub.dispatches[0].ref == "work"


def test_a_draft_becomes_ready_through_graphql(hub: GitHubServer, open_demo: Open) -> None:
    pull = open_pull(open_demo())
    pull.mark_ready_for_review()
    assert not pull.draft
    assert not hub.pull("octo/demo", pull.number).draft


def test_the_viewer_of_graphql_is_the_holder_of_the_token(connect: Connect) -> None:
    _, answer = connect("bot").requester.graphql_query("query { viewer { login } }", {})
    assert answer["data"]["viewer"]["login"] == "github-actions[bot]"


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("admin", "admin"),
        ("maintain", "write"),
        ("write", "write"),
        ("triage", "read"),
        ("read", "read"),
        ("none", "none"),
    ],
)
def test_finer_roles_fold_into_the_older_permissions(
    hub: GitHubServer, open_demo: Open, role: str, permission: str
) -> None:
    hub.set_role("octo/demo", "ann", role)  # type: ignore[arg-type]
    repository = open_demo()
    assert repository.get_collaborator_permission("ann") == permission
    assert repository.get_collaborator_role_name("ann") == role


def test_the_owner_is_an_administrator_and_strangers_are_nothing(
    hub: GitHubServer, open_demo: Open, demo: HostedRepository
) -> None:
    hub.add_user("stranger")
    repository = open_demo()
    assert repository.get_collaborator_permission("octo") == "admin"
    assert repository.get_collaborator_permission("stranger") == "none"
    demo.private = False
    assert repository.get_collaborator_permission("stranger") == "read"


def test_every_answer_says_how_much_of_the_rate_is_left(
    hub: GitHubServer, connect: Connect, open_demo: Open
) -> None:
    open_demo()
    hub.set_rate_limit("bot", 50)
    client = connect("bot")
    client.get_repo("octo/demo")
    assert client.rate_limiting == (49, 50)


def test_every_link_leads_back_to_the_stand_in(hub: GitHubServer, open_demo: Open) -> None:
    pull = open_pull(open_demo())
    links = {
        name: value
        for name, value in pull.raw_data["head"]["repo"].items()
        if isinstance(value, str) and value.startswith("http")
    }
    outside = {name for name, value in links.items() if not value.startswith(f"{hub.url}/")}
    assert outside == {"clone_url", "git_url"}
    assert links["clone_url"] == f"{hub.git.url}/octo/demo.git"


def test_the_description_notices_what_github_would_not_say(
    hub: GitHubServer, open_demo: Open, description: GitHubDescription
) -> None:
    good = open_pull(open_demo()).raw_data
    path = "/repos/octo/demo/pulls/1"
    assert description.check("GET", path, 200, good) == []
    missing = {name: value for name, value in good.items() if name != "mergeable_state"}
    assert len(description.check("GET", path, 200, missing)) == 1
    assert len(description.check("GET", path, 200, {**good, "invented": 1})) == 1
    nested = {**good, "head": {**good["head"], "invented": 1}}
    assert len(description.check("GET", path, 200, nested)) == 1
    assert len(description.check("GET", path, 200, {**good, "number": "1"})) == 1
    assert len(description.check("GET", path, 201, good)) == 1
    assert len(description.check("DELETE", path, 204, None)) == 1
