"""What all command-line agents share: environment, argv, transcript, stream, diagnosis of failures.

A backend adds its command line (`command`) and how to read its stream (`StreamReader`). Exit code 0
never means success, here or anywhere: only a usable report does.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import field, replace
from errno import ENOEXEC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loop_kit.adapters.agents.catalogue import explain_missing
from loop_kit.adapters.agents.own_home import Homes
from loop_kit.adapters.agents.transcript import Transcript
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.programs import expand_home, find_file, find_program
from loop_kit.core.agent.activity import Activity
from loop_kit.core.agent.diagnosis import Problem, ProblemKind, from_exit, from_stderr, problem
from loop_kit.core.agent.report_schemas import without_nulls
from loop_kit.core.agent.reports import ReportInvalid, report_document
from loop_kit.core.loop.bus import MAX_REPORT
from loop_kit.core.loop.state import Spent
from loop_kit.frozen import frozen
from loop_kit.ports import AgentExit, Assignment, Reporter, Tampered

if TYPE_CHECKING:
    from loop_kit.adapters.process.room.upstream import Upstream

_STDERR_TAIL = 4096
_MAX_NUMBER = 10**15


Box = Callable[[Iterable[Path], Sequence[str], Mapping[str, str]], Bare]
"""A box for a program, given where its changes are real, its command line and environment."""


def _no_box(*_: object) -> Bare:
    return Bare()


@frozen
class Setup:
    """The input of a backend: `environment` is allow-listed already and holds its own key.

    `homes` is where the program keeps its login and conversations. With an
    `upstream` it reaches its model by a proxy that has the key; `refusal` says why it cannot.
    `kept` is entered while the program runs; it puts back what must not be changed meanwhile.
    """

    environment: Mapping[str, str]
    logs: Path
    model: str = ""
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    root: Path = field(default_factory=Path)
    secrets: tuple[str, ...] = ()
    box: Box = _no_box
    homes: Homes = field(default_factory=Homes)
    structured: bool = True
    kept: Callable[[], AbstractContextManager[None]] = nullcontext
    upstream: "Upstream | None" = None
    refusal: str = ""


class StreamReader(Protocol):
    """Reads one backend's stream; one is made per attempt."""

    def feed(self, line: bytes) -> Sequence[Activity]:
        """The agent's activities in this line of standard output."""
        ...

    @property
    def session_id(self) -> str:
        """The session's id, or ''."""
        ...

    @property
    def began(self) -> bool:
        """Whether the session was opened; one that is unknown to the backend never is."""
        ...

    @property
    def spent(self) -> Spent:
        """What this attempt used according to the stream; None for what it does not report."""
        ...

    @property
    def stuck(self) -> str:
        """Why this attempt cannot succeed although the program continues, or ''."""
        ...

    @property
    def answer(self) -> bytes | None:
        """The report as the agent's structured answer, if the backend asked for one."""
        ...

    @property
    def thread_tokens(self) -> tuple[int, int] | None:
        """Input and output tokens of the whole session, if the backend reports those."""
        ...

    @property
    def thread_cached(self) -> int | None:
        """How many of its input tokens the model had read before, if the backend reports that."""
        ...

    @property
    def problem(self) -> Problem | None:
        """The failure according to the backend's own events, or None."""
        ...

    @property
    def spoke(self) -> bool:
        """Whether any event of the stream was read; tools may print after that."""
        ...


class PlainReader:
    """For programs without a stream format: each line is an activity."""

    session_id = ""
    began = True
    spoke = True
    spent = Spent()
    stuck = ""
    answer = None
    thread_tokens = None
    thread_cached = None
    problem = None

    def __init__(self, assignment: Assignment) -> None:
        del assignment

    def feed(self, line: bytes) -> Sequence[Activity]:
        """The line itself."""
        text = line.decode("utf-8", "replace")
        return (Activity("", text),) if text.strip() else ()


@frozen
class Invocation:
    """How to start one attempt; `extra` is added to the environment."""

    argv: Sequence[str]
    stdin: bytes
    extra: Mapping[str, str] = field(default_factory=dict)


class CommandLineAgent:
    """Runs a program that takes a prompt on standard input and writes a report file."""

    is_program = True

    def __init__(
        self,
        name: str,
        setup: Setup,
        executable: Callable[[], str],
        command: Callable[[Assignment, str], Invocation],
        reader: Callable[[Assignment], StreamReader] = PlainReader,
        missing: str = "",
    ) -> None:
        self._missing = missing or name
        self.name = name
        self._setup = setup
        self._executable = executable
        self._command = command
        self._reader = reader

    def check(self) -> str:
        """Why this backend cannot run here, or ''."""
        if self._setup.refusal:
            return self._setup.refusal
        if self._executable():
            return ""
        return explain_missing(self.name, self._missing)

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Run one attempt to its end; nothing it started is alive afterwards."""
        invocation = self._command(assignment, self._executable())
        reader = self._reader(assignment)
        log = Transcript(
            self._setup.logs / f"{assignment.role.value}_dispatch.log",
            self._setup.secrets,
            reporter.warn,
            assignment.output,
        )
        log.begin(assignment, invocation.argv)
        listener = _Listener(assignment, reader, reporter, log)
        started, tampered = time.monotonic(), tuple[str, ...]()
        try:
            with self._setup.kept(), self._setup.homes.filled():
                ended = self._stream(assignment, invocation, reader, listener)
        except Tampered as error:
            tampered = error.names
        except OSError as error:
            log.end(126, "")
            return AgentExit(exit_code=126, problem=_start_problem(self.name, error))
        log.end(ended.exit_code, reader.session_id)
        _take_answer(assignment, reader, reporter)
        seconds = round(time.monotonic() - started, 3)
        return AgentExit(
            exit_code=ended.exit_code,
            timed_out=ended.timed_out,
            problem=_diagnose(self.name, assignment, reader, ended, listener.stderr_tail),
            session_id=reader.session_id,
            spent=reader.spent.model_copy(update={"agent_seconds": seconds}),
            thread_tokens=reader.thread_tokens,
            thread_cached=reader.thread_cached,
            stderr=listener.stderr_tail,
            tampered=tampered,
        )

    def _stream(
        self,
        assignment: Assignment,
        invocation: Invocation,
        reader: StreamReader,
        listener: process.Listener,
    ) -> process.Streamed:
        setup, argv = self._setup, list(invocation.argv)
        environment = {
            **setup.environment,
            **setup.homes.variables(),
            **assignment.environment,
            **assignment_environment(assignment),
            **invocation.extra,
        }
        writable = [assignment.workspace, assignment.mailbox, *setup.homes.writable()]
        with ExitStack() as stack:
            proxy = None
            if setup.upstream:
                from loop_kit.adapters.process.model_proxy import model_proxy

                proxy = stack.enter_context(model_proxy(setup.upstream, environment))
                argv = proxy.bridged([find_program(argv[0], environment) or argv[0], *argv[1:]])
                writable.append(proxy.folder)
            ended = process.stream(
                argv,
                cwd=assignment.workspace,
                env=environment,
                stdin=invocation.stdin,
                listener=listener,
                timeout=assignment.timeout,
                idle_timeout=assignment.idle_timeout,
                linger=assignment.artifact_timeout,
                settled=lambda: reader.answer is not None or _has_report(assignment),
                box=setup.box(writable, argv, environment),
            )
            if proxy is not None and ended.exit_code:
                proxy.check()
            return ended


def _take_answer(assignment: Assignment, reader: StreamReader, reporter: Reporter) -> None:
    """Write the structured answer as the report, unless the agent wrote a complete one itself.

    Where it cannot be written, the attempt has no report: its work is kept all the same.
    """
    answer = reader.answer
    if answer is None or _has_report(assignment):
        return
    try:
        document = without_nulls(report_document(answer))
    except ReportInvalid:
        return
    try:
        raw = json.dumps(document).encode(errors="replace")
        write_atomically(assignment.report, raw, durable=False)
    except OSError as error:
        reporter.warn(f"The answer of the agent cannot be saved: {error.strerror}.")


def _start_problem(backend: str, error: OSError) -> Problem:
    """The problem of a program that is missing, cannot be executed, or finds no resources."""
    absent = isinstance(error, (FileNotFoundError, PermissionError)) or error.errno == ENOEXEC
    kind = ProblemKind.MISSING_TOOL if absent else ProblemKind.UNKNOWN
    return problem(kind, f"cannot start {backend}: {error.strerror or error}")


def _diagnose(
    backend: str, assignment: Assignment, reader: StreamReader, ended: process.Streamed, stderr: str
) -> Problem | None:
    """The failure according to the backend's events, else according to how it ended.

    A pending tool call means a denied one only if the backend ended by itself, and a session that
    was never opened is unknown to the backend unless something else kept it from opening.
    """
    found = reader.problem
    if found is not None and found.kind is ProblemKind.DENIED and ended.exit_code:
        found = None
    if found is None and ended.exit_code and not ended.timed_out:
        of_end = from_exit if reader.spoke else from_stderr
        found = of_end(backend, ended.exit_code, stderr)
    unopened = assignment.session is not None and not reader.began and not ended.timed_out
    if found is not None and found.kind is ProblemKind.UNKNOWN and unopened and ended.exit_code:
        return replace(found, kind=ProblemKind.INVALID_SESSION)
    return found


def _has_report(assignment: Assignment) -> bool:
    """Whether the agent wrote a report, at either of the two places for it."""
    places = (assignment.report, assignment.report_in_workspace)
    return any(_is_complete(path) for path in places if path is not None)


def _is_complete(report: Path) -> bool:
    """Whether the report exists and is not half-written."""
    try:
        report_document(read_plain(report, MAX_REPORT))
    except BusFileUnreadable:
        return True
    except ReportInvalid:
        return False
    return True


def assignment_environment(assignment: Assignment) -> dict[str, str]:
    """The variables that describe its job to an agent."""
    return {
        "LOOP_ROLE": assignment.role.job.value,
        "LOOP_TASK_ID": assignment.task_id,
        "LOOP_ROUND": str(assignment.round),
        "LOOP_ATTEMPT": str(assignment.attempt),
        "LOOP_BASE_SHA": assignment.base_sha,
        "LOOP_MAILBOX": str(assignment.mailbox.absolute()),
        "LOOP_REPORT_PATH": str(assignment.report.absolute()),
    }


def json_object(line: bytes) -> Mapping[str, Any]:
    """The JSON object on one line of a stream, or an empty one: streams are not trusted."""
    if not line.lstrip().startswith(b"{"):
        return {}
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def whole_number(value: object) -> int:
    """A count in a stream, or 0 if it is not a plausible one."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 < value < _MAX_NUMBER else 0


def money(value: object) -> float | None:
    """An amount that can be added up; NaN or a negative one would disable the budget."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < _MAX_NUMBER else None


def on_path(name: str, environment: Mapping[str, str]) -> str:
    """The program `name` on the agent's PATH or in the usual places, or ''."""
    home = expand_home(environment.get("HOME") or environment.get("USERPROFILE") or "~")
    places = (home / ".npm-global" / "bin", home / ".local" / "bin", Path("/usr/local/bin"))
    found = find_program(name, environment)
    if found:
        return found
    usual = (str(place / name) for place in places if place.is_absolute())
    return next((found for each in usual if (found := find_file(each, environment))), "")


class _Listener(process.Listener):
    def __init__(
        self, assignment: Assignment, reader: StreamReader, reporter: Reporter, log: Transcript
    ) -> None:
        self._assignment = assignment
        self._reader = reader
        self._reporter = reporter
        self._log = log
        self._stderr = b""

    def chunk(self, source: process.Source, data: bytes) -> None:
        self._log.add(data)
        if source == "stderr":
            self._stderr = (self._stderr + data)[-_STDERR_TAIL:]

    def line(self, source: process.Source, line: bytes) -> None:
        self._reporter.output(self._assignment.role, line.decode("utf-8", "replace"))
        if source == "stdout":
            for activity in self._reader.feed(line):
                self._reporter.activity(self._assignment.role, activity)

    def enough(self) -> str:
        return self._reader.stuck

    @property
    def stderr_tail(self) -> str:
        """The end of standard error."""
        return self._stderr.decode("utf-8", "replace").strip()[-2000:]
