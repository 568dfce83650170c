"""Anthropic's Claude Code, driven by `claude -p --output-format stream-json`. Checked against 2.1.

`--setting-sources user` and `--strict-mcp-config` keep what a worker could plant in the repository
(hooks, MCP servers, CLAUDE.md) from steering the next agent. The CLI asks for `IS_SANDBOX`
before it skips permissions as root, the user in most containers. It retries 3 times and not 10:
with a refused key that took three minutes, and the loop decides about later retries.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence

from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    Setup,
    json_object,
    money,
    on_path,
    whole_number,
)
from loop_kit.core.agent.activity import Activity, message, session, tool
from loop_kit.core.agent.diagnosis import Problem, ProblemKind, from_codes, from_status, problem
from loop_kit.core.agent.report_schemas import report_schema
from loop_kit.core.loop.sessions import session_name
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Assignment

_SUBTYPES = {
    "error_max_turns": ProblemKind.LIMIT,
    "error_max_budget_usd": ProblemKind.LIMIT,
    "error_max_structured_output_retries": ProblemKind.TRUNCATED,
}
_RETRIES = "CLAUDE_CODE_MAX_RETRIES"
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
}


def claude(setup: Setup) -> CommandLineAgent:
    """The backend `claude`."""

    def invocation(assignment: Assignment, executable: str) -> Invocation:
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
            *_conversation(assignment),
            "--add-dir",
            str(assignment.mailbox),
            *(
                ("--json-schema", json.dumps(report_schema(assignment.role)))
                if setup.structured
                else ()
            ),
            *_limits(assignment, setup),
            *(("--model", setup.model) if setup.model else ()),
            *setup.args,
        ]
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        extra = {**_QUIET, **({"IS_SANDBOX": "1"} if root else {})}
        if _RETRIES not in setup.environment:
            extra[_RETRIES] = "3"
        return Invocation(argv, assignment.prompt.encode(errors="replace"), extra)

    return CommandLineAgent(
        "claude", setup, lambda: on_path("claude", setup.environment), invocation, ClaudeReader
    )


def _limits(assignment: Assignment, setup: Setup) -> Sequence[str]:
    """The limits that claude itself can enforce; a subscription has no price."""
    turns = ("--max-turns", str(assignment.max_turns)) if assignment.max_turns else ()
    priced = assignment.max_cost_usd is not None and "ANTHROPIC_API_KEY" in setup.environment
    return *turns, *(("--max-budget-usd", f"{assignment.max_cost_usd:.4f}") if priced else ())


def _conversation(assignment: Assignment) -> tuple[str, str]:
    if assignment.session is not None:
        return "--resume", assignment.session.session_id
    return "--session-id", str(uuid.uuid4())


class ClaudeReader:
    """Reads `system`, `assistant`, `rate_limit_event` and `result` events.

    An API failure comes as a `result` of subtype "success" with `is_error`; the message before it,
    written by the CLI and not by the model, has its kind.
    """

    stuck = ""
    thread_tokens = None
    thread_cached = None

    def __init__(self, assignment: Assignment) -> None:
        self.session_id = ""
        self.began = False
        self.spoke = False
        self.problem: Problem | None = None
        self._root = str(assignment.workspace)
        self._result: Mapping[str, object] = {}
        self._model: str | None = None
        self._failed: Mapping[str, object] = {}
        self._resets_at = 0

    @property
    def answer(self) -> bytes | None:
        """The structured answer; a model that never gave one still ends in success."""
        found = self._result.get("structured_output")
        return json.dumps(found).encode() if isinstance(found, dict) else None

    @property
    def spent(self) -> Spent:
        """Tokens and money of this attempt, cache reads and writes counted as input."""
        usage = self._result.get("usage")
        if not isinstance(usage, dict):
            return Spent(model=self._model)
        into = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        out = usage.get("output_tokens")
        return Spent(
            tokens_in=sum(whole_number(usage.get(key)) for key in into),
            tokens_cached=whole_number(usage.get("cache_read_input_tokens")),
            tokens_out=whole_number(out) if isinstance(out, int) and out >= 0 else None,
            cost_usd=_cost(self._result),
            model=self._model,
        )

    def feed(self, line: bytes) -> Sequence[Activity]:
        """The agent's activities in one event."""
        event = json_object(line)
        self.spoke = self.spoke or bool(event)
        kind = event.get("type")
        named = session_name(event.get("session_id"))
        first = kind == "system" and event.get("subtype") == "init"
        self.session_id = named or self.session_id
        self.began = self.began or first
        if first:
            self._model = session_name(_text(event, "model").partition("[")[0]) or None
            return session(self.session_id)
        if kind == "result":
            self._result = event
            self.problem = self._outcome(event)
        elif kind == "system" and event.get("subtype") == "api_retry":
            self.problem = self._retry_problem(event)
        elif kind == "rate_limit_event":
            self._note_limit(event.get("rate_limit_info"))
        elif kind == "assistant":
            self._failed = event if event.get("is_api_error_message") is True else {}
            self.problem = None
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

    def _retry_problem(self, event: Mapping[str, object]) -> Problem:
        code = _text(event, "error")
        text = f"{code or 'an API error'}, tried {whole_number(event.get('attempt'))} times"
        return from_status(whole_number(event.get("error_status")), text, [code])

    def _note_limit(self, info: object) -> None:
        """Remember when the subscription's limit resets, if it is reached."""
        about = info if isinstance(info, dict) else {}
        reached = about.get("status") == "rejected"
        self._resets_at = whole_number(about.get("resetsAt")) if reached else 0

    def _outcome(self, result: Mapping[str, object]) -> Problem | None:
        subtype = _text(result, "subtype")
        text = _text(result, "result") or _error_text(result.get("errors")) or "the run failed"
        if subtype != "success":
            kind = _SUBTYPES.get(subtype, ProblemKind.UNKNOWN)
            return problem(kind, f"{subtype}: {text}" if subtype else text)
        if result.get("is_error"):
            return self._api_failure(result, text)
        ended = from_codes([_text(result, "stop_reason")])
        if ended is ProblemKind.TRUNCATED:
            return problem(ended, "the reply was cut off at the model's output limit")
        if ended is not ProblemKind.UNKNOWN:
            return problem(ended, text)
        tools = _denied_tools(result.get("permission_denials"))
        return problem(ProblemKind.DENIED, f"claude denied it {tools}") if tools else None

    def _api_failure(self, result: Mapping[str, object], text: str) -> Problem:
        codes = (
            *(_text(self._failed, key) for key in ("api_error", "error")),
            *(_text(result, key) for key in ("api_error_type", "terminal_reason")),
        )
        found = from_status(whole_number(result.get("api_error_status")), text, codes)
        if found.kind is ProblemKind.RATE_LIMIT and self._resets_at:
            return problem(found.kind, text, self._resets_at - time.time())
        return found


def _text(event: Mapping[str, object], key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _error_text(errors: object) -> str:
    return "; ".join(map(str, errors)) if isinstance(errors, list) else ""


def _denied_tools(denials: object) -> str:
    """The names of the tools that were denied, each once."""
    items = denials if isinstance(denials, list) else []
    return ", ".join({str(each.get("tool_name")): 0 for each in items if isinstance(each, dict)})


def _cost(result: Mapping[str, object]) -> float | None:
    """What this attempt cost. Since 2.1.330 `total_cost_usd` is that of the whole session."""
    since = result.get("model_usage_since_last_result")
    if not isinstance(since, dict):
        return money(result.get("total_cost_usd"))
    costs = [money(each.get("costUSD")) for each in since.values() if isinstance(each, dict)]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else money(result.get("total_cost_usd"))
