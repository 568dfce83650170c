"""A loop of CI that a person has on a laptop: which files it has there, and what may go back.

The names on a state branch are hostile: whoever may push can put anything there. So a file is taken
only when its name is one that this program writes, and every other file is left there.

A state is *held* by CI when it was fetched from there, or pushed there for certain; it is *tried*
when a push was begun that may have arrived. A held state can be replaced here without a loss. And
when the state on the server is none of these, somebody else wrote it, and nothing is pushed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from loop_kit.core.card.task import TaskId
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop import bus
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    HandedOver,
)
from loop_kit.core.loop.state import LoopState, Sha
from loop_kit.core.record import Record, Text
from loop_kit.patterns import late_pattern

MAX_FILE = bus.MAX_REPORT
MAX_FILES = 5000
_MAX_DIGESTS = 200

TOP = (
    *(bus.WORK_REPORT, bus.REVIEW_REQUEST, bus.REVIEW_REPORT, bus.SECOND_REVIEW_REPORT),
    *(bus.FIX_LIST, bus.SUMMARY, bus.TASK_PACKET),
)
"""The bus files of the current round, besides the state and the card."""

_REPORT = "|".join(re.escape(name) for name in TOP)
_REFUSED = late_pattern(r"r[0-9]{1,6}_(work|review|second_review)_report_refused_[0-9]{1,6}\.txt")
_FURTHER = r"r[0-9]{1,6}_(second_)?review_report_pass_[0-9]\.json"
_ARCHIVED = late_pattern(
    rf"r[0-9]{{1,6}}_({_REPORT})|{re.escape(bus.SUMMARY)}|{_REFUSED.pattern}|{_FURTHER}"
)
_RUN = late_pattern(bus.RUN_FOLDER)
_HANDOFF = late_pattern(r"(worker|reviewer)_r[0-9]{1,6}\.json")

_Name = Annotated[Text, Field(min_length=1, max_length=244)]


class FetchedLoop(Record):
    """What was fetched from where, and which states CI has had since.

    Attributes:
        remote: The name of the git remote.
        state_tip: The commit of the state branch that was fetched, or pushed since.
        work_tip: The same of the work branch; '' when there was none.
        held: The digests of states that CI has for certain, oldest first.
        tried: The digests of states whose push was begun.
        dispatched: The `seq` of the state whose next round was dispatched from here.
    """

    task_id: TaskId
    remote: _Name
    branch_prefix: _Name
    state_tip: Sha
    work_branch: _Name
    work_tip: Sha = ""
    held: Annotated[tuple[str, ...], Field(max_length=_MAX_DIGESTS)] = ()
    tried: Annotated[tuple[str, ...], Field(max_length=_MAX_DIGESTS)] = ()
    dispatched: int = -1

    def with_held(self, *states: bytes) -> "FetchedLoop":
        """The record, when CI has these states for certain."""
        return self.model_copy(update={"held": _append(self.held, map(digest, states))})

    def with_tried(self, state: bytes) -> "FetchedLoop":
        """The record, when a push of this state is begun."""
        return self.model_copy(update={"tried": _append(self.tried, [digest(state)])})

    def is_held(self, state: bytes) -> bool:
        """Whether CI has this state for certain."""
        return digest(state) in self.held

    def is_known(self, state: bytes) -> bool:
        """Whether this state was fetched, or may have been pushed from here."""
        return digest(state) in {*self.held, *self.tried}

    def to_json(self) -> bytes:
        """The record as it is written."""
        return bus.encode(self.model_dump(mode="json"))


def _append(known: tuple[str, ...], new: "map[str] | list[str]") -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *new)))[-_MAX_DIGESTS:]


def parse_fetched(raw: bytes) -> FetchedLoop | None:
    """The record in `raw`, or None where it holds none."""
    try:
        return FetchedLoop.model_validate_json(raw)
    except (ValidationError, ValueError, RecursionError):
        return None


def digest(state: bytes) -> str:
    """The SHA-256 of a state as it is written."""
    return hashlib.sha256(state).hexdigest()


def is_bus_file(name: str, task_id: str) -> bool:
    """Whether `name`, relative to the loop's folder, is a file of this loop on its state branch.

    The state and the card are not among them: they have rules of their own.
    """
    if name in TOP:
        return True
    folder, _, last = name.rpartition("/")
    archived, _, run = folder.partition("/runs/")
    if archived == f"archive/{task_id}" and (folder == archived or _RUN.fullmatch(run)):
        return _ARCHIVED.fullmatch(last) is not None
    return folder == f"handoff/{task_id}" and _HANDOFF.fullmatch(last) is not None


def without_lease(state: LoopState) -> LoopState:
    """The state as it is on a laptop, which holds no lease."""
    return state if state.lease is None else state.model_copy(update={"lease": None})


def state_to_push(here: LoopState, there: LoopState, *, continues: bool) -> LoopState:
    """The state to push: `here`, later than `there`, without a lease.

    With `continues` it records that the job of its round is dispatched, as a job would.
    """
    later = here.model_copy(update={"seq": max(here.seq, there.seq), "lease": None})
    return transition(later, HandedOver(here.round if continues else None))


def foreign_branch(state: LoopState, branches: Branches) -> str | None:
    """Why the work branch that a state names must not be written to, or None.

    A loop works on its own branch or, when it came from a pull request, on the head of that.
    """
    named = state.work_branch
    if named in {"", branches.work}:
        return None
    if named in {state.base_branch, branches.state}:
        return f"its work branch is {named}"
    return None if state.source.pull is not None else f"its work branch is {named}, not its own"


def changes(
    here: Mapping[str, bytes], there: Mapping[str, bytes]
) -> tuple[dict[str, bytes | None], str]:
    """What has to change on the state branch so that it has the files that are `here`.

    Returns:
        The files (None: removed), and the name of one that is no JSON object, or ''. What was
        archived is never removed, only moved.
    """
    changed: dict[str, bytes | None] = {}
    for name, content in here.items():
        stored = _stored_form(name, content)
        if stored is None:
            return {}, name
        if stored != there.get(name):
            changed[name] = stored
    moved = {
        (name.rpartition("/")[2], _stored_form(name, content))
        for name, content in here.items()
        if "/runs/" in name
    }
    gone = {
        name: None
        for name, content in there.items()
        if name not in here and (name in TOP or (name.rpartition("/")[2], content) in moved)
    }
    return {**changed, **gone}, ""


def _stored_form(name: str, content: bytes) -> bytes | None:
    """The file as the state branch stores it: a review request without its diff."""
    if _REFUSED.fullmatch(name.rpartition("/")[2]):
        return content
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    is_request = name.endswith(bus.REVIEW_REQUEST)
    return bus.encode(bus.remove_diff(document)) if is_request else content
