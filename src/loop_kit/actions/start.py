"""What action.yml starts: installs the locked dependencies beside the action, then becomes it.

It runs on the job's own Python before anything is installed, so it uses the standard library alone.
`uv` is used where the job has it or pip can fetch it, else pip; both trust what the system trusts.
Only wheels that the lock files name are installed, by their hash, and nothing in the checkout has a
say: no variable of Python, no virtual environment, no configuration of an installer. The process is
replaced at the end, so that a cancelled job's signals reach the loop and not a parent of it.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_SOURCE = Path(__file__).resolve().parents[2]
_ROOT = _SOURCE.parent
_PYTHON = str(getattr(sys, "_base_executable", sys.executable))
"""Not that of a virtual environment: what is installed in one may have come from the checkout."""


def main() -> None:
    """Install once per job, and again where an agent has changed it; then run `loop action`."""
    sys.path.insert(0, str(_SOURCE))
    from loop_kit.adapters.files.removal import remove
    from loop_kit.adapters.runner.installing import ENVIRONMENT, READY

    parent = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    lock = _ROOT / "requirements.lock"
    known = f"{lock.read_text('utf-8')}{_SOURCE}{sys.version}"
    folder = parent / f"{ENVIRONMENT}{hashlib.sha256(known.encode()).hexdigest()[:16]}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / READY).exists():
        try:
            remove(folder)
            _install(folder, python, lock)
            (folder / READY).touch()
        except OSError as error:
            _fail(f"Installing loop-kit in {folder} failed: {error.strerror}")
    argv = [str(python), "-I", "-X", "utf8", "-m", "loop_kit", "action"]
    os.execv(argv[0], argv)  # noqa: S606


def _install(folder: Path, python: Path, lock: Path) -> None:
    from loop_kit.adapters.process.programs import find_program
    from loop_kit.adapters.runner.certificates import UV
    from loop_kit.adapters.runner.installing import installer_environment

    environ = installer_environment(os.environ, Path.cwd())
    uv = find_program("uv", environ)
    if uv:
        environ = {**UV, **environ}
        _run(uv, "venv", "--quiet", "--python", _PYTHON, str(folder), environ=environ)
        _run(*_by_uv(uv, python), *_lock_options(lock), environ=environ)
    else:
        _install_by_pip(folder, python, lock, environ)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    (site / "loop_kit.pth").write_text(f"{_SOURCE}\n", "utf-8")


def _by_uv(uv: str, python: Path) -> tuple[str, ...]:
    return (uv, "pip", "install", "--quiet", "--python", str(python))


def _install_by_pip(folder: Path, python: Path, lock: Path, environ: Mapping[str, str]) -> None:
    """Install by the pip that is here, if there is one: a copy of it takes as long as the rest."""
    from loop_kit.adapters.runner.certificates import pip_settings

    venv = (_PYTHON, "-I", "-m", "venv")
    version = _pip_version()
    if version is not None:
        _run(*venv, "--without-pip", str(folder), environ=environ)
        pip: tuple[str, ...] = (_PYTHON, "-I", "-m", "pip", "--python", str(python))
    else:
        import ensurepip

        _run(*venv, str(folder), environ=environ)
        pip = (str(python), "-I", "-m", "pip")
        version = ensurepip.version()
    environ = {**pip_settings(version, environ), **environ}
    pip = (*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    if not _install_by_fetched_uv(pip, python, lock, environ):
        _run(*pip, *_lock_options(lock), environ=environ)


def _pip_version() -> str | None:
    """The version of the pip that Python itself has here, found without importing it."""
    import site
    from importlib import metadata

    found = metadata.distributions(name="pip", path=site.getsitepackages([sys.base_prefix]))
    return next((each.version for each in found), None)


def _install_by_fetched_uv(
    pip: tuple[str, ...], python: Path, lock: Path, environ: Mapping[str, str]
) -> bool:
    """Let pip fetch uv, which installs the rest in a tenth of the time; whether both did.

    An index may have no uv, and uv reads no configuration of pip but what is passed on here.
    """
    from loop_kit.adapters.runner.certificates import UV

    options = _lock_options(lock.with_name("requirements-uv.lock"))
    if not _succeeds(*pip, *options, environ=environ):
        return False
    index = environ.get("PIP_INDEX_URL")
    known = {**UV, "UV_HTTP_RETRIES": "0", **({"UV_DEFAULT_INDEX": index} if index else {})}
    argv = (*_by_uv(str(python.with_name("uv")), python), *_lock_options(lock))
    return _succeeds(*argv, environ={**known, **environ})


def _lock_options(lock: Path) -> tuple[str, ...]:
    return ("--only-binary", ":all:", "--require-hashes", "--no-deps", "-r", str(lock))


def _run(*argv: str, environ: Mapping[str, str]) -> None:
    """Run a program that installs, and end with what it printed if it fails."""
    problem = _problem(argv, environ)
    if problem is not None:
        _fail(f"Installing loop-kit failed ({argv[0]}): {problem}")


def _succeeds(*argv: str, environ: Mapping[str, str]) -> bool:
    try:
        return _problem(argv, environ) is None
    except OSError:
        return False


def _problem(argv: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """What a program that installs has printed, if it failed; it is run outside the checkout."""
    from loop_kit.adapters.process import process

    done = process.run(argv, env=environ, cwd=Path(_SOURCE.anchor), timeout=600)
    if not done.code:
        return None
    return (done.out + done.err).decode("utf-8", "replace").strip()[-2000:]


def _fail(message: str) -> NoReturn:
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::error title=loop-kit::{escaped}\n")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
