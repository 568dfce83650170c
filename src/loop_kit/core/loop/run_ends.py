"""Who ended a run of CI that did not end by itself: judged by what the API says of the run.

A runner that is shut down or lost fails its job. GitHub cancels a job that takes too long. Whatever
else was cancelled, a person has cancelled, and nothing but a person continues it. How long a round
may take is recorded in the lease, so that whoever asks needs no setting of the run that ended.
"""

from enum import StrEnum

from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.state import Lease, Outcome
from loop_kit.frozen import frozen


@frozen
class RunStatus:
    """A run as the API knows it: '' where it does not say how or when the run ended.

    `ended_at` is UTC as YYYY-MM-DDTHH:MM:SSZ.
    """

    ended: bool
    conclusion: str = ""
    ended_at: str = ""


class RunEnd(StrEnum):
    """Who ended a run."""

    SHUT_DOWN = "shut down"
    OUT_OF_TIME = "out of time"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    BY_ITSELF = "by itself"

    @property
    def continues(self) -> bool:
        """Whether the next run continues what that run was doing; else a person does."""
        return self in {RunEnd.SHUT_DOWN, RunEnd.OUT_OF_TIME, RunEnd.BY_ITSELF}


def run_end(run: RunStatus | None, lease: Lease, at: str = "") -> RunEnd:
    """Who ended the run that held `lease`; `run` is None where the API does not know it.

    `at` is when the run itself recorded that it was interrupted, '' where it did not.
    """
    if not lease.run_id:
        return RunEnd.SHUT_DOWN
    if run is None or not run.conclusion:
        return RunEnd.UNKNOWN
    if run.conclusion in {"success", "neutral", "skipped"}:
        return RunEnd.BY_ITSELF
    if run.conclusion != "cancelled":
        return RunEnd.SHUT_DOWN
    is_late = lease.deadline != "" and (at or run.ended_at) >= lease.deadline
    return RunEnd.OUT_OF_TIME if is_late else RunEnd.CANCELLED


def stop_for_person(end: RunEnd, lease: Lease | None) -> Stop:
    """The end of a loop whose run was ended by a person, or by nobody knows whom."""
    run = f"Run {lease.run_id}" if lease is not None else "Its run"
    if end is RunEnd.CANCELLED:
        error = f"{run} was cancelled before its time was up, which a person has done."
        return Stop(Outcome.INTERRUPTED, error, ("run_cancelled",))
    error = f"{run} was interrupted, and GitHub does not say by whom."
    return Stop(Outcome.INTERRUPTED, error, ("run_unknown",))
