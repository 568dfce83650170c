"""The set-up installs from an index whose certificate only this system trusts."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
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

TOOLS = Path(sys.executable).parent


class Index(LoopbackServer):
    """An index of the wheels in a folder, behind TLS."""

    def __init__(self, certificate: Path, key: Path, wheels: Path) -> None:
        self.wheels = wheels
        super().__init__(_Handler)
        self.speak_tls(certificate, key)


class _Handler(LoopbackHandler):
    server: Index

    def do_GET(self) -> None:  # noqa: N802
        file = self.server.wheels / (self.path.rpartition("/")[2] or ".")
        if file.is_file():
            self.send_whole(200, {"Content-Type": "application/zip"}, file.read_bytes())
        else:
            names = [path.name for path in self.server.wheels.iterdir()]
            links = "".join(f'<a href="/{name}">{name}</a>' for name in names)
            page = f"<!DOCTYPE html>{links}".encode()
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


def add_wheel(folder: Path, name: str, file: str, content: str) -> str:
    """A package of one file; the line of a lock that asks for it."""
    path, about = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    kind = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        file: content,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": kind,
    }
    record = "".join(f"{each},,\n" for each in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, f"{about}/RECORD": record}.items():
            entry = zipfile.ZipInfo(each)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(entry, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The action with a lock of one package, and the variables of a job that finds it."""
    authority, certificate, key = signed_certificate(tmp_path / "tls")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    root = tmp_path / "action"
    shutil.copytree(Path(loop_kit.__file__).parent, root / "src" / "loop_kit")
    (root / "requirements.lock").write_text(add_wheel(wheels, "tiny", "tiny.py", ""))
    (tmp_path / "temp").mkdir()
    index = Index(certificate, key, wheels)
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
        "WHEELS": str(wheels),
    }
    index.stop()


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_companys_own_certificate_is_trusted_where_the_system_trusts_it(
    environ: dict[str, str], tool: str
) -> None:
    if tool == "uv":
        environ["PATH"] = f"{TOOLS}{os.pathsep}{environ['PATH']}"
    assert list(installed(environ).glob("lib/*/site-packages/tiny.py"))


def installed(environ: dict[str, str]) -> Path:
    """The environment that the action has made for itself."""
    script = Path(environ["ACTION"]) / "src" / "loop_kit" / "actions" / "start.py"
    done = subprocess.run(
        [sys.executable, str(script)], env=environ, capture_output=True, text=True, check=False
    )
    ready = list(Path(environ["RUNNER_TEMP"]).glob("loop-kit-venv-*/loop-kit-ready"))
    assert len(ready) == 1, done.stdout + done.stderr
    return ready[0].parent


@pytest.mark.parametrize("code", [0, 1])
def test_uv_is_fetched_by_its_hash_and_installs_the_rest_unless_it_cannot(
    environ: dict[str, str], code: int
) -> None:
    log = Path(environ["HOME"]) / "log"
    uv = f'#!/bin/sh\necho "$UV_DEFAULT_INDEX $*" >{log}\nexit {code}\n'
    line = add_wheel(Path(environ["WHEELS"]), "uv", "uv-1.0.data/scripts/uv", uv)
    (Path(environ["ACTION"]) / "requirements-uv.lock").write_text(line)
    index = environ.pop("UV_DEFAULT_INDEX")

    folder = installed(environ)

    assert log.read_text().startswith(f"{index} pip install --quiet --python {folder}/bin/python")
    assert "--require-hashes" in log.read_text()
    assert bool(list(folder.glob("lib/*/site-packages/tiny.py"))) == bool(code)


def test_a_pip_that_knows_the_system_or_was_told_is_left_alone() -> None:
    assert pip_settings("24.2", {}) == {}
    assert pip_settings("26.1.dev0", {}) == {}
    assert pip_settings("23.2.1", {"PIP_CERT": "mine.pem"}) == {}


def test_make_installs_uv_and_then_the_rest_from_such_an_index(environ: dict[str, str]) -> None:
    folder = Path(environ["ACTION"])
    shutil.copy(Path(__file__).parents[2] / "Makefile", folder)
    uv = f'#!/bin/sh\nexec {TOOLS / "uv"} "$@"\n'
    line = add_wheel(Path(environ["WHEELS"]), "uv", "uv-1.0.data/scripts/uv", uv)
    (folder / "requirements-uv.lock").write_text(line)

    done = subprocess.run(
        ["make", ".venv/runtime", f"PYTHON={sys.executable}"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.glob(".venv/lib/*/site-packages/tiny.py"))
