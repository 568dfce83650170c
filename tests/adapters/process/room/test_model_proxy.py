"""The proxy that holds a model key: what goes through it, and what does not."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.git_tls import TlsRefs, company_certificate
from tests.support.ordinary_user import as_ordinary_user

from loop_kit.adapters.process.model_proxy import ADDRESS, ModelProxy, company_proxy, model_proxy
from loop_kit.adapters.process.room.unix_socket import connected
from loop_kit.adapters.process.room.upstream import Upstream

KEY = "sk-real-key"


class Model(BaseHTTPRequestHandler):
    """Streams three pieces slowly, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict[str, str], bytes]]

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer(body)

    def answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"data: %d\n\n" % number)
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    """The model's server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as made:
        made.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def proxy(server: ThreadingHTTPServer) -> Iterator[ModelProxy]:
    """A proxy for it, whose address has a path."""
    url = f"http://127.0.0.1:{server.server_port}/api/v1"
    with model_proxy(Upstream(url, KEY), os.environ) as made:
        yield made


@contextmanager
def opened(proxy: ModelProxy) -> Iterator[http.client.HTTPConnection]:
    """A connection by the proxy's socket."""
    connection = http.client.HTTPConnection("model", timeout=20)
    connection.sock = connected(str(proxy.folder / "model"))
    yield connection
    connection.close()


def ask(proxy: ModelProxy, method: str, path: str, **more: Any) -> tuple[int, bytes]:
    with opened(proxy) as connection:
        connection.request(method, path, **more)
        answer = connection.getresponse()
        return answer.status, answer.read()


def last(server: ThreadingHTTPServer) -> tuple[str, dict[str, str], bytes]:
    return server.asked[-1]  # type: ignore[attr-defined,no-any-return]


def test_the_key_is_put_in_and_what_names_another_account_is_left_out(
    proxy: ModelProxy, server: ThreadingHTTPServer
) -> None:
    headers = {
        "Authorization": "Bearer dummy",
        "x-api-key": "dummy",
        "Cookie": "a=b",
        "OpenAI-Organization": "evil",
        "OpenAI-Project": "evil",
        "Accept": "text/event-stream",
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "websocket",
    }
    status, body = ask(proxy, "POST", "/v1/responses?a=b", body=b"{}", headers=headers)

    path, seen, sent = last(server)
    assert (status, body) == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
    assert (path, sent) == ("/api/v1/responses?a=b", b"{}")
    assert seen["authorization"] == f"Bearer {KEY}"
    assert seen["host"] == f"127.0.0.1:{server.server_port}"
    assert seen["accept"] == "text/event-stream"
    assert not {"x-api-key", "cookie", "openai-organization", "openai-project", "upgrade"} & {*seen}


def test_an_answer_streams(proxy: ModelProxy) -> None:
    with opened(proxy) as connection:
        connection.request("POST", "/v1/messages", body=b"{}")
        answer = connection.getresponse()
        assert answer.read(9) == b"data: 0\n\n"
        began = time.monotonic()
        answer.read()
        assert time.monotonic() - began > 0.1


def test_a_body_in_chunks_and_a_long_one_arrive_whole(
    proxy: ModelProxy, server: ThreadingHTTPServer
) -> None:
    pieces = [b"a" * 70_000, b"b", b"c" * 1000]
    ask(proxy, "POST", "/v1/responses", body=iter(pieces), encode_chunked=True)
    assert last(server)[2] == b"".join(pieces)
    ask(proxy, "POST", "/v1/messages/count_tokens", body=b"x" * 2_000_000)
    assert len(last(server)[2]) == 2_000_000


@pytest.mark.parametrize(
    "request_line",
    [
        *("GET /v1/files", "POST /v1/files", "DELETE /v1/models/x", "GET /v1/models/../files"),
        *("POST /v1/responses/../files", "POST //v1/responses", "POST /v1/responses%2f..%2ffiles"),
        *("CONNECT example.com:443", "POST http://example.com/v1/responses", "PUT /v1/responses"),
    ],
)
def test_another_method_or_path_is_refused(
    proxy: ModelProxy, server: ThreadingHTTPServer, request_line: str
) -> None:
    count = len(server.asked)  # type: ignore[attr-defined]
    assert raw(proxy, f"{request_line} HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert len(server.asked) == count  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "headers",
    [
        *(
            "content-length: 1\r\ncontent-length: 2",
            "content-length: 1\r\ntransfer-encoding: chunked",
        ),
        *("transfer-encoding: gzip, chunked", "content-length: -1", "x y: z", "x: a\nb: c"),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(proxy: ModelProxy, headers: str) -> None:
    answer = raw(proxy, f"POST /v1/responses HTTP/1.1\r\n{headers}\r\n\r\nab")
    assert answer.startswith(b"HTTP/1.1 400")


def raw(proxy: ModelProxy, text: str) -> bytes:
    with connected(str(proxy.folder / "model")) as connection:
        connection.sendall(text.encode())
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
        return answer


def test_a_program_finds_the_model_at_its_own_loopback_and_ends_with_the_proxy(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    code = (
        "import sys, time, urllib.request as u;"
        f" print(u.urlopen('{ADDRESS}/v1/models').read(), flush=True); time.sleep(60)"
    )
    with model_proxy(Upstream(url, KEY, "x-api-key"), os.environ) as made:
        argv = made.bridged([sys.executable, "-c", code])
        with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=tmp_path) as program:
            assert program.stdout is not None
            assert b"data: 2" in program.stdout.readline()
            assert last(server)[1]["x-api-key"] == KEY
            os.kill(proxy_pid(made), signal.SIGKILL)
            assert program.wait(20) == -signal.SIGTERM
    assert not made.folder.exists()


def test_it_is_found_in_a_temporary_folder_deeper_than_an_address_is_long(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deep := tmp_path / ("d" * 108)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    code = f"import urllib.request as u; print(u.urlopen('{ADDRESS}/v1/models').status)"
    with model_proxy(Upstream(f"http://127.0.0.1:{server.server_port}", KEY), os.environ) as made:
        made.check()
        argv = made.bridged([sys.executable, "-c", code])
        assert deep in made.folder.parents
        assert subprocess.run(argv, capture_output=True, check=True).stdout == b"200\n"


def proxy_pid(made: ModelProxy) -> int:
    """The process that serves this proxy's socket."""
    with connected(str(made.folder / "model")) as connection:
        about = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", about)[0]
    return pid


def test_a_proxy_that_has_ended_has_a_sentence_of_its_own(
    server: ThreadingHTTPServer,
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    with model_proxy(Upstream(url, KEY), os.environ) as made:
        made.check()
        dead = psutil.Process(proxy_pid(made))
        dead.kill()
        psutil.wait_procs([dead], timeout=10)
        with pytest.raises(OSError, match="The proxy that holds the model key has ended"):
            made.check()


def test_the_key_is_neither_in_the_environment_nor_in_the_arguments(proxy: ModelProxy) -> None:
    pid = proxy_pid(proxy)
    assert KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert KEY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


LOOK = """
import os
from tests.adapters.process.room.test_model_proxy import KEY, proxy_pid
from loop_kit.adapters.process.model_proxy import model_proxy
from loop_kit.adapters.process.room.upstream import Upstream
for file in ("mem", "environ"):
    open(f"/proc/{os.getpid()}/{file}", "rb").close()
    with model_proxy(Upstream("http://127.0.0.1:9", KEY), os.environ) as made:
        try:
            open(f"/proc/{proxy_pid(made)}/{file}", "rb").close()
        except PermissionError:
            print("closed")
"""


def test_nobody_of_the_same_user_can_read_the_key_from_the_proxy(tmp_path: Path) -> None:
    """Root can, so it is an ordinary user who tries."""
    argv = [sys.executable, "-c", LOOK]
    done = subprocess.run(
        as_ordinary_user(argv) if os.geteuid() == 0 else argv,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("closed\nclosed\n", "")


class Tunnel(BaseHTTPRequestHandler):
    """A company's proxy, which lets TLS through."""

    def do_CONNECT(self) -> None:
        self.server.heads.append((self.path, self.headers["proxy-authorization"]))  # type: ignore[attr-defined]
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as target:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            back = threading.Thread(target=pump, args=(target, self.connection))
            back.start()
            pump(self.connection, target)
            back.join()

    def log_message(self, *_: object) -> None:
        return


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_a_companys_proxy_and_certificate_are_used(tmp_path: Path) -> None:
    certificate, key = company_certificate(tmp_path / "company")
    with (
        TlsRefs(certificate, key) as model,
        ThreadingHTTPServer(("127.0.0.1", 0), Tunnel) as tunnel,
    ):
        tunnel.heads = []  # type: ignore[attr-defined]
        tunnel.daemon_threads = True
        threading.Thread(target=tunnel.serve_forever, daemon=True).start()
        company = f"http://me:p%40ss@127.0.0.1:{tunnel.server_port}"
        upstream = Upstream(model.url, KEY, proxy=company)
        trusting = {**os.environ, "SSL_CERT_FILE": str(certificate)}
        with model_proxy(upstream, trusting) as made:
            assert ask(made, "GET", "/v1/models")[0] == 200
        with model_proxy(upstream, os.environ) as made:
            assert ask(made, "GET", "/v1/models")[0] == 502
        tunnel.shutdown()
    assert model.logins == [f"Bearer {KEY}"]
    login = f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert tunnel.heads[0] == (model.url.removeprefix("https://"), login)  # type: ignore[attr-defined]


def test_the_network_has_a_proxy_of_its_own_for_what_it_names() -> None:
    environ = {"HTTPS_PROXY": "http://u:p@proxy:8080", "NO_PROXY": "internal.example,127.0.0.1"}
    assert company_proxy("https://api.example/v1", environ) == "http://u:p@proxy:8080"
    assert company_proxy("https://internal.example", environ) == ""
    assert company_proxy("http://api.example", environ) == ""
    assert company_proxy("https://api.example", {}) == ""
