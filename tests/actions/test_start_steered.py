"""The set-up takes nothing from the checkout that it runs in: one job meets every plant at once."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.actions.test_start_certificates import TOOLS, add_wheel
from tests.actions.test_start_certificates import environ as environ  # noqa: PLC0414

from loop_kit.adapters.runner.installing import installer_environment

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
NOWHERE = "https://127.0.0.1:9/simple"
MODULES = (
    *("logging", "json", "site", "sitecustomize", "usercustomize", "venv", "pip", "ensurepip"),
    *("hashlib", "tempfile", "encodings", "loop_kit", "tiny"),
)
"""What Python, its tools and this action import."""


VARIABLES = """
    PYTHONPATH=. PYTHONHOME=. PYTHONUSERBASE=. PYTHONPLATLIBDIR=lib PYTHONSTARTUP=logging.py
    PYTHONPYCACHEPREFIX=cache PYTHONINSPECT=1 PYTHONWARNINGS=error::sitecustomize.Evil
    VIRTUAL_ENV=. PIP_CONFIG_FILE=pip.conf PIP_TARGET=lib PIP_PREFIX=lib PIP_NO_BINARY=:all:
    PIP_PYTHON=bin/python3 PIP_CONSTRAINT=constraints.txt PIP_FIND_LINKS=cache
    PIP_CACHE_DIR={checkout}/cache UV_CONFIG_FILE={checkout}/uv.toml UV_NO_BINARY=1
    UV_CONSTRAINT=constraints.txt UV_FIND_LINKS=cache UV_CACHE_DIR=cache UV_PROJECT=.
    UV_WORKING_DIRECTORY=. UV_PYTHON=2.7 UV_ENV_FILE=.env HOME={checkout} XDG_CONFIG_HOME=.config
    XDG_CONFIG_DIRS=.config
"""


def plant(checkout: Path, log: Path) -> dict[str, str]:
    """Everything in a checkout that steers an installer, and variables that lead there.

    Each of them leaves a line in `log`, or keeps the set-up from ending well.
    """
    code = f"open({str(log)!r}, 'a').write(__file__ + chr(10))\n"
    for name in MODULES:
        (checkout / f"{name}.py").write_text(code)
    site = checkout / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for folder in (checkout, site, checkout / "cache"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "evil.pth").write_text(
            f"import builtins; exec({code!r}, {{'__file__': 'pth'}})\n"
        )
        (folder / "usercustomize.py").write_text(code)
    for name in ("python3", "python3.12", "python", "uv", "pip"):
        program = checkout / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {name} >>{log}\nexit 1\n")
        program.chmod(0o755)
    files = {
        "uv.toml": f'index-url = "{NOWHERE}"\nno-binary = true\ncache-dir = "cache"\n',
        "pyproject.toml": f'[tool.uv]\nindex-url = "{NOWHERE}"\n[tool.uv.pip]\ntarget = "lib"\n',
        ".python-version": "2.7\n",
        ".tool-versions": "python 2.7\n",
        "setup.cfg": "[install]\nprefix = lib\n[easy_install]\nindex_url = http://127.0.0.1:9\n",
        "pip.conf": f"[global]\nindex-url = {NOWHERE}\n[install]\ntarget = lib\n",
        ".config/pip/pip.conf": f"[global]\nindex-url = {NOWHERE}\n",
        ".config/uv/uv.toml": f'index-url = "{NOWHERE}"\n',
        "constraints.txt": "tiny==2.0\n",
        "pyvenv.cfg": "home = bin\n",
        ".env": f"UV_DEFAULT_INDEX={NOWHERE}\n",
    }
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    variables = VARIABLES.format(checkout=checkout).split()
    return dict(each.split("=", 1) for each in variables)


def run_step(checkout: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The step of action.yml in a checkout, as a runner starts it."""
    script = Path(environ["RUNNER_TEMP"]) / "step.sh"
    script.write_text(ACTION["runs"]["steps"][0]["run"])
    bash = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script))
    environ = {**environ, "LOOP_KIT_PATH": environ["ACTION"], "GITHUB_WORKSPACE": str(checkout)}
    return subprocess.run(
        bash, env=environ, cwd=checkout, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("tool", ["uv", "pip", "a virtual environment of the checkout"])
def test_nothing_in_the_checkout_and_no_variable_that_leads_there_steers_the_set_up(
    environ: dict[str, str], tmp_path: Path, tool: str
) -> None:
    checkout, log = tmp_path / "checkout", tmp_path / "log"
    (checkout / "lib").mkdir(parents=True)
    tools = f"{TOOLS}{os.pathsep}" if tool == "uv" else ""
    environ.pop("UV_CACHE_DIR")
    if tool.startswith("a virtual"):
        outside = tmp_path / "project"
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", outside], check=True, timeout=60
        )
        site = next(outside.glob("lib/*/site-packages"))
        (site / "editable.pth").write_text(f"import sys; sys.path.insert(0, {str(checkout)!r})\n")
        tools = f"{outside / 'bin'}{os.pathsep}"
    path = f"{checkout / 'bin'}{os.pathsep}bin{os.pathsep}{os.pathsep}{tools}{environ['PATH']}"

    done = run_step(checkout, {**environ, **plant(checkout, log), "PATH": path})

    ready = list(Path(environ["RUNNER_TEMP"]).glob("loop-kit-venv-*/loop-kit-ready"))
    assert len(ready) == 1, done.stdout + done.stderr
    assert list(ready[0].parent.glob("lib/*/site-packages/tiny.py"))
    assert not log.exists(), log.read_text()
    assert "No module named" in done.stderr, "loop_kit itself was started, with one wheel of many"
    assert not list(checkout.rglob("tiny-1.0*")), "Nothing was installed into the checkout."


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_only_wheels_are_installed(environ: dict[str, str], tmp_path: Path, tool: str) -> None:
    """A source distribution runs code while it is installed, whatever its hash is."""
    wheels = Path(environ["WHEELS"])
    with tarfile.open(wheels / "source-1.0.tar.gz", "w:gz") as archive:
        backend = '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
        files = {"evil.py": f"open({str(tmp_path / 'ran')!r}, 'w')", "pyproject.toml": backend}
        for name, text in files.items():
            entry = tarfile.TarInfo(f"source-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    found = hashlib.sha256((wheels / "source-1.0.tar.gz").read_bytes()).hexdigest()
    lock = Path(environ["ACTION"]) / "requirements.lock"
    lock.write_text(
        f"source==1.0 --hash=sha256:{found}\n{add_wheel(wheels, 'tiny', 'tiny.py', '')}"
    )
    if tool == "uv":
        environ["PATH"] = f"{TOOLS}{os.pathsep}{environ['PATH']}"

    done = run_step(tmp_path, environ)

    assert done.returncode == 1
    assert done.stdout.startswith("::error title=loop-kit::Installing loop-kit failed")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_wheel_that_is_not_the_one_of_the_lock_is_not_installed(
    environ: dict[str, str], tmp_path: Path, tool: str
) -> None:
    add_wheel(Path(environ["WHEELS"]), "tiny", "tiny.py", "evil = True")
    if tool == "uv":
        environ["PATH"] = f"{TOOLS}{os.pathsep}{environ['PATH']}"

    done = run_step(tmp_path, environ)

    assert done.returncode == 1
    assert done.stdout.startswith("::error title=loop-kit::Installing loop-kit failed")
    assert not list(Path(environ["RUNNER_TEMP"]).rglob("tiny.py"))


def test_installers_get_what_the_operator_set_and_no_secret_of_the_inputs(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    taken = {
        "HOME": "/home/me",
        "PATH": "/usr/bin",
        "HTTPS_PROXY": "http://proxy:3128",
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_FIND_LINKS": "/opt/wheels https://mirror/wheels",
        "PIP_CONFIG_FILE": "/etc/company/pip.conf",
        "PIP_CERT": str(checkout / "company.pem"),
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX_MIRROR_PASSWORD": "for the mirror",
        "UV_CACHE_DIR": "/home/me/.cache/uv",
    }
    dropped = {
        "INPUT_OPENAI_API_KEY": "secret",
        "PYTHONPATH": "/home/me/lib",
        "PIP_CONFIG_FILE": "pip.conf",
        "UV_CACHE_DIR": str(checkout / "cache"),
        "UV_FIND_LINKS": f"/opt/wheels,{checkout}",
    }

    assert installer_environment(taken, checkout) == taken
    assert installer_environment({**dropped, "PATH": "/usr/bin:.::bin"}, checkout) == {
        "PATH": "/usr/bin"
    }
    relative = installer_environment({"SSL_CERT_FILE": "company.pem", "PATH": ""}, checkout)
    assert relative["SSL_CERT_FILE"] == str(checkout / "company.pem")


def test_an_environment_that_is_not_ready_any_more_is_installed_again(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """As `own_code` leaves one in which an agent of an earlier step has written."""
    environ = {**environ, "PATH": f"{TOOLS}{os.pathsep}{environ['PATH']}"}
    run_step(tmp_path, environ)
    (ready,) = Path(environ["RUNNER_TEMP"]).glob("loop-kit-venv-*/loop-kit-ready")
    (site,) = ready.parent.glob("lib/*/site-packages")
    (site / "evil.pth").write_text("import evil\n")
    ready.unlink()

    run_step(tmp_path, environ)

    assert ready.exists()
    assert not (site / "evil.pth").exists()
    assert (site / "tiny.py").exists()
