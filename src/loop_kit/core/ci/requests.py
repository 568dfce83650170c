"""What an event asks for, after everything in it that reaches git or the API was checked.

Only the facts of the event are here. Who may ask is decided elsewhere, by asking the API.
"""

import re
import unicodedata

from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BranchRefused, ForgeRefused
from loop_kit.frozen import frozen

DEFAULT_CARD = f"{LOOP_DIR}/task_card.json"

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_BRANCH_BYTES = 244
_NOT_IN_REFS = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//")


@frozen
class StartFile:
    """Start the loop of the card at `path` in the repository."""

    path: str


@frozen
class StartIssue:
    """Start the loop of an issue.

    `title` and `body` are what the person saw who put the label on; `body` is None when the
    event does not have it and the API is to be asked. `labelled`: a label started the loop, and
    removing it ends the loop.
    """

    number: int
    title: str
    body: str | None
    labelled: bool


@frozen
class PullFacts:
    """A pull request, as an event or the API describes it.

    From an event, `head_sha` is what the person saw who labelled it; `labels` and `closes` are
    empty then. Repositories are "owner/name", '' where the fork is gone. `closes` is the issue that
    merging it closes, if it names exactly one. `closed_at` is UTC as YYYY-MM-DDTHH:MM:SSZ, '' while
    it is open.
    """

    number: int
    url: str
    title: str
    body: str
    head: str
    head_sha: str
    head_repository: str
    base: str
    is_open: bool
    merged: bool
    labels: tuple[str, ...] = ()
    closes: int | None = None
    closed_at: str = ""


@frozen
class StartPull:
    """Start the loop of a pull request; `facts` is None when the API is to be asked."""

    number: int
    facts: PullFacts | None
    labelled: bool


@frozen
class Resume:
    """Continue a loop; a continuation names the round and the state that it was made for."""

    task_id: str
    round: int | None
    expected_state: int | None


@frozen
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


@frozen
class PushedCards:
    """Look for task cards in what was pushed; `before` is all zeros for a new branch."""

    before: str
    after: str
    ref: str


@frozen
class ChecksEnded:
    """A workflow has ended on `head_sha` of a branch of this repository.

    `task_id` is the loop whose work branch it is, '' for any other branch; `pulls` are the pull
    requests from that.
    """

    head_sha: str
    branch: str
    task_id: str = ""
    pulls: tuple[int, ...] = ()


@frozen
class SweepAll:
    """Look for stalled loops."""


@frozen
class NotForUs:
    """The event asks for nothing; `why` is one sentence."""

    why: str


Request = (
    StartFile
    | StartIssue
    | StartPull
    | Resume
    | Comment
    | PushedCards
    | ChecksEnded
    | SweepAll
    | NotForUs
)


def is_sha(text: str) -> bool:
    """Whether `text` is the full name of a commit, all zeros included."""
    return bool(_SHA.fullmatch(text))


def is_no_commit(sha: str) -> bool:
    """Whether `sha` is all zeros, git's name for no commit."""
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
    """Whether `branch` is under the loops' prefix, so that an agent may have written it."""
    return branch == prefix or branch.startswith(f"{prefix}/")


def check_pull(pull: PullFacts, repository: str, prefix: str) -> None:
    """Refuse a pull request from a fork, or from or to one of the loop's own branches.

    Raises:
        ForgeRefused: it comes from a fork.
        BranchRefused: its head or base is under `prefix`.
    """
    source = pull.head_repository
    if source.lower() != repository.lower():
        fork = f"the fork {source}" if source else "a fork that is gone"
        raise ForgeRefused(
            f"The pull request #{pull.number} comes from {fork}.",
            "Push the branch to this repository and open the pull request from there.",
            anchor="pull-request-unusable",
        )
    for branch in (pull.head, pull.base):
        if is_under(branch, prefix):
            raise BranchRefused(
                f"The branch {one_line(branch, 100)} of the pull request #{pull.number} belongs to"
                " a loop.",
                "Comment `/loop retry` there to continue its loop.",
                anchor="pull-request-unusable",
            )


def check_head(pull: PullFacts, default_branch: str) -> None:
    """Refuse a pull request whose head is the default branch: agents commit to the head.

    Raises:
        BranchRefused: it is.
    """
    if pull.head == default_branch:
        raise BranchRefused(
            f"The head of the pull request #{pull.number} is the default branch {pull.head}.",
            "Open it from another branch.",
            anchor="pull-request-unusable",
        )
