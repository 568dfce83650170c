"""Continues a loop whose approval waits for checks, when a workflow has ended.

The event starts nothing by itself: the loop is found by the branch, and only the recorded head
counts. The checks are read before the lease is taken: of the workflows of one commit many end at
about the same time, and only a reading that decides something is worth a push.
"""

from loop_kit import bootstrap
from loop_kit.core.ci.requests import ChecksEnded
from loop_kit.core.forge.heading import state_words
from loop_kit.core.loop.checking import ends_wait, is_approval_held, reading_due
from loop_kit.core.loop.state import LoopState
from loop_kit.usecases.job import LoopJob
from loop_kit.usecases.job_context import JobContext


def continue_after_checks(job: LoopJob, request: ChecksEnded) -> LoopState | None:
    """Decide the approval that waits for these checks; None when nothing is decided.

    Raises:
        LoopError: a setting, a branch or a permission that a person has to fix.
    """
    log, task_id = job.context.log, request.task_id or _loop_of_pulls(job.context, request)
    if not task_id:
        log.note(f"No loop works on the branch {request.branch}.")
        return None
    loop = job.load(task_id)
    recorded = loop.recorded
    if recorded is None or not is_approval_held(recorded):
        log.note(f"{task_id} waits for no checks.")
        return None
    if recorded.head_sha != request.head_sha:
        log.note(f"{task_id} is at {recorded.head_sha}, the checks are of {request.head_sha}.")
        return None
    if job.is_live(recorded.lease):
        log.note(f"busy: another run is working on {task_id}.")
        return None
    if not is_wait_over(job.context, recorded):
        log.note(f"{state_words(recorded)}.")
        return None
    job.authority.require((recorded.starter,))
    return job.round(loop, retries=False)


def is_wait_over(context: JobContext, recorded: LoopState) -> bool:
    """Whether the checks as they are now decide the approval that is held."""
    effect = reading_due(recorded)
    if effect is None:
        return False
    reader = bootstrap.checks_reader(context.site, context.settings, context.forge, context.log)
    event = reader.read(recorded, effect, logs=False)
    return event is not None and ends_wait(recorded, event)


def _loop_of_pulls(context: JobContext, request: ChecksEnded) -> str:
    """The loop that works on the head of one of these pull requests, '' for none."""
    return next((found for n in request.pulls if (found := context.forge.loop_of(n))), "")
