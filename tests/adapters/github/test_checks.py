"""The checks of a commit as GitHub shows them: pages, statuses, runs that wait, a missing right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import FakeClock
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.core.checks.reading import Check
from loop_kit.errors import ForgeRefused, ForgeUnavailable

DEMO = "octo/demo"
SCOPES = ("contents", "statuses", "actions", "checks", "pull_requests")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubServer]:
    folder: Path = tmp_path_factory.mktemp("hosted")
    with GitServer(folder) as git, GitHubServer(git) as server:
        git.create_repository(DEMO)
        git.add_token("bot", "github-actions[bot]")
        server.set_permissions("bot", dict.fromkeys(SCOPES, "write"))
        yield server


@pytest.fixture
def forge(hub: GitHubServer) -> Iterator[GitHubForge]:
    access = Access(hub.url, "https://github.test", DEMO, "bot", pace=0)
    made = GitHubForge(access, FakeClock().sleep)
    yield made
    made.close()


def commit(hub: GitHubServer, name: str) -> str:
    return hub.repository(DEMO).git.commit_files("main", {name: "x\n"}, name)


def test_a_commit_without_checks_has_none(hub: GitHubServer, forge: GitHubForge) -> None:
    assert forge.checks(commit(hub, "none")) == ()
    assert forge.checks("1" * 40) == ()


def test_checks_are_asked_along_with_the_pull_request_and_answered_from_that_once(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    sha = commit(hub, "along")
    hub.add_check(DEMO, sha, "unit", "failure")
    asked = len(hub.requests)

    forge.read_pull(1, None, (), commit=sha)

    assert [check.name for check in forge.checks(sha)] == ["unit"]
    assert len(hub.requests) == asked + 1
    assert [check.name for check in forge.checks(sha)] == ["unit"]
    assert len(hub.requests) == asked + 2


def test_a_token_that_may_not_read_checks_reads_the_pull_request_alone(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    sha = commit(hub, "refused")
    hub.set_permissions("bot", {"contents": "read", "pull_requests": "read"})
    try:
        status, _ = forge.read_pull(1, None, (), commit=sha)
        assert status.pull_open is False
        with pytest.raises(ForgeRefused):
            forge.checks(sha)
    finally:
        hub.set_permissions("bot", dict.fromkeys(SCOPES, "write"))


def test_more_checks_than_a_page_holds_are_all_read(hub: GitHubServer, forge: GitHubForge) -> None:
    sha = commit(hub, "pages")
    for number in range(130):
        hub.add_check(DEMO, sha, f"job {number}", workflow="")
    assert len(forge.checks(sha)) == 130


def test_more_checks_than_can_be_read_are_not_taken_for_all(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    sha = commit(hub, "many")
    for number in range(500):
        hub.add_check(DEMO, sha, f"job {number}", workflow="")
    assert len(forge.checks(sha)) == 500
    hub.add_check(DEMO, sha, "the last", "failure", workflow="")
    with pytest.raises(ForgeUnavailable, match="more checks than the 500"):
        forge.checks(sha)


def test_a_check_names_the_event_that_started_it(hub: GitHubServer, forge: GitHubForge) -> None:
    sha = commit(hub, "events")
    hub.add_check(DEMO, sha, "lint", event="pull_request_review")
    run = hub.repository(DEMO).start_run("queued.yml", "work", sha, "octo")
    run.event = "issue_comment"
    shown = {check.name: check.event for check in forge.checks(sha)}
    assert shown == {"lint": "pull_request_review", "queued": "issue_comment"}


def test_the_last_status_of_a_context_and_a_check_of_an_app_say_what_they_say(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    sha = commit(hub, "status")
    forge.set_status(sha, "success", "ours", "")
    forge.set_status(sha, "failure", "ours is red", "")
    hub.add_check(DEMO, sha, "coverage", "failure", workflow="", summary="79 percent\x1b[0m")

    assert set(forge.checks(sha)) == {
        Check("loop-kit", "failed", text="ours is red"),
        Check("coverage", "failed", text="79 percent"),
    }


def test_a_run_without_jobs_waits_for_a_click_or_could_not_be_started(
    hub: GitHubServer, forge: GitHubForge
) -> None:
    sha, hosted = commit(hub, "runs"), hub.repository(DEMO)
    for file, conclusion in (("ci.yml", "action_required"), ("bad.yml", "startup_failure")):
        run = hosted.start_run(file, "work", sha, "octo")
        run.status, run.conclusion = "completed", conclusion
    hosted.start_run("queued.yml", "work", sha, "octo")

    shown = {check.workflow: check.state for check in forge.checks(sha)}

    assert shown == {"ci.yml": "blocked", "bad.yml": "failed", "queued.yml": "pending"}


def test_a_missing_permission_is_named(hub: GitHubServer, forge: GitHubForge) -> None:
    sha = commit(hub, "rights")
    hub.set_permissions("bot", {"contents": "write"})
    try:
        with pytest.raises(ForgeRefused) as refused:
            forge.checks(sha)
    finally:
        hub.set_permissions("bot", dict.fromkeys(SCOPES, "write"))
    assert "checks: read" in refused.value.remedy
