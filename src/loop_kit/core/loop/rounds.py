"""What is recorded of each round: as agent-task-runner has it, and for the audit trail."""

from typing import Literal

from pydantic import Field

from loop_kit.core.agent.report_values import Decision
from loop_kit.core.loop.reviewers import ReviewerVerdict
from loop_kit.core.loop.usage import AttemptRecord
from loop_kit.core.loop.verification import Sha
from loop_kit.core.record import ExtensibleRecord


class Growth(ExtensibleRecord):
    """The size of the whole change, in lines added and deleted: of the source, and of the tests.

    It is that of the one diff from where the loop's diff begins to the head of the round: what a
    later round takes back counts no more.
    """

    source: int = 0
    tests: int = 0


class RuleNote(ExtensibleRecord):
    """What one rule saw in a round, in words that a maintainer understands."""

    rule: str
    text: str


class GivenCommand(ExtensibleRecord):
    """A command that a person gave, what it changed, and the round that it was about."""

    round: int
    by: str = ""
    at: str = ""
    asked: str = ""
    answer: str = ""


class RoundDetail(ExtensibleRecord):
    """One round as agent-task-runner's `round_details` has it."""

    round: int
    started_at: str = ""
    worker_notes: str = ""
    tests_summary: dict[str, int] = Field(default_factory=dict)
    review_decision: Decision | None = None


class RoundRecord(ExtensibleRecord):
    """One round as the audit trail has it; `notes` are on what is not in its commits.

    `disputed` are the findings that its worker disputed. `kind` is what it was instead of a usual
    round: one in a fresh conversation, one only to simplify, one without a worker.
    """

    round: int
    parent_sha: Sha
    head_sha: Sha
    commits: tuple[str, ...] = ()
    lines_added: int = 0
    lines_deleted: int = 0
    files: int = 0
    verified: bool | None = None
    verify_seconds: float | None = None
    """How long the verify commands took at its head; None where none were run."""
    decision: Decision | None = None
    reviews: tuple[ReviewerVerdict, ...] = ()
    new_findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    growth: Growth | None = None
    diff_base: Sha = ""
    """The commit that its whole change was compared with; '' in loops of older versions."""
    restores: tuple[str, ...] = ()
    """Files where the fix restores what the last one removed, or removes what it added."""
    restores_again: tuple[str, ...] = ()
    """Those of them where it does so with the lines with which the last one did."""
    rules: tuple[RuleNote, ...] = ()
    disputed: tuple[str, ...] = ()
    kind: Literal["", "fresh", "simplify", "review"] = ""
    attempts: tuple[AttemptRecord, ...] = ()
    """Every attempt of the round with what it used, oldest first."""
    run_id: str = ""
    """The run of the workflow in which it was worked on; '' on a laptop."""
    run_attempt: int = 1
    """Which attempt of that run it was: more than 1 where a person ran it again."""
