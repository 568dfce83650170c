"""What a run does on entering a loop, and what changes by people mean: the events, in their order.

Nothing is spent yet. A run begins a loop, or continues the recorded one:

- a paused loop continues by command only, except where there is no lease (on a laptop);
- a push by a person to the work branch stops a running loop once; whoever starts it again accepts
  those commits as the new head;
- a deleted work branch stops the loop with a way to restore it, or cancels it where its issue or
  pull request is closed as well;
- a loop whose run a person has cancelled, or nobody knows who has ended, waits for a person;
- commits whose push was refused are pushed again, or have been pushed by a person; a run that has
  none of them stops the loop with the way to push them;
- a push by a person during an attempt stops the loop; the worker's commits are kept on a branch.
"""

from collections.abc import Iterable
from dataclasses import field

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.approving import is_approved_by_merge
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.machine import Step, transition
from loop_kit.core.loop.messages import (
    Commanded,
    Event,
    Halted,
    LeaseTaken,
    LoopResumed,
    MergeLeftOut,
    TaskStarted,
)
from loop_kit.core.loop.refused_push import take_up
from loop_kit.core.loop.resuming import operator_limits
from loop_kit.core.loop.run_ends import RunEnd, stop_for_person
from loop_kit.core.loop.state import Lease, Limits, LoopState, Outcome, Phase, Source
from loop_kit.errors import StateRefused
from loop_kit.frozen import frozen

_AWAITS_PUSH = {"human_push", "push_refused", "conflict"}
"""After these a person who starts the loop again accepts what was pushed to the work branch."""


@frozen
class Start:
    """What this run was asked to begin or to continue; `command` is what asked for it, if one did.

    `decisions` are what a person on a laptop decides about findings before the loop continues.
    `run_end` is who ended the run that worked on the loop last, where that was asked.
    With `retries` a loop that stopped is continued, else only what is running or to be posted. With
    `refreshes` the card counts instead of the recorded one.
    `state_branch` and `pull_request_url` are recorded when it begins.
    """

    card: TaskCard
    base_sha: str
    start_sha: str
    limits: Limits
    verify: tuple[str, ...] = ()
    fresh: bool = True
    source: Source = field(default_factory=Source)
    starter: str = ""
    publishes: bool = False
    base_branch: str = ""
    work_branch: str = ""
    lease: Lease | None = None
    state_branch: str = ""
    pull_request_url: str = ""
    command: Command | None = None
    decisions: tuple[Command, ...] = ()
    retries: bool = True
    run_end: RunEnd | None = None
    refreshes: bool = False

    @property
    def ignored_fields(self) -> tuple[str, ...]:
        """What the card asks for and this run does not act on."""
        is_local = self.lease is None
        return ("depends_on",) if self.card.depends_on and is_local else ()

    @property
    def ignores_verify(self) -> bool:
        """Whether the card has verify commands and others count."""
        return bool(self.card.verify) and self.card.verify != self.verify


@frozen
class Entry:
    """The state that was found and what happens to it; `warning` is for whoever reads the log.

    Without `pushes_work` this run leaves the work branch where a person has put it.
    """

    found: LoopState
    steps: tuple[Step, ...] = ()
    pushes_work: bool = True
    warning: str | None = None


class _Course:
    """Events on their way into a loop, each with the state after it."""

    def __init__(self, state: LoopState) -> None:
        self.state = state
        self.steps: list[Step] = []

    def add(self, event: Event) -> None:
        self.state = transition(self.state, event)
        self.steps.append(Step(event, self.state))

    def stop(self, stop: Stop, at: str) -> None:
        self.add(Halted(stop.outcome, stop.error, at, stop.reasons))


def begin(start: Start, recorded: LoopState | None, at: str) -> Entry:
    """Begin a loop with the card of `start`; `recorded` is what was there before, if anything.

    Raises:
        StateRefused: a recorded loop was to be continued, and there is none.
    """
    if not start.fresh:
        raise StateRefused(
            "There is no recorded loop to continue.",
            "Start one without --resume.",
            anchor="loop-not-found",
        )
    course = _Course(LoopState(seq=recorded.seq if recorded else 0))
    found = course.state
    if start.lease:
        course.add(LeaseTaken(start.lease))
    course.add(
        TaskStarted(
            task_id=start.card.task_id,
            card_sha256=start.card.sha256,
            base_sha=start.base_sha,
            start_sha=start.start_sha,
            limits=start.limits,
            at=at,
            verify=start.verify,
            source=start.source,
            starter=start.starter,
            publishes=start.publishes,
            base_branch=start.base_branch,
            work_branch=start.work_branch,
            state_branch=start.state_branch,
            pull_request_url=start.pull_request_url,
        )
    )
    return Entry(found, tuple(course.steps))


def is_left_alone(recorded: LoopState, start: Start) -> bool:
    """Whether nothing happens to the recorded loop: it is over, and no command asks for more."""
    return recorded.is_finished and start.command is None


def is_work_branch_deleted(recorded: LoopState, start: Start, work_tip: str) -> bool:
    """Whether somebody deleted the work branch, with commits on it."""
    return start.lease is not None and not work_tip and recorded.branch_tip != recorded.start_sha


def resume(
    start: Start,
    recorded: LoopState,
    work_tip: str,
    commands: Iterable[Command],
    at: str,
    cancelled: Stop | None = None,
    *,
    has_held: bool = True,
) -> Entry:
    """Continue the loop `recorded`, after the `commands` that wait.

    `work_tip` is where the work branch is now. Where that was deleted, `cancelled` says why nothing
    more is wanted, if so. `has_held` says that the commits that were refused are at hand.

    Raises:
        StateRefused: it cannot be continued, or is not the loop of this card.
    """
    _check(recorded, start)
    if is_left_alone(recorded, start):
        return Entry(recorded)
    course = _Course(recorded)
    if start.lease:
        course.add(LeaseTaken(start.lease, lost=start.run_end is not RunEnd.BY_ITSELF))
    given = (*commands, *start.decisions, *([start.command] if start.command else []))
    for command in given:
        course.add(Commanded(command, at, start.limits))
    deleted = is_work_branch_deleted(recorded, start, work_tip)
    moved = bool(work_tip) and work_tip not in {recorded.branch_tip, _held_sha(recorded)}
    ended_by_person = _stop_of_run(recorded, course.state, start, given)
    if ended_by_person is not None and not course.state.is_running:
        course.add(LoopResumed(start.limits, at))
    if ended_by_person is not None and course.state.is_running:
        course.stop(ended_by_person, at)
    if not _continues(course.state, start):
        return Entry(recorded, tuple(course.steps), pushes_work=not (moved or deleted))
    accepted = moved and bool(_AWAITS_PUSH & set(recorded.reasons))
    refused = moved and not accepted
    if not (refused and course.state.is_running):
        course.add(_resumption(start, course.state, work_tip if accepted else "", at))
    stop = _stop_at_work(recorded, work_tip, refused=refused, is_missing=not (moved or has_held))
    if stop is not None and course.state.is_running:
        held = recorded.held if "push_refused" in stop.reasons else None
        course.add(Halted(stop.outcome, stop.error, at, stop.reasons, held=held))
    if not (deleted and course.state.is_running):
        return Entry(recorded, tuple(course.steps))
    course.stop(cancelled or _stop_after_deletion(recorded), at)
    return Entry(recorded, tuple(course.steps), pushes_work=False)


def push_during_attempt(state: LoopState, kept_branch: str, at: str) -> Entry:
    """Stop: a person pushed while an agent ran, whose commits are on `kept_branch` now.

    A loop that had just stopped for another reason stops for this one instead.
    """
    error = (
        f"Somebody pushed to the work branch while an agent was running. Its commits are on"
        f" {kept_branch}: take from them what you want, then start the loop again."
    )
    course = _Course(state)
    if state.resume_phase is not None:
        course.add(LoopResumed(operator_limits(state), at))
    if is_approved_by_merge(course.state):
        course.add(MergeLeftOut("Somebody pushed to the work branch before the merge."))
    if not course.state.is_running:
        return Entry(state, tuple(course.steps), pushes_work=False, warning=error)
    course.stop(Stop(Outcome.NEEDS_HUMAN, error, ("human_push",)), at)
    return Entry(state, tuple(course.steps))


def _resumption(start: Start, state: LoopState, head_sha: str, at: str) -> LoopResumed:
    by_person = start.command is None and start.retries
    starter = start.starter if by_person else ""
    lost = state.interrupted_run is not None and start.run_end is not None
    card = start.card if start.refreshes else None
    verify = start.verify if card or not state.card_sha256 else ()
    return LoopResumed(start.limits, at, head_sha, starter, verify, lost, card)


def _held_sha(recorded: LoopState) -> str | None:
    return recorded.held.sha if recorded.held else None


def _stop_at_work(
    recorded: LoopState, work_tip: str, *, refused: bool, is_missing: bool
) -> Stop | None:
    """Why no agent runs on the work as it is, if none does."""
    if refused:
        return _stop_after_push(recorded, work_tip)
    if not is_missing or _held_sha(recorded) in {None, work_tip}:
        return None
    error = f"The commits whose push was refused are not at hand: {take_up(recorded)}"
    return Stop(Outcome.NEEDS_HUMAN, error, ("push_refused",))


def _stop_after_push(recorded: LoopState, work_tip: str) -> Stop:
    error = (
        f"The work branch is at {work_tip[:10]}, the loop left it at {recorded.branch_tip[:10]}."
        " Start the loop again to accept the commits that were pushed to it."
    )
    return Stop(Outcome.NEEDS_HUMAN, error, ("human_push",))


def _stop_after_deletion(recorded: LoopState) -> Stop:
    tip, branch = recorded.branch_tip, recorded.work_branch
    error = (
        f"The work branch {branch} was deleted. To continue, restore it from a clone that has the"
        f" commit: git push origin {tip}:refs/heads/{branch}, and start the loop again."
    )
    return Stop(Outcome.NEEDS_HUMAN, error, ("human_push",))


def _continues(state: LoopState, start: Start) -> bool:
    """Whether this run continues the loop; a paused one by command only, or on a laptop."""
    if state.is_running:
        return True
    if start.run_end is not None and state.interrupted_run is not None:
        return start.run_end.continues
    if start.command is not None or not start.retries or state.resume_phase is None:
        return False
    return state.state is Phase.DONE or start.lease is None


def _stop_of_run(
    recorded: LoopState, state: LoopState, start: Start, commands: Iterable[Command]
) -> Stop | None:
    """Why a loop waits for a person whose run a person has ended, unless one has asked for more."""
    is_cut_short = state.is_running or state.interrupted_run is not None
    if start.run_end is None or start.run_end.continues or not is_cut_short:
        return None
    if any(command.verb in {"resume", "retry"} for command in commands):
        return None
    return stop_for_person(start.run_end, recorded.lease or recorded.interrupted_run)


def _check(recorded: LoopState, start: Start) -> None:
    if recorded.contradiction:
        raise StateRefused(
            f"The recorded loop cannot be continued: {recorded.contradiction}.",
            "Restore state.json from archive/, or start a new loop without --resume.",
        )
    if recorded.task_id != start.card.task_id:
        raise StateRefused(
            f"The recorded loop is {recorded.task_id}, the card is {start.card.task_id}.",
            "Give the card of the recorded loop with --task, or start a new one without --resume.",
            anchor="state-of-another-task",
        )
    if not start.refreshes and recorded.card_sha256 not in {"", start.card.sha256}:
        raise StateRefused(
            f"The card of {recorded.task_id} is not the one that the loop was started with.",
            "Restore it, or add --refresh-card to continue with this one.",
            anchor="card-changed",
        )
