"""What the state records of a push that the git server refused, and of the commits it was for.

The words are the server's own, never a value that it took for a secret: it names only the rule, the
paths and the lines.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from loop_kit.core.record import ExtensibleRecord

MAX_WORDS = 4000
MAX_PLACES = 50


class RefusalKind(StrEnum):
    """What a refusal is about.

    `secret` and `content` are about what the worker wrote; `rule` about the branch or how commits
    are made; `rights` and `token` about who pushes; `fault` may pass, but did not in time.
    """

    SECRET = "secret"  # noqa: S105
    CONTENT = "content"
    RULE = "rule"
    RIGHTS = "rights"
    TOKEN = "token"  # noqa: S105
    FAULT = "fault"

    @property
    def is_about_content(self) -> bool:
        """Whether the worker can do something about it."""
        return self in {RefusalKind.SECRET, RefusalKind.CONTENT}

    @property
    def is_final(self) -> bool:
        """Whether another push by this job may be taken, if it is a different one."""
        return self not in {RefusalKind.TOKEN, RefusalKind.FAULT}


class Place(ExtensibleRecord):
    """Where a refused file is; line 0 is the whole file."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class PushRefusal(ExtensibleRecord):
    """A refused push: `branch` was refused, the loop's own or `of_state`; `words` are the server's.

    `round` is the round whose work it was; `returned` that the worker got it back once;
    `found_here` that it was refused before it was pushed, and `words` are ours.
    """

    kind: RefusalKind
    branch: str
    sentence: str
    remedy: str
    words: str = ""
    places: tuple[Place, ...] = ()
    of_state: bool = False
    round: int = 0
    returned: bool = False
    found_here: bool = False


class HeldWork(ExtensibleRecord):
    """Commits up to `sha` that the work branch does not have; it is at `onto`, '' if it is missing.

    With `kept` they are beside the state, so that any run can push them.
    """

    sha: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
    onto: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] = ""
    kept: bool = False
