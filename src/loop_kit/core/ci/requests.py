"""What an event asks of us, after everything in it that reaches git or the API was checked.

Only the facts of the event are here. Who may ask is decided elsewhere, by asking the API.
"""

import re
import unicodedata
from dataclasses import dataclass

from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop.state import LoopState

DEFAULT_CARD = ".loop/task_card.json"

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_BRANCH_BYTES = 244
_NOT_IN_REFS = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//")


@dataclass(frozen=True, slots=True)
class StartFile:
    """Start the loop of the card at `path` in the repository."""

    path: str


@dataclass(frozen=True, slots=True)
class StartIssue:
    """Start the loop of an issue.

    `title` and `body` are what the person saw who put the label on; `body` is None when the event
    does not tell and the API is to be asked. `labelled` says that the label is the wish, and that
    taking it off ends the loop.
    """

    number: int
    title: str
    body: str | None
    labelled: bool


@dataclass(frozen=True, slots=True)
class PullEvent:
    """A pull request as it was at the event; `head_sha` is what the person saw who labelled it."""

    number: int
    title: str
    body: str
    head: str
    head_sha: str
    head_repository: str
    base: str
    url: str


@dataclass(frozen=True, slots=True)
class StartPull:
    """Start the loop of a pull request; `facts` is None when the API is to be asked."""

    number: int
    facts: PullEvent | None
    labelled: bool


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a loop; a continuation names the round and the state that it was made for."""

    task_id: str
    round: int | None
    expected_state: int | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A command in comment `id` on the issue or, with `on_pull`, the pull request `number`.

    `title` and `body` are those of the issue or pull request, as they were at the event.
    """

    id: int
    number: int
    on_pull: bool
    command: Command | Misspelt
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class PushedCards:
    """Look for task cards in what was pushed; `before` is all zeros for a new branch."""

    before: str
    after: str
    ref: str


@dataclass(frozen=True, slots=True)
class SweepAll:
    """Look for loops that stand still."""


@dataclass(frozen=True, slots=True)
class NotForUs:
    """Nothing is asked of us; `why` is one sentence."""

    why: str


Request = StartFile | StartIssue | StartPull | Resume | Comment | PushedCards | SweepAll | NotForUs


def resume_inputs(state: LoopState) -> dict[str, str]:
    """The inputs of the workflow run that continues a loop: a `Resume` that fits its state."""
    return {
        "task-id": state.task_id,
        "round": str(state.round),
        "expected-state": str(state.seq),
    }


def is_sha(text: str) -> bool:
    """Whether `text` is the full name of a commit, all zeros included."""
    return bool(_SHA.fullmatch(text))


def is_no_commit(sha: str) -> bool:
    """Whether `sha` is the name that stands for no commit."""
    return not sha.strip("0")


def is_branch_name(name: str) -> bool:
    """Whether git takes `name` for a branch, and no command takes it for an option.

    The rules are those of `git check-ref-format --branch`, and two more: at most 244 bytes, which
    a server's file system can hold, and no control character of any kind.
    """
    if name.startswith("-") or name.endswith((".", "/")) or name in {"", "@", "HEAD"}:
        return False
    if _NOT_IN_REFS.search(name) or any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        return False
    if any(not part or part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return False
    return len(name.encode()) <= _MAX_BRANCH_BYTES


def is_under(branch: str, prefix: str) -> bool:
    """Whether an agent may have written what is on `branch`, since it is one of our own."""
    return branch == prefix or branch.startswith(f"{prefix}/")
