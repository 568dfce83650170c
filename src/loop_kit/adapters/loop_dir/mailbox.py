"""The file bus that an agent sees: a fresh folder per attempt, removed after the attempt."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.loop_dir.workspace_bus import WorkspaceBus, lay_out
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.errors import naming_file
from loop_kit.ports import Delivery, Workspace


def kill_leftovers(root: Path) -> int:
    """Kill what agents of a killed run left running; returns the number of processes.

    Such a run left its mailbox too, and every process of the agent has its path in its environment.
    Call it under the lock: it would kill the agents of a run that is still running.
    """
    if not root.is_dir() or not any(root.iterdir()):
        return 0
    from loop_kit.adapters.process import tree as process_tree

    found = process_tree.kill_leftovers("LOOP_MAILBOX", f"{root.absolute()}{os.sep}")
    remove(root)
    return found


class FolderMailbox:
    """Mailboxes below one folder, at an unpredictable path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._laid_out: dict[Path, WorkspaceBus] = {}

    def post(
        self,
        role: Role,
        round_: int,
        attempt: int,
        files: Mapping[str, bytes | Path],
        workspace: Workspace | None = None,
    ) -> Delivery:
        """A fresh folder with `files`, which are in `.loop/` of `workspace` too."""
        name = f"r{round_}-{role.value}-{attempt}-{secrets.token_hex(4)}"
        folder = self._root / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            with naming_file(folder / file):
                if isinstance(content, Path):
                    shutil.copyfile(content, folder / file)
                else:
                    (folder / file).write_bytes(content)
        report = folder / bus.REPORTS[role.job]
        laid_out = lay_out(workspace.path, role, files, workspace.tracked) if workspace else None
        if laid_out is None:
            return Delivery(folder=folder, report=report)
        self._laid_out[folder] = laid_out
        in_workspace = None if laid_out.before is not None else laid_out.folder / laid_out.report
        return Delivery(folder=folder, report=report, in_workspace=in_workspace)

    def collect(self, delivery: Delivery) -> bytes | None:
        """The report, or None when there is none.

        Raises:
            ReportInvalid: it is no regular file, or over 4 MiB.
        """
        try:
            report = read_plain(delivery.report, bus.MAX_REPORT)
            laid_out = self._laid_out.get(delivery.folder)
            return laid_out.collect() if report is None and laid_out is not None else report
        except BusFileUnreadable as error:
            raise ReportInvalid(str(error)) from None

    def discard(self, delivery: Delivery) -> None:
        """Remove the folder, and what is in the workspace."""
        laid_out = self._laid_out.pop(delivery.folder, None)
        if laid_out is not None:
            laid_out.discard()
        if delivery.folder.is_symlink():
            delivery.folder.unlink()
        remove(delivery.folder)
