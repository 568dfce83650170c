"""The stable API for packages that provide a backend.

    from loop_kit.backends import Assignment, CommandLineAgent, Invocation, Setup, on_path

    def backend(setup: Setup) -> CommandLineAgent:
        def call(assignment: Assignment, executable: str) -> Invocation:
            return Invocation([executable, "--yes"], assignment.prompt.encode())
        return CommandLineAgent("mine", setup, lambda: on_path("mine", setup.environment), call)

An entry point `mine = "my_package:backend"` in the group `loop_kit.backends` makes it available to
every `loop` of that environment; `register_backend("mine", backend)` to the running process.
See docs/backends.md.
"""

from collections.abc import Callable

from loop_kit.adapters.agents.built_in import REGISTRY
from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    PlainReader,
    Setup,
    StreamReader,
    json_object,
    on_path,
)
from loop_kit.core.agent.activity import Activity, command, edit, message, session, tool
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Agent, AgentExit, Assignment, Reporter


def register_backend(name: str, factory: Callable[[Setup], Agent]) -> None:
    """Add `factory` as the backend `name`, which is trimmed and lower-cased.

    Raises:
        BadSetting: the name is empty, cannot be a name, or is that of a built-in backend.
    """
    REGISTRY.register(name, factory)


__all__ = [
    "Activity",
    "Agent",
    "AgentExit",
    "Assignment",
    "CommandLineAgent",
    "Invocation",
    "PlainReader",
    "Reporter",
    "Setup",
    "Spent",
    "StreamReader",
    "command",
    "edit",
    "json_object",
    "message",
    "on_path",
    "register_backend",
    "session",
    "tool",
]
