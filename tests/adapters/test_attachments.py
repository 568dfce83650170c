"""Attachments, fetched over real HTTP: from GitHub's hosts only, with no login, and bounded."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import responses
from tests.support.loopback import LoopbackHandler, LoopbackServer

from loop_kit.adapters.attachments import GITHUB, Hosts, fetch_attachment
from loop_kit.core.issue_card import attachment_links
from loop_kit.errors import BadCard, ForgeUnavailable

PATH = "/user-attachments/files/17/card.json"
LINK = f"https://github.com{PATH}"
CARD = b'{"goal": "x"}'
SIGNED = "?X-Amz-Signature=0123456789abcdef"


class Site(LoopbackServer):
    """Answers each path as the test says, and remembers what it was asked with."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.answers: dict[str, Callable[[LoopbackHandler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def says(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = lambda handler: handler.send_whole(status, named, body)

    def sends_on(self, path: str, location: str, status: int = 302) -> None:
        self.says(path, b"", status, Location=location, Set_Cookie="session=1; Path=/")


class Handler(LoopbackHandler):
    def do_GET(self) -> None:  # noqa: N802  (the base's name)
        site = self.server
        assert isinstance(site, Site)
        site.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        answer = site.answers.get(self.path.partition("?")[0])
        if answer is None:
            self.send_whole(404, {}, b"Not Found")
        else:
            answer(self)


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    server.start()
    yield server
    server.ended.set()
    server.stop()
    assert server.failures == []


@pytest.fixture
def storage() -> Iterator[Site]:
    server = Site()
    server.start()
    yield server
    server.stop()
    assert server.failures == []


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def hosts(site: Site, storage: Site | None = None, timeout: float = 10) -> Hosts:
    kept = (storage.host.replace(".", r"\."),) if storage else ()
    return Hosts(page=site.host, storage=kept, scheme="http", timeout=timeout, pace=0)


def fetch(site: Site, storage: Site | None = None, limit: int = 1_000) -> bytes:
    return fetch_attachment(f"{site.url}{PATH}", limit, hosts(site, storage))


def refusal(site: Site, storage: Site | None = None, limit: int = 1_000) -> BadCard:
    with pytest.raises(BadCard) as caught:
        fetch(site, storage, limit)
    return caught.value


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


# --- nothing of ours goes along --------------------------------------------------------------


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


# --- bounds and failures ---------------------------------------------------------------------


def test_an_attachment_as_long_as_the_limit_is_taken_and_one_byte_more_is_not(site: Site) -> None:
    site.says(PATH, b"x" * 1_000)
    assert fetch(site) == b"x" * 1_000
    site.says(PATH, b"x" * 1_001)
    assert "over the limit of 1000 bytes" in refusal(site).sentence


def test_the_limit_is_64_kib_unless_told_otherwise(site: Site) -> None:
    site.says(PATH, b"x" * 65_536)
    assert len(fetch_attachment(f"{site.url}{PATH}", hosts=hosts(site))) == 65_536
    site.says(PATH, b"x" * 65_537)
    with pytest.raises(BadCard, match="over the limit of 65536"):
        fetch_attachment(f"{site.url}{PATH}", hosts=hosts(site))


def test_what_never_ends_is_left_after_the_limit(site: Site) -> None:
    def endless(handler: LoopbackHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        try:
            while not site.ended.is_set():
                handler.wfile.write(piece)
        except OSError:
            handler.close_connection = True

    site.answers[PATH] = endless
    assert "over the limit" in refusal(site).sentence


def test_the_body_of_a_redirect_is_not_read(site: Site) -> None:
    def endless(handler: LoopbackHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/new/name/files/17/card.json")
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.wfile.flush()
        site.ended.wait(60)
        handler.close_connection = True

    site.answers[PATH] = endless
    site.says("/new/name/files/17/card.json", CARD)
    assert fetch(site) == CARD


def test_what_unpacks_to_far_more_is_left_after_the_limit(site: Site) -> None:
    site.says(PATH, gzip.compress(b"x" * 20_000_000), Content_Encoding="gzip")
    assert "over the limit" in refusal(site).sentence
    site.says(PATH, gzip.compress(CARD), Content_Encoding="gzip")
    assert fetch(site) == CARD


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204, 206, 304])
def test_what_is_private_or_gone_is_to_be_pasted(site: Site, status: int) -> None:
    site.says(PATH, b"", status)
    found = refusal(site)
    assert f"is private or gone ({status})" in found.sentence
    assert found.remedy == "Paste it as a block into the text."


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_not_to_be_had_now_is_not_called_gone(site: Site, status: int) -> None:
    site.says(PATH, b"", status, Retry_After="86400")
    with pytest.raises(ForgeUnavailable, match=rf"cannot be fetched now \({status}\)"):
        fetch(site)


def test_a_failure_that_passes_is_asked_through(site: Site) -> None:
    def first_fails(handler: LoopbackHandler) -> None:
        if len(site.asked) == 1:
            handler.drop_connection()
        elif len(site.asked) == 2:
            handler.send_whole(503, {}, b"")
        else:
            handler.send_whole(200, {}, CARD)

    site.answers[PATH] = first_fails
    assert fetch(site) == CARD
    assert len(site.asked) == 3


def test_an_answer_that_breaks_off_is_none(site: Site) -> None:
    def breaks_off(handler: LoopbackHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "500")
        handler.end_headers()
        handler.wfile.write(CARD)
        handler.wfile.flush()
        handler.drop_connection()

    site.answers[PATH] = breaks_off
    with pytest.raises(ForgeUnavailable):
        fetch(site)


def test_a_host_that_is_silent_is_left_after_the_timeout(site: Site) -> None:
    def silent(handler: LoopbackHandler) -> None:
        site.ended.wait(60)
        handler.close_connection = True

    site.answers[PATH] = silent
    with pytest.raises(ForgeUnavailable):
        fetch_attachment(f"{site.url}{PATH}", 1_000, hosts(site, timeout=0.05))


def test_an_answer_that_trickles_in_is_left_after_the_deadline(site: Site) -> None:
    def trickles(handler: LoopbackHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not site.ended.wait(0.01):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    site.answers[PATH] = trickles
    there = Hosts(page=site.host, storage=(), scheme="http", deadline=0.1, pace=0)
    with pytest.raises(ForgeUnavailable, match="too slow"):
        fetch_attachment(f"{site.url}{PATH}", 1_000, there)


def test_no_host_there_is_an_error_like_any_other(site: Site) -> None:
    there = Hosts(page="127.0.0.1:1", storage=(), scheme="http", pace=0)
    with pytest.raises(ForgeUnavailable, match="cannot be fetched now"):
        fetch_attachment(f"http://127.0.0.1:1{PATH}", 1_000, there)


def test_a_host_that_no_name_server_can_know_is_no_traceback(site: Site) -> None:
    for label in ("a" * 64, "a" * 5_000):
        site.sends_on(PATH, f"https://{label}.githubusercontent.com/1")
        wide = Hosts(page=site.host, storage=GITHUB.storage, scheme="http", pace=0)
        with pytest.raises(BadCard):
            fetch_attachment(f"{site.url}{PATH}", 1_000, wide)
        site.sends_on(PATH, f"http://{label}.githubusercontent.com/1")
        with pytest.raises((BadCard, ForgeUnavailable)):
            fetch_attachment(f"{site.url}{PATH}", 1_000, wide)


def test_an_error_shows_no_signature_and_no_control_character(site: Site, storage: Site) -> None:
    site.sends_on(PATH, f"{storage.url}/1{SIGNED}")
    sentence = refusal(site, storage).sentence
    assert "Signature" not in sentence
    with pytest.raises(BadCard) as caught:
        fetch_attachment("https://evil.test/\x1b]0;x\x07\n::error::x" + "y" * 5_000)
    assert caught.value.sentence.isprintable()
    assert len(caught.value.sentence) < 300


def test_the_library_for_requests_is_loaded_only_when_something_is_fetched() -> None:
    code = "import sys, loop_kit.adapters.attachments; print('requests' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
