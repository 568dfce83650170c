"""The end of a run whose state the git server does not take: told where the loop was asked for.

Nothing of it is recorded, so the comment that shows the loop's status is written at once, without
an intent that outlives the job. What was paid for is in the job's artifact; see `end_report`.
"""

from loop_kit.core.forge.render import marker
from loop_kit.core.forge.status import acknowledgement, status_comment
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.usecases.job_context import JobContext


def post_unsaved(context: JobContext, state: LoopState) -> None:
    """Show the status of a loop that could not be saved, on its issue or its pull request."""
    issue, pull = state.source.issue, outbox.issue_or_pull(state)
    number = issue or pull
    if number is None:
        return
    key = outbox.ACKNOWLEDGEMENT if issue else outbox.STATUS_COMMENT
    text = acknowledgement(state) if issue else status_comment(state)
    mark = marker(state.task_id, key)
    try:
        known = context.forge.find_post(number, mark) or ""
        context.forge.put_comment(number, known, text, mark)
    except (ForgeRefused, ForgeUnavailable) as failure:
        context.log.warn(f"The comment on #{number} could not be written: {failure}")
