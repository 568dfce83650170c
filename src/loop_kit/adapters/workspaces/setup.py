"""Runs the commands of `workspace-setup` in a workspace, before anybody is paid.

They may need secrets of a private registry, and what they run is code of the repository. So the
secrets that `setup-env` names are in their environment only where the caller allows it, never in
that of an agent or of a verify command, and never in the output that is kept.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path

from loop_kit.adapters.loop_dir.optional_log import OptionalLog
from loop_kit.adapters.process import process
from loop_kit.adapters.workspaces.environment import activation, own_environment
from loop_kit.adapters.workspaces.shell import Box, Tail, namespace_box, run_shell
from loop_kit.core.loop.state import CommandResult
from loop_kit.core.secrets.redaction import Redactor, StreamRedactor
from loop_kit.core.text.own_paths import without_folders
from loop_kit.frozen import frozen
from loop_kit.ports import SetupFailed

LOG = "workspace_setup.log"


@frozen
class WorkspaceSetup:
    """The commands, and what they run with.

    Attributes:
        environment: What every command may see.
        secrets: The variables that `setup-env` names.
        log: The file that keeps the output.
        timeout: Seconds for all commands in one workspace together.
        in_job: Whether this is a job, with which the log ends.
        box: What each command runs in.
        kept: Entered while a command runs.
    """

    commands: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    note: Callable[[str], None]
    warn: Callable[[str], None]
    secrets: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 600
    in_job: bool = False
    box: Box = namespace_box
    kept: Callable[[], AbstractContextManager[None]] = nullcontext

    def run(self, workspace: Path, why_without_secrets: str | None = None) -> None:
        """Run the commands one after the other in `workspace`, up to the first that fails.

        Raises:
            SetupFailed: a command failed, took too long, or could not be started.
        """
        end = time.monotonic() + self.timeout
        output = _Output(OptionalLog(self.log, self.warn), self.secrets.values())
        output.add(f"# workspace-setup in {workspace}\n".encode())
        for command in self.commands:
            self._run(workspace, command, end - time.monotonic(), output, why_without_secrets)

    def _run(
        self, workspace: Path, command: str, left: float, output: "_Output", why: str | None
    ) -> None:
        output.begin(f"{why}\n$ {command}\n" if why else f"$ {command}\n")
        self.note(f"Preparing a workspace: {command}")
        began = time.monotonic()
        env = {**self._base(workspace), **({} if why else self.secrets)}
        with self.kept():
            ended = run_shell(command, workspace, env, output, max(1.0, left), self.box)
        output.end()
        if ended.exit_code == 0 and not ended.timed_out:
            return
        code = 124 if ended.timed_out else ended.exit_code
        how = f"took longer than {self.timeout:g} s" if ended.timed_out else f"exit code {code}"
        sentence = f"A workspace could not be prepared: `{command}` failed ({how})."
        redact = Redactor(self.secrets.values())
        raise SetupFailed(
            f"{sentence} {why}" if why else sentence,
            _remedy(code) + ("" if self.in_job else f" All that it printed is in {self.log}."),
            CommandResult(
                command=command,
                exit_code=code,
                tail=without_folders(redact(output.text), (str(workspace),)),
                seconds=round(time.monotonic() - began, 3),
            ),
        )

    def _base(self, workspace: Path) -> dict[str, str]:
        """The environment without the user's own virtual one: nothing is installed into that."""
        plain = {name: value for name, value in self.environment.items() if name != "VIRTUAL_ENV"}
        return {**plain, **activation(plain, own_environment(workspace))}


def _remedy(code: int) -> str:
    if code == 124:
        return "Raise verify-timeout, which is also the time for workspace-setup."
    if code in {126, 127}:
        return "Install its program, or correct workspace-setup."
    return "Correct workspace-setup, or what it needs."


class _Output(Tail):
    """Keeps what commands print in the log, without secrets, and the end of it in memory."""

    def __init__(self, log: OptionalLog, secrets: Iterable[str]) -> None:
        super().__init__()
        self._log = log
        self._redact = StreamRedactor(secrets)

    def begin(self, heading: str) -> None:
        """A command starts: its end is its own."""
        self.add(heading.encode(errors="replace"))
        self.clear()

    def chunk(self, source: process.Source, data: bytes) -> None:
        """Keep what was printed."""
        del source
        self.add(self._redact.feed(data))

    def end(self) -> None:
        """Keep what was held back, for it might have been the beginning of a secret."""
        self.add(self._redact.end())

    def add(self, data: bytes) -> None:
        """Keep `data`, which holds no secret."""
        super().add(data)
        if data:
            self._log.append(data)
