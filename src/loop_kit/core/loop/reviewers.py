"""Who reviewed a round: recorded with it, and the first review while the second is awaited."""

from loop_kit.core.agent.report_values import Decision
from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.record import ExtensibleRecord


class ReviewerVerdict(ExtensibleRecord):
    """What one reviewer decided; `decision` is None where it could not be asked, and `why`."""

    reviewer: str = ""
    """Its backend, with the model after a colon where one is set."""
    decision: Decision | None = None
    why: str = ""


class SecondReview(ExtensibleRecord):
    """An approval that waits for the second reviewer; nothing in the ledger is closed by it yet.

    `reviewer` is who gave it. `missed` is why the second review cannot be had, once that is known.
    """

    report: ReviewReport
    reviewer: str = ""
    missed: str = ""
