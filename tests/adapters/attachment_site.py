"""Two stand-ins on the loopback interface: the page that links attachments, and the storage."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.loopback import LoopbackHandler, LoopbackServer

from loop_kit.adapters.github.attachments import Hosts, fetch_attachment
from loop_kit.errors import BadCard

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


@contextmanager
def running() -> Iterator[Site]:
    server = Site()
    server.start()
    yield server
    server.ended.set()
    server.stop()
    assert server.failures == []


def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the loopback interface whatever this machine's environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def hosts(site: Site, storage: Site | None = None, timeout: float = 10) -> Hosts:
    kept = (re.compile(re.escape(storage.host)),) if storage else ()
    return Hosts(page=site.host, storage=kept, scheme="http", timeout=timeout, pace=0)


def fetch(site: Site, storage: Site | None = None, limit: int = 1_000) -> bytes:
    return fetch_attachment(f"{site.url}{PATH}", limit, hosts(site, storage))


def refusal(site: Site, storage: Site | None = None, limit: int = 1_000) -> BadCard:
    with pytest.raises(BadCard) as caught:
        fetch(site, storage, limit)
    return caught.value
