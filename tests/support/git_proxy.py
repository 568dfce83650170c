"""A web proxy on the loopback interface that writes down where each request was going."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from typing import IO, Self, cast
from urllib.parse import urlsplit

from tests.support.loopback import LoopbackHandler, LoopbackServer

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "proxy-authorization"}


@dataclass(frozen=True)
class Passed:
    """One request that went through: to which host, and whether it carried a login there."""

    host: str
    path: str
    authorized: bool
    login: str


@dataclass
class WebProxy:
    """Forwards plain HTTP, as the proxy of a company does."""

    passed: list[Passed] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._listener = _ProxyListener(self)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    @property
    def url(self) -> str:
        return self._listener.url


class _ProxyListener(LoopbackServer):
    def __init__(self, proxy: WebProxy) -> None:
        self.proxy = proxy
        super().__init__(_ProxyHandler)


class _ProxyHandler(LoopbackHandler):
    def do_GET(self) -> None:  # noqa: N802  (the base's name)
        self._forward()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _forward(self) -> None:
        proxy = cast("_ProxyListener", self.server).proxy
        url = urlsplit(self.path)
        with proxy.guard:
            proxy.passed.append(
                Passed(
                    host=url.netloc,
                    path=url.path,
                    authorized="Authorization" in self.headers,
                    login=self.headers.get("Proxy-Authorization", ""),
                )
            )
        plain = {"content-length", "transfer-encoding", "content-encoding"}
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in HOP_BY_HOP | plain
        }
        with self.spool_body() as body:
            status, told, content = _asked(self.command, self.path, headers, body)
        kept = {n: v for n, v in told if n.lower() not in HOP_BY_HOP | plain | {"date", "server"}}
        self.send_whole(status, kept, content)


def _asked(
    method: str, target: str, headers: dict[str, str], body: IO[bytes]
) -> tuple[int, list[tuple[str, str]], bytes]:
    url = urlsplit(target)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    try:
        path = f"{url.path}?{url.query}" if url.query else url.path
        connection.request(method, path, body.read(), headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
