"""The set-up installs from an index whose certificate only this system trusts."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.git_tls import company_certificate
from tests.support.loopback import LoopbackHandler, LoopbackServer

import loop_kit
from loop_kit.adapters.runner.certificates import pip_settings

WHEEL = "tiny-1.0-py3-none-any.whl"
TOOLS = Path(sys.executable).parent


class Index(LoopbackServer):
    """An index with one package, behind TLS."""

    def __init__(self, certificate: Path, key: Path, wheel: bytes) -> None:
        self.wheel = wheel
        super().__init__(_Handler)
        self.speak_tls(certificate, key)


class _Handler(LoopbackHandler):
    server: Index

    def do_GET(self) -> None:  # noqa: N802
        if self.path.endswith(".whl"):
            self.send_whole(200, {"Content-Type": "application/zip"}, self.server.wheel)
        else:
            page = f'<!DOCTYPE html><a href="/{WHEEL}">{WHEEL}</a>'.encode()
            self.send_whole(200, {"Content-Type": "text/html"}, page)

    do_HEAD = do_GET  # noqa: N815


def signed_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """A company's authority, and a certificate for 127.0.0.1 that it signed, with its key."""
    authority, authority_key = company_certificate(folder)
    certificate, key = folder / "server.pem", folder / "server.key"
    request = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    asked = (*request, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", folder / "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    signed = ("openssl", "x509", "-req", "-days", "2", "-in", folder / "server.csr")
    by = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial")
    for command in (asked, (*signed, *by, "-extfile", folder / "names", "-out", certificate)):
        subprocess.run(command, capture_output=True, check=True)
    return authority, certificate, key


def wheel(folder: Path) -> bytes:
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "")
        about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        archive.writestr("tiny-1.0.dist-info/METADATA", about)
        kind = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("tiny-1.0.dist-info/WHEEL", kind)
        names = ("tiny.py", "tiny-1.0.dist-info/METADATA", "tiny-1.0.dist-info/WHEEL")
        record = "".join(f"{name},,\n" for name in (*names, "tiny-1.0.dist-info/RECORD"))
        archive.writestr("tiny-1.0.dist-info/RECORD", record)
    return path.read_bytes()


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The action with a lock of one package, and the variables of a job that finds it."""
    authority, certificate, key = signed_certificate(tmp_path / "tls")
    package = wheel(tmp_path)
    root = tmp_path / "action"
    shutil.copytree(Path(loop_kit.__file__).parent, root / "src" / "loop_kit")
    digest = hashlib.sha256(package).hexdigest()
    (root / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    (tmp_path / "temp").mkdir()
    index = Index(certificate, key, package)
    index.start()
    address = f"{index.url.replace('http:', 'https:')}/simple"
    yield {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "SSL_CERT_FILE": str(authority),
        "PIP_INDEX_URL": address,
        "PIP_RETRIES": "0",
        "UV_DEFAULT_INDEX": address,
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "ACTION": str(root),
    }
    index.stop()


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_companys_own_certificate_is_trusted_where_the_system_trusts_it(
    environ: dict[str, str], tool: str
) -> None:
    if tool == "uv":
        environ["PATH"] = f"{TOOLS}{os.pathsep}{environ['PATH']}"
    script = Path(environ["ACTION"]) / "src" / "loop_kit" / "actions" / "start.py"
    done = subprocess.run(
        [sys.executable, str(script)], env=environ, capture_output=True, text=True, check=False
    )
    ready = list(Path(environ["RUNNER_TEMP"]).glob("loop-kit-venv-*/loop-kit-ready"))
    assert len(ready) == 1, done.stdout + done.stderr
    assert list(ready[0].parent.glob("lib/*/site-packages/tiny.py"))


def test_a_pip_that_knows_the_system_or_was_told_is_left_alone() -> None:
    assert pip_settings("24.2", {}) == {}
    assert pip_settings("26.1.dev0", {}) == {}
    assert pip_settings("23.2.1", {"PIP_CERT": "mine.pem"}) == {}
