"""What confines the programs of a run, as a protocol: agents, setup and verify commands."""

from typing import Protocol

from loop_kit.errors import ExitCode, LoopError
from loop_kit.frozen import frozen


class SandboxUnavailable(LoopError):
    """Programs cannot be confined here as the settings require."""

    exit_code = ExitCode.VALIDATION
    anchor = "sandbox-unavailable"


@frozen
class Confinement:
    """How the programs of this run are confined.

    Attributes:
        text: What builds their rooms, and their network: "namespaces; network: open".
        missing: Why there is no room where one was wanted, and what to change; None where there is
            one, or none was wanted.
    """

    text: str
    missing: str | None = None


class Sandbox(Protocol):
    """Decides once for each process how programs are confined."""

    def confinement(self) -> Confinement | None:
        """How they are; None where this run starts no program.

        Raises:
            SandboxUnavailable: they cannot be, and the settings require it.
        """
        ...
