"""opencode, driven by `opencode run --format json`. Checked against opencode 1.18.

The prompt goes through standard input. `--dir` is given always, since a session that is resumed
from another directory hangs forever. The project's own configuration, MCP servers and skills are
switched off, because a worker could plant them; a plug-in in `.opencode/plugin` still runs in
1.18.33, which has no switch for it, so that folder has to be protected. There is no final event:
what was used is the sum over the steps, and a run whose last step did not end with `stop` was cut
short although its exit code is 0.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

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
from loop_kit.core.agent.diagnosis import Problem, ProblemKind, api_error, from_status, problem
from loop_kit.core.loop.sessions import session_name
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Assignment

_EMPTY_STEPS = 20
_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_CLAUDE_CODE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
}


def opencode(setup: Setup) -> CommandLineAgent:
    """The backend `opencode`."""

    def invocation(assignment: Assignment, executable: str) -> Invocation:
        argv = [
            executable,
            "run",
            "--format",
            "json",
            "--auto",
            "--dir",
            str(assignment.workspace),
            "--title",
            f"{assignment.task_id} {assignment.role.value}",
            *(("-s", assignment.session.session_id) if assignment.session else ()),
            *(("-m", setup.model) if setup.model else ()),
            *setup.args,
        ]
        return Invocation(argv, assignment.prompt.encode(errors="replace"), _QUIET)

    return CommandLineAgent(
        "opencode", setup, lambda: on_path("opencode", setup.environment), invocation, Reader
    )


_ENDS: Mapping[str, Problem] = {
    "length": problem(ProblemKind.TRUNCATED, "the reply was cut off at the model's output limit"),
    "content-filter": problem(ProblemKind.REFUSAL, "its provider filtered the reply"),
    "tool-calls": problem(
        ProblemKind.DENIED, "the run ended at a tool call that opencode did not permit"
    ),
}


class Reader:
    """Reads `step_start`, `text`, `tool_use`, `step_finish` and `error`."""

    answer = None
    thread_tokens = None
    thread_cached = None

    def __init__(self, assignment: Assignment) -> None:
        self.session_id = ""
        self.problem: Problem | None = None
        self.spoke = False
        self._root = str(assignment.workspace)
        self._steps = 0
        self._in = 0
        self._cached = 0
        self._out = 0
        self._cost: float | None = None
        self._empty = 0

    @property
    def stuck(self) -> str:
        """After an empty answer opencode asks again, without a pause and without end."""
        return f"no answer in {self._empty} steps" if self._empty >= _EMPTY_STEPS else ""

    @property
    def began(self) -> bool:
        """Whether the session was opened."""
        return bool(self.session_id)

    @property
    def spent(self) -> Spent:
        """Tokens and money of this attempt's steps, cache reads and writes counted as input."""
        if not self._steps:
            return Spent()
        return Spent(
            tokens_in=self._in,
            tokens_cached=self._cached,
            tokens_out=self._out,
            cost_usd=self._cost,
        )

    def feed(self, line: bytes) -> Sequence[Activity]:
        """The agent's activities in one event."""
        event = json_object(line)
        self.spoke = self.spoke or bool(event)
        kind = str(event.get("type"))
        value = event.get("part")
        part = value if isinstance(value, dict) else {}
        named = session_name(event.get("sessionID")) or session_name(part.get("sessionID"))
        opened = self._open_session(named)
        if kind in {"text", "tool_use"}:
            self._empty = 0
        if kind == "text":
            return (*opened, *message(part.get("text")))
        if kind == "tool_use":
            state = part.get("state")
            arguments = state.get("input") if isinstance(state, dict) else None
            return (*opened, *tool(str(part.get("tool") or ""), arguments, self._root))
        if kind == "step_finish":
            self._add_step(part)
        elif kind == "error":
            self.problem = _problem(event.get("error"))
        return opened

    def _open_session(self, id_: str) -> Sequence[Activity]:
        if not id_ or id_ == self.session_id:
            return ()
        self.session_id = id_
        return session(id_)

    def _add_step(self, part: Mapping[str, object]) -> None:
        self.problem = _ENDS.get(str(part.get("reason") or ""))
        tokens = part.get("tokens")
        counts = tokens if isinstance(tokens, dict) else {}
        cache = counts.get("cache")
        cached = cache if isinstance(cache, dict) else {}
        self._steps += 1
        self._empty += 1
        for value in (counts.get("input"), cached.get("read"), cached.get("write")):
            self._in += whole_number(value)
        self._cached += whole_number(cached.get("read"))
        self._out += whole_number(counts.get("output")) + whole_number(counts.get("reasoning"))
        cost = money(part.get("cost"))
        if cost is not None:
            self._cost = (self._cost or 0) + cost


def _problem(error: object) -> Problem:
    """The problem of an `error` event: by its name, status and error codes."""
    if not isinstance(error, dict):
        return problem(ProblemKind.UNKNOWN, str(error or "the run failed"))
    name, value = str(error.get("name") or ""), error.get("data")
    about = value if isinstance(value, dict) else {}
    text, status = str(about.get("message") or ""), whole_number(about.get("statusCode"))
    answer = api_error(str(about.get("responseBody") or "")) or api_error(text)
    headers = about.get("responseHeaders")
    found = from_status(
        status,
        " ".join(filter(None, (name, _phrase(status), text))) or "the run failed",
        (name, *(answer.codes if answer else ())),
        headers if isinstance(headers, dict) else None,
    )
    if (
        found.kind is ProblemKind.UNKNOWN
        and name == "APIError"
        and about.get("isRetryable") is True
    ):
        return problem(ProblemKind.NETWORK, found.message)
    return found


def _phrase(code: int) -> str:
    try:
        status = HTTPStatus(code)
    except ValueError:
        return str(code or "")
    return f"{status.value} {status.phrase}"
