"""Which loops have stalled, and how the sweep reports them: pure rules over recorded states.

A job that dies reports nothing. It leaves a state with outstanding work, and the state's age: a
loop counts as stalled when something is outstanding and nothing was recorded for ten minutes. Only
then is it checked whether a run still holds it, and who has ended that run. A loop that stopped for
a reason waits for a person, and a paused loop for a command: these are left alone, unless the inbox
has a command that no job read.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

from loop_kit.core.forge.heading import state_words
from loop_kit.core.loop import outbox
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.core.text.harmless import cell, cut, size_in_bytes
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.sanitize import MAX_SUMMARY
from loop_kit.frozen import frozen

PATIENCE_SEC = 600
"""How long a job may take from one transition to the next before it counts as stalled."""
QUEUE_SEC = 3 * 3600
"""For how long a job that was dispatched may wait for a runner.

Until then its dispatch is repeated as it was recorded: a transition would make the queued one
stale, and a sweep that comes more often than runners do would keep the loop from ever continuing.
"""
RETENTION_SEC = 30 * 24 * 3600
"""How long the branches of a loop remain after its issue or pull request was closed."""
MAX_LOOPS = 50
"""How many loops one sweep continues, and for how many it checks whether they were closed.

GitHub takes 500 posts and dispatches in an hour, and a storm of jobs helps nobody.
"""
_MAX_ROWS = 200
_MAX_ASKED = 100


class Need(StrEnum):
    """What a stalled loop waits for."""

    JOB = "job"
    CHECKS = "checks"
    RUN_END = "word of who ended its run"
    POSTS = "posts"
    COMMANDS = "commands"
    REVIEWS = "reviews of people"
    NOTHING = "nothing"


class Action(StrEnum):
    """What the sweep did with one loop."""

    DISPATCHED = "dispatched"
    HANDED = "handed to a person"
    POSTED = "posted"
    DECIDED = "decided by its checks"
    COMMANDED = "commands carried out"
    READ = "reviews read"
    DELETED = "deleted"
    WOULD = "dry run"
    LEFT = "left alone"
    FAILED = "failed"


@frozen
class LoopSnapshot:
    """A loop as the sweep found it.

    Attributes:
        sha: The tip of its state branch.
        age: Seconds since that was committed; below 0 where clocks disagree.
        has_inbox: Whether there is something in its inbox, a command or not.
        has_reviews: Whether a person has reviewed its pull request since that was read last.
    """

    task_id: str
    sha: str
    state: LoopState
    age: float
    has_inbox: bool = False
    has_reviews: bool = False


@frozen
class SweepRow:
    """What was found of one loop and what was done; `message` is one sentence."""

    task_id: str
    found: str
    did: Action
    message: str


@frozen
class SweepReport:
    """One sweep: of all `loops`, those that got attention, and how many are `left` for the next."""

    loops: int
    rows: tuple[SweepRow, ...]
    left: int = 0


def need(snapshot: LoopSnapshot) -> Need:
    """What the loop waits for, whether or not a run holds it."""
    state = snapshot.state
    if abs(snapshot.age) <= PATIENCE_SEC:
        return Need.NOTHING
    if state.is_running:
        return Need.CHECKS if is_approval_held(state) else Need.JOB
    if state.interrupted_run is not None:
        return Need.RUN_END
    if state.state is Phase.DONE and outbox.pending(state):
        return Need.POSTS
    wants = Need.REVIEWS if snapshot.has_reviews else Need.NOTHING
    wants = Need.COMMANDS if snapshot.has_inbox else wants
    begun = state.state in {Phase.DONE, Phase.PAUSED}
    return wants if begun and not state.is_finished else Need.NOTHING


def reviewed_by_people(snapshots: Iterable[LoopSnapshot]) -> dict[int, LoopSnapshot]:
    """The loops that wait for a person, who may answer in a review, by pull request.

    The newest hundred of the last month, which is what one request can ask about.
    """
    waiting = [
        (snapshot.state.pull_request, snapshot)
        for snapshot in sorted(snapshots, key=lambda one: one.age)
        if snapshot.state.state in {Phase.DONE, Phase.PAUSED}
        and not snapshot.state.is_finished
        and need(snapshot) is Need.NOTHING
        and PATIENCE_SEC < snapshot.age < RETENTION_SEC
    ]
    found = {number: snapshot for number, snapshot in waiting if number is not None}
    return dict(list(found.items())[:_MAX_ASKED])


def is_queued(snapshot: LoopSnapshot) -> bool:
    """Whether the loop's next job was dispatched, and may still wait for a runner."""
    state = snapshot.state
    handed = state.is_running and state.lease is None and state.continue_to is not None
    return handed and 0 <= snapshot.age < QUEUE_SEC


def due(snapshots: Iterable[LoopSnapshot]) -> list[LoopSnapshot]:
    """The loops that wait for something, the longest-stalled first."""
    waiting = (snapshot for snapshot in snapshots if need(snapshot) is not Need.NOTHING)
    return sorted(waiting, key=lambda snapshot: (-snapshot.age, snapshot.task_id))


def is_old_enough_to_delete(snapshot: LoopSnapshot) -> bool:
    """Whether the loop ended long enough ago to check when its issue or pull request was closed."""
    return snapshot.state.state is Phase.DONE and snapshot.age > RETENTION_SEC


def situation(snapshot: LoopSnapshot) -> str:
    """The loop's situation in a few words."""
    state, wants = snapshot.state, need(snapshot)
    where = state_words(state)
    if wants is Need.JOB:
        gone = "its job was lost" if state.lease is None else f"run {state.lease.run_id} has it"
        return f"{where}: {gone}"
    if wants is Need.RUN_END and state.interrupted_run is not None:
        return f"{where}: run {state.interrupted_run.run_id}"
    if wants is Need.POSTS:
        return f"{where}: {counted(len(outbox.pending(state)), 'post')} outstanding"
    seen = {Need.COMMANDS: "something is in its inbox", Need.REVIEWS: "a person has reviewed it"}
    return f"{where}: {seen[wants]}" if wants in seen else where


def result(task_id: str, found: str, wanted: Need, after: LoopState) -> SweepRow:
    """The row of a loop that was continued."""
    if is_approval_held(after):
        return SweepRow(task_id, found, Action.LEFT, f"{state_words(after)}.")
    if after.is_running:
        return SweepRow(task_id, found, Action.DISPATCHED, f"Round {after.round} is dispatched.")
    if outbox.pending(after):
        return SweepRow(task_id, found, Action.LEFT, "Its posts are still outstanding.")
    done = {
        Need.POSTS: Action.POSTED,
        Need.CHECKS: Action.DECIDED,
        Need.COMMANDS: Action.COMMANDED,
        Need.REVIEWS: Action.READ,
    }
    is_pushed_to = "human_push" in after.reasons
    did = Action.HANDED if is_pushed_to else done.get(wanted, Action.HANDED)
    why = f" {after.error}" if after.error and after.outcome else ""
    return SweepRow(task_id, found, did, f"{state_words(after)}.{why}")


def totals(report: SweepReport) -> str:
    """One sentence: how many loops there are and what was done."""
    counted = Counter(row.did for row in report.rows)
    parts = [f"{counted[did]} {did.value}" for did in Action if counted[did]]
    rest = report.loops - len({row.task_id for row in report.rows}) - report.left
    if report.left:
        parts.append(f"{report.left} left for the next sweep")
    if rest:
        parts.append(f"{rest} need nothing")
    loops = "1 loop" if report.loops == 1 else f"{report.loops} loops"
    return f"{loops}: {', '.join(parts)}." if parts else "There is no loop."


def summary(report: SweepReport) -> str:
    """The job summary: the sentence, and a table of the loops that got attention."""
    parts = ["## loop-kit: sweep", "", totals(report), ""]
    if report.rows:
        parts += ["| loop | found | done | |", "|---|---|---|---|", *_lines(report.rows)]
    more = len(report.rows) - _MAX_ROWS
    if more > 0:
        parts += ["", f"{more} more are in the log."]
    return cut("\n".join(parts) + "\n", MAX_SUMMARY, size=size_in_bytes)


def _lines(rows: Sequence[SweepRow]) -> list[str]:
    return [
        f"| `{row.task_id}` | {cell(row.found, 500)} | {row.did.value} | {cell(row.message, 500)} |"
        for row in rows[:_MAX_ROWS]
    ]
