"""The base branch as a loop sees it: the question, the answer, and what is recorded of it."""

from loop_kit.core.loop.verification import Sha, Verification
from loop_kit.core.record import ExtensibleRecord
from loop_kit.frozen import frozen


class BaseView(ExtensibleRecord):
    """The base branch at `tip`, '' where nobody could say, compared with the work up to `head_sha`.

    `round` is the one before which that was asked; `conflicts` are the files that do not merge.
    """

    round: int = 0
    head_sha: Sha = ""
    tip: Sha = ""
    conflicts: tuple[str, ...] = ()
    merges: int = 0
    """How often the loop itself has merged it since the last work of a worker."""
    onto: Sha = ""
    """The commit that the last of these merges was made onto."""
    behind: bool = False
    """Whether a rule asks for its tip, which the work does not hold."""


@frozen
class CompareBase:
    """Look at the base branch `branch` as it is now: does the work up to `head_sha` merge.

    The work is known to hold the commit `contains` of that branch; '' if nothing is known.
    """

    branch: str
    head_sha: str
    contains: str = ""


@frozen
class BaseMerged:
    """A clean merge of the base branch into approved work.

    `changes_diff` says that it changes a file of the diff that was reviewed. `verification` is what
    the verify commands say of it; None without any, or if they could not be run.
    """

    sha: str
    changes_diff: bool = False
    verification: Verification | None = None


@frozen
class BaseCompared:
    """The work up to `head_sha` was compared with the base branch at `tip`.

    What nobody could say is ''. `conflicts` are the files that do not merge. `is_required` says
    that a rule asks for the tip; it is `merged` then, where the loop may.
    """

    head_sha: str
    tip: str = ""
    merge_base: str = ""
    conflicts: tuple[str, ...] = ()
    is_required: bool = False
    merged: BaseMerged | None = None
    at: str = ""
