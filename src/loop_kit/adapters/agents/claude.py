"""Anthropic's Claude Code, driven by `claude -p --output-format stream-json`. Checked against 2.1.

`--setting-sources user` and `--strict-mcp-config` keep what a worker could plant in the repository
(hooks, MCP servers, CLAUDE.md) from steering the next agent. `IS_SANDBOX` is asked for by the CLI
before it skips permissions as root, which is who runs in a container.
"""

import os
import uuid
from collections.abc import Mapping, Sequence

from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    Setup,
    json_object,
    money,
    on_path,
    session_name,
    whole_number,
)
from loop_kit.core.activity import Activity, message, session, tool
from loop_kit.core.state import Spent
from loop_kit.ports import Job

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
}


def claude(setup: Setup) -> CommandLineAgent:
    """The backend `claude`."""

    def invocation(job: Job, executable: str) -> Invocation:
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
            *_conversation(job),
            "--add-dir",
            str(job.mailbox),
            *(("--model", setup.model) if setup.model else ()),
            *setup.args,
        ]
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        extra = {**_QUIET, **({"IS_SANDBOX": "1"} if root else {})}
        return Invocation(argv, job.prompt.encode(errors="replace"), extra)

    return CommandLineAgent(
        "claude", setup, lambda: on_path("claude", setup.environment), invocation, ClaudeReader
    )


def _conversation(job: Job) -> tuple[str, str]:
    if job.session is not None:
        return "--resume", job.session.session_id
    return "--session-id", str(uuid.uuid4())


class ClaudeReader:
    """Reads `system`, `assistant` and `result` events."""

    thread_tokens = None

    def __init__(self, job: Job) -> None:
        self.session_id = ""
        self.began = False
        self.problem = ""
        self._root = str(job.workspace)
        self._result: Mapping[str, object] = {}

    @property
    def spent(self) -> Spent:
        """Tokens and money of this attempt, cache reads and writes counted as input."""
        usage = self._result.get("usage")
        if not isinstance(usage, dict):
            return Spent()
        into = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        out = usage.get("output_tokens")
        return Spent(
            tokens_in=sum(whole_number(usage.get(key)) for key in into),
            tokens_out=out if isinstance(out, int) and out >= 0 else None,
            cost_usd=_cost(self._result),
        )

    def feed(self, line: bytes) -> Sequence[Activity]:
        """What the agent did or said, by one event."""
        event = json_object(line)
        kind = event.get("type")
        named = session_name(event.get("session_id"))
        first = kind == "system" and event.get("subtype") == "init"
        self.session_id = named or self.session_id
        self.began = self.began or first
        if first:
            return session(self.session_id)
        if kind == "result":
            self._result = event
            self._ended(event)
        if kind != "assistant" or not isinstance(event.get("message"), dict):
            return ()
        content = event["message"].get("content")
        blocks = content if isinstance(content, list) else []
        return [each for block in blocks if isinstance(block, dict) for each in self._block(block)]

    def _block(self, block: Mapping[str, object]) -> Sequence[Activity]:
        if block.get("type") == "text":
            return message(block.get("text"))
        if block.get("type") == "tool_use":
            return tool(str(block.get("name") or ""), block.get("input"), self._root)
        return ()

    def _ended(self, event: Mapping[str, object]) -> None:
        """An API failure comes as subtype "success" with `is_error`: look at both."""
        subtype = str(event.get("subtype") or "")
        if event.get("is_error") or subtype != "success":
            errors = event.get("errors")
            listed = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
            kind = "" if subtype == "success" else subtype
            parts = (kind, str(event.get("result") or "") or listed)
            self.problem = ": ".join(filter(None, parts)) or "the run failed"


def _cost(result: Mapping[str, object]) -> float | None:
    """What this attempt cost. Since 2.1.330 `total_cost_usd` is that of the whole session."""
    since = result.get("model_usage_since_last_result")
    if not isinstance(since, dict):
        return money(result.get("total_cost_usd"))
    costs = [money(each.get("costUSD")) for each in since.values() if isinstance(each, dict)]
    told = [cost for cost in costs if cost is not None]
    return sum(told) if told else money(result.get("total_cost_usd"))
