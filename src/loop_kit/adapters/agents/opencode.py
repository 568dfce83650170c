"""opencode, driven by `opencode run --format json`. Checked against opencode 1.18.

The prompt goes through standard input. `--dir` is given always, since a session that is taken up
from another directory hangs for ever. The project's own configuration, plug-ins and MCP servers
are switched off, because a worker could plant them. There is no final event: what was used is the
sum over the steps, and a run whose last step did not end with `stop` was cut short although its
exit code is 0.
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
    session_name,
    whole_number,
)
from loop_kit.core.activity import Activity, message, session, tool
from loop_kit.core.state import Spent
from loop_kit.ports import Job

_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
}


def opencode(setup: Setup) -> CommandLineAgent:
    """The backend `opencode`."""

    def invocation(job: Job, executable: str) -> Invocation:
        argv = [
            executable,
            "run",
            "--format",
            "json",
            "--auto",
            "--dir",
            str(job.workspace),
            "--title",
            f"{job.task_id} {job.role.value}",
            *(("--session", job.session.session_id) if job.session else ()),
            *(("-m", setup.model) if setup.model else ()),
            *setup.args,
        ]
        return Invocation(argv, job.prompt.encode(errors="replace"), _QUIET)

    return CommandLineAgent(
        "opencode", setup, lambda: on_path("opencode", setup.environment), invocation, Reader
    )


class Reader:
    """Reads `step_start`, `text`, `tool_use`, `step_finish` and `error`."""

    thread_tokens = None

    def __init__(self, job: Job) -> None:
        self.session_id = ""
        self.problem = ""
        self._root = str(job.workspace)
        self._steps = 0
        self._in = 0
        self._out = 0
        self._cost: float | None = None

    @property
    def began(self) -> bool:
        """Whether the session was opened."""
        return bool(self.session_id)

    @property
    def spent(self) -> Spent:
        """Tokens and money of this attempt's steps, cache reads and writes counted as input."""
        if not self._steps:
            return Spent()
        return Spent(tokens_in=self._in, tokens_out=self._out, cost_usd=self._cost)

    def feed(self, line: bytes) -> Sequence[Activity]:
        """What the agent did or said, by one event."""
        event = json_object(line)
        kind = event.get("type")
        said = self._named(session_name(event.get("sessionID")))
        listed = event.get("part")
        part = listed if isinstance(listed, dict) else {}
        if kind == "text":
            return (*said, *message(part.get("text")))
        if kind == "tool_use":
            state = part.get("state")
            given = state.get("input") if isinstance(state, dict) else None
            return (*said, *tool(str(part.get("tool") or ""), given, self._root))
        if kind == "step_finish":
            self._finished(part)
        elif kind == "error":
            self.problem = _message(event.get("error"))
        return said

    def _named(self, id_: str) -> Sequence[Activity]:
        if not id_ or id_ == self.session_id:
            return ()
        self.session_id = id_
        return session(id_)

    def _finished(self, part: Mapping[str, object]) -> None:
        reason = str(part.get("reason") or "")
        self.problem = {
            "length": "the reply was cut off at the model's output limit",
            "content-filter": "the model's provider refused to answer",
        }.get(reason, "")
        tokens = part.get("tokens")
        counts = tokens if isinstance(tokens, dict) else {}
        cache = counts.get("cache")
        cached = cache if isinstance(cache, dict) else {}
        self._steps += 1
        for value in (counts.get("input"), cached.get("read"), cached.get("write")):
            self._in += whole_number(value)
        self._out += whole_number(counts.get("output")) + whole_number(counts.get("reasoning"))
        cost = money(part.get("cost"))
        if cost is not None:
            self._cost = (self._cost or 0) + cost


def _status(about: Mapping[str, object]) -> str:
    try:
        status = HTTPStatus(whole_number(about.get("statusCode")))
    except ValueError:
        return ""
    return f"{status.value} {status.phrase}"


def _message(error: object) -> str:
    """The error's own words with its status, which says whether to try again."""
    if not isinstance(error, dict):
        return str(error or "the run failed")
    data = error.get("data")
    about = data if isinstance(data, dict) else {}
    parts = (str(error.get("name") or ""), _status(about), str(about.get("message") or ""))
    return " ".join(filter(None, parts)) or "the run failed"
