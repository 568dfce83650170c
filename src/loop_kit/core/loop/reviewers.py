"""Who reviewed a round: recorded with it, and what is reported while more of it is awaited."""

from loop_kit.core.agent.report_values import Decision
from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.agent.role import Role
from loop_kit.core.record import ExtensibleRecord


class ReviewerVerdict(ExtensibleRecord):
    """What one reviewer decided; `decision` is None where it could not be asked, and `why`."""

    reviewer: str = ""
    """Its backend, with the model after a colon where one is set."""
    decision: Decision | None = None
    why: str = ""
    further: int = 0
    """How many further passes over the same change are part of it."""


class SecondReview(ExtensibleRecord):
    """An approval that waits for the second reviewer; nothing in the ledger is closed by it yet.

    `reviewer` is who gave it. `missed` is why the second review cannot be had, once that is known.
    """

    report: ReviewReport
    reviewer: str = ""
    missed: str = ""
    further: int = 0


class FurtherPass(ExtensibleRecord):
    """What a reviewer has reported while a further pass of it is awaited; nothing follows from it.

    `report` is that of its passes so far as one, of which `made` were further ones; `provenance` is
    that of its blocking issues. `missed` is why no more can be had, once that is known.
    """

    role: Role
    report: ReviewReport
    reviewer: str = ""
    provenance: tuple[str, ...] = ()
    made: int = 0
    missed: str = ""
