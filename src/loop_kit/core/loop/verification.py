"""How the commands that prepare a workspace, or verify a commit, ended."""

from typing import Annotated

from pydantic import Field

from loop_kit.core.record import ExtensibleRecord

Sha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")]
"""A commit, or ''. These words end up in the arguments of git, where `--output=x` is no commit."""


class CommandResult(ExtensibleRecord):
    """One verify command: its exit code and the tail of what it printed."""

    command: str
    exit_code: int
    tail: str = ""
    seconds: float = 0


class Verification(ExtensibleRecord):
    """The results of the verify commands at one commit."""

    sha: Sha
    results: tuple[CommandResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every command succeeded."""
        return all(result.exit_code == 0 for result in self.results)

    @property
    def seconds(self) -> float:
        """How long all of it took."""
        return round(sum(result.seconds for result in self.results), 3)

    @property
    def unavailable(self) -> CommandResult | None:
        """The first command that could not even be started (exit 126 or 127), if any."""
        return next((r for r in self.results if r.exit_code in {126, 127}), None)


def failure_reason(command: str) -> str:
    """What the finding says that is made of this command's failure."""
    return f"verify command failed: {command}"


PROVES_NOTHING = "The verify commands pass already at the base: they prove nothing about this task."
"""What a person is shown when no command fails before the work."""
