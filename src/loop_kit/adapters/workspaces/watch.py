"""The files of a job that a program which may be hostile must neither change nor read.

What is appended to a command file of the runner (`GITHUB_ENV` and its like) is believed by the
steps that follow, also by those of other actions. Git in the checkout has the token of a push, so
its configuration must be what it was. Both are remembered before such a program starts and put back
when it has ended; a change of the runner's files, of our own texts or of the git that we run fails
the round, since it cannot be an accident.

`actions/checkout` leaves the token in the configuration of the repository, or in a file that is
included there, unless its `persist-credentials` is false. In a room (`adapters.process.room`) such
a file is out of sight and stays as it is, also if this process is killed. Without a room the token
is taken out while such a program runs. No copy is on disk then, where that program could read it
too; so after a SIGKILL it stays out, and whoever needs it checks out again.

In a room the other files are out of reach too; all of this holds without one.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from loop_kit import defaults
from loop_kit.adapters.files.removal import make_room
from loop_kit.adapters.process.programs import find_program, trusted_path
from loop_kit.patterns import late_pattern
from loop_kit.ports import Tampered

COMMAND_FILES = (
    *("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE"),
    *("GITHUB_STEP_SUMMARY",),
)
_MAX_SIZE = 16 * 1024 * 1024
_MAX_MODULES = 100
_SUBMODULES = ("modules/*/config", "modules/*/*/config", "modules/*/modules/*/config")
_HEADER = late_pattern(rb"^[ \t]*extraheader[ \t]*=.*\n?", re.IGNORECASE | re.MULTILINE)
_LOGIN = late_pattern(rb"(https?://)[^/@\s\"]+@")
_INCLUDED = late_pattern(
    rb"^[ \t]*path[ \t]*=[ \t]*\"?(/[^\"\n]*[^\" \t\n])\"?[ \t]*$", re.MULTILINE
)
_IRREGULAR = b"\0irregular"
"""Stands for the content of what is no regular file of a sane size."""


class Watch:
    """Remembers files of a job, hides the credentials in them, and puts them back."""

    def __init__(
        self,
        environ: Mapping[str, str],
        git_dir: Path,
        *,
        has_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._has_room = has_room
        self._git_dir = git_dir
        self._environ = environ
        self._named = {
            **{Path(environ[name]): name for name in COMMAND_FILES if environ.get(name)},
            **{path: str(path) for path in _own_texts()},
        }
        self._git = find_program("git", {"PATH": trusted_path(environ)}) or ""

    def credentials(self) -> tuple[Path, ...]:
        """The files of the checkout in which a credential was left."""
        found = ((path, _content(path)) for path in self._configurations())
        return tuple(path for path, content in found if _without_credentials(content) != content)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hide credentials while a program runs, and put back afterwards what it has changed.

        Raises:
            Tampered: it changed what cannot be changed by accident; everything else is done first.
        """
        found = ((path, _content(path)) for path in (*self._named, *self._configurations()))
        before = {path: content for path, content in found if content != _IRREGULAR}
        git = _identity(self._git)
        seen = before if self._has_room() else self._named
        meanwhile = {
            path: content if path in seen else _without_credentials(content)
            for path, content in before.items()
        }
        for path, content in meanwhile.items():
            if content != before[path]:
                _put(path, content)
        changed: list[str] = []
        try:
            yield
        except Tampered as error:
            changed += error.names
        finally:
            for path, content in before.items():
                now = _content(path)
                if now != meanwhile[path] and path in self._named:
                    changed.append(self._named[path])
                if now != content:
                    _put(path, content)
        if _identity(self._git) != git:
            changed.append(self._git)
        if changed:
            raise Tampered(changed)

    def _configurations(self) -> tuple[Path, ...]:
        """The files that configure git in the checkout, its submodules and what they include."""
        own = [self._git_dir / name for name in ("config", "config.worktree")]
        for pattern in _SUBMODULES:
            own += islice(self._git_dir.glob(pattern), _MAX_MODULES)
        temp = self._environ.get("RUNNER_TEMP")
        kept_aside = Path(temp).glob("git-credentials-*.config") if temp else ()
        return tuple(dict.fromkeys((*own, *_included(own), *kept_aside)))


def _own_texts() -> Iterator[Path]:
    """What is installed with us and read when it is needed: prompts, and git's configuration."""
    folder = Path(defaults.__file__).parent
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return (path for path in files if path.suffix not in {".py", ".pyc"})


def _included(configurations: Iterable[Path]) -> Iterator[Path]:
    for path in configurations:
        for name in _INCLUDED.findall(_content(path) or b""):
            yield Path(os.fsdecode(name))


def _without_credentials(content: bytes | None) -> bytes | None:
    """A configuration without headers for a server and without logins in addresses."""
    return None if content is None else _LOGIN.sub(rb"\1", _HEADER.sub(b"", content))


def _content(path: Path) -> bytes | None:
    """What is in a file; None where there is none."""
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MAX_SIZE:
            return _IRREGULAR
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return _IRREGULAR


def _identity(program: str) -> tuple[int, ...]:
    """What changes when a program is replaced or written to."""
    try:
        about = Path(program).stat()
    except OSError:
        return ()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _put(path: Path, content: bytes | None) -> None:
    """Give a file its content; what was put in its place is removed, and no link is followed."""
    if content is None or not _is_plain(path):
        make_room(path)
    if content is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(content)


def _is_plain(path: Path) -> bool:
    """Whether writing to it changes this file alone."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1
