"""Verdicts by a reviewer's own token, and having GitHub merge: who may, and why it is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.fakes import FakeClock
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer
from tests.support.openapi_contract import GitHubDescription

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.core.forge.status import Label
from loop_kit.errors import ForgeRefused

if TYPE_CHECKING:
    from tests.support.github_state import HostedRepository

NUMBERS = itertools.count(1)
SCOPES = ("contents", "pull_requests", "issues")
WORK = "loop/T-001/work"
MARKER = "<!-- loop-kit:T-001:approval -->"
CHECKS = {
    "type": "required_status_checks",
    "parameters": {
        "required_status_checks": [{"context": "test"}],
        "strict_required_status_checks_policy": False,
    },
}


class Scene:
    """A repository with one loop's branches, and tokens of a job and of two Apps."""

    def __init__(self, hub: GitHubServer, name: str) -> None:
        self.hub = hub
        self.name = name
        self.demo: HostedRepository = hub.repository(name)
        start = self.demo.git.commit_files("main", {"a.py": "a\n"}, "Start")
        self.sha = self.demo.git.commit_files(WORK, {"a.py": "b\n"}, "Work", parent=start)

    def forge(self, token: str = "app", reviewer: str | None = "critic") -> GitHubForge:
        def access(token: str) -> Access:
            return Access(self.hub.url, "https://github.test", self.name, token, pace=0)

        return GitHubForge(
            access(token), FakeClock().sleep, (reviewer and access(reviewer)) or None
        )

    def pull(self, token: str = "app") -> int:
        forge = self.forge(token)
        return forge.open_pull_request(WORK, "main", "Title", "Body", draft=False).number

    def approve(self, number: int, reviewer: str | None = "critic") -> str:
        forge = self.forge(reviewer=reviewer)
        body = f"{MARKER}\nApproved."
        return forge.submit_verdict(number, self.sha, body, MARKER, approves=True)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitServer, GitHubServer]]:
    folder: Path = tmp_path_factory.mktemp("approval")
    with GitServer(folder / "hosted") as git, GitHubServer(git) as hub:
        logins = {"job": "github-actions[bot]", "app": "worker[bot]", "critic": "critic[bot]"}
        for token, login in logins.items():
            git.add_token(token, login)
            hub.set_permissions(token, dict.fromkeys(SCOPES, "write"))
        yield git, hub
    description = GitHubDescription()
    for answer in hub.answers:
        if answer.path != "/graphql":
            given = (answer.method, answer.path, answer.status, answer.body)
            assert description.check(*given) == []


@pytest.fixture
def scene(servers: tuple[GitServer, GitHubServer]) -> Scene:
    git, hub = servers
    name = f"octo/demo-{next(NUMBERS)}"
    git.create_repository(name)
    return Scene(hub, name)


def test_the_reviewers_own_token_requests_changes_and_approves(scene: Scene) -> None:
    number, forge = scene.pull(), scene.forge()

    forge.submit_verdict(number, scene.sha, "No.", "<!-- x -->", approves=False)
    made = scene.approve(number)

    reviews = scene.demo.pulls[number].reviews
    assert [(r.author, r.state) for r in reviews] == [
        ("critic[bot]", "CHANGES_REQUESTED"),
        ("critic[bot]", "APPROVED"),
    ]
    assert scene.forge().find_post(number, MARKER) == made == str(reviews[1].id)


def test_a_lost_answer_to_a_verdict_makes_no_second_one(scene: Scene) -> None:
    number = scene.pull()
    scene.hub.fail_next("POST", "/reviews$", drop_after=True)
    scene.approve(number)
    assert len(scene.demo.pulls[number].reviews) == 1


@pytest.mark.parametrize(
    ("opener", "reviewer", "why"),
    [
        ("critic", "critic", "nobody can review their own"),
        ("app", None, "no reviewer-token"),
        ("app", "job", "Use the token of a GitHub App"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused_with_what_helps(
    scene: Scene, opener: str, reviewer: str | None, why: str
) -> None:
    number = scene.pull(opener)
    scene.demo.actions_may_open_pulls = False
    with pytest.raises(ForgeRefused) as error:
        scene.approve(number, reviewer)
    assert why in str(error.value)
    assert scene.demo.pulls[number].reviews == []


def test_github_merges_where_a_rule_asks_for_something(scene: Scene) -> None:
    number = scene.pull()
    scene.demo.auto_merge_allowed, scene.demo.rules = True, [CHECKS]
    issue = scene.hub.open_issue(scene.name, "Task", "Text", "mona").number

    assert scene.forge().enable_auto_merge(number, scene.sha, issue) is None
    assert scene.demo.pulls[number].auto_merge_method == "SQUASH"


def test_people_merge_where_a_label_says_so_or_something_is_missing(scene: Scene) -> None:
    number, forge = scene.pull(), scene.forge()
    issue = scene.hub.open_issue(scene.name, "Task", "Text", "mona", ("loop:people-merge",)).number

    def why(token: str = "app", sha: str = scene.sha, issue: int | None = None) -> str:
        found = scene.forge(token).enable_auto_merge(number, sha, issue)
        assert scene.demo.pulls[number].auto_merge_method is None
        return found or ""

    assert "Allow auto-merge" in why()
    scene.demo.auto_merge_allowed = True
    assert "main requires no check and no review" in why()
    scene.demo.rules = [{"type": "deletion"}]
    assert "main requires no check and no review" in why()
    scene.demo.rules = [CHECKS]
    assert "loop:people-merge" in why(issue=issue)
    assert "starts no workflow" in why("job")
    assert "Head sha didn't match" in why(sha="0" * 40)
    forge.set_label(number, Label("loop:people-merge", "0e8a16", "People merge"), ())
    assert "loop:people-merge" in why()
