"""Keeps what we are run from as it is, while a program runs that could write there.

A later step of a job is run from the same files: the action's own folder, and the environment that
an earlier step installed (`actions.start`). The first is put back from memory; the second is
too large for that, so it loses the mark that it is ready, and the next step installs it again.

Python writes compiled files at any time, also while such a program runs. New ones are removed and
prove nothing: they are compiled again from the sources.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import loop_kit
from loop_kit.adapters.files.removal import make_room
from loop_kit.adapters.runner.installing import ENVIRONMENT, READY
from loop_kit.ports import Tampered

_Stamps = Mapping[str, tuple[int, ...]]


class OwnCode:
    """The folder that holds our package, and the environment that was installed for it.

    What is in the first is remembered before the first program runs.
    """

    def __init__(self, source: Path, environment: Path) -> None:
        self._source = source
        self._environment = environment

    @classmethod
    def of_action(cls) -> "OwnCode | None":
        """What this process is run from, if the action has installed it."""
        environment = Path(sys.prefix)
        if not environment.name.startswith(ENVIRONMENT):
            return None
        return cls(Path(loop_kit.__file__).parents[1], environment)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put back, when a program has ended, what it changed.

        Raises:
            Tampered: it changed what is no compiled file.
        """
        before, _ = self._look(), self._contents
        changed: list[str] = []
        try:
            yield
        except Tampered as error:
            changed += error.names
        finally:
            changed += self._repair(before)
        if changed:
            raise Tampered(changed)

    def _look(self) -> tuple[_Stamps, _Stamps]:
        return _stamps(self._source), _stamps(self._environment)

    @cached_property
    def _contents(self) -> Mapping[str, bytes]:
        names = (name for name in _stamps(self._source) if not _is_compiled(name))
        return {name: Path(name).read_bytes() for name in names}

    def _repair(self, before: tuple[_Stamps, _Stamps]) -> list[str]:
        source, environment = (_changed(*pair) for pair in zip(before, self._look(), strict=True))
        for name in source:
            self._put_back(Path(name))
        for name in filter(_is_compiled, environment):
            make_room(Path(name))
        changed = [name for name in source if not _is_compiled(name)]
        if not all(map(_is_compiled, environment)):
            make_room(self._environment / READY)
            changed.append(str(self._environment))
        return changed

    def _put_back(self, path: Path) -> None:
        make_room(path)
        content = self._contents.get(str(path))
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _is_compiled(name: str) -> bool:
    return name.endswith(".pyc")


def _changed(before: _Stamps, now: _Stamps) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _stamps(folder: Path) -> _Stamps:
    """What of each file below a folder changes when it is written to or replaced."""
    found: dict[str, tuple[int, ...]] = {}
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    about = entry.stat(follow_symlinks=False)
                    found[entry.path] = (about.st_ino, about.st_size, about.st_ctime_ns)
    return found
