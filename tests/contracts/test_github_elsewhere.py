"""GitHub where it is not github.com: on a server of GitHub Enterprise, and behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from tests.fakes import FakeClock
from tests.support.git_server import GitServer
from tests.support.github_proxy import HttpProxy
from tests.support.github_server import GitHubServer

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.errors import ForgeUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[[str], GitHubForge]

STATUS = "<!-- loop-kit:T-001:status-comment -->"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture
def enterprise(tmp_path: Path) -> Iterator[GitHubServer]:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git, enterprise=True) as hub:
        git.create_repository("octo/demo")
        git.add_token("bot", "github-actions[bot]")
        scopes = ("contents", "pull_requests", "issues", "statuses", "actions")
        hub.set_permissions("bot", dict.fromkeys(scopes, "write"))
        bare = hub.repository("octo/demo").git
        start = bare.commit_files("main", {"a.py": "a\n"}, "Start")
        bare.commit_files("work", {"a.py": "b\n"}, "Work", parent=start)
        yield hub


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """A forge at an API's URL, in an environment without proxies but those of the test."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    made: list[GitHubForge] = []

    def connected(api_url: str) -> GitHubForge:
        access = Access(api_url, "https://ghe.test/", "octo/demo", "bot", pace=0)
        made.append(GitHubForge(access, FakeClock().sleep))
        return made[-1]

    yield connected
    for forge in made:
        forge.close()


@pytest.mark.parametrize("slash", ["", "/"])
def test_everything_is_asked_below_the_api_of_enterprise(
    enterprise: GitHubServer, connect: Connect, slash: str
) -> None:
    forge = connect(enterprise.url + slash)
    for n in range(130):
        if n == 0:
            enterprise.open_issue("octo/demo", "Bug", None, "mona")
        enterprise.comment("octo/demo", 1, "mona", f"noise {n}")
    opened = forge.open_pull_request("work", "main", "Work", "Closes #1", draft=True)
    shown = forge.pull(opened.number)
    assert shown is not None
    assert (shown.closes, shown.head) == (1, "work")
    assert shown.url == f"{enterprise.url.removesuffix('/api/v3')}/octo/demo/pull/2"
    assert forge.open_status(1, 2).issue_open
    assert forge.find_post(1, STATUS) is None
    assert forge.put_comment(1, "", STATUS, STATUS) == forge.find_post(1, STATUS)
    forge.mark_ready(2)
    assert forge.merge_base("main", "work")
    assert {request.status for request in enterprise.requests} <= {200, 201, 404}


def test_enterprise_answers_at_no_other_place(enterprise: GitHubServer) -> None:
    root = enterprise.url.removesuffix("/api/v3")
    headers = {"Authorization": "Bearer bot", "Connection": "close"}
    for path in ("/repos/octo/demo", "/graphql", "/api/v4/repos/octo/demo"):
        assert requests.get(root + path, headers=headers, timeout=10).status_code == 404
    assert requests.get(f"{enterprise.url}/repos/octo/demo", headers=headers, timeout=10).ok


def test_links_for_people_are_made_from_the_server_and_not_from_the_api(
    enterprise: GitHubServer, connect: Connect
) -> None:
    sha = enterprise.repository("octo/demo").git.head("work") or ""
    connect(enterprise.url).set_status(sha, "pending", "Round 1", "77")
    [status] = enterprise.repository("octo/demo").statuses
    assert status.target_url == "https://ghe.test/octo/demo/actions/runs/77"


def test_a_proxy_of_the_environment_is_used(
    enterprise: GitHubServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    enterprise.open_issue("octo/demo", "Bug", None, "mona")
    with HttpProxy(enterprise.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        forge = connect("http://ghe.test/api/v3")
        assert forge.issue(1) is not None
        assert forge.merge_base("main", "work")
        forge.close()
        assert [urlsplit(target).path for _, target in proxy.asked] == [
            "/api/graphql",
            "/api/v3/repos/octo/demo/compare/main...work",
        ]


def test_a_host_that_needs_no_proxy_is_asked_directly(
    enterprise: GitHubServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    enterprise.open_issue("octo/demo", "Bug", None, "mona")
    with HttpProxy(enterprise.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert connect(enterprise.url).issue(1) is not None
        assert proxy.asked == []


def test_tls_goes_through_the_proxy_as_a_tunnel(
    enterprise: GitHubServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpProxy(enterprise.url) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ForgeUnavailable, match="ProxyError"):
            connect("https://ghe.test/api/v3").issue(1)
        assert set(proxy.asked) == {("CONNECT", "ghe.test:443")}


@pytest.mark.parametrize(
    ("api_url", "seconds"),
    [
        ("https://api.github.com", 1),
        ("https://api.octo.ghe.com", 1),
        ("https://git.example/api/v3", 0),
        ("https://api.github.com.example", 0),
    ],
)
def test_writes_are_spaced_where_github_asks_for_it(api_url: str, seconds: float) -> None:
    assert Access(api_url, "https://github.test", "octo/demo", "x").between_writes == seconds
