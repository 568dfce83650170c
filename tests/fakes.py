"""One fake per port: in memory, deterministic, held to the same contract as the adapter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tests.engine.memory_base_branch import MemoryBaseBranch
from tests.engine.memory_forge import MemoryForge, MemoryPull, Post
from tests.engine.memory_repository import (
    FakeSandbox,
    FakeVerifier,
    MemoryRepository,
    MemoryWorkspace,
    MemoryWorkspaces,
)

from loop_kit.core.agent.activity import Activity
from loop_kit.core.agent.reports import ReportInvalid
from loop_kit.core.briefing.knowledge import Knowledge
from loop_kit.core.briefing.prompts import Guidance
from loop_kit.core.loop import bus
from loop_kit.core.loop.commands import Command, parse_inbox_file
from loop_kit.core.loop.messages import (
    Event,
)
from loop_kit.core.loop.push_refusal import Place, PushRefusal
from loop_kit.core.loop.state import LoopState, Role, StateCorrupt, parse_state
from loop_kit.core.loop.withholding import Texts, texts_at, withhold, withhold_in_state
from loop_kit.errors import StateRefused
from loop_kit.ports import (
    AgentExit,
    Assignment,
    Delivery,
    PushRefused,
    PushRejected,
    Reporter,
    WorkMoved,
    Workspace,
)


class FakeClock:
    """Time that passes only when somebody sleeps, and a second per question for the date."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []

    def now(self) -> str:
        self.passed += 1
        return self.later(0)

    def later(self, seconds: float) -> str:
        whole = int(self.passed + seconds)
        days, rest = divmod(whole, 86_400)
        hours, rest = divmod(rest, 3600)
        return f"2030-01-{days + 1:02}T{hours:02}:{rest // 60:02}:{rest % 60:02}Z"

    def seconds(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


class RecordingReporter:
    """Keeps everything it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.events: list[tuple[str, dict[str, object]]] = []
        self.activities: list[str] = []
        self.said: list[Activity] = []
        self.outputs: list[str] = []
        self.attempts: list[tuple[Role, int, int]] = []
        self.endings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def fail(self, message: str) -> None:
        self.errors.append(message)

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        self.events.append((name, dict(data)))

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        self.attempts.append((role, round_, attempt))

    def activity(self, role: Role, activity: Activity) -> None:
        self.said.append(activity)
        if not activity.begins:
            self.activities.append(activity.line)

    def output(self, role: Role, line: str) -> None:
        self.outputs.append(line)

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        self.endings.append(note)


@dataclass
class MemoryServer:
    """What is durable: the state, the bus, the work branch, and every state that was recorded.

    `forward` says whether the second commit builds on the first; only such pushes are taken.
    """

    state: bytes = b""
    forward: Callable[[str, str], bool] = lambda old, new: True
    files: dict[str, bytes] = field(default_factory=dict)
    refuses: Callable[[str, Mapping[str, bytes]], PushRefusal | None] = lambda work, files: None
    work_tip: str = ""
    held: list[str] = field(default_factory=list)
    recorded: list[LoopState] = field(default_factory=list)


class MemoryStore:
    """A store over a `MemoryServer`; only what was synced is durable, as on a git server."""

    def __init__(self, server: MemoryServer, *, durable_at_once: bool = False) -> None:
        self._server = server
        self._at_once = durable_at_once
        self._built_on = b""
        self._work_tip = ""
        self._files: dict[str, bytes] = {}
        self._pending: list[LoopState] = []
        self._inbox: set[str] = set()
        self._unread: set[str] = set()
        self.limits: list[float] = []

    @property
    def work_tip(self) -> str:
        return "" if self._at_once else self._work_tip

    def load(self) -> LoopState | None:
        self._built_on, self._work_tip = self._server.state, self._server.work_tip
        self._files = dict(self._server.files)
        self._inbox = self._unread = self._arrived()
        if not self._server.state:
            return None
        try:
            return parse_state(self._server.state)
        except StateCorrupt as error:
            raise StateRefused(f"The state cannot be read: {error}.", "Mend it.") from None

    def read(self, name: str) -> bytes | None:
        return self._files.get(name)

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        for name, content in (files or {}).items():
            if content is None:
                self._files.pop(name, None)
            else:
                self._files[name] = content
        self._pending.append(state)
        if self._at_once:
            self.sync()

    def sync(self, work_sha: str = "") -> None:
        if self._server.state != self._built_on:
            raise PushRejected("the loop was written by another run")
        moves = not self._at_once and work_sha not in {"", self._work_tip}
        pushed = {
            **self._files,
            "state.json": self._pending[-1].to_json() if self._pending else b"",
        }
        refused = self._server.refuses(work_sha if moves else "", pushed)
        if refused is not None:
            raise PushRefused(refused)
        if moves and self._server.work_tip != self._work_tip:
            self._work_tip = self._server.work_tip
            raise WorkMoved("the work branch was pushed to by somebody else")
        if moves and self._work_tip and not self._server.forward(self._work_tip, work_sha):
            raise PushRejected("the work branch holds commits that this push would drop")
        for name in self._arrived() - self._inbox:
            self._files[name] = self._server.files[name]
            self._unread = self._unread | {name}
        self._inbox = self._inbox | self._unread
        if self._pending:
            self._built_on = self._server.state = self._pending[-1].to_json()
            self._server.files = dict(self._files)
            self._server.recorded += self._pending
            self._pending = []
        if moves:
            self._work_tip = self._server.work_tip = work_sha

    def limit_time(self, seconds: float) -> None:
        self.limits.append(seconds)

    def commands(self) -> tuple[Command, ...]:
        unread, self._unread = self._unread, set()
        found = (parse_inbox_file(self._files[name]) for name in unread if name in self._files)
        return tuple(sorted((c for c in found if c), key=lambda command: command.comment))

    def _arrived(self) -> set[str]:
        return {name for name in self._server.files if name.startswith("inbox/")}

    def keep_aside(self, work_sha: str) -> str:
        if self._at_once:
            return ""
        self._server.held.append(work_sha)
        return f"held-{work_sha[:10]}"

    def pack_work(self, work_sha: str, known: str) -> bytes | None:
        return None if self._at_once else f"{known}..{work_sha}".encode()

    def holds(self, work_sha: str, known: str) -> bool:
        saved = self._server.files.get("unpushed.bundle", b"").decode()
        return self._at_once or saved == f"{known}..{work_sha}"

    def withhold(self, places: Iterable[Place]) -> Texts:
        texts = texts_at(self._files, places) or None
        self._files = {n: withhold(n, raw, texts) for n, raw in self._files.items()}
        self._pending = [withhold_in_state(state, texts) for state in self._pending]
        return texts


class MemoryMailbox:
    """A mailbox without a disk; agents write reports with `deliver`."""

    def __init__(self) -> None:
        self.folders: dict[Path, dict[str, bytes]] = {}
        self._count = 0

    def post(
        self,
        role: Role,
        round_: int,
        attempt: int,
        files: Mapping[str, bytes | Path],
        workspace: Workspace | None = None,
    ) -> Delivery:
        del workspace
        self._count += 1
        folder = Path(f"/mailbox/{self._count}")
        self.folders[folder] = {
            name: content.read_bytes() if isinstance(content, Path) else content
            for name, content in files.items()
        }
        return Delivery(folder=folder, report=folder / bus.REPORTS[role.job])

    def deliver(self, report: Path, content: bytes) -> bool:
        """Write a report as an agent would; whether there was a folder to write to."""
        if report.parent not in self.folders:
            return False
        self.folders[report.parent][report.name] = content
        return True

    def collect(self, delivery: Delivery) -> bytes | None:
        raw = self.folders[delivery.folder].get(delivery.report.name)
        if raw is not None and len(raw) > bus.MAX_REPORT:
            raise ReportInvalid(f"{delivery.report.name} is longer than {bus.MAX_REPORT} bytes")
        return raw

    def discard(self, delivery: Delivery) -> None:
        self.folders.pop(delivery.folder, None)


class FixedGuides:
    """The same short texts for every role."""

    def __init__(self, known: Knowledge | None = None, template: str = "") -> None:
        self._known = known or Knowledge()
        self._template = template

    def guidance(self, role: Role) -> Guidance:
        template = "{task_id} {round_num} {fix_list_section} {feedback_section}" + self._template
        if role.job is Role.REVIEWER:
            template = "{task_id} {round_num} {review_section} {feedback_section}{handoff_section}"
        return Guidance(template=template, role_md="", agents_md="")

    def knowledge(self) -> Knowledge:
        return self._known


@dataclass(frozen=True)
class Act:
    """What a scripted agent does in one attempt; a `report` of None writes none."""

    report: Mapping[str, Any] | bytes | None = field(default_factory=dict)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    commit: str = ""
    ended: AgentExit = field(default_factory=AgentExit)
    raises: BaseException | None = None


class ScriptedFakeAgent:
    """An agent inside this process that plays what `script` says for each job."""

    is_program = True

    def __init__(
        self,
        script: Callable[[Assignment], Act],
        workspaces: MemoryWorkspaces,
        mailbox: MemoryMailbox,
        name: str = "fake",
    ) -> None:
        self.name = name
        self.jobs: list[Assignment] = []
        self.missing = ""
        self._script = script
        self._workspaces = workspaces
        self._mailbox = mailbox

    def check(self) -> str:
        return self.missing

    def run(self, job: Assignment, reporter: Reporter) -> AgentExit:
        self.jobs.append(job)
        act = self._script(job)
        workspace = self._workspaces.at(job.workspace)
        for path, content in act.files.items():
            if content is None:
                workspace.files.pop(path, None)
            else:
                workspace.files[str(PurePosixPath(path))] = content
        if act.commit:
            workspace.commit(act.commit)
        if act.raises is not None:
            raise act.raises
        reporter.output(job.role, "here")
        reporter.activity(job.role, Activity("", f"{job.role.value} was here"))
        self._report(job, act, workspace.head)
        return replace(act.ended)

    def _report(self, job: Assignment, act: Act, head: str) -> None:
        if act.report is None:
            return
        raw = act.report
        if not isinstance(raw, bytes):
            known = {"task_id": job.task_id, "round": job.round, "head_sha": head}
            raw = json.dumps({**known, **raw}).encode()
        self._mailbox.deliver(job.report, raw)


__all__ = [
    "Act",
    "FakeClock",
    "FakeSandbox",
    "FakeVerifier",
    "FixedGuides",
    "MemoryBaseBranch",
    "MemoryForge",
    "MemoryMailbox",
    "MemoryPull",
    "MemoryRepository",
    "MemoryServer",
    "MemoryStore",
    "MemoryWorkspace",
    "MemoryWorkspaces",
    "Post",
    "RecordingReporter",
    "ScriptedFakeAgent",
]
