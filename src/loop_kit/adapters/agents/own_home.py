"""The home that an agent's program has of its own: one folder per loop and role.

It is kept between the rounds, so that a conversation can be resumed, and is never seen by the
other role. The user's settings for the program are copied in before each attempt. So is the login;
when the program has renewed it, the new tokens are copied back, for codex may use an old one only
once. The copy of the login is there only while the program runs.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from itertools import islice
from pathlib import Path

from loop_kit.adapters.agents.catalogue import KNOWN, OwnFolder
from loop_kit.adapters.files.removal import make_room, remove
from loop_kit.adapters.files.replacing import replace_file
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.loop_dir.loop_lock import one_writer
from loop_kit.frozen import frozen

HOMES = "loop-kit"
"""The folder with the homes of loops, in a home that a job names."""
_MAX_FILE = 1024 * 1024
_MAX_LINKS = 200


@frozen
class OwnHome:
    """The homes of one program in one loop and role, below `folder`.

    Attributes:
        environ: The environment of the run, which says where the user's homes are.
        copies: Whether the homes are filled from the user's default ones, too, and not only from
            those that a variable names.
        lends: Whether the login is copied in, which a program with a proxy does not need.
    """

    backend: str
    folder: Path
    environ: Mapping[str, str]
    copies: bool = True
    lends: bool = True

    def variables(self) -> dict[str, str]:
        """The variables that lead the program to its own homes, whose folders exist now."""
        places = {own.variable: self.folder / own.variable.lower() for own in self._folders}
        for place in places.values():
            _make_plain(place)
        return {name: str(place) for name, place in places.items()}

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Copy settings and login in while the program runs, and a renewed login back."""
        self.variables()
        lent = [(own, self._source(own)) for own in self._folders]
        logins = [(own, source) for own, source in lent if source and self.lends]
        for own, source in lent:
            self._copy_settings(own, source)
        before = [self._lend(own, source) for own, source in logins]
        try:
            yield
        finally:
            for (own, source), login in zip(logins, before, strict=True):
                self._take_back(own, source, login)

    @property
    def _folders(self) -> tuple[OwnFolder, ...]:
        return KNOWN[self.backend].folders if self.backend in KNOWN else ()

    def users(self) -> tuple[Path, ...]:
        """The user's own folders of the program."""
        return tuple(source for own in self._folders if (source := self._source(own)))

    def _inside(self, own: OwnFolder) -> Path:
        """The program's folder in its own home."""
        return self.folder / own.variable.lower() / own.inside

    def _source(self, own: OwnFolder) -> Path | None:
        """The user's folder of the program."""
        named, home = self.environ.get(own.variable), self.environ.get("HOME")
        if named:
            return Path(named) / own.inside
        return Path(home) / own.default / own.inside if home and self.copies else None

    def _copy_settings(self, own: OwnFolder, source: Path | None) -> None:
        """Give the program the user's settings, whatever an earlier attempt has made of them."""
        inside = self._inside(own)
        _make_plain(inside)
        for name in own.settings:
            content = _read(_real(source / name)) if source else None
            remove(inside / name)
            if content is not None:
                _write(inside / name, content)
        for name in own.shared:
            _link(inside / name, source / name if source else None)
        if own.inside and source and source.parent.is_dir():
            for other in islice(source.parent.iterdir(), _MAX_LINKS):
                if other.name != own.inside:
                    _link(inside.parent / other.name, other)

    def _lend(self, own: OwnFolder, source: Path) -> bytes | None:
        """Copy the login in; returns it."""
        if not source.is_dir():
            return None
        with one_writer(source):
            login = _read(_real(source / own.login))
        target = make_room(self._inside(own) / own.login)
        if login is not None:
            _write(target, login)
        return login

    def _take_back(self, own: OwnFolder, source: Path, before: bytes | None) -> None:
        """Copy a renewed login back, unless the user's was changed meanwhile; remove the copy."""
        copy = self._inside(own) / own.login
        if _is_led_elsewhere(copy.parent, self.folder):
            return
        after = _read(copy)
        with suppress(OSError):
            remove(copy)
        if not (before and after):
            return
        from loop_kit.core.agent.login_file import renewed_login

        renewed = renewed_login(before, after)
        if renewed is None:
            return
        with one_writer(source):
            original = _real(source / own.login)
            if _read(original) == before:
                _write(original, renewed)


@frozen
class HomesPlace:
    """Where the homes of a loop's agents are.

    Attributes:
        folder: Below it, for every loop.
        in_job: Whether the homes of a job are used, and not the user's.
        applies: Whether agents get homes of their own here.
    """

    folder: Path
    task_id: str
    in_job: bool
    applies: Callable[[], bool]


@frozen
class Homes:
    """Where a program keeps its login and conversations.

    Attributes:
        own: Its own home; None for a program that is not known.
        applies: Whether it gets that. In the user's home a renewed login is lost with the layer of
            a room, and without a room it is where the user expects what an agent did.
        others: Variables with further folders, which exist.
    """

    own: OwnHome | None = None
    applies: Callable[[], bool] = lambda: False
    others: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """The variables that lead the program to its folders."""
        own = self.own.variables() if self.own and self.applies() else {}
        return {**self.others, **own}

    def writable(self) -> tuple[Path, ...]:
        """The folders in which its changes are real, as far as they exist."""
        users = self.own.users() if self.own and not self.applies() else ()
        places = (*map(Path, self.variables().values()), *users)
        return tuple(place for place in places if place.is_dir())

    @contextmanager
    def filled(self) -> Iterator[None]:
        """What the program runs within."""
        if self.own is None or not self.applies():
            yield
            return
        with self.own.filled():
            yield


def _make_plain(folder: Path) -> None:
    """Have a folder there, and no link by which the program has led it to what is not its own."""
    if folder.is_symlink() or not folder.is_dir():
        make_room(folder).mkdir(parents=True, mode=0o700)


def _is_led_elsewhere(folder: Path, top: Path) -> bool:
    """Whether a link between `top` and `folder` leads out of the program's own home."""
    between = (folder, *folder.parents)
    return any(path.is_symlink() for path in between if path.is_relative_to(top))


def _link(link: Path, target: Path | None) -> None:
    """Have `link` lead to a folder of the user's, or be gone where there is none."""
    remove(link)
    if target is not None and target.exists():
        link.symlink_to(target)


def _real(path: Path) -> Path:
    """Where a file of the user's is, who may keep it elsewhere and link to it."""
    return Path(os.path.realpath(path))


def _read(path: Path) -> bytes | None:
    try:
        return read_plain(path, _MAX_FILE)
    except BusFileUnreadable:
        return None


def _write(path: Path, content: bytes) -> None:
    """Replace a file by one that only this user may read."""
    draft = make_room(path.with_name(f"{path.name}.{os.getpid()}.tmp"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    replace_file(str(draft), str(path))
