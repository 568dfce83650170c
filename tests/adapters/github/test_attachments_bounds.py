"""Attachments that are long, slow, broken, private or gone."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.adapters.attachment_site import (
    CARD,
    PATH,
    SIGNED,
    Site,
    fetch,
    hosts,
    refusal,
    running,
    without_proxy,
)
from tests.support.loopback import LoopbackHandler

from loop_kit.adapters.github.attachments import GITHUB, Hosts, fetch_attachment
from loop_kit.errors import BadCard, ForgeUnavailable


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    without_proxy(monkeypatch)
    with running() as server:
        yield server


@pytest.fixture
def storage() -> Iterator[Site]:
    with running() as server:
        yield server


def test_an_attachment_as_long_as_the_limit_is_taken_and_one_byte_more_is_not(site: Site) -> None:
    site.says(PATH, b"x" * 1_000)
    assert fetch(site) == b"x" * 1_000
    site.says(PATH, b"x" * 1_001)
    assert "over the limit of 1000 bytes" in refusal(site).sentence


def test_the_limit_is_64_kib_by_default(site: Site) -> None:
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


def test_an_answer_that_breaks_off_once_is_asked_for_again(site: Site) -> None:
    def first_breaks_off(handler: LoopbackHandler) -> None:
        send = handler.send_cut if len(site.asked) == 1 else handler.send_whole
        send(200, {}, CARD)

    site.answers[PATH] = first_breaks_off
    assert fetch(site) == CARD
    assert len(site.asked) == 2


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
    code = "import sys, loop_kit.adapters.github.attachments; print('requests' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
