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
from loop_kit.patterns import late_pattern

_MAX_FILE = 1024 * 1024
_INTERPRETERS = ("python", "python3")
_SITES = (
    *("lib/python3*/site-packages", "lib/python3*/dist-packages", "lib/python3/dist-packages"),
    *("lib64/python3*/site-packages", "local/lib/python3*/dist-packages", "Lib/site-packages"),
)
_USER_SITES = (".local/lib/python3*/site-packages", "Library/Python/3*/lib/python/site-packages")
_HINTS = ("*.pth", "*.egg-link", "*editable*.py")
_WORDS = late_pattern(r"[^\s;&|()<>'\"=`]+")
_MAX_WORDS = 1000
_PYTHON = late_pattern(r"python[0-9.]*(?:\.exe)?")
_MARKS = ("pyvenv.cfg", "conda-meta")
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
    environments = _environments(environ, cwd, asks=asks)
    return _first((*_sites(environments), *_sites_of_user(environ)), folders)


def editable_install_of(
    commands: Sequence[str], environ: Mapping[str, str], folders: Sequence[Path]
) -> EditableInstall | None:
    """An editable install below one of `folders`, in an environment that `commands` name.

    They name it by the path of something in it, or by a program on PATH that its Python runs.
    """
    words = dict.fromkeys(word for command in commands for word in _WORDS.findall(command))
    environments = (
        environment
        for word in list(words)[:_MAX_WORDS]
        if (program := _program(word, environ)) is not None
        for environment in _environments_of(program)
    )
    return _first(_sites(environments), folders)


def _first(sites: Iterable[tuple[Path, Path]], folders: Sequence[Path]) -> EditableInstall | None:
    for environment, site in sites:
        for name, target in _targets(site):
            if _below(target, folders) and not _below(target, [environment]):
                return EditableInstall(environment, target, name)
    return None


def _program(word: str, environ: Mapping[str, str]) -> Path | None:
    """The file that a word of a command names."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    for start in ("~/", "$HOME/", "${HOME}/"):
        if home and word.startswith(start):
            return Path(home, word.removeprefix(start))
    if Path(word).is_absolute():
        return Path(word)
    found = None if "/" in word else shutil.which(word, path=environ.get("PATH", ""))
    return Path(found) if found else None


def _environments_of(program: Path) -> Iterator[Path]:
    """The environment that a file is in, or that the interpreter in its first line is in."""
    interpreter = _interpreter(program)
    for each in (program, interpreter) if interpreter else (program,):
        environment = each.parent.parent
        if any((environment / mark).exists() for mark in _MARKS):
            yield environment
        elif _PYTHON.fullmatch(each.name):
            yield from _prefixes(each)


def _interpreter(program: Path) -> Path | None:
    try:
        with program.open("rb") as stream:
            line = stream.readline(4096) if stream.read(2) == b"#!" else b""
    except (OSError, ValueError):
        return None
    path = os.fsdecode(line).strip()
    return Path(path) if path else None


def _sites(environments: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Every folder with installed packages, each after its environment."""
    for environment in dict.fromkeys(environments):
        for pattern in _SITES:
            yield from ((environment, site) for site in environment.glob(pattern) if site.is_dir())


def _sites_of_user(environ: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
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
                yield path.stem, Path(text) if Path(text).is_absolute() else _real(site / text)
    for path in site.iterdir():
        if path.is_symlink():
            yield path.name, _real(path)


def _direct_target(path: Path) -> Path | None:
    try:
        document = json.loads(_content(path))
        about, url = document.get("dir_info", {}), urlsplit(document.get("url", ""))
        if url.scheme == "file" and about.get("editable") is True:
            return Path(_path_of(url.path))
    except (ValueError, AttributeError):
        pass
    return None


def _path_of(url_path: str) -> str:
    if os.name != "nt":
        return unquote(url_path)
    from urllib.request import url2pathname

    return url2pathname(url_path)


def _strings(path: Path) -> Iterator[str]:
    """The paths in a file that adds folders to the imports, or maps names to them.

    A line of a `.pth` file may be relative to where the file is; what is in code is absolute.
    """
    text = _content(path).decode("utf-8", "replace")
    lines = [] if path.suffix == ".py" else text.splitlines()
    folders = [line for line in lines if line.strip() and not line.startswith(("import", "#"))]
    code = text if path.suffix == ".py" else "\n".join(set(lines) - set(folders))
    for part in (*folders, *code.replace('"', "'").split("'")):
        plain = part.strip().replace("\\\\", "\\")
        if not {"\0", "\n"} & set(plain) and (part in folders or Path(plain).is_absolute()):
            yield plain


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE)
    except OSError:
        return b""


def _below(path: Path, folders: Sequence[Path]) -> bool:
    """Whether `path` is, or leads, into one of `folders`."""
    places = (path, _real(path))
    roots = [root for folder in folders for root in (folder, _real(folder))]
    return any(place.is_relative_to(root) for place in places for root in roots)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
