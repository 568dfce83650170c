"""Where workspaces are: `<root>/<hash of the repository>/<task>`, outside every user's tree.

The path is short, for Windows, and the same from round to round, for build caches and for agents
whose conversations are bound to a path. Two repositories may both have a task `issue-7`, and two
accounts may share a machine: so the path holds a hash of the remote, and each folder in it is ours.
"""

import hashlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.process.programs import expand_home
from loop_kit.errors import BadSetting

_NAME = "loop-kit"
_MAX_TASK_NAME = 24
_REMOTE_URL = re.compile(r"remote\..*\.url", re.DOTALL)
_REMEDY = (
    "Name another folder with --workspace-root, LOOP_WORKSPACE_ROOT or the input workspace-root."
)


def laptop_roots(environ: Mapping[str, str], system: str = sys.platform) -> tuple[Path, ...]:
    """The user's cache folder, then the temporary folder for users without a usable home."""
    caches = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME", "")
    if system == "win32":
        caches = environ.get("LOCALAPPDATA", "")
    elif not caches and home:
        caches = f"{home}/Library/Caches" if system == "darwin" else f"{home}/.cache"
    own = (Path(caches) / _NAME,) if caches and Path(caches).is_absolute() else ()
    return (*own, _temporary_root())


def job_roots(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Beside the runner's folder for temporary files, then in it."""
    temp = environ.get("RUNNER_TEMP", "")
    if not temp:
        return (_temporary_root(),)
    return (Path(temp).parent / f"_{_NAME}", Path(temp) / f"_{_NAME}")


def _temporary_root() -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"{_NAME}-{user}"


def repository_key(git: Git, git_dir: Path) -> str:
    """12 hex digits for the repository: of its remote without a login, else of its own path."""
    remotes = {s.name: s.value for s in git.settings if _REMOTE_URL.fullmatch(s.name)}
    url = remotes.get("remote.origin.url") or next(iter(remotes.values()), "")
    return key_of(url or str(git_dir))


def key_of(address: str) -> str:
    """12 hex digits for a URL or path; a login in it does not count."""
    parts = urlsplit(address) if "://" in address else None
    if parts is not None:
        host = parts.netloc.rpartition("@")[2]
        address = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    plain = address.rstrip("/").removesuffix(".git")
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def task_folder(root: Path, key: str, task_id: str) -> Path:
    """The folder of one task's workspaces; a long id is cut, and told apart by a hash."""
    name = task_id
    if len(name) > _MAX_TASK_NAME:
        digest = hashlib.sha256(task_id.encode()).hexdigest()[:8]
        name = f"{task_id[: _MAX_TASK_NAME - 9]}-{digest}"
    return root / key / name


def named_root(named: str, place: Place) -> Path:
    """The folder that a setting names; a relative one counts from the repository's root."""
    return place.root / expand_home(named)


def usable_root(named: str, defaults: Sequence[Path], place: Place) -> Path:
    """The folder `named` by a setting, else the first of `defaults` that can be used; made here.

    Raises:
        BadSetting: it is inside the repository, foreign, or cannot be written.
    """
    roots = (named_root(named, place),) if named else tuple(defaults)
    for root in roots[:-1]:
        try:
            return _checked_root(root, place)
        except BadSetting:
            continue
    return _checked_root(roots[-1], place)


def _checked_root(root: Path, place: Place) -> Path:
    real = Path(os.path.realpath(root))
    for inside in (place.root, place.git_dir):
        if real.is_relative_to(os.path.realpath(inside)):
            raise BadSetting(
                f"The workspace root {root} is inside the repository {place.root}.",
                _REMEDY,
                anchor="workspace-root",
            )
    make_own(root, may_be_link=True)
    return real


def make_own(folder: Path, *, may_be_link: bool = False) -> None:
    """Make a folder that only this account can enter; an existing one has to be our own.

    Raises:
        BadSetting: it is somebody else's, no folder, or cannot be made or written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
        about = folder.stat() if may_be_link else folder.lstat()
    except OSError as error:
        raise BadSetting(
            f"The workspace folder {folder} cannot be made: {error.strerror}.",
            _REMEDY,
            anchor="workspace-root",
        ) from None
    if not stat.S_ISDIR(about.st_mode):
        raise BadSetting(
            f"The workspace folder {folder} is no folder.", _REMEDY, anchor="workspace-root"
        )
    if _is_foreign(about, linked=folder.is_symlink()):
        raise BadSetting(
            f"The workspace folder {folder} belongs to another account.",
            _REMEDY,
            anchor="workspace-root",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSetting(
            f"The workspace folder {folder} is not writable.", _REMEDY, anchor="workspace-root"
        )


def _is_foreign(about: os.stat_result, *, linked: bool) -> bool:
    """Whether another account owns a folder; root may use any, but not by somebody's link."""
    if not hasattr(os, "geteuid"):
        return False
    return about.st_uid != os.geteuid() and (os.geteuid() != 0 or linked)
