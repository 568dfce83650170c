"""Keeps what an attempt was told, what it left and how it ended, for people."""

from loop_kit.core.loop import bus, run_names
from loop_kit.core.loop.effects import RunAgent
from loop_kit.core.loop.messages import Failure
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.engine.delivered import Delivered
from loop_kit.ports import AgentExit, Record


def keep_prompt(record: Record, state: LoopState, effect: RunAgent, prompt: str) -> None:
    """Keep what the agent is told."""
    raw = prompt.encode(errors="replace")
    record.keep(state, effect.role, effect.round, effect.attempt, run_names.PROMPT, raw)


def keep_result(
    record: Record,
    state: LoopState,
    effect: RunAgent,
    at: str,
    ended: AgentExit,
    delivered: Delivered,
) -> None:
    """Keep what the attempt left, as it was written, and what it used; it has ended at `at`."""
    place = (state, effect.role, effect.round, effect.attempt)
    if ended.stderr:
        record.keep(*place, run_names.STDERR, ended.stderr.encode(errors="replace"))
    if delivered is not None:
        record.keep(*place, run_names.REPORT, delivered.written)
    result = {
        "started_at": state.attempt.started_at if state.attempt else None,
        "ended_at": at,
        "exit_code": ended.exit_code,
        "timed_out": ended.timed_out or None,
        "problem": ended.message or None,
        "session_id": ended.session_id or None,
        **ended.spent.model_dump(),
    }
    record.keep(*place, run_names.RESULT, bus.encode(result))


def keep_failure(
    record: Record, state: LoopState, role: Role, failure: Failure, message: str
) -> None:
    """Keep why the attempt counts as failed."""
    if state.attempt is not None:
        why = f"{failure.value}: {message}\n".encode(errors="replace")
        record.keep(state, role, state.round, state.attempt.number, run_names.FAILURE, why)
