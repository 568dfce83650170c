"""How a run enters a loop: records what `core.loop.entering` makes of the state that was judged.

Whoever asks for a run has looked at the recorded state, and decided by it. That state counts, and
no later one: whatever somebody else has pushed since makes the first push of this run be rejected.
"""

from typing import TYPE_CHECKING

from loop_kit.core.loop import entering
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.state import LoopState
from loop_kit.engine.journal import Journal
from loop_kit.ports import Clock, Reporter, Store

if TYPE_CHECKING:
    from loop_kit.engine.cancellation import CancellationCheck


def report_ignored(start: Start, reporter: Reporter) -> None:
    """Report what the card asks for and this run does not do."""
    for key in start.ignored_fields:
        reporter.warn(f"The card's {key} is kept, but this version does not act on it.")
    if start.ignores_verify:
        reporter.note("The card's verify commands do not run: the operator's count.")


def enter(
    journal: Journal,
    start: Start,
    recorded: LoopState | None,
    store: Store,
    clock: Clock,
    cancellation: "CancellationCheck | None",
) -> None:
    """Begin a loop, or continue the one that `store` has loaded; nothing is spent yet.

    Raises:
        StateRefused: there is no such loop to continue, or it belongs to another task.
    """
    journal.card = start.card
    if start.fresh or recorded is None:
        journal.enter(entering.begin(start, recorded, clock.now()))
        return
    tip, cancelled = store.work_tip, None
    commands = () if entering.is_left_alone(recorded, start) else store.commands()
    if cancellation is not None and entering.is_work_branch_deleted(recorded, start, tip):
        cancelled = cancellation.find(recorded)
    held = recorded.held
    has_held = held is None or store.holds(held.sha, held.onto or recorded.start_sha)
    journal.enter(
        entering.resume(start, recorded, tip, commands, clock.now(), cancelled, has_held=has_held)
    )
