"""Finds pipes, sockets and devices where git would open a file, before git runs there.

Git waits for ever for a pipe's other end, and reads a device without one. It opens whatever is in a
`.git` folder, one inside the work tree included, and the files in each folder that say what git
ignores and how it treats paths. In a workspace an agent's programs have ended when this is looked
for, so nobody uses such a pipe any more. Other names are left alone: git looks at their kind. What
leads git from there to a folder outside the workspace's own `.git` is removed, too: a pipe could be
anywhere in that.

In a user's work tree nothing is removed. What is usually there is looked at before each command of
git; all of it, within bounds, when a command did not end.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.errors import GitFailed

READ_BY_GIT = frozenset({".gitattributes", ".gitignore", ".gitmodules", ".git"})
_READ_FIRST = (
    *(".gitattributes", ".gitignore", ".gitmodules", ".git/HEAD", ".git/config", ".git/index"),
    *(".git/config.worktree", ".git/packed-refs", ".git/shallow", ".git/info/attributes"),
    *(".git/info/exclude", ".git/info/grafts", ".git/objects/info/alternates"),
)
_MONITOR = "fsmonitor--daemon.ipc"
"""The socket of a program that git starts where a user has set `core.fsmonitor`."""
_MAX_SEEN = 200_000
_POINTERS = frozenset({".git", "commondir"})
"""Files that name the folder where git reads next."""
LONGEST = 3800
"""Characters of a path to which any name can be added: the system takes 4096."""


def remove_special_files(workspace: Path, strange: Iterable[str] | None = None) -> list[str]:
    """Remove from a workspace what git would wait for, and folders too deep for any program.

    Only its own `.git` and the entries `strange` are looked at, where those are known. What is
    returned are the other entries called `.git` that were seen.
    """
    inner: list[str] = []
    if strange is None:
        found = _special(workspace, inner=inner, workspace=workspace)
    else:
        found = _special_among(workspace, strange, inner)
    for path in list(found):
        is_deep = len(str(path)) > LONGEST
        aside = workspace.with_name(f"{workspace.name}.deep")
        remove(path.rename(make_room(aside)) if is_deep else path)
    own = f"{workspace}/.git"
    return [path for path in inner if path != own]


def refuse_special_file(directory: Path, *, everywhere: bool = False) -> None:
    """Refuse what git would wait for in the work tree around `directory`; git is not asked.

    Raises:
        GitFailed: there is such a file, where git always looks or, if asked for, `everywhere`.
    """
    root = _work_tree(str(directory))
    found = next(_special(root, most=_MAX_SEEN), None) if everywhere else _usual(root)
    if found is not None:
        raise GitFailed(
            f"{found} is a pipe, a socket or a device: git would wait for it.",
            "Remove it, then run again.",
            anchor="special-file",
        )


def _work_tree(directory: str) -> str:
    """The folder around `directory` that has a `.git`, or `directory`."""
    folder, inner = directory, ""
    while folder != inner:
        if os.path.lexists(f"{folder}/.git"):
            return folder
        folder, inner = os.path.dirname(folder), folder
    return directory


def _usual(root: str) -> str | None:
    paths = (f"{root}/{name}" for name in _READ_FIRST)
    return next((path for path in paths if _is_waited_for(path)), None)


def _is_waited_for(path: str) -> bool:
    """Whether git could wait for it for ever; what is linked to nowhere ends at once."""
    try:
        about = os.stat(path)
        is_plain = stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)
        return not is_plain and about.st_rdev != os.stat(os.devnull).st_rdev
    except OSError:
        return False


def _special(
    folder: Path | str,
    *,
    is_git: bool = False,
    most: int | None = None,
    inner: list[str] | None = None,
    workspace: Path | None = None,
) -> Iterator[Path]:
    """What git would wait for below a folder; `inner` gets the entries called `.git`.

    In a `workspace` also what leads git elsewhere.
    """
    waiting, seen = [(str(folder), is_git)], 0
    while waiting and (most is None or seen < most):
        name, inside = waiting.pop()
        try:
            entries = os.scandir(name)
        except OSError:  # may not be read, by git neither
            continue
        with entries:
            found = list(entries)
        seen += len(found)
        if inner is not None:
            inner += [entry.path for entry in found if entry.name == ".git"]
        if workspace is not None:
            yield from _leading_away(workspace, found, inside=inside)
        for entry in [each for each in found if not each.is_file(follow_symlinks=False)]:
            if entry.is_dir(follow_symlinks=False):
                if len(entry.path) > LONGEST:
                    yield Path(entry.path)
                else:
                    waiting.append((entry.path, inside or entry.name == ".git"))
            elif (inside or entry.name in READ_BY_GIT) and is_special(entry):
                yield Path(entry.path)


def _special_among(workspace: Path, names: Iterable[str], inner: list[str]) -> Iterator[Path]:
    yield from _special(workspace / ".git", is_git=True, workspace=workspace)
    for name in names:
        path, inside = workspace / name, ".git" in name.split("/")
        if path.name == ".git":
            inner.append(str(path))
        if path.is_symlink() or not path.is_dir():
            leads_away = _leads_away(workspace, str(path), inside=inside)
            if leads_away or ((inside or path.name in READ_BY_GIT) and is_special(path)):
                yield path
        elif len(str(path)) > LONGEST:
            yield path
        else:
            yield from _special(path, is_git=inside, inner=inner, workspace=workspace)


def _leading_away(
    workspace: Path, entries: Iterable["os.DirEntry[str]"], *, inside: bool
) -> Iterator[Path]:
    for entry in entries:
        may_lead = entry.name in _POINTERS or (inside and entry.is_symlink())
        if may_lead and _leads_away(workspace, entry.path, inside=inside):
            yield Path(entry.path)


def _leads_away(workspace: Path, path: str, *, inside: bool) -> bool:
    """Whether git would go on from a link, or a file, to a folder that is not in its `.git`."""
    folder, name = os.path.split(path)
    if not (inside or name == ".git"):
        return False
    try:
        if os.path.islink(path):
            if not os.path.isdir(path):
                return False
            target = path
        elif name in _POINTERS and stat.S_ISREG(os.lstat(path).st_mode):
            with open(path, "rb") as stream:
                named = stream.read(LONGEST).removeprefix(b"gitdir:").strip()
            target = os.path.join(folder, os.fsdecode(named.replace(b"\0", b"")))
        else:
            return False
    except OSError:  # may not be read, by git neither
        return False
    own = os.path.realpath(workspace / ".git")
    return os.path.commonpath((own, os.path.realpath(target))) != own


def is_special(entry: "os.DirEntry[str] | Path") -> bool:
    """Whether it, or what it links to, is neither a file nor a folder, nor git's own socket."""
    try:
        mode = os.stat(entry).st_mode
    except OSError:  # a link that leads nowhere
        return False
    is_own = entry.name == _MONITOR and stat.S_ISSOCK(mode)
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or is_own)
