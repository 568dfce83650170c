"""The store of a local loop: the bus in `.loop/`, each file replaced whole, the state last."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain, write_atomically
from loop_kit.adapters.loop_dir.write_ahead import WriteAhead
from loop_kit.core.card.task import check_task_id, parse_card
from loop_kit.core.loop import bus, seed_state
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    AttemptStarted,
    Event,
    TaskStarted,
)
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.state import (
    LoopState,
    Outcome,
    Phase,
    Role,
    StateCorrupt,
    StateTooNew,
    parse_state,
    state_encoder,
)
from loop_kit.core.loop.withholding import Texts
from loop_kit.errors import BadCard, StateRefused

_MAX_STATE = 16 * 1024 * 1024
_DERIVED = ("handoff/", bus.TASK_PACKET)
_FROZEN_CARD = f"runtime/{bus.TASK_CARD}"


class FileStore:
    """Keeps one loop in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_card: Callable[[], bool] = bool,
        keep_work: Callable[[str], None] | None = None,
    ) -> None:
        """`keep_card` says whether the card on the bus is the user's own although it is equal."""
        self._folder = folder
        self._log = WriteAhead(folder)
        self._keep_card = keep_card
        self._keep_work = keep_work
        self._encoder = state_encoder(in_lines=True)
        self._saved: LoopState | None = None

    @property
    def work_tip(self) -> str:
        """'': the work is on the user's own branch, which the workspace checks."""
        return ""

    def load(self) -> LoopState | None:
        """The recorded state, or None when there is none.

        Raises:
            StateRefused: it cannot be read.
        """
        try:
            return self._parse()
        except (BusFileUnreadable, StateCorrupt) as error:
            raise _refusal(self._folder / bus.STATE, error) from None

    def set_aside(self) -> Path | None:
        """Move a state that cannot be read out of the way; returns its new path, or None.

        Raises:
            StateRefused: a newer loop-kit can read it.
        """
        path = self._folder / bus.STATE
        try:
            self._parse()
        except StateTooNew as error:
            raise _refusal(path, error) from None
        except (BusFileUnreadable, StateCorrupt):
            aside = path.with_name(f"{path.name}.corrupt")
            path.replace(aside)
            return aside
        return None

    def _parse(self) -> LoopState | None:
        self._log.recover()
        raw = read_plain(self._folder / bus.STATE, _MAX_STATE)
        return None if raw is None else parse_state(raw, self._read_regular)

    def reset(self) -> None:
        """Remove the state and the reports of an earlier loop; cards, archive and logs stay."""
        for name in (*bus.RESET, _FROZEN_CARD):
            path = self._folder / name
            if path.is_symlink() or path.is_file():
                path.unlink()
        self._log.discard()
        self._saved = None

    def read(self, name: str) -> bytes | None:
        """A bus file, or None; for the card, the frozen copy.

        Raises:
            BadCard: the frozen copy is no regular file of a sane size.
        """
        if name != bus.TASK_CARD:
            return self._read_regular(name)
        try:
            return read_plain(self._folder / _FROZEN_CARD, _MAX_STATE)
        except BusFileUnreadable as error:
            raise BadCard(
                f"The card that the loop was started with cannot be read: {error}.",
                f"Restore {self._folder / _FROZEN_CARD}, or start again without --resume.",
                anchor="state-unusable",
            ) from None

    def save(
        self, state: LoopState, event: Event, files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Write the bus files, then the state; `sync` makes them durable."""
        changed = dict(files or {})
        if isinstance(event, AttemptStarted) and event.role is Role.WORKER:
            name = bus.archive_path(state.task_id, state.round, bus.STATE)
            changed[name] = seed_state.archived_state(self._recorded())
        if isinstance(event, TaskStarted):
            self._move_archive(state)
        card = changed.pop(bus.TASK_CARD, None) or self._marked_card(state)
        strays = [self._stray(name, state) for name, content in changed.items() if content is None]
        copies = {} if card is None else self._card_copies(card)
        written = {
            **dict(filter(None, strays)),
            **copies,
            **changed,
            bus.STATE: state.to_json(self._encoder),
        }
        self._log.append({k: v for k, v in written.items() if not k.startswith(_DERIVED)})
        for name, content in written.items():
            path = self._folder / name
            if content is not None:
                write_atomically(path, content, durable=False)
            elif path.is_file() or path.is_symlink():
                path.unlink()
        self._saved = state

    def _recorded(self) -> bytes | None:
        """The state on the disk; of one that was saved here without what no archive has."""
        if self._saved is None:
            return self._read_regular(bus.STATE)
        details = self._saved.round_details[-1:]
        slim = {"round_details": details, "history": (), "findings": (), "outbox": ()}
        return self._saved.model_copy(update=slim).to_json()

    def _move_archive(self, state: LoopState) -> None:
        """Move the archive of an earlier run of this task id out of the way."""
        below = self._folder / "archive" / state.task_id
        names = {path.relative_to(below).as_posix() for path in below.rglob("*") if path.is_file()}
        started_at = seed_state.start_of_first_round(
            self._read_regular(bus.STATE), state.task_id
        ) or seed_state.start_of_first_round(
            self._read_regular(bus.archive_path(state.task_id, 1, bus.STATE)), state.task_id
        )
        for name in bus.REPORTS.values():
            raw = self._read_regular(name)
            if raw is not None and self._read_regular(self._archived_as(name, raw, state)) == raw:
                (self._folder / name).unlink()
        for old, new in bus.archive_of_earlier_run(state.task_id, started_at, names).items():
            (self._folder / new).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / old).replace(self._folder / new)

    def _stray(self, name: str, state: LoopState) -> tuple[str, bytes] | None:
        """Where to archive a report that another run or a person left: by the round it names."""
        raw = self._read_regular(name) or b""
        path = self._archived_as(name, raw, state)
        return (path, raw) if raw and not (self._folder / path).exists() else None

    def _archived_as(self, name: str, raw: bytes, state: LoopState) -> str:
        """Where a report is archived that says `raw`, relative to the loop's folder."""
        try:
            report = json.loads(raw)
            task_id, round_ = check_task_id(report["task_id"]), int(report["round"])
        except (ValueError, TypeError, KeyError, RecursionError):
            task_id, round_ = state.task_id, state.round
        return bus.archive_path(task_id, round_, name)

    def _read_regular(self, name: str) -> bytes | None:
        path = self._folder / name
        if not path.is_file() or path.is_symlink() or path.stat().st_size > _MAX_STATE:
            return None
        return path.read_bytes()

    def _card_copies(self, card: bytes) -> dict[str, bytes]:
        """The frozen copy, and the one on the bus unless that is the user's own file."""
        frozen = self._read_regular(_FROZEN_CARD)
        current = self._read_regular(bus.TASK_CARD)
        exists = os.path.lexists(self._folder / bus.TASK_CARD)
        ours = frozen is not None and current == frozen and not self._keep_card()
        return {_FROZEN_CARD: card, **({bus.TASK_CARD: card} if ours or not exists else {})}

    def _marked_card(self, state: LoopState) -> bytes | None:
        """The frozen card with the status that follows from a finished loop."""
        frozen = self._read_regular(_FROZEN_CARD) if state.state is Phase.DONE else None
        if frozen is None:
            return None
        status = "done" if state.outcome is Outcome.APPROVED else "blocked"
        return parse_card(frozen, bus.TASK_CARD).to_json(status)

    def sync(self, work_sha: str = "") -> None:
        """Move the branch for the work, if it is not on the user's own; the rest is on disk."""
        if work_sha and self._keep_work is not None:
            self._keep_work(work_sha)
        self._log.sync()

    def limit_time(self, seconds: float) -> None:
        """Nothing to do: no server is asked."""

    def commands(self) -> tuple[Command, ...]:
        """None: on a laptop a person types commands."""
        return ()

    def keep_aside(self, work_sha: str) -> str:
        """Nothing to do: the user's own branch has them."""
        del work_sha
        return ""

    def pack_work(self, work_sha: str, known: str) -> None:
        """Nothing to do: no server refuses, and the repository has the commits."""
        del work_sha, known

    def holds(self, work_sha: str, known: str) -> bool:
        """The repository has the commits."""
        del work_sha, known
        return True

    def withhold(self, places: Iterable[Place]) -> Texts:
        """Nothing to do: no server reads what is written here."""
        del places
        return ()


def _refusal(path: Path, error: Exception) -> StateRefused:
    restore = "Restore it from archive/, or start again without --resume (it is then set aside)."
    remedy = error.remedy if isinstance(error, StateTooNew) else restore
    return StateRefused(f"{path} cannot be read: {error}.", remedy)
