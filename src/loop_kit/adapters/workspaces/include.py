"""Copies untracked files of the user's tree, or of a job's checkout, into a workspace.

Only what the patterns of `workspace-include` name is copied, and of that nothing that is a secret
by its name, unless the last part of a pattern is that very name. Environments of Python are left:
what is installed in one refers to its place by absolute paths. Links are copied as links, those
into the tree (`npm link`) so that they point into the workspace, and no link there is followed.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from loop_kit.adapters.git.command import Git
from loop_kit.core.card.globs import match_rules
from loop_kit.errors import BadSetting
from loop_kit.ports import SetupFailed

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_DATA = ("json", "y*ml", "toml", "ini", "cfg", "conf", "xml", "csv", "txt", "env", "properties")
SECRET_NAMES = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".npmrc", ".yarnrc.yml", ".pypirc"),
    *(".netrc", "_netrc", ".git-credentials", ".htpasswd", ".dockercfg", "kubeconfig"),
    *("credentials", "secrets", "terraform.tfvars", "*.tfstate*", "*service-account*.json"),
    *(f"{word}*.{end}" for word in ("credentials", "secrets") for end in _DATA),
)
"""Names of files that hold secrets; a pattern has to name such a file to have it copied."""

_MAX_SHOWN = 5
MAX_FILES = 300_000
MAX_BYTES = 8 * 1024**3
_CONFIG_OF_ENVIRONMENT = "pyvenv.cfg"
_WILD = set("*?[")


class Include:
    """The untracked files below `root` that fit `patterns` (gitignore style)."""

    def __init__(
        self, git: Git, root: Path, patterns: Sequence[str], warn: Callable[[str], None]
    ) -> None:
        """`git` is the loop's, as it runs in `root`.

        Raises:
            BadSetting: a pattern is no pattern.
        """
        self._git = git
        self._root = root
        self._warn = warn
        self._patterns = tuple(patterns)
        try:
            self._each = [(line, _spec(line)) for line in self._patterns]
        except ValueError as error:
            raise BadSetting(
                f"workspace-include: {error}.", "Write patterns as in .gitignore."
            ) from None
        self._literal = {_last_part(line) for line in self._patterns} - {None}
        self._found: tuple[str, ...] | None = None
        self._fingerprint: tuple[str, ...] | None = None

    def files(self) -> tuple[str, ...]:
        """The paths to copy, below the root; looked for once, and complained of once."""
        if self._found is None:
            self._found = tuple(self._find()) if self._patterns else ()
        return self._found

    def fingerprint(self) -> tuple[str, ...]:
        """What differs where one of the files does: its name, size and time, as first seen."""
        if self._fingerprint is None:
            known = ((name, self._status(name)) for name in self.files())
            self._fingerprint = tuple(
                f"{name}\0{about.st_size}\0{about.st_mtime_ns}" for name, about in known if about
            )
        return self._fingerprint

    def copy(self, workspace: Path) -> None:
        """Copy the files into `workspace`; what is there already stays as it is.

        Raises:
            SetupFailed: they are too many, or too large for the disk.
        """
        self._check_size(workspace)
        folders: set[Path] = {workspace}
        for name in self.files():
            source, target = self._root / name, workspace / name
            try:
                if _make_folders(workspace, target.parent, folders) and not os.path.lexists(target):
                    _copy(source, target, self._root)
            except FileNotFoundError:
                self._warn(f"{name} vanished while it was copied into a workspace.")

    def _status(self, name: str) -> os.stat_result | None:
        try:
            return (self._root / name).lstat()
        except FileNotFoundError:
            return None

    def _find(self) -> Iterator[str]:
        listing = self._git.run(
            *("ls-files", "--others", "-z"), timeout=600, limit=256 * 1024 * 1024
        ).out.decode("utf-8", "surrogateescape")
        untracked = [name for name in listing.split("\0") if name]
        environments = _environments(untracked)
        spec = _spec(*self._patterns)
        wanted = [name for name in untracked if spec.match_file(name)]
        self._warn_of_unmatched(wanted)
        left: dict[str, list[str]] = {}
        for name in wanted:
            why = self._reason_to_leave(name, environments)
            if why is None:
                yield name
            else:
                left.setdefault(why, []).append(name)
        for why, names in left.items():
            self._warn(f"workspace-include: {why} Left out: {_listed(names)}.")

    def _reason_to_leave(self, name: str, environments: Sequence[str]) -> str | None:
        """Why a file that fits a pattern is not copied; None if it is."""
        inside = next((each for each in environments if name.startswith(each)), None)
        if inside is not None:
            return (
                f"{inside} is a virtual environment, which works in its own place only; make one"
                " with workspace-setup."
            )
        if name.endswith("/"):
            return "A repository inside the repository is not copied."
        last = PurePosixPath(name).name
        if is_secret_name(last) and last not in self._literal:
            return "What may hold secrets is copied only if a pattern ends with its very name."
        return None

    def _warn_of_unmatched(self, wanted: Sequence[str]) -> None:
        for line, spec in self._each:
            if line.startswith(("#", "!")) or any(spec.match_file(name) for name in wanted):
                continue
            self._warn(f"workspace-include: {line} matches no untracked file in {self._root}.")

    def _check_size(self, workspace: Path) -> None:
        files = self.files()
        size = sum(about.st_size for name in files if (about := self._status(name)))
        free = shutil.disk_usage(workspace).free
        remedy = "Name less in workspace-include, or install it with workspace-setup."
        if len(files) > MAX_FILES or size > MAX_BYTES:
            raise SetupFailed(
                f"workspace-include names {len(files)} files of {size // 1024**2} MiB, more than"
                f" {MAX_FILES} files or {MAX_BYTES // 1024**3} GiB.",
                remedy,
            )
        if size > free:
            raise SetupFailed(
                f"workspace-include names {size // 1024**2} MiB, and {workspace} has"
                f" {free // 1024**2} MiB left.",
                remedy,
            )


def is_secret_name(name: str) -> bool:
    """Whether a file is called as files with secrets are."""
    return any(fnmatchcase(name.lower(), glob) for glob in SECRET_NAMES)


def _spec(*patterns: str) -> "GitIgnoreSpec":
    return match_rules(patterns)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_SHOWN
    return ", ".join(names[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _last_part(pattern: str) -> str | None:
    """The name that a pattern ends with, if it is a name; None for one that fits several."""
    last = pattern.strip().rstrip("/").rpartition("/")[2]
    return None if not last or _WILD & set(last) else last


def _environments(names: Iterable[str]) -> list[str]:
    """The folders that are virtual environments, each with a slash at its end."""
    return [
        name.removesuffix(_CONFIG_OF_ENVIRONMENT)
        for name in names
        if name.endswith(f"/{_CONFIG_OF_ENVIRONMENT}")
    ]


def _make_folders(workspace: Path, folder: Path, known: set[Path]) -> bool:
    """Make `folder` below `workspace`; whether it can be written to without following a link."""
    if folder in known:
        return True
    if not _make_folders(workspace, folder.parent, known):
        return False
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return False
    known.add(folder)
    return True


def _link_inside(source: Path, root: Path) -> Path:
    """Where the copy of a link points: into the workspace where the link points below `root`."""
    to = source.readlink()
    if to.is_absolute() and to.is_relative_to(root):
        return Path(os.path.relpath(to, source.parent))
    return to


def _copy(source: Path, target: Path, root: Path) -> None:
    about = source.lstat()
    if stat.S_ISLNK(about.st_mode):
        target.symlink_to(_link_inside(source, root))
    elif stat.S_ISREG(about.st_mode):
        shutil.copy2(source, target, follow_symlinks=False)
