"""The base branch as a loop sees it: the question, the answer, and what is recorded of it."""

from loop_kit.core.loop.verification import Sha
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


@frozen
class CompareBase:
    """Look at the base branch `branch` as it is now: does the work up to `head_sha` merge.

    The work is known to hold the commit `contains` of that branch; '' if nothing is known.
    """

    branch: str
    head_sha: str
    contains: str = ""


@frozen
class BaseCompared:
    """The work up to `head_sha` was compared with the base branch at `tip`.

    What nobody could say is ''. `conflicts` are the files that do not merge.
    """

    head_sha: str
    tip: str = ""
    merge_base: str = ""
    conflicts: tuple[str, ...] = ()
