"""Help in groups, with whole sentences: what people use first comes first.

Every command is in a group of `COMMANDS`, and every option of `loop run` in one of `RUN`; a test
says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, Sequence[str]] = {
    "Begin": ("demo", "init", "doctor", "run"),
    "Look": ("status", "logs", "report", "archive", "extract-diff", "dispatch-metrics"),
    "Task cards": ("card", "plan", "schema"),
    "Loops in CI": ("fetch", "publish", "sweep", "action"),
    "What loops learn": ("knowledge", "index"),
    "People as agents": ("heartbeat", "health"),
    "Tidy up": ("clean",),
}
RUN: Mapping[str, Sequence[str]] = {
    "What runs": ("task", "max_rounds", "single_round", "round_", "reset", "allow_dirty", "apply"),
    "Continue": ("resume", "refresh_card", "waive", "dismiss", "require"),
    "Limits": ("max_cost_usd", "max_minutes", "max_tokens", "max_diff_growth"),
    "Agents": (
        *("auto_dispatch", "worker_backend", "reviewer_backend", "worker_model", "reviewer_model"),
        *("worker_args", "reviewer_args", "worker_command", "reviewer_command"),
        *("second_reviewer", "second_reviewer_mode", "max_session_rounds", "dispatch_backend"),
    ),
    "Times and retries": (
        *("dispatch_timeout", "idle_timeout", "dispatch_retries", "dispatch_retry_base_sec"),
        *("artifact_timeout", "timeout", "verify_timeout", "require_heartbeat", "heartbeat_ttl"),
    ),
    "Workspaces": (
        *("workspace_setup", "workspace_include", "setup_env", "workspace_root"),
        *("shared_caches", "max_leftovers"),
    ),
    "What confines programs": ("sandbox", "network", "verify_network"),
}

COMPLETION_WIDTH = 58
"""What 80 columns leave beside the longest name of a command."""


class WholeSentences(TyperGroup):
    """A group whose help has each of its commands with its whole sentence."""

    groups: Mapping[str, Sequence[str]] = {}
    others = "Commands"

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each group of commands."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        for title, rows in _grouped(self.groups, found, self.others):
            with formatter.section(title):
                formatter.write_dl([(name, _sentence(command)) for name, command in rows])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What completes a word: of commands with their sentence, which click would cut."""
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            command = self.get_command(ctx, item.value)
            if command is not None:
                item.help = completion_help(command)
        return found


class GroupedCommands(WholeSentences):
    """The group of all commands, under titles."""

    groups = COMMANDS
    others = "Other commands"


class GroupedOptions(TyperCommand):
    """A command whose help has its options under titles."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group of options."""
        parameters = {str(each.name): each for each in self.get_params(ctx)}
        taken = {n for n, each in parameters.items() if each.param_type_name == "argument"}
        options = {name: each for name, each in parameters.items() if name not in taken}
        groups = [("Arguments", [parameters[name] for name in taken])]
        for title, rows in _grouped(RUN, options, "Other options"):
            groups.append((title, [option for _, option in rows]))
        for title, members in groups:
            records = [r for p in members if (r := p.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _grouped(
    groups: Mapping[str, Sequence[str]], found: Mapping[Any, Any], others: str
) -> list[tuple[str, list[tuple[str, Any]]]]:
    titled = [
        (title, [(name, found[name]) for name in names if name in found])
        for title, names in groups.items()
    ]
    known = {name for names in groups.values() for name in names}
    titled.append((others, [(name, each) for name, each in found.items() if name not in known]))
    return [(title, rows) for title, rows in titled if rows]


def completion_help(command: Any) -> str:
    """What the shell shows beside a command: its sentence, or the part that fits on its line."""
    sentence = _sentence(command)
    parts = (sentence, *(sentence.partition(mark)[0] for mark in ":;,"))
    return next((part for part in parts if len(part) <= COMPLETION_WIDTH), sentence)


def _sentence(command: Any) -> str:
    """The first line of the help of `command`."""
    text = str(command.help or command.short_help or "")
    return text.strip().partition("\n")[0]
