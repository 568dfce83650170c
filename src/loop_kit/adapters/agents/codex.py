"""OpenAI's Codex CLI, driven by `codex exec --json`. Checked against codex 0.169.

The prompt goes through standard input: an argument over 128 KiB cannot be passed, and with an open
pipe beside it codex waits forever. When a thread is resumed the prompt's place is `-`,
since with a text there codex does not read standard input. Telemetry and the plug-in sync are off
(they cost 5 s at exit). Token counts are those of the whole thread. Of npm's package the native
program is run, since its launcher costs 40 MB and does not pass on every signal. The schema of the
last answer is not checked by codex, and its file is written only when all went well. Instructions
and skills that codex would take from the repository (`AGENTS.override.md`, `.agents/skills`) are
off, since a worker could plant them; the text of AGENTS.md is in the prompt.
"""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from loop_kit.adapters.agents.codex_errors import codex_problem
from loop_kit.adapters.agents.codex_model import used_model
from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    Setup,
    json_object,
    on_path,
    whole_number,
)
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.adapters.process.programs import expand_home
from loop_kit.core.agent.activity import Activity, command, edit, message, session
from loop_kit.core.agent.diagnosis import Problem
from loop_kit.core.agent.report_schemas import report_schema
from loop_kit.core.loop.bus import MAX_REPORT
from loop_kit.core.loop.sessions import session_name
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Assignment

_SCHEMA = "report_schema.json"
_ANSWER = "last_message.json"
INSTRUCTION = "Carry out the instructions given on stdin, completely."


def codex(setup: Setup) -> CommandLineAgent:
    """The backend `codex`."""

    def invocation(assignment: Assignment, executable: str) -> Invocation:
        resumed = assignment.session
        argv = [
            executable,
            "exec",
            "--json",
            "--color",
            "never",
            "--dangerously-bypass-approvals-and-sandbox",
            "--skip-git-repo-check",
            "-c",
            "analytics.enabled=false",
            "--disable",
            "plugins",
            "-c",
            "project_doc_max_bytes=0",
            "-c",
            "skills.include_instructions=false",
            "-C",
            str(assignment.workspace),
            *(_request_report(assignment) if setup.structured else ()),
            *(("-m", setup.model) if setup.model else ()),
            *setup.args,
            *((INSTRUCTION,) if resumed is None else ("resume", resumed.session_id, "-")),
        ]
        return Invocation(argv, assignment.prompt.encode(errors="replace"))

    def executable() -> str:
        return native(on_path("codex", setup.environment))

    def reader(assignment: Assignment) -> CodexReader:
        return CodexReader(assignment, None if setup.model else partial(used_model, _home(setup)))

    return CommandLineAgent("codex", setup, executable, invocation, reader)


def _home(setup: Setup) -> Path:
    """Where codex keeps its conversations."""
    named = {**setup.environment, **setup.homes.variables()}.get("CODEX_HOME")
    return Path(named or expand_home("~/.codex"))


def native(found: str) -> str:
    """The program that npm's launcher `found` would start, or `found` itself."""
    launcher = Path(found).resolve()
    if not found or launcher.name != "codex.js":
        return found
    package = launcher.parent.parent
    places = (
        package.parent.glob("codex-*/vendor/*/bin/codex"),
        package.glob("node_modules/@openai/codex-*/vendor/*/bin/codex"),
        package.glob("vendor/*/bin/codex"),
    )
    programs = (program for place in places for program in sorted(place))
    return next((str(each) for each in programs if os.access(each, os.X_OK)), found)


def _request_report(assignment: Assignment) -> Sequence[str]:
    """Write the schema, remove an older attempt's answer, and return the flags for both files."""
    schema, answer = assignment.mailbox / _SCHEMA, assignment.mailbox / _ANSWER
    schema.write_text(json.dumps(report_schema(assignment.role)))
    answer.unlink(missing_ok=True)
    return "--output-schema", str(schema.absolute()), "-o", str(answer.absolute())


class CodexReader:
    """Reads `thread.started`, `item.*`, `turn.completed`, `turn.failed` and `error`."""

    problem: Problem | None = None
    stuck = ""

    def __init__(
        self, assignment: Assignment, used_model: Callable[[str], str | None] | None = None
    ) -> None:
        """`used_model` says which model a conversation used, where no setting does."""
        self._used_model = used_model
        self.session_id = ""
        self.spoke = False
        self.thread_tokens: tuple[int, int] | None = None
        self.thread_cached: int | None = None
        self._resumed = assignment.session
        self._answer = assignment.mailbox / _ANSWER
        self._begun = ""

    @property
    def answer(self) -> bytes | None:
        """The last answer, or None."""
        try:
            return read_plain(self._answer, MAX_REPORT)
        except BusFileUnreadable:
            return None

    @property
    def began(self) -> bool:
        """Whether a thread was opened."""
        return bool(self.session_id)

    @property
    def spent(self) -> Spent:
        """Tokens of this attempt: of the thread, less what it had before. Codex reports no cost."""
        if self.thread_tokens is None:
            return Spent()
        counts, resumed = (*self.thread_tokens, self.thread_cached or 0), self._resumed
        if resumed is not None and resumed.session_id == self.session_id:
            held = (resumed.tokens_in, resumed.tokens_out, resumed.tokens_cached)
            fewer = [count - (before or 0) for count, before in zip(counts, held, strict=True)]
            if fewer[0] >= 0 and fewer[1] >= 0:
                counts = (fewer[0], fewer[1], max(fewer[2], 0))
        into, out, cached = counts
        known = None if self.thread_cached is None else min(cached, into)
        model = self._used_model(self.session_id) if self._used_model else None
        return Spent(tokens_in=into, tokens_cached=known, tokens_out=out, model=model)

    def feed(self, line: bytes) -> Sequence[Activity]:
        """The agent's activities in one event."""
        event = json_object(line)
        self.spoke = self.spoke or bool(event)
        kind = str(event.get("type"))
        if kind == "thread.started":
            self.session_id = session_name(event.get("thread_id"))
            return session(self.session_id)
        if kind == "turn.completed":
            self.problem = None
            self._count(event.get("usage"))
        elif kind == "turn.failed":
            self.problem = codex_problem(_message(event.get("error")) or "the turn failed")
        elif kind == "error":
            # Also printed for every retry, so it is not final: the next event clears it.
            self.problem = codex_problem(str(event.get("message") or "an error without a message"))
        elif kind in {"item.started", "item.completed"}:
            return self._item(event.get("item"), begins=kind == "item.started")
        elif kind == "file_change":
            return edit(_paths(event))
        return ()

    def _item(self, item: object, *, begins: bool) -> Sequence[Activity]:
        if not isinstance(item, dict):
            return ()
        kind, id_ = item.get("type"), str(item.get("id") or "")
        if kind != "error":
            self.problem = None
        found: Sequence[Activity] = ()
        if kind == "command_execution":
            found = command(_command(item), begins=begins)
        elif kind == "file_change":
            found = edit(_paths(item), begins=begins)
        elif kind == "agent_message" and not begins:
            return message(item)
        if begins:
            self._begun = id_ if found else self._begun
            return found
        if id_ and id_ == self._begun:
            return [Activity(each.verb, each.text) for each in found]
        return found

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            into, out = usage.get("input_tokens"), usage.get("output_tokens")
            self.thread_tokens = (whole_number(into), whole_number(out))
            cached = usage.get("cached_input_tokens")
            self.thread_cached = None if cached is None else whole_number(cached)


def _command(item: dict[str, object]) -> object:
    call = item.get("call")
    return item.get("command") or (call.get("command") if isinstance(call, dict) else None)


def _paths(event: dict[str, object] | object) -> Sequence[str]:
    items = event.get("changes") if isinstance(event, dict) else None
    changes = items if isinstance(items, list) else []
    paths = [str(c.get("path") or "") for c in changes if isinstance(c, dict)]
    return [path for path in paths if path]


def _message(error: object) -> str:
    return str(error.get("message") or "") if isinstance(error, dict) else str(error or "")
