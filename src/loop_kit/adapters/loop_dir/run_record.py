"""Keeps what each attempt of a run was told, said, reported and used (`core.loop.run_names`).

It is for people, and nothing is decided by it: where it cannot be written the run continues. Every
file is bounded, secrets are replaced before they get here or in here, and of old runs the newest
are kept.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.loop_dir.bounded_file import CUT, MAX_FILE, BoundedFile
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    read_plain,
    write_atomically,
)
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop import run_names, run_record
from loop_kit.core.loop.run_names import OF_AGENTS, RUN, SETTINGS, TRANSCRIPT
from loop_kit.core.loop.run_record import Level
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.record import encode_json
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor, StreamRedactor
from loop_kit.core.text.sanitize import visible
from loop_kit.ports import Clock

MAX_RUNS = 20


class RunRecord:
    """The record of one run in a folder; it also listens to what happens, as a reporter."""

    def __init__(
        self,
        folder: Path,
        level: Level,
        secrets: Forms,
        clock: Clock,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """`folder` is that of all runs; with `level` "off" nothing is kept."""
        self._folder = folder
        self._level = level
        self._secrets = secrets
        self._redact = Redactor(secrets)
        self._clock = clock
        self._settings = settings or {}
        self._run: Path | None = None
        self._known: set[str] = set()
        self._before: list[tuple[str, bytes]] = []
        self._transcript: BoundedFile | None = None

    def output_file(self, state: LoopState, role: Role, round_: int, attempt: int) -> Path | None:
        """Where the output of an attempt goes; None where it is not kept."""
        if self._level != "full":
            return None
        folder = self._attempt(state, role, round_, attempt)
        return folder / run_names.OUTPUT if folder else None

    def keep(
        self, state: LoopState, role: Role, round_: int, attempt: int, name: str, content: bytes
    ) -> None:
        """Keep a file of an attempt."""
        if self._level == "off" or (name in OF_AGENTS and self._level != "full"):
            return
        folder = self._attempt(state, role, round_, attempt)
        if folder is None:
            return
        clean = self._redact.clean(content)
        kept = clean if len(clean) <= MAX_FILE else clean[:MAX_FILE] + CUT
        with suppress(OSError):
            write_atomically(folder / name, kept, durable=False)

    def verify_log(self, sha: str, command: str) -> Callable[[bytes], None]:
        """Takes what a verify command prints, in pieces; b"" is the end of it."""
        if self._level == "off":
            return lambda _: None
        name, redactor = run_record.verify_file(sha), StreamRedactor(self._secrets)
        shown = self._redact.clean(command.encode(errors="replace"))
        self._add(name, b"$ " + shown + b"\n")

        def add(data: bytes) -> None:
            self._add(name, redactor.feed(data) if data else redactor.end())

        return add

    def _add(self, name: str, data: bytes) -> None:
        if self._run is not None:
            BoundedFile(self._run / name).append(data)
        elif sum(len(piece) for _, piece in self._before) < MAX_FILE // 16:
            self._before.append((name, data))

    def _attempt(self, state: LoopState, role: Role, round_: int, attempt: int) -> Path | None:
        run = self._open(state)
        if run is None:
            return None
        folder = run / run_record.attempt_folder(round_, role, attempt)
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            return folder
        return None

    def _open(self, state: LoopState) -> Path | None:
        """The folder of this run; what came before it had a name is moved into it."""
        name = run_record.run_folder(state)
        if name is None or self._level == "off":
            return None
        run = self._folder / name
        if name not in self._known:
            self._known.add(name)
            try:
                run.mkdir(parents=True, exist_ok=True)
                about = {
                    "task_id": state.task_id,
                    "started_at": run_record.run_start(state),
                    "level": self._level,
                }
                write_atomically(run / RUN, encode_json(about), durable=False)
                if self._settings:
                    known = self._redact.clean(encode_json(self._settings))
                    write_atomically(run / SETTINGS, known, durable=False)
                self._remove_old()
            except OSError:
                return None
            self._run = run
            before, self._before = self._before, []
            for file, data in before:
                self._add(file, data)
        return run if run.is_dir() else None

    def _remove_old(self) -> None:
        runs = sorted(path for path in self._folder.iterdir() if (path / RUN).is_file())
        for old in runs[:-MAX_RUNS]:
            remove(old)

    # --- as a reporter: the readable transcript -------------------------------------------------

    def event(self, name: str, state: LoopState, data: Mapping[str, object]) -> None:
        """An attempt that begins says whose transcript follows."""
        if name != "dispatch_start" or self._level != "full":
            return
        role, attempt = Role(str(data["role"])), int(str(data["attempt"]))
        folder = self._attempt(state, role, state.round, attempt)
        self._transcript = BoundedFile(folder / TRANSCRIPT) if folder else None

    def activity(self, role: Role, activity: Activity) -> None:
        """One line of the transcript; work that only begins is in it when it ends."""
        del role
        if self._transcript is not None and not activity.begins:
            line = f"{self._clock.now()} {visible(activity.line)}\n"
            self._transcript.append(line.encode(errors="replace"))

    def start_attempt(self, role: Role, round_: int, attempt: int, backend: str) -> None:
        """Nothing: `dispatch_start` said it."""

    def output(self, role: Role, line: str) -> None:
        """Nothing: the output is in a file of its own."""

    def end_attempt(self, role: Role, seconds: float, note: str) -> None:
        """The transcript ends."""
        del role
        if self._transcript is not None:
            self._transcript.append(f"{self._clock.now()} {note} after {seconds:.0f} s\n".encode())
            self._transcript = None

    def note(self, message: str) -> None:
        """Nothing: the log has it."""

    def warn(self, message: str) -> None:
        """Nothing: the log has it."""

    def fail(self, message: str) -> None:
        """Nothing: the log has it."""


def export_record(runs: Path, target: Path, secrets: Forms) -> None:
    """Copy the record of a job to `target`, for its artifact.

    An agent without a room could have put a link or a file of its own there: what is copied are
    plain files of the known names, without secrets.
    """
    redact = Redactor(secrets)
    for path in sorted(runs.glob("*/*")) + sorted(runs.glob("*/*/*")):
        inside = path.relative_to(runs)
        if not run_names.is_record(inside.parts[1:]):
            continue
        with suppress(OSError, BusFileUnreadable):
            content = read_plain(path, MAX_FILE + len(CUT))
            if content is not None:
                (target / inside).parent.mkdir(parents=True, exist_ok=True)
                (target / inside).write_bytes(redact.clean(content))
