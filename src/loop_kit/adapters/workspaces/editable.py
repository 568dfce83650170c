"""Finds editable installs: environments of Python that import a project from its source folder.

In a workspace such an environment imports the user's tree instead of the workspace's files, so that
every test passes or fails for code that nobody works on. The folders are read as files: no
interpreter is started, unless a shim stands for one.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loop_kit.adapters.process import process
from loop_kit.frozen import frozen

_MAX_FILE = 1024 * 1024
_INTERPRETERS = ("python", "python3")
_SITES = (
    *("lib/python3*/site-packages", "lib/python3*/dist-packages", "lib/python3/dist-packages"),
    *("lib64/python3*/site-packages", "local/lib/python3*/dist-packages", "Lib/site-packages"),
)
_USER_SITES = (".local/lib/python3*/site-packages", "Library/Python/3*/lib/python/site-packages")
_HINTS = ("*.pth", "*.egg-link", "*editable*.py")
_ASK = "import sys; print(sys.prefix)"


@frozen
class EditableInstall:
    """A project that an environment imports from `folder`; `environment` is where that is."""

    environment: Path
    folder: Path
    name: str


def editable_install(
    environ: Mapping[str, str], folders: Sequence[Path], cwd: Path, *, asks: bool = True
) -> EditableInstall | None:
    """An editable install below one of `folders`, in an environment that `environ` leads to.

    Without `asks` no shim is asked which interpreter it stands for in `cwd`, which takes a while.
    """
    for environment, site in _sites(environ, cwd, asks=asks):
        for name, target in _targets(site):
            if _below(target, folders) and not _below(target, [environment]):
                return EditableInstall(environment, target, name)
    return None


def _sites(environ: Mapping[str, str], cwd: Path, *, asks: bool) -> Iterator[tuple[Path, Path]]:
    """Every folder with installed packages, each after its environment."""
    for environment in dict.fromkeys(_environments(environ, cwd, asks=asks)):
        for pattern in _SITES:
            yield from ((environment, site) for site in environment.glob(pattern) if site.is_dir())
    home = environ.get("HOME") or environ.get("USERPROFILE")
    for pattern in _USER_SITES if home else ():
        yield from ((site, site) for site in Path(home or "").glob(pattern) if site.is_dir())


def _environments(environ: Mapping[str, str], cwd: Path, *, asks: bool) -> Iterator[Path]:
    """The prefixes of what is named, and of what runs as `python`."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "pythonLocation"):
        if environ.get(name):
            yield Path(environ[name])
    for name in _INTERPRETERS:
        program = shutil.which(name, path=environ.get("PATH", ""))
        if program and not _is_script(Path(program)):
            yield from _prefixes(Path(program))
        elif program and asks:
            yield from _ask(program, environ, cwd)


def _prefixes(program: Path) -> Iterator[Path]:
    """The environment beside an interpreter, or where a link to it leads."""
    yield program.parent.parent
    if not (program.parent.parent / "pyvenv.cfg").is_file():
        yield Path(os.path.realpath(program)).parent.parent


def _is_script(program: Path) -> bool:
    try:
        with program.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return False


def _ask(program: str, environ: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    """The prefix of the interpreter behind a shim."""
    try:
        done = process.run([program, "-I", "-c", _ASK], env=environ, cwd=cwd, timeout=10)
    except (OSError, process.CommandTimeout):
        return
    prefix = done.out.decode("utf-8", "replace").strip()
    if done.code == 0 and prefix:
        yield Path(prefix)


def _targets(site: Path) -> Iterator[tuple[str, Path]]:
    """The name and the folder of everything in `site` that is imported from elsewhere."""
    for path in site.glob("*.dist-info/direct_url.json"):
        target = _direct_target(path)
        if target is not None:
            yield path.parent.name.partition("-")[0], target
    for pattern in _HINTS:
        for path in site.glob(pattern):
            for text in _strings(path):
                yield path.stem, Path(text)


def _direct_target(path: Path) -> Path | None:
    from urllib.request import url2pathname

    try:
        document = json.loads(_content(path))
        about, url = document.get("dir_info", {}), urlsplit(document.get("url", ""))
        if url.scheme == "file" and about.get("editable") is True:
            return Path(url2pathname(unquote(url.path)))
    except (ValueError, AttributeError):
        pass
    return None


def _strings(path: Path) -> Iterator[str]:
    """The absolute paths in a file that adds folders to the imports, or maps names to them."""
    text = _content(path).decode("utf-8", "replace")
    if path.suffix == ".py":
        parts: Iterable[str] = text.replace('"', "'").split("'")
    else:
        parts = (line for line in text.splitlines() if not line.startswith("import"))
    for part in parts:
        plain = part.strip().replace("\\\\", "\\")
        if not {"\0", "\n"} & set(plain) and Path(plain).is_absolute():
            yield plain


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE)
    except OSError:
        return b""


def _below(path: Path, folders: Sequence[Path]) -> bool:
    """Whether `path` is, or leads, into one of `folders`."""
    places = (path, Path(os.path.realpath(path)))
    roots = [root for folder in folders for root in (folder, Path(os.path.realpath(folder)))]
    return any(place.is_relative_to(root) for place in places for root in roots)
