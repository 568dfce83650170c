"""The end of a run whose state the git server does not take: told where the loop was asked for.

Nothing of it is recorded, so the comment that shows the loop's status is written at once, without
an intent that outlives the job. What was paid for is in the job's artifact; see `end_report`.

That artifact is how the next run knows: it is uploaded with the runner's own token, so also where
the job's has expired. A lease whose run has left one is not that of a run that died, and no agent
is paid for the work in it. A person pushes it, or stops the loop and has the work done again.
"""

from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.forge.acknowledgement import acknowledgement
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.render import marker
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop import outbox
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.messages import (
    Halted,
)
from loop_kit.core.loop.refused_push import artifact, left_behind
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.errors import BranchRefused, ForgeRefused, ForgeUnavailable
from loop_kit.usecases.job_context import JobContext


def post_unsaved(context: JobContext, state: LoopState) -> None:
    """Show the status of a loop that could not be saved, on its issue or its pull request."""
    issue, pull = state.source.issue, outbox.issue_or_pull(state)
    number = issue or pull
    if number is None:
        return
    key = outbox.ACKNOWLEDGEMENT if issue else outbox.STATUS_COMMENT
    where = PostContext(context.forge.page)
    text = acknowledgement(state, None, where) if issue else status_comment(state, where)
    mark = marker(state.task_id, key)
    try:
        known = context.forge.find_post(number, mark) or ""
        context.forge.put_comment(number, known, text, mark)
    except (ForgeRefused, ForgeUnavailable) as failure:
        context.log.warn(f"The comment on #{number} could not be written: {failure}")


def has_unsaved_work(context: JobContext, recorded: LoopState) -> bool:
    """Whether the run that held the loop has ended with work that only its artifact has."""
    lease = recorded.lease
    if lease is None or not recorded.is_running:
        return False
    return context.forge.has_artifact(lease.run_id, artifact(recorded.task_id))


def post_unsaved_work(context: JobContext, recorded: LoopState) -> BranchRefused:
    """Post how the work of the run that held the loop is pushed; the error that says the same."""
    error = BranchRefused(*left_behind(recorded), anchor="work-not-saved")
    stop = Halted(Outcome.NEEDS_HUMAN, str(error), SystemClock().now(), reasons=("push_refused",))
    post_unsaved(context, transition(recorded, stop))
    return error
