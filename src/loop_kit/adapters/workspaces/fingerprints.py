"""Takes the fingerprint of a workspace before and after an agent that may change nothing.

Git never runs with the workspace's own configuration. Refs are read from their files, as a clone
has them that nobody changed; where they look otherwise, git is asked. The agent's index is listed
only if its bytes are others than before. The first fingerprint is of a workspace that was made a
moment ago, so git is not asked what differs in it. A file that git calls different afterwards may
be one whose line ends are not what its attributes ask for: it counts if its bytes are other than
those that git writes.
"""

import filecmp
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.workspaces.inventory import Inventory
from loop_kit.adapters.workspaces.own_index import OwnIndex
from loop_kit.ports import Fingerprint

_ID = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\n")
_BRANCH = re.compile(rb"ref: (refs/heads/[^\s\0]+)\n")
_MAX_REFS = 100
_MAX_ASKED = 200
"""Names that fit a command line, however long they are."""
_MAX_REF = 1024
_MAX_INDEX = 512 * 1024 * 1024


class Fingerprints:
    """The fingerprints of the workspace at `path`; `index` is one that its agent never had.

    Git uses it at the path `place`.
    """

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        path: Path,
        index: OwnIndex,
        place: Path,
        inventory: Inventory | None = None,
    ) -> None:
        self._git = git
        self._inventory = inventory
        self._path = path
        self._index = index
        self._place = place
        base = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(path)}
        self._trusted = {**base, "GIT_INDEX_FILE": str(place), "GIT_OPTIONAL_LOCKS": "1"}
        self._untrusted = {**base, "GIT_INDEX_FILE": str(path / ".git" / "index")}
        self._is_made = False

    def take(self) -> Fingerprint:
        """HEAD and refs, and what differs in the index and the files from how they were made.

        Raises:
            GitFailed: git cannot read the workspace.
        """
        refs = self._refs()
        if not self._is_made:
            self._is_made = True
            return Fingerprint(refs)
        entries = b"" if self._has_made_index() else self._changed_entries()
        return Fingerprint(refs, entries, self._changed_files())

    def _refs(self) -> bytes:
        inside = self._path / ".git"
        refs = plain_refs(inside)
        if refs is None:
            refs = self._git.run("ls-remote", "--quiet", "--symref", str(inside)).out
        return refs

    def _changed_entries(self) -> bytes:
        """The entries that only one of the agent's index and the trusted one has."""
        self._index.write(self._place)
        ours, theirs = (
            {*self._git.run("ls-files", "--stage", "-v", "-z", env=env).out.split(b"\0")}
            for env in (self._trusted, self._untrusted)
        )
        return b"\0".join(sorted(ours ^ theirs))

    def _has_made_index(self) -> bool:
        try:
            content = read_plain(self._path / ".git" / "index", _MAX_INDEX)
        except (BusFileUnreadable, OSError):
            return False
        return content == self._index.content

    def _changed_files(self) -> bytes:
        """The tracked files that differ from the index that only git has written."""
        asked = self._touched()
        if asked is not None and not asked:
            return b""
        self._index.write(self._place)
        refresh = "true" if asked is None else "false"
        listing = (
            self._git.at(self._path)
            .run(
                *("-c", f"diff.autoRefreshIndex={refresh}", "diff", "--raw", "--no-abbrev", "-z"),
                *("--no-ext-diff", "--no-renames", "--no-relative", "--ignore-submodules=all"),
                *("--", *(asked or ())),
                env={**self._trusted, "GIT_LITERAL_PATHSPECS": "1"},
                timeout=600,
            )
            .out
        )
        if not listing:
            return b""
        fields = listing.split(b"\0")
        rows = dict(zip(fields[1::2], fields[::2], strict=False))
        same = self._as_git_writes(path for path, row in rows.items() if row.endswith(b" M"))
        return b"".join(b"%s\0%s\0" % (row, path) for path, row in rows.items() if path not in same)

    def _touched(self) -> list[str] | None:
        """The entries that may differ from how they were made; None if git has to look at all."""
        try:
            found = self._inventory.changed(self._path) if self._inventory else None
        except OSError:
            return None
        return None if found is None or len(found) > _MAX_ASKED else found

    def _as_git_writes(self, paths: Iterable[bytes]) -> set[bytes]:
        """Those of `paths` that hold the bytes, and the mode, that git writes at a checkout."""
        asked = list(paths)
        again = make_room(self._path.with_name(f"{self._path.name}.again"))
        try:
            self._git.at(self._path).run(
                *("checkout-index", "--quiet", f"--prefix={again}/", "-z", "--stdin"),
                stdin=b"".join(b"%s\0" % path for path in asked),
                env=self._trusted,
                timeout=600,
            )
            pairs = ((path, os.fsdecode(path)) for path in asked)
            return {path for path, name in pairs if _is_same(again / name, self._path / name)}
        finally:
            remove(again)


def _is_same(one: Path, other: Path) -> bool:
    try:
        first, second = one.lstat().st_mode, other.lstat().st_mode
        are_files = stat.S_ISREG(first) and stat.S_ISREG(second)
        same_mode = not (first ^ second) & stat.S_IXUSR
        return are_files and same_mode and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def plain_refs(git_folder: Path) -> bytes | None:
    """HEAD and the refs as `git ls-remote --symref` prints them; None where git has to be asked."""
    if any(os.path.lexists(git_folder / name) for name in ("packed-refs", "reftable", "commondir")):
        return None
    try:
        refs = dict(sorted(_loose(git_folder)))
        head = read_plain(git_folder / "HEAD", _MAX_REF) or b""
    except (BusFileUnreadable, OSError, ValueError):
        return None
    branch = _BRANCH.fullmatch(head)
    if branch is None or branch[1] not in refs:
        return None
    lines = [b"ref: %s\tHEAD" % branch[1], b"%s\tHEAD" % refs[branch[1]]]
    lines += [b"%s\t%s" % (sha, name) for name, sha in refs.items()]
    return b"\n".join(lines) + b"\n"


def _loose(git_folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """The loose refs.

    Raises:
        ValueError: there are many, or one is no plain file with a commit.
    """
    count = 0
    waiting = ["refs"]
    while waiting:
        folder = waiting.pop()
        with os.scandir(git_folder / folder) as entries:
            for entry in entries:
                count += 1
                name = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                    continue
                found = _ID.fullmatch(read_plain(git_folder / name, _MAX_REF) or b"")
                if count > _MAX_REFS or found is None:
                    raise ValueError(name)
                yield os.fsencode(name), found[1]
