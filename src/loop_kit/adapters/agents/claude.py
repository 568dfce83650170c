"""Anthropic's Claude Code, driven by `claude -p --output-format stream-json`. Checked against 2.1.

`--setting-sources user` and `--strict-mcp-config` keep what a worker could plant in the repository
(hooks, MCP servers, CLAUDE.md) from steering the next agent. `IS_SANDBOX` is asked for by the CLI
before it skips permissions as root, which is who runs in a container.
"""

import math
import os
import uuid
from collections.abc import Mapping, Sequence

from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    Setup,
    json_object,
    on_path,
)
from loop_kit.core.state import Spent
from loop_kit.ports import Job

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
}
_TOOLS = {
    "Read": ("Reading", "file_path"),
    "Edit": ("Editing", "file_path"),
    "MultiEdit": ("Editing", "file_path"),
    "Write": ("Writing", "file_path"),
    "Bash": ("Running", "command"),
    "Grep": ("Searching", "pattern"),
    "Glob": ("Searching", "pattern"),
    "WebFetch": ("Fetching", "url"),
}


def claude(setup: Setup) -> CommandLineAgent:
    """The backend `claude`."""

    def command(job: Job, executable: str) -> Invocation:
        argv = [
            executable,
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "--dangerously-skip-permissions",
            "--strict-mcp-config",
            "--setting-sources",
            "user",
            "--session-id",
            str(uuid.uuid4()),
            "--add-dir",
            str(job.mailbox),
            *(("--model", setup.model) if setup.model else ()),
            *setup.args,
        ]
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        extra = {**_QUIET, **({"IS_SANDBOX": "1"} if root else {})}
        return Invocation(argv, job.prompt.encode(errors="replace"), extra)

    return CommandLineAgent(
        "claude", setup, lambda: on_path("claude", setup.environment), command, ClaudeReader
    )


class ClaudeReader:
    """Reads `system`, `assistant` and `result` events."""

    def __init__(self) -> None:
        self.session_id = ""
        self.problem = ""
        self._result: Mapping[str, object] = {}

    @property
    def spent(self) -> Spent:
        """Tokens and money of a fresh session, cache reads and writes counted as input."""
        usage = self._result.get("usage")
        cost = self._result.get("total_cost_usd")
        if not isinstance(usage, dict):
            return Spent()
        into = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        counts = [usage.get(key) for key in into]
        out = usage.get("output_tokens")
        return Spent(
            tokens_in=sum(count for count in counts if isinstance(count, int) and count > 0),
            tokens_out=out if isinstance(out, int) and out >= 0 else None,
            cost_usd=_money(cost),
        )

    def feed(self, line: bytes) -> Sequence[str]:
        """What to show of one event."""
        event = json_object(line)
        kind = event.get("type")
        if isinstance(event.get("session_id"), str):
            self.session_id = event["session_id"]
        if kind == "result":
            self._result = event
            self._ended(event)
        if kind != "assistant" or not isinstance(event.get("message"), dict):
            return ()
        content = event["message"].get("content")
        blocks = content if isinstance(content, list) else []
        return [line for block in blocks if isinstance(block, dict) for line in _shown(block)]

    def _ended(self, event: Mapping[str, object]) -> None:
        """An API failure comes as subtype "success" with `is_error`: look at both."""
        subtype = str(event.get("subtype") or "")
        if event.get("is_error") or subtype != "success":
            errors = event.get("errors")
            listed = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
            kind = "" if subtype == "success" else subtype
            parts = (kind, str(event.get("result") or "") or listed)
            self.problem = ": ".join(filter(None, parts)) or "the run failed"


def _money(cost: object) -> float | None:
    """A sum that can be added up; NaN and less than nothing would switch the budget off."""
    sane = isinstance(cost, (int, float)) and math.isfinite(cost) and cost >= 0
    return float(cost) if sane and isinstance(cost, (int, float)) else None


def _shown(block: Mapping[str, object]) -> Sequence[str]:
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return (f"Message: {block['text']}",)
    if block.get("type") != "tool_use":
        return ()
    name = str(block.get("name") or "")
    given = block.get("input")
    values = given if isinstance(given, dict) else {}
    verb, key = _TOOLS.get(name, ("Tool", ""))
    return (f"{verb}: {values.get(key) or name}",)
