"""The backends that come with loop-kit, and the registry that others are added to."""

from collections.abc import Callable, Mapping

from loop_kit.adapters.agents.claude import claude
from loop_kit.adapters.agents.codex import codex
from loop_kit.adapters.agents.command import command
from loop_kit.adapters.agents.command_line import CommandLineAgent, Setup
from loop_kit.adapters.agents.opencode import opencode
from loop_kit.adapters.agents.registry import Registry
from loop_kit.adapters.agents.scripted import scripted

MANUAL = "manual"
COMMAND = "command"
DEFAULT_BACKEND = "codex"

BACKENDS: Mapping[str, Callable[[Setup], CommandLineAgent]] = {
    "codex": codex,
    "claude": claude,
    "opencode": opencode,
    "scripted": scripted,
    COMMAND: command,
}

REGISTRY = Registry(BACKENDS)
