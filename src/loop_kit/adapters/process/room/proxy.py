"""The program that holds the model key, so that no agent has it.

It listens on a socket in the file system, which is bound into the room, and passes requests on to
one server: those of a short list of methods and paths, with the key put in, whatever key the agent
sent. Nothing is buffered, so answers stream. It cannot be read by a process of the same user, and
ends when loop-kit ends. What a model does on the server's side (searching the web, for instance)
is still a way out: this closes the network, not every leak.

The first line of standard input is a JSON with the upstream and the key; it prints `ready`.
"""

import asyncio
import base64
import json
import re
import ssl
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.upstream import WATCH, Upstream

_ALLOWED = re.compile(
    r"(?:POST /v1/(?:responses(?:/compact)?|messages(?:/count_tokens)?|chat/completions)"
    r"|(?:GET|HEAD) /v1/models(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?"
    r"|(?:GET|HEAD) /(?:api/hello)?)"
    r"(?:\?[A-Za-z0-9=&._-]{0,500})? HTTP/1\.[01]"
)
_DROPPED = frozenset(
    (
        *(b"authorization", b"x-api-key", b"api-key", b"proxy-authorization", b"cookie"),
        *(b"host", b"connection", b"keep-alive", b"upgrade", b"te", b"trailer", b"expect"),
        *(b"openai-organization", b"openai-project", b"forwarded", b"via"),
    )
)
_PASSED = re.compile(rb"[a-z0-9-]{1,100}")
_HEAD_SECONDS = 60.0
_MAX_HEAD = 256 * 1024
_MAX_BODY = 64 * 1024 * 1024
_PIECE = 64 * 1024
"""Bytes."""


class Refused(Exception):
    """A request that is not passed on; the status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Serve on the socket that `arguments` name until standard input is closed."""
    kernel.die_with_parent(15)
    kernel.forbid_dumps()
    given: Mapping[str, str] = json.loads(sys.stdin.buffer.readline())
    asyncio.run(_serve(arguments[0], Upstream(**given)))
    return 0


async def _serve(path: str, upstream: Upstream) -> None:
    proxy = Proxy(upstream)
    server = await asyncio.start_unix_server(proxy.handle, path, limit=_MAX_HEAD)
    print("ready", flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


class Proxy:
    """Passes requests on to one server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._at = urlsplit(upstream.url)
        self._tls = ssl.create_default_context() if self._at.scheme == "https" else None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection: one request, one answer."""
        try:
            await self._pass_on(reader, writer)
        except Refused as refused:
            await _answer(writer, refused.status, str(refused))
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError, TimeoutError) as error:
            await _answer(writer, 502, type(error).__name__)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        request, *lines = head[:-4].split(b"\r\n")
        if request == WATCH:
            await reader.read()
            return
        if not _ALLOWED.fullmatch(request.decode("latin-1")):
            raise Refused(403, "this method and path are not open to agents")
        headers = _headers(lines)
        length = _length(headers)
        answers, sends = await self._connect()
        try:
            method, path, _ = request.split(b" ")
            sends.write(self._head(method, path, headers))
            await _copy_body(reader, sends, length)
            while piece := await answers.read(_PIECE):
                writer.write(piece)
                await writer.drain()
        finally:
            sends.close()

    def _head(self, method: bytes, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        base = self._at.path.rstrip("/").removesuffix("/v1").encode("ascii")
        host = self._at.netloc.rpartition("@")[2].encode("ascii")
        kept = (b"%s: %s" % header for header in headers if header[0] not in _DROPPED)
        lines = [b"%s %s%s HTTP/1.1" % (method, base, path), b"host: " + host]
        lines += [b"connection: close", self._upstream.credential, *kept]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = _address(self._at)
        if self._tls is None or not self._upstream.proxy:
            return await asyncio.open_connection(host, port, ssl=self._tls, limit=_MAX_HEAD)
        proxy = urlsplit(self._upstream.proxy)
        reader, writer = await asyncio.open_connection(*_address(proxy))
        head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{_login(proxy)}\r\n"
        writer.write(head.encode("latin-1"))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        if answer.split(b" ", 2)[1:2] != [b"200"]:
            raise Refused(502, "the network's own proxy refused the connection")
        await writer.start_tls(self._tls, server_hostname=host)
        return reader, writer


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _login(proxy: SplitResult) -> str:
    """The header for the network's own proxy, if it asks who one is."""
    if not proxy.username:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


def _headers(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    if not all(_PASSED.fullmatch(name) for name, _ in headers):
        raise Refused(400, "a header has a name that is none")
    if any({*b"\r\n\0"} & {*value} for _, value in headers):
        raise Refused(400, "a header has more than one line")
    return headers


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """The length of the body in bytes, None for one in chunks; never two ways to read it."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise Refused(400, "the length of the body is ambiguous")
        return None
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        raise Refused(400, "the length of the body is ambiguous")
    length = int(lengths[0]) if lengths else 0
    if length > _MAX_BODY:
        raise Refused(413, "the body is too long")
    return length


async def _copy_body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int | None
) -> None:
    if length is None:
        return await _copy_chunks(reader, writer)
    while length:
        piece = await reader.read(min(length, _PIECE))
        if not piece:
            raise EOFError
        length -= len(piece)
        writer.write(piece)
        await writer.drain()
    await writer.drain()
    return None


async def _copy_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    total = 0
    while True:
        line = await reader.readline()
        size = int(line.split(b";")[0].strip(), 16)
        total += size
        if not 0 <= size <= _MAX_BODY or total > _MAX_BODY:
            raise Refused(413, "the body is too long")
        piece = await reader.readexactly(size + 2)
        if not piece.endswith(b"\r\n"):
            raise Refused(400, "a piece of the body does not end where it says")
        writer.write(b"%x\r\n%b" % (size, piece))
        await writer.drain()
        if not size:
            return


async def _answer(writer: asyncio.StreamWriter, status: int, why: str) -> None:
    body = json.dumps({"error": {"type": "loop_kit", "message": why}}).encode()
    head = f"HTTP/1.1 {status} refused\r\ncontent-type: application/json\r\n"
    with suppress(OSError):
        writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
