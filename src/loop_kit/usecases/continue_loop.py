"""Continues a loop that has begun: by hand, or as the job that the last round dispatched.

A dispatched job is let in by what the state recorded, not by the name of the bot that sent it.
"""

from loop_kit.core.ci.branches import number_of
from loop_kit.core.ci.requests import Resume
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState, Phase
from loop_kit.errors import BadCard
from loop_kit.usecases.comments import refuse
from loop_kit.usecases.job import Loop, LoopJob
from loop_kit.usecases.merged import is_pull_merged


def continue_loop(job: LoopJob, request: Resume) -> LoopState | None:
    """Run the round that is outstanding; None when this job leaves the loop alone.

    Raises:
        LoopError: a setting, a branch or a permission that a person has to fix.
    """
    loop = job.load(request.task_id)
    recorded = loop.recorded
    if recorded is None:
        raise _no_loop(job, request.task_id)
    if (request.round, request.expected_state) == (None, None):
        return _continue_by_hand(job, loop, recorded)
    starter = (recorded.starter, job.context.invocation.rerun_by)
    if job.has_handed_over(recorded):
        job.authority.require(starter)
        return job.dispatch_again(loop)
    if _is_interrupted_attempt(job, recorded):
        job.authority.require(starter)
        return None if leaves_alone(job, recorded) else job.round(loop)
    expected = (request.round, request.expected_state) == (recorded.round, recorded.seq)
    if not expected or not (recorded.is_running or outbox.pending(recorded)):
        job.context.log.note(
            f"This continuation (round {request.round}, state {request.expected_state}) is not the"
            f" one that {recorded.task_id} waits for (round {recorded.round}, state"
            f" {recorded.seq}): nothing to do."
        )
        return None
    job.authority.require(starter)
    return None if leaves_alone(job, recorded) else job.round(loop, retries=False)


def _is_interrupted_attempt(job: LoopJob, recorded: LoopState) -> bool:
    """Whether an earlier attempt of this run was interrupted, and a person runs it again."""
    run, interrupted = job.context.invocation, recorded.interrupted_run
    if interrupted is None or interrupted.run_id != run.run_id:
        return False
    return interrupted.run_attempt < run.attempt


def leaves_alone(job: LoopJob, recorded: LoopState) -> bool:
    """Whether this job has nothing to do for a loop; the log says why."""
    why = _reason_to_leave(job, recorded)
    if why is not None:
        job.context.log.note(why)
    return why is not None


def _no_loop(job: LoopJob, task_id: str) -> BadCard:
    """The error that there is no loop, which is posted where one was asked for."""
    if not job.context.invocation.bot:
        job.authority.require(job.context.invocation.people)
    number = number_of(task_id)
    remedy = "Start it by naming its card with the input `task`."
    if number is not None:
        remedy = "Its state branch was deleted, or it never began: start one by the label."
    error = BadCard(f"There is no loop {task_id} to continue.", remedy, anchor="loop-not-found")
    if number is not None:
        refuse(job.context, number, error)
    return error


def _continue_by_hand(job: LoopJob, loop: Loop, recorded: LoopState) -> LoopState | None:
    invocation = job.context.invocation
    if invocation.bot and not job.authority.may(invocation.bot, "Bot"):
        job.context.log.note("A continuation by a bot names its round and state.")
        return None
    job.authority.require(invocation.people)
    return None if leaves_alone(job, recorded) else job.round(loop)


def _reason_to_leave(job: LoopJob, recorded: LoopState) -> str | None:
    task_id, pull = recorded.task_id, recorded.pull_request
    if recorded.is_finished:
        return f"{task_id} is {recorded.outcome}: use a new task id for new work."
    if recorded.state is Phase.DONE and pull and is_pull_merged(job.context.forge, pull):
        return f"{task_id} is merged: use a new task id for new work."
    if recorded.state is Phase.PAUSED:
        return f"{task_id} is paused: it continues after the comment /loop resume."
    if job.is_live(recorded.lease):
        run = recorded.lease.run_id if recorded.lease else ""
        return f"busy: run {run} is working on {task_id}."
    return None
