"""Fetches the record that jobs of a loop keep as artifacts.

An artifact holds what agents and commands printed: of it only files of the known names are taken,
each to a bound. The link to where it is stored needs no token, and gets none.
"""

import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.attachments import plain_session
from loop_kit.core.loop import run_names
from loop_kit.errors import ForgeUnavailable

_MAX_ARTIFACTS = 5
"""So many of one name are read, the newest: a round may have taken several jobs."""
MAX_FILE = 17 * 1024 * 1024
"""More than a job keeps of one file."""
MAX_RECORD = 64 * 1024 * 1024
_MAX_FILES = 1000
_PIECE = 64 * 1024
_SECONDS = 60.0


class RecordReader:
    """The part of GitHub's API that has the records of jobs; they are for people alone."""

    _api: GitHubApi

    def fetch_record(self, name: str, run: str, target: Path) -> bool:
        """Unpack what the artifacts called `name` have of the folder `run` into that of `target`.

        Returns:
            Whether there is such an artifact.

        Raises:
            LoopError: the API or the storage refuses, or does not answer.
        """
        answer = self._api.read("actions: read", "/actions/artifacts", name=name, per_page=100)
        found = [one for one in answer["artifacts"] if one["name"] == name and not one["expired"]]
        newest = sorted(found, key=lambda one: int(one["id"]), reverse=True)
        for one in newest[:_MAX_ARTIFACTS]:
            link = self._api.link("actions: read", f"/actions/artifacts/{int(one['id'])}/zip")
            if link:
                with _downloaded(link) as archive:
                    unpack_record(archive, run, target)
        return bool(found)


def unpack_record(archive: IO[bytes], run: str, target: Path) -> None:
    """Write the files of the record `run` in a ZIP archive below `target`; what is there stays.

    Names are compared with known ones, so none leads elsewhere. What is damaged is left out.
    """
    left = MAX_RECORD
    with suppress(zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(archive) as opened:
        for member in opened.infolist()[:_MAX_FILES]:
            folder, *parts = member.filename.split("/")
            path = target.joinpath(folder, *parts)
            if folder != run or not run_names.is_record(parts) or path.exists():
                continue
            content = _content(opened, member, min(left, MAX_FILE))
            left -= len(content)
            if content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def _content(opened: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """A file of the archive to a bound; empty where it cannot be read."""
    try:
        with opened.open(member) as stream:
            return stream.read(limit)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return b""


@contextmanager
def _downloaded(link: str) -> Iterator[IO[bytes]]:
    """The file at `link`, until the context ends; one that is too long or slow is cut off."""
    import requests

    until, size = time.monotonic() + _SECONDS, 0
    with tempfile.TemporaryFile(prefix="loop-kit-") as file:
        try:
            with plain_session() as session, session.get(link, stream=True, timeout=15) as reply:
                reply.raise_for_status()
                for piece in reply.iter_content(_PIECE):
                    size += len(piece)
                    if size > MAX_RECORD or time.monotonic() > until:
                        break
                    file.write(piece)
        except requests.RequestException as error:
            raise ForgeUnavailable(
                f"The record of a job cannot be fetched: {type(error).__name__}.",
                "Download it from the page of its run.",
            ) from None
        file.seek(0)
        yield file
