"""Shell commands that a person wrote, run in a workspace, and the end of what they print."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.programs import shell_argv

_MAX_TAIL = 4096

Box = Callable[[Path, Sequence[str], Mapping[str, str]], Bare]
"""A box for a command, given its workspace, command line and environment."""


def namespace_box(*_: object) -> Bare:
    """A process namespace, where this user may make one."""
    return process.namespace_if_allowed()


def run_shell(
    command: str,
    workspace: Path,
    environment: Mapping[str, str],
    listener: process.Listener,
    timeout: float,
    make_box: Box,
) -> process.Streamed:
    """Run a shell command in a workspace, in a box of its own; `timeout` is in seconds."""
    argv = shell_argv(command)
    return process.stream(
        argv,
        cwd=workspace,
        env=environment,
        stdin=b"",
        listener=listener,
        timeout=timeout,
        box=make_box(workspace, argv, environment),
    )


class Tail(process.Listener):
    """Keeps the end of what a command prints, at most 4096 bytes."""

    def __init__(self) -> None:
        self._end = b""

    def chunk(self, source: process.Source, data: bytes) -> None:
        """Keep the end of what was printed."""
        del source
        self.add(data)

    def add(self, data: bytes) -> None:
        """Keep the end of what there was and of `data`."""
        self._end = (self._end + data)[-_MAX_TAIL:]

    def clear(self) -> None:
        """Forget what was printed."""
        self._end = b""

    @property
    def text(self) -> str:
        """The end of the output, as text."""
        return self._end.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
