"""People as worker and reviewer: they do the work and write the report into the loop's folder.

This is a run without `--auto-dispatch`. A report for another round or task is a leftover and is
ignored; one that cannot be parsed is reported once and not an error, because a person may be in the
middle of saving it. Work that is not committed is not taken: the report waits until it is.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loop_kit.adapters.loop_dir.heartbeat import health
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.core.agent.reports import ReportInvalid, report_document
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role, Spent
from loop_kit.core.text.sanitize import one_line
from loop_kit.ports import AgentExit, Assignment, Reporter

_POLL = 0.2
_MAX_WAIT = 24 * 3600.0
_HINT = " Nobody is started for you; `--auto-dispatch` starts agents."
_MAX_NAMED = 10


class ManualAgent:
    """Waits for a report; `timeout` is in seconds, 0 waits a day.

    With `heartbeat_ttl` the wait ends as soon as the role's heartbeat is older than that.
    """

    name = "manual"
    is_program = False

    def __init__(
        self,
        folder: Path,
        timeout: float = 0,
        heartbeat_ttl: float | None = None,
        uncommitted: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`uncommitted` names the tracked files that a worker has changed and not committed."""
        self._folder = folder
        self._timeout = timeout or _MAX_WAIT
        self._heartbeat_ttl = heartbeat_ttl
        self._uncommitted = uncommitted
        self._has_explained = False

    def check(self) -> str:
        """People need no program."""
        return ""

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Wait until the report for this round is there."""
        path = self._folder / bus.REPORTS[assignment.role]
        who = "Worker" if assignment.role is Role.WORKER else "Reviewer"
        request = "task_card.json" if assignment.role is Role.WORKER else "review_request.json"
        hint = "" if self._has_explained else _HINT
        self._has_explained = True
        reporter.note(
            f"Tell the {who}: round {assignment.round} of {assignment.task_id} is yours."
            f" Read {self._folder / request}, then write {path}.{hint}"
        )
        started = time.monotonic()
        warned = ""
        while time.monotonic() - started < self._timeout:
            raw, why = _read_report(path, assignment)
            if raw is not None and assignment.role is Role.WORKER:
                raw, why = self._require_committed(raw, path)
            if raw is not None:
                write_atomically(assignment.report, raw)
                return AgentExit(spent=Spent())
            if why and why != warned:
                reporter.warn(why)
                warned = why
            missing = self._missing_heartbeat(assignment.role)
            if missing:
                return AgentExit(timed_out=missing)
            time.sleep(_POLL)
        return AgentExit(timed_out=f"no {path.name} within {self._timeout:g} s (--timeout)")

    def _require_committed(self, raw: bytes, path: Path) -> tuple[bytes | None, str]:
        """The report, or None and why it is not taken while files are uncommitted."""
        changed = self._uncommitted()
        if not changed:
            return raw, ""
        more = f" and {len(changed) - _MAX_NAMED} more" if len(changed) > _MAX_NAMED else ""
        named = ", ".join(one_line(name) for name in changed[:_MAX_NAMED])
        return None, (
            f"{path} is not taken, as there are uncommitted changes: {named}{more}."
            " Commit it, then write the report."
        )

    def _missing_heartbeat(self, role: Role) -> str | None:
        """Why waiting is useless, or None."""
        if self._heartbeat_ttl is None:
            return None
        found = health(self._folder, role.value, self._heartbeat_ttl)
        if found.alive:
            return None
        return (
            f"no heartbeat of the {role.value} ({found.reason});"
            f" --require-heartbeat asks for `loop heartbeat --role {role.value}`"
        )


def _read_report(path: Path, assignment: Assignment) -> tuple[bytes | None, str]:
    """The report if it is for this job, else None and why not, or ''."""
    try:
        raw = read_plain(path, bus.MAX_REPORT)
        if raw is None:
            return None, ""
        document = report_document(raw)
    except (BusFileUnreadable, ReportInvalid) as error:
        return None, f"{path}: {error}. Waiting for it to be corrected."
    if not isinstance(document, dict):
        return raw, ""
    found = {key: document.get(key, expected) for key, expected in _identity(assignment).items()}
    if found != _identity(assignment) and _is_comparable(found):
        return None, f"{path} is for {found['task_id']} round {found['round']}: ignored."
    return raw, ""


def _identity(assignment: Assignment) -> dict[str, object]:
    return {"task_id": assignment.task_id, "round": assignment.round}


def _is_comparable(found: dict[str, object]) -> bool:
    """Whether both are of the right type; if not, validation reports it."""
    return isinstance(found["task_id"], str) and type(found["round"]) is int
