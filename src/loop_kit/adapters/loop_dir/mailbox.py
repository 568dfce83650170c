"""The file bus that an agent sees: a fresh folder per attempt, removed after the attempt."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.errors import naming_file
from loop_kit.ports import Delivery


def kill_leftovers(root: Path) -> int:
    """Kill what agents of a killed run left running; returns the number of processes.

    Such a run left its mailbox too, and every process of the agent has its path in its environment.
    Call it under the lock: it would kill the agents of a run that is still running.
    """
    if not root.is_dir() or not any(root.iterdir()):
        return 0
    from loop_kit.adapters.process import tree as process_tree

    found = process_tree.kill_leftovers("LOOP_MAILBOX", f"{root.absolute()}{os.sep}")
    shutil.rmtree(root, ignore_errors=True)
    return found


class FolderMailbox:
    """Mailboxes below one folder, at an unpredictable path."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def post(
        self, role: Role, round_: int, attempt: int, files: Mapping[str, bytes | Path]
    ) -> Delivery:
        """A fresh folder with `files`."""
        name = f"r{round_}-{role.value}-{attempt}-{secrets.token_hex(4)}"
        folder = self._root / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            with naming_file(folder / file):
                if isinstance(content, Path):
                    shutil.copyfile(content, folder / file)
                else:
                    (folder / file).write_bytes(content)
        return Delivery(folder=folder, report=folder / bus.REPORTS[role])

    def collect(self, delivery: Delivery) -> bytes | None:
        """The report, or None when there is none.

        Raises:
            ReportInvalid: it is no regular file, or over 4 MiB.
        """
        try:
            return read_plain(delivery.report, bus.MAX_REPORT)
        except BusFileUnreadable as error:
            raise ReportInvalid(str(error)) from None

    def discard(self, delivery: Delivery) -> None:
        """Remove the folder."""
        if delivery.folder.is_symlink():
            delivery.folder.unlink()
        shutil.rmtree(delivery.folder, ignore_errors=True)
