"""Where a repository is: what its remote's URL and the environment say, and who gets the token."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import environment, make_local

from loop_kit.errors import BadSetting
from loop_kit.usecases.remote import RemotePlace, remote_place

TOKEN = {"GITHUB_TOKEN": "ghs_secret"}


def place(tmp_path: Path, url: str, name: str = "origin", **environ: str) -> RemotePlace:
    local = make_local(tmp_path / "repository", **environ)
    if url:
        local.git.run("remote", "add", "origin", url)
    return remote_place(local.git, {**environment(tmp_path), **environ}, name)


@pytest.mark.parametrize(
    ("url", "repository", "server", "api"),
    [
        ("https://github.com/o/n", "o/n", "https://github.com", "https://api.github.com"),
        ("https://github.com/o/n.git/", "o/n", "https://github.com", "https://api.github.com"),
        ("https://me:pw@github.com/o/n.x", "o/n.x", "https://github.com", "https://api.github.com"),
        ("git@github.com:o/n.git", "o/n", "https://github.com", "https://api.github.com"),
        ("github.com:o/n", "o/n", "https://github.com", "https://api.github.com"),
        ("org-1@github.com:o/n", "o/n", "https://github.com", "https://api.github.com"),
        ("ssh://git@github.com/o/n.git", "o/n", "https://github.com", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/o/n", "o/n", "https://github.com", "https://api.github.com"),
        ("git@acme.ghe.com:o/n", "o/n", "https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://ghes.corp/o/n", "o/n", "https://ghes.corp", "https://ghes.corp/api/v3"),
        (
            "https://ghes.corp:8443/o/n",
            "o/n",
            "https://ghes.corp:8443",
            "https://ghes.corp:8443/api/v3",
        ),
        ("ssh://git@ghes.corp:2222/o/n", "o/n", "https://ghes.corp", "https://ghes.corp/api/v3"),
        ("git@ghes.corp:o/n.git", "o/n", "https://ghes.corp", "https://ghes.corp/api/v3"),
        ("https://github.com/o/n/more", None, "https://github.com", "https://api.github.com"),
        ("/srv/git/n.git", None, "https://github.com", "https://api.github.com"),
        ("../n.git", None, "https://github.com", "https://api.github.com"),
        ("file:///srv/n.git", None, "https://github.com", "https://api.github.com"),
        (
            "https://[fd00::1]:8443/o/n",
            "o/n",
            "https://[fd00::1]:8443",
            "https://[fd00::1]:8443/api/v3",
        ),
        ("https://[broken/o/n", None, "https://github.com", "https://api.github.com"),
    ],
)
def test_the_url_of_the_remote_tells_the_forge(
    tmp_path: Path, url: str, repository: str | None, server: str, api: str
) -> None:
    found = place(tmp_path, url)
    assert (found.repository, found.server_url, found.api_url) == (repository, server, api)


@pytest.mark.parametrize(
    ("url", "environ", "token"),
    [
        ("https://github.com/o/n", TOKEN, "ghs_secret"),
        ("git@acme.ghe.com:o/n", TOKEN, "ghs_secret"),
        ("https://evil.example/o/n", TOKEN, None),
        ("git@evil.example:o/n", TOKEN, None),
        ("https://github.com.evil.example/o/n", TOKEN, None),
        ("https://evilghe.com/o/n", TOKEN, None),
        ("https://evil.example\\.ghe.com/o/n", TOKEN, None),
        ("evil.example\\.ghe.com:o/n", TOKEN, None),
        ("https://evil.example#.ghe.com/o/n", TOKEN, None),
        ("https://ghes.corp/o/n", {**TOKEN, "GH_HOST": "ghes.corp"}, "ghs_secret"),
        (
            "https://ghes.corp/o/n",
            {**TOKEN, "GITHUB_SERVER_URL": "https://ghes.corp/"},
            "ghs_secret",
        ),
        ("https://ghes.corp/o/n", {**TOKEN, "GH_HOST": "other.corp"}, None),
        ("https://github.com/o/n", {"GH_TOKEN": "one"}, "one"),
        ("https://github.com/o/n", {"GH_TOKEN": "one", "GITHUB_TOKEN": "two"}, "two"),
        ("https://github.com/o/n", {**TOKEN, "LOOP_GITHUB_TOKEN": "three"}, "three"),
        ("https://github.com/o/n", {"GITHUB_TOKEN": " "}, None),
        ("/srv/n.git", TOKEN, None),
    ],
)
def test_the_token_goes_only_where_the_user_means_it_to(
    tmp_path: Path, url: str, environ: dict[str, str], token: str | None
) -> None:
    found = place(tmp_path, url, **environ)
    assert found.token == token
    assert (found.hint is None) == (found.token is not None)
    assert (found.forge() is None) == (found.token is None)


def test_a_token_that_is_kept_back_says_what_sends_it(tmp_path: Path) -> None:
    hint = place(tmp_path, "https://ghes.corp/o/n", **TOKEN).hint
    assert hint is not None
    assert hint.startswith("Set GH_HOST=ghes.corp")


def test_on_a_laptop_git_goes_where_the_remote_says_with_the_credentials_of_its_user(
    tmp_path: Path,
) -> None:
    remote = place(tmp_path, "git@github.com:o/n.git", **TOKEN).remote
    assert (remote.url, remote.token) == ("git@github.com:o/n.git", "")


def test_a_remote_that_is_a_path_counts_from_the_work_tree(tmp_path: Path) -> None:
    remote = place(tmp_path, "../n.git").remote
    assert remote.url == str(tmp_path / "repository" / "../n.git")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x:y@github.com/o/n", "https://github.com/o/n"),
        ("https://github.com/o/n.git", "https://github.com/o/n.git"),
        ("git@github.com:o/n", "https://github.com/o/n"),
        ("https://elsewhere.example/o/n", "https://github.com/o/n"),
        ("https://github.com/other/repository", "https://github.com/o/n"),
        ("", "https://github.com/o/n"),
    ],
)
def test_in_a_job_git_goes_to_the_repository_of_the_job_with_its_token(
    tmp_path: Path, url: str, expected: str
) -> None:
    job = {**TOKEN, "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/n"}
    found = place(tmp_path, url, **job)
    assert found.remote.url == expected
    assert (found.repository, found.remote.token) == ("o/n", "ghs_secret")


def test_the_api_is_where_the_environment_says_when_it_speaks_of_this_server(
    tmp_path: Path,
) -> None:
    named = {"GITHUB_API_URL": "http://127.0.0.1:1/", "GITHUB_SERVER_URL": "http://127.0.0.1:2"}
    found = place(tmp_path, "http://127.0.0.1:2/o/n", **named)
    assert found.api_url == "http://127.0.0.1:1"
    other = place(tmp_path / "other", "https://ghes.corp/o/n", **named)
    assert other.api_url == "https://ghes.corp/api/v3"


def test_a_repository_may_be_named_where_the_url_does_not_tell(tmp_path: Path) -> None:
    found = place(tmp_path, "git@work:o/n", GITHUB_REPOSITORY="real/name", **TOKEN)
    assert (found.repository, found.token) == ("real/name", "ghs_secret")
    with pytest.raises(BadSetting, match="is no repository"):
        place(tmp_path / "other", "/srv/n.git", GITHUB_REPOSITORY="../../user")


@pytest.mark.parametrize("name", ["origin", "nope", "--upload-pack=x"])
def test_a_remote_that_does_not_exist_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match="There is no remote named") as raised:
        place(tmp_path, "", name)
    assert "git remote add" in raised.value.remedy


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    found = place(tmp_path, "https://me:pw@github.com/o/n", **TOKEN)
    assert repr(found) == "RemotePlace('o/n', 'https://github.com')"
