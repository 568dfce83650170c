"""A small GitHub with one repository; whatever it answers must be what GitHub could answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from github import Auth, Github
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer
from tests.support.openapi_contract import GitHubDescription

if TYPE_CHECKING:
    from github.Repository import Repository
    from tests.support.github_state import HostedRepository

Connect = Callable[[str], Github]
Open = Callable[..., "Repository"]

LOOP_WORKFLOW = """\
name: Loop
on:
  workflow_dispatch:
    inputs:
      task-id: {required: true, type: string}
      round: {default: "1"}
      phase: {type: choice, options: [all, claim]}
jobs: {}
"""


@pytest.fixture(scope="session")
def description() -> GitHubDescription:
    return GitHubDescription()


@pytest.fixture
def hub(tmp_path: Path, description: GitHubDescription) -> Iterator[GitHubServer]:
    """Octo's repository, a token of Actions, one of mona, who may write, and one of a reader."""
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as server:
        git.create_repository("octo/demo")
        git.add_token("bot", "github-actions[bot]")
        git.add_token("mona", "mona")
        git.add_token("rita", "rita", "read")
        scopes = ("contents", "pull_requests", "issues", "statuses", "actions", "checks")
        server.set_permissions("bot", dict.fromkeys(scopes, "write"))
        yield server
    asked = [answer for answer in server.answers if answer.path != "/graphql"]
    problems = [
        problem
        for answer in asked
        for problem in description.check(answer.method, answer.path, answer.status, answer.body)
    ]
    assert problems == []


@pytest.fixture
def demo(hub: GitHubServer) -> HostedRepository:
    """The repository, with a branch `work` two commits ahead of `main`."""
    repository = hub.repository("octo/demo")
    git = repository.git
    files = {
        "app.py": "".join(f"line {number}\n" for number in range(1, 31)),
        "old.py": "old\n",
        ".github/workflows/loop.yml": LOOP_WORKFLOW,
    }
    start = git.commit_files("main", files, "Start")
    changed = files["app.py"].replace("line 10\n", "line ten\n").replace("line 20\n", "")
    git.commit_files("work", {"app.py": changed}, "Change", parent=start)
    git.commit_files("work", {"new.py": "one\ntwo\n", "old.py": None}, "Add and remove")
    return repository


@pytest.fixture
def connect(hub: GitHubServer) -> Iterator[Connect]:
    """Sign in with a token, without the pauses and the retries that PyGithub makes."""
    clients: list[Github] = []

    def sign_in(token: str) -> Github:
        client = Github(
            base_url=hub.url,
            auth=Auth.Token(token),
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )
        clients.append(client)
        return client

    yield sign_in
    for client in clients:
        client.close()


@pytest.fixture
def open_demo(connect: Connect, demo: HostedRepository) -> Open:
    """Open the repository as the holder of a token; as Actions, when none is named."""

    def opened(token: str = "bot") -> Repository:
        return connect(token).get_repo(demo.name)

    return opened
