"""What the two stand-ins share: an HTTP server on the loopback interface that stops cleanly."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, Protocol


class LoopbackServer(ThreadingHTTPServer):
    """Serve on a free port of 127.0.0.1 until `stop`, which leaves no socket and no thread behind.

    Clients keep their connections open, so a handler thread can sit in a read for as long as the
    client lives. Left alone these threads outlive the test, and the sockets that they hold turn
    up as ResourceWarnings in tests that have nothing to do with them.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.failures: list[BaseException] = []
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), handler)
        self._acceptor = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def speak_tls(self, certificate: Path, key: Path) -> None:
        """Speak TLS with the server's certificate; call it before `start`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        self.shutdown()
        self._acceptor.join()
        with self._guard:
            open_connections = dict(self._connections)
        for connection in open_connections:
            hang_up(connection)
        for thread in open_connections.values():
            thread.join(timeout=10)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._guard:
            self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong in a handler, so that a test cannot pass over it.

        A client that hangs up is no fault of ours.
        """
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.failures.append(error)


class LoopbackHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with buffered answers: unbuffered ones cost a delayed acknowledgement each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Say nothing: the servers keep their own logs."""

    def spool_body(self) -> IO[bytes]:
        """Read the whole body, decoded, into a temporary file: pushes can be large."""
        raw = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            copy_chunks(self.rfile, raw)
        else:
            copy_exactly(self.rfile, raw, int(self.headers.get("Content-Length") or 0))
        raw.seek(0)
        if self.headers.get("Content-Encoding", "").lower() not in {"gzip", "x-gzip"}:
            return raw
        plain = tempfile.TemporaryFile()  # noqa: SIM115
        with raw, gzip.GzipFile(fileobj=raw) as packed:
            shutil.copyfileobj(packed, plain)
        plain.seek(0)
        return plain

    def send_whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send an answer whose length is known."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in {204, 304}:
            self.wfile.write(body)

    def send_cut(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send half of an answer and hang up."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.drop_connection()

    def drop_connection(self) -> None:
        """Hang up without an answer, as a broken network would."""
        self.close_connection = True
        hang_up(self.connection)


class ByteSource(Protocol):
    """What the copying needs of the socket's file."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


def hang_up(connection: socket.socket) -> None:
    """Wake whoever reads from this connection; it may already be closed."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def copy_exactly(source: ByteSource, target: IO[bytes], length: int) -> None:
    left = length
    while left:
        piece = source.read(min(left, 65536))
        if not piece:
            message = f"the client hung up {left} bytes before the end of its request"
            raise ConnectionError(message)
        target.write(piece)
        left -= len(piece)


def copy_chunks(source: ByteSource, target: IO[bytes]) -> None:
    while size := int(source.readline().split(b";")[0], 16):
        copy_exactly(source, target, size)
        source.readline()
    while source.readline().strip():
        """Skip the trailers."""
