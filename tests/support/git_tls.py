"""Puts a server on the loopback interface behind TLS, with a certificate of a company's own."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any, Self, cast

from tests.support.loopback import LoopbackHandler, LoopbackServer, hang_up


def company_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate for 127.0.0.1 that no system knows: certificate, key."""
    folder.mkdir(parents=True)
    certificate, key = folder / "company.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        check=True,
    )
    return certificate, key


class TlsRefs:
    """A git server that knows one thing: the answer to `ls-remote`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.logins: list[str] = []
        self.broken_handshakes = 0
        self.guard = threading.Lock()
        self._listener = _TlsListener(self, certificate, key)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    @property
    def url(self) -> str:
        return self._listener.url.replace("http:", "https:")


class _TlsListener(LoopbackServer):
    def __init__(self, refs: TlsRefs, certificate: Path, key: Path) -> None:
        self.refs = refs
        super().__init__(_TlsHandler)
        self.speak_tls(certificate, key)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, or hang up before TLS is agreed on."""
        connection, address = super().get_request()
        if self.refs.broken_handshakes:
            self.refs.broken_handshakes -= 1
            hang_up(connection)
            connection.close()
            raise OSError("a broken handshake")
        return connection, address


class _TlsHandler(LoopbackHandler):
    def do_GET(self) -> None:  # noqa: N802  (the base's name)
        refs = cast("_TlsListener", self.server).refs
        with refs.guard:
            refs.logins.append(self.headers.get("Authorization", ""))
        kind = {"Content-Type": "application/x-git-upload-pack-advertisement"}
        line = b"a" * 40 + b" refs/heads/main\0\n"
        packet = b"%04x" % (len(line) + 4) + line
        self.send_whole(200, kind, b"001e# service=git-upload-pack\n0000" + packet + b"0000")
