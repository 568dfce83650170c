"""The backends that come with loop-kit, and the registry that others are added to."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from loop_kit.adapters.agents.registry import Registry

if TYPE_CHECKING:
    from loop_kit.adapters.agents.command_line import CommandLineAgent, Setup

MANUAL = "manual"
COMMAND = "command"
SCRIPTED = "scripted"
DEFAULT_BACKEND = "codex"


def _build(name: str, setup: "Setup") -> "CommandLineAgent":
    """The agent of that name, whose module is imported only where it is chosen."""
    module = import_module(f"loop_kit.adapters.agents.{name}")
    return cast("CommandLineAgent", getattr(module, name)(setup))


BACKENDS: "Mapping[str, Callable[[Setup], CommandLineAgent]]" = {
    name: partial(_build, name) for name in ("codex", "claude", "opencode", SCRIPTED, COMMAND)
}

REGISTRY = Registry(BACKENDS)
