"""Attachments, over real HTTP: from GitHub's hosts only, and with no login of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import responses
from tests.adapters.attachment_site import (
    CARD,
    LINK,
    PATH,
    SIGNED,
    Site,
    fetch,
    refusal,
    running,
    without_proxy,
)

from loop_kit.adapters.github.attachments import GITHUB, Hosts, fetch_attachment
from loop_kit.core.card.issue import attachment_links
from loop_kit.errors import BadCard


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    without_proxy(monkeypatch)
    with running() as server:
        yield server


@pytest.fixture
def storage() -> Iterator[Site]:
    with running() as server:
        yield server


# --- which links, which hosts ----------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        LINK,
        "https://github.com/user-attachments/files/1/a.yml",
        "https://github.com/octo-org/octo.repo/files/12345/task_card.yaml",
        "HTTPS://GITHUB.COM/user-attachments/files/1/a.JSON",
    ],
)
def test_every_link_that_a_text_may_hold_is_one_to_fetch(url: str) -> None:
    assert attachment_links(f"[card]({url})") == (url,)
    assert GITHUB.has_page(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "/user-attachments/files/1/a.json", "file:///etc/passwd", "https://["),
        *(f"http://github.com{PATH}", f"https://github.com.evil.test{PATH}"),
        *(f"https://github.com@evil.test{PATH}", f"https://mona:x@github.com{PATH}"),
        *(f"https://github.com:8443{PATH}", f"https://GITHUB.com:443{PATH}"),
        *(f"https://evil.test\\@github.com{PATH}", f"https://github.com{PATH}\n"),
        *(f"https://git\thub.com{PATH}", f"https://github.com/x/../..{PATH}"),
        *(f"{LINK}?x=1", f"{LINK}#x", "https://github.com/user-attachments/files/1/a.exe"),
        *("https://github.com/user-attachments/assets/1/a.json", f"https://api.github.com{PATH}"),
        *("https://github.com/user-attachments/files/1/../x.json", "https://github.com/"),
        *("https://raw.githubusercontent.com/octo/demo/main/card.json", f"//github.com{PATH}"),
    ],
)
def test_any_other_link_is_refused_before_anything_is_asked(url: str) -> None:
    with responses.RequestsMock(), pytest.raises(BadCard, match=r"is no attachment on github\.com"):
        fetch_attachment(url)
    assert attachment_links(f"<{url}>") in {(), (url,)}


@pytest.mark.parametrize(
    ("host", "kept"),
    [
        ("objects.githubusercontent.com", True),
        ("release-assets.githubusercontent.com", True),
        ("github-production-repository-file-5c1aeb.s3.amazonaws.com", True),
        ("github-production-user-asset-6210df.s3.amazonaws.com", True),
        ("github-production-user-asset-000000.s3.amazonaws.com", False),
        ("githubusercontent.com", False),
        ("evilgithubusercontent.com", False),
        ("objects.githubusercontent.com.evil.test", False),
        ("x.y.githubusercontent.com", False),
        ("objects.githubusercontent.com:444", False),
        ("mona@objects.githubusercontent.com", False),
        ("s3.amazonaws.com", False),
        ("169.254.169.254", False),
        ("localhost", False),
    ],
)
def test_only_the_storage_of_github_keeps_attachments(host: str, kept: bool) -> None:
    assert GITHUB.has_file(f"https://{host}/1/2{SIGNED}") is kept
    assert not GITHUB.has_file(f"http://{host}/1/2{SIGNED}")


def test_a_real_link_is_followed_to_the_storage() -> None:
    place = f"https://objects.githubusercontent.com/github-production-repository-file/1{SIGNED}"
    with responses.RequestsMock() as github:
        github.get(LINK, status=302, headers={"Location": place})
        github.get(place, body=CARD)
        assert fetch_attachment(LINK) == CARD


# --- redirects -------------------------------------------------------------------------------


def test_an_attachment_is_fetched_from_the_storage(site: Site, storage: Site) -> None:
    site.sends_on(PATH, f"{storage.url}/1/2{SIGNED}")
    storage.says("/1/2", CARD)
    assert fetch(site, storage) == CARD
    assert [path for path, _ in storage.asked] == [f"/1/2{SIGNED}"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_attachment_of_a_renamed_repository_is_followed(site: Site, status: int) -> None:
    renamed = "/new/name/files/17/card.json"
    site.sends_on(PATH, renamed, status)
    site.says(renamed, CARD)
    assert fetch(site) == CARD


def test_the_page_for_a_login_is_no_attachment(site: Site) -> None:
    site.sends_on(PATH, "/login?return_to=x")
    site.says("/login", b"<html>")
    found = refusal(site)
    assert "may be private" in found.sentence
    assert "Paste it as a block" in found.remedy
    assert [path for path, _ in site.asked] == [PATH]


@pytest.mark.parametrize(
    "location",
    [
        *("", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://["),
        *("ftp://127.0.0.1/x", "//evil.test/x", "http://evil.test\\@127.0.0.1/", "data:,x"),
    ],
)
def test_no_other_host_is_asked(site: Site, storage: Site, location: str) -> None:
    site.sends_on(PATH, location)
    assert "which keeps no attachments" in refusal(site, storage).sentence
    assert storage.asked == []


def test_the_same_host_at_another_port_or_scheme_is_another_host(site: Site, storage: Site) -> None:
    site.sends_on(PATH, f"{storage.url}/1/2")
    assert "which keeps no attachments" in refusal(site).sentence
    site.sends_on(PATH, f"https://{storage.host}/1/2")
    assert "which keeps no attachments" in refusal(site, storage).sentence
    assert storage.asked == []


def test_three_redirects_are_followed_and_no_more(site: Site, storage: Site) -> None:
    site.sends_on(PATH, f"{storage.url}/1")
    storage.sends_on("/1", "/2")
    storage.sends_on("/2", "/3")
    storage.says("/3", CARD)
    assert fetch(site, storage) == CARD
    storage.sends_on("/3", "/4")
    storage.says("/4", CARD)
    assert "without end" in refusal(site, storage).sentence
    assert storage.asked[-1][0] == "/3"


# --- nothing of the job is sent along ---------------------------------------------------------


def test_no_login_of_the_machine_goes_along(
    site: Site, storage: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login mona password hunter2\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    site.sends_on(PATH, f"{storage.url}/1")
    storage.says("/1", CARD)
    requests.get(f"{storage.url}/1", timeout=10)
    assert "authorization" in storage.asked.pop()[1], "the control must find the file"

    assert fetch(site, storage) == CARD

    sent = [headers for _, headers in (*site.asked, *storage.asked)]
    assert len(sent) == 2
    for headers in sent:
        assert {"authorization", "cookie", "proxy-authorization", "referer"} & set(headers) == set()
        assert "secret" not in str(headers)


def test_no_cookie_of_one_answer_is_sent_with_the_next_question(site: Site) -> None:
    renamed = "/new/name/files/17/card.json"
    site.sends_on(PATH, renamed)
    site.says(renamed, CARD)
    assert fetch(site) == CARD
    assert len(site.asked) == 2
    assert all("cookie" not in headers for _, headers in site.asked)


def test_the_proxy_of_the_environment_is_honoured(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = f"http://attachments.test{PATH}"
    monkeypatch.setenv("HTTP_PROXY", site.url)
    monkeypatch.setenv("http_proxy", site.url)
    site.says(link, CARD)
    there = Hosts(page="attachments.test", storage=(), scheme="http", pace=0)
    assert fetch_attachment(link, 1_000, there) == CARD
    assert [path for path, _ in site.asked] == [link]
