"""An event without secrets: everything that is recorded of a loop follows from its events.

Whatever an agent, a command or git says gets into the state, the files of the bus, and the posts by
an event. So this is the one place where it is redacted. Ids, commits and commands are left as they
are: they are compared later, and nothing that an agent writes is taken for one unchecked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.messages import (
    Event,
)
from loop_kit.core.loop.state import Lease, Limits, OutboxItem, Session, Source
from loop_kit.core.secrets.redaction import Redactor

T = TypeVar("T")

_KEPT = (TaskCard, Command, Lease, Limits, OutboxItem, Session, Source, Enum)
_IDS = frozenset(
    {"task_id", "card_sha256", "base_sha", "start_sha", "head_sha", "sha", "work_sha", "onto"}
    | {"diff_base", "merge_base", "tip"}
    | {"command", "verify", "work_branch", "state_branch", "base_branch", "branch", "starter"}
)


def clean_event(event: Event, redact: Redactor) -> Event:
    """The event without secrets; the same object if it has none."""
    texts = "\n".join(_texts(event))
    return event if redact(texts) is texts else _clean(event, redact)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, _KEPT):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each) if name not in _IDS else ()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    else:
        yield from _texts(_members(value))


def _clean(value: T, redact: Redactor) -> T:
    cleaned: Any = value
    if isinstance(value, _KEPT):
        return value
    if isinstance(value, str):
        cleaned = redact(value)
    elif isinstance(value, Mapping):
        cleaned = {name: _clean_member(name, each, redact) for name, each in value.items()}
    elif isinstance(value, list | tuple):
        make = getattr(value, "_make", type(value))
        cleaned = make(_clean(each, redact) for each in value)
    elif members := _members(value):
        new = {name: _clean_member(name, each, redact) for name, each in members.items()}
        changed = {name: each for name, each in new.items() if each is not members[name]}
        copy: Any = value
        cleaned = (
            copy.model_copy(update=changed)
            if isinstance(value, BaseModel)
            else replace(copy, **changed)
        )
    result: T = cleaned
    return result


def _clean_member(name: str, value: T, redact: Redactor) -> T:
    return value if name in _IDS else _clean(value, redact)


def _members(value: Any) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return dict(value)
    return {name: getattr(value, name) for name in getattr(value, "__match_args__", ())}
