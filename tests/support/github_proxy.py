"""A plain HTTP proxy in front of a stand-in, whatever host is asked for; tunnels are refused."""

from __future__ import annotations

from typing import Self, cast
from urllib.parse import urlsplit

import requests
from tests.support.loopback import LoopbackHandler, LoopbackServer

_PASSED_ON = ("Authorization", "Content-Type", "Accept", "User-Agent")


class HttpProxy:
    """Passes requests on to the host of `target` and remembers what it was `asked`."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.host = f"{parts.scheme}://{parts.netloc}"
        self.asked: list[tuple[str, str]] = []
        self._listener = _ProxyListener(self)

    @property
    def url(self) -> str:
        return self._listener.url

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()
        if self._listener.failures:
            raise self._listener.failures[0]


class _ProxyListener(LoopbackServer):
    def __init__(self, proxy: HttpProxy) -> None:
        self.proxy = proxy
        super().__init__(_ProxyHandler)


class _ProxyHandler(LoopbackHandler):
    @property
    def proxy(self) -> HttpProxy:
        return cast("_ProxyListener", self.server).proxy

    def do_CONNECT(self) -> None:  # noqa: N802  (the base's name)
        self.proxy.asked.append((self.command, self.path))
        self.send_whole(403, {"Connection": "close"}, b"")
        self.close_connection = True

    def do_GET(self) -> None:  # noqa: N802
        self._pass_on()

    def do_POST(self) -> None:  # noqa: N802
        self._pass_on()

    def _pass_on(self) -> None:
        self.proxy.asked.append((self.command, self.path))
        with self.spool_body() as body:
            data = body.read()
        parts = urlsplit(self.path)
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        with requests.Session() as session:
            session.trust_env = False
            target = f"{self.proxy.host}{parts.path}?{parts.query}"
            answer = session.request(self.command, target, data=data, headers=headers, timeout=10)
            kind = {"Content-Type": answer.headers.get("Content-Type", "")}
            self.send_whole(answer.status_code, kind, answer.content)
