"""What action.yml starts: installs the locked dependencies beside the action, then becomes it.

It runs on the job's own Python before anything is installed, so it uses the standard library alone.
`uv` is used where the job has it or pip can fetch it, else pip; both trust what the system trusts.
Only what the lock files name is installed, by its hash. The process is replaced at the end, so that
a cancelled job's signals reach the loop and not a parent of it.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_SOURCE = Path(__file__).resolve().parents[2]
_ROOT = _SOURCE.parent
_READY = "loop-kit-ready"


def main() -> None:
    """Install once per job, then run `loop action`."""
    sys.path.insert(0, str(_SOURCE))
    parent = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    lock = _ROOT / "requirements.lock"
    known = f"{lock.read_text('utf-8')}{_SOURCE}{sys.version}"
    folder = parent / f"loop-kit-venv-{hashlib.sha256(known.encode()).hexdigest()[:16]}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / _READY).exists():
        try:
            _install(folder, python, lock)
        except OSError as error:
            _fail(f"Installing loop-kit in {folder} failed: {error.strerror}")
    argv = [str(python), "-P", "-m", "loop_kit", "action"]
    os.execv(argv[0], argv)  # noqa: S606


def _install(folder: Path, python: Path, lock: Path) -> None:
    from loop_kit.adapters.process.programs import find_program
    from loop_kit.adapters.runner.certificates import UV

    uv = find_program("uv", os.environ)
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder), settings=UV)
        _run(*_by_uv(uv, python), *_lock_options(lock), settings=UV)
    else:
        _install_by_pip(folder, python, lock)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    (site / "loop_kit.pth").write_text(f"{_SOURCE}\n", "utf-8")
    (folder / _READY).touch()


def _by_uv(uv: str, python: Path) -> tuple[str, ...]:
    return (uv, "pip", "install", "--quiet", "--python", str(python))


def _install_by_pip(folder: Path, python: Path, lock: Path) -> None:
    """Install by the pip that is here, if there is one: a copy of it takes as long as the rest."""
    from loop_kit.adapters.runner.certificates import pip_settings

    venv = (sys.executable, "-I", "-m", "venv")
    if importlib.util.find_spec("pip") is not None:
        _run(*venv, "--without-pip", str(folder))
        pip: tuple[str, ...] = (sys.executable, "-I", "-m", "pip", "--python", str(python))
        settings = pip_settings(importlib.metadata.version("pip"), os.environ)
    else:
        import ensurepip

        _run(*venv, str(folder))
        pip = (str(python), "-I", "-m", "pip")
        settings = pip_settings(ensurepip.version(), os.environ)
    pip = (*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    if not _install_by_fetched_uv(pip, settings, python, lock):
        _run(*pip, *_lock_options(lock), settings=settings)


def _install_by_fetched_uv(
    pip: tuple[str, ...], settings: Mapping[str, str], python: Path, lock: Path
) -> bool:
    """Let pip fetch uv, which installs the rest in a tenth of the time; whether both did.

    An index may have no uv, and uv reads no configuration of pip but what is passed on here.
    """
    from loop_kit.adapters.runner.certificates import UV

    wheel = ("--only-binary", ":all:", *_lock_options(lock.with_name("requirements-uv.lock")))
    if not _succeeds(*pip, *wheel, settings=settings):
        return False
    index = os.environ.get("PIP_INDEX_URL")
    known = {**UV, "UV_HTTP_RETRIES": "0", **({"UV_DEFAULT_INDEX": index} if index else {})}
    return _succeeds(
        *_by_uv(str(python.with_name("uv")), python), *_lock_options(lock), settings=known
    )


def _lock_options(lock: Path) -> tuple[str, ...]:
    return ("--require-hashes", "--no-deps", "-r", str(lock))


def _run(*argv: str, settings: Mapping[str, str] | None = None) -> None:
    """Run a program that installs; `settings` are variables that the job may have set otherwise."""
    problem = _problem(argv, settings or {})
    if problem is not None:
        _fail(f"Installing loop-kit failed ({argv[0]}): {problem}")


def _succeeds(*argv: str, settings: Mapping[str, str]) -> bool:
    try:
        return _problem(argv, settings) is None
    except OSError:
        return False


def _problem(argv: tuple[str, ...], settings: Mapping[str, str]) -> str | None:
    """What a program that installs has printed, if it failed."""
    from loop_kit.adapters.process import process

    done = process.run(argv, env={**settings, **os.environ}, timeout=600)
    if not done.code:
        return None
    return (done.out + done.err).decode("utf-8", "replace").strip()[-2000:]


def _fail(message: str) -> NoReturn:
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::error title=loop-kit::{escaped}\n")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
