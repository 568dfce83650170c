"""The files and branches of a fetched loop: read from a state branch, written to a folder.

A state branch and the loop's folder may hold anything. Only regular files with a known name and a
bounded size are read; the folder's files are read and written without following a link.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.git.command import Git, GitPrintedTooMuch, read_blobs
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.core.ci import fetched
from loop_kit.core.loop import bus
from loop_kit.errors import BadBusFile, StateRefused

_FROZEN_CARD = f"runtime/{bus.TASK_CARD}"
_ASIDE = "runtime/before-fetch"
_REGULAR = {"100644", "100755"}
_MAX_LISTING = 16 * 1024 * 1024
_MAX_RECORD = 1024 * 1024


def read_tree(git: Git, sha: str, task_id: str) -> dict[str, bytes]:
    """The bus files of a loop at commit `sha` of its state branch, with the state and the card.

    Raises:
        StateRefused: there are far too many files, or one of them is far too long.
    """
    try:
        listing = git.run("ls-tree", "-r", "-l", "-z", "--full-tree", sha, limit=_MAX_LISTING).out
    except GitPrintedTooMuch:
        raise _too_much(task_id) from None
    wanted: dict[str, tuple[str, int]] = {}
    for row in listing.decode("utf-8", "surrogateescape").split("\x00"):
        about, _, name = row.partition("\t")
        mode, _, oid, size = [*about.split(), "", "", "", ""][:4]
        own = name in {bus.STATE, bus.TASK_CARD} or fetched.is_bus_file(name, task_id)
        if not own or mode not in _REGULAR:
            continue
        if int(size) > fetched.MAX_FILE or len(wanted) >= fetched.MAX_FILES:
            raise _too_much(task_id)
        wanted[name] = (oid, int(size))
    return dict(read_blobs(git, wanted))


def _too_much(task_id: str) -> StateRefused:
    return StateRefused(
        f"The state branch of {task_id} holds more than {fetched.MAX_FILES} files, or one of more"
        f" than {fetched.MAX_FILE} bytes.",
        "Remove the files that no loop has written.",
    )


def read_folder(folder: Path, task_id: str) -> dict[str, bytes]:
    """The bus files of a loop in the loop's folder, without the state and the card.

    Raises:
        BadBusFile: one of them is no regular file of a sane size.
    """
    names = list(fetched.TOP)
    runs = folder / f"archive/{task_id}/runs"
    earlier = [f"archive/{task_id}/runs/{name}" for name in _names(runs)]
    for below in (f"archive/{task_id}", *earlier, f"handoff/{task_id}"):
        names += [f"{below}/{name}" for name in _names(folder / below)]
    found = {}
    for name in sorted(names):
        if fetched.is_bus_file(name, task_id):
            raw = _read_bus_file(folder / name, fetched.MAX_FILE)
            if raw is not None:
                found[name] = raw
    return found


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing if it is a link or not there."""
    linked = folder.is_symlink() or not folder.is_dir()
    return [] if linked else [path.name for path in folder.iterdir()]


def _read_bus_file(path: Path, limit: int) -> bytes | None:
    try:
        return read_plain(path, limit)
    except BusFileUnreadable as error:
        raise BadBusFile(f"{path}: {error}.", "Move it away, or replace it.") from None


def load_record(folder: Path) -> fetched.FetchedLoop | None:
    """What was fetched into this folder, or None when nothing was."""
    try:
        raw = read_plain(folder / bus.FETCHED, _MAX_RECORD)
    except BusFileUnreadable:
        return None
    return None if raw is None else fetched.parse_fetched(raw)


def save_record(folder: Path, record: fetched.FetchedLoop) -> None:
    """Record what was fetched; writes nothing if that is recorded already."""
    if load_record(folder) != record:
        write_atomically(folder / bus.FETCHED, record.to_json())


def write_loop(folder: Path, files: Mapping[str, bytes], state: bytes) -> None:
    """Write the bus files of a loop, its frozen card, and last of all the state.

    The card in the loop's folder is the user's own file and stays as it is.
    """
    for name, content in sorted(files.items()):
        if name != bus.STATE:
            target = _FROZEN_CARD if name == bus.TASK_CARD else name
            _write(folder, target, content)
    _write(folder, bus.STATE, state)


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write one file below `folder`; refuse if a folder on the way is a link."""
    path = folder / name
    for parent in path.relative_to(folder).parents:
        if (folder / parent).is_symlink() and parent != Path():
            sentence = f"{folder / parent} is a link, and a fetched loop is not written through it."
            raise BadBusFile(sentence, "Put a folder in its place.", anchor="folder-in-the-way")
    try:
        same = read_plain(path, fetched.MAX_FILE) == content
    except BusFileUnreadable:
        same = False
    if not same:
        write_atomically(path, content)


def set_aside(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Move those of the files `names` that exist out of the way; returns the folder they are in."""
    existing = [name for name in names if os.path.lexists(folder / name)]
    if not existing:
        return None
    number = 1
    while os.path.lexists(folder / f"{_ASIDE}-{number}"):
        number += 1
    aside = folder / f"{_ASIDE}-{number}"
    aside.mkdir(parents=True)
    for name in existing:
        (folder / name).replace(aside / Path(name).name)
    return aside


def replaced_names(*, state: bool) -> tuple[str, ...]:
    """The files that are moved aside before a loop is fetched over another one."""
    return (*((bus.STATE, _FROZEN_CARD) if state else ()), *fetched.TOP)


def borrow_objects(borrower: Git, git_dir: Path) -> None:
    """Let a bare repository use the commits of another one, whose git directory is `git_dir`.

    A fetch into the borrower does not change the other one, which a fetch with a depth would make
    shallow; other tools complain about that.
    """
    info = borrower.directory / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_bytes(os.fsencode(git_dir / "objects") + b"\n")
    shallow = read_plain(git_dir / "shallow", _MAX_LISTING)
    if shallow is not None:
        (borrower.directory / "shallow").write_bytes(shallow)
