"""The other half of the sweep: deletes the branches of loops that were closed long ago.

Since when a loop is closed is asked only when its own last word is as old. What is under the prefix
is ours to delete; the head of a person's own pull request is not, and nothing of a loop is deleted
that has neither a pull request nor an issue.
"""

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from loop_kit.adapters.git.branch_removal import BranchRemoval
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.sweeping import (
    MAX_LOOPS,
    PATIENCE_SEC,
    RETENTION_SEC,
    Action,
    LoopSnapshot,
    SweepRow,
    is_old_enough_to_delete,
    situation,
)
from loop_kit.errors import ForgeUnavailable, LoopError
from loop_kit.ports.forge import Forge
from loop_kit.settings import Settings
from loop_kit.usecases.checkout import Checkout

_FORM = "%Y-%m-%dT%H:%M:%SZ"


class Ledger:
    """What a sweep has done so far, and what went wrong."""

    def __init__(self) -> None:
        self.rows: list[SweepRow] = []
        self.errors: list[LoopError] = []

    def add(self, row: SweepRow) -> None:
        """Take down what came of one loop."""
        self.rows.append(row)

    def fail(self, task_id: str, found: str, error: LoopError) -> None:
        """Take down what went wrong with one loop."""
        self.rows.append(SweepRow(task_id, found, Action.FAILED, str(error)))
        self.errors.append(error)


def seconds_since(at: str, now: str) -> float:
    """The seconds from `at` to `now`, both UTC as YYYY-MM-DDTHH:MM:SSZ.

    A commit may claim any time. One that is none is neither new nor old enough for anything final.
    """
    try:
        return (_moment(now) - _moment(at)).total_seconds()
    except ValueError:
        return PATIENCE_SEC + 1


def _moment(at: str) -> datetime:
    return datetime.strptime(at, _FORM).replace(tzinfo=UTC)


def delete_old(
    checkout: Checkout,
    forge: Forge,
    settings: Settings,
    glances: Iterable[LoopSnapshot],
    ledger: Ledger,
) -> None:
    """Delete the branches of those that were closed long ago, as they were seen."""
    old = [glance for glance in glances if is_old_enough_to_delete(glance)]
    # Not always the same ones are asked after: most of them may stay open for ever.
    asked = random.sample(old, min(MAX_LOOPS, len(old)))
    closed = _find_closed(forge, settings.branch_prefix, asked, ledger)
    try:
        _delete(checkout, settings, closed, ledger)
    except LoopError as error:
        ledger.errors.append(error)


def _find_closed(
    forge: Forge, prefix: str, old: Iterable[LoopSnapshot], ledger: Ledger
) -> dict[str, tuple[str, LoopSnapshot]]:
    """Those that were closed long ago, and how to describe it."""
    now, closed = SystemClock().now(), {}
    for glance in old:
        try:
            at = _closed_at(forge, prefix, glance)
        except LoopError as error:
            ledger.fail(glance.task_id, situation(glance), error)
            if isinstance(error, ForgeUnavailable):
                break
            continue
        if at and seconds_since(at, now) > RETENTION_SEC:
            closed[glance.task_id] = (f"{situation(glance)}, closed on {at[:10]}", glance)
    return closed


def _closed_at(forge: Forge, prefix: str, glance: LoopSnapshot) -> str:
    """Since when the loop's pull request, or its issue where there is none, is closed; else ''.

    A person may have opened another one from the same branch, so the newest counts.
    """
    own = glance.state.source.pull
    if own is not None:
        pull = forge.pull(own)
    else:
        work = Branches(prefix, glance.task_id).work
        pull = forge.newest_pull(work)
    number = glance.state.source.issue
    if pull is None and number is not None:
        issue = forge.issue(number)
        return issue.closed_at if issue is not None and not issue.is_open else ""
    return pull.closed_at if pull is not None and not pull.is_open else ""


def _delete(
    checkout: Checkout,
    settings: Settings,
    closed: Mapping[str, tuple[str, LoopSnapshot]],
    ledger: Ledger,
) -> None:
    prefix = settings.branch_prefix
    removal = BranchRemoval(checkout.git, checkout.remote, prefix)
    listed = removal.list_branches(closed)
    tips = {
        name: listed[name]
        for name, (_, glance) in closed.items()
        if listed[name].get(Branches(prefix, name).state) == glance.sha
    }
    if settings.dry_run:
        for name, found in tips.items():
            ledger.add(
                SweepRow(name, closed[name][0], Action.WOULD, f"To be deleted: {_names(found)}.")
            )
        return
    for name, error in removal.remove(tips).items():
        if error is not None:
            ledger.fail(name, closed[name][0], error)
        else:
            ledger.add(SweepRow(name, closed[name][0], Action.DELETED, f"{_names(tips[name])}."))


def _names(branches: Iterable[str]) -> str:
    return ", ".join(branches)
