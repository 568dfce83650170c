"""The record of every attempt, which posts, the status, metrics and reports are made from.

An attempt belongs to its round's record in `history`. Until the work of a round is accepted there
is no such record, and its attempts wait in `attempts` of the state.
"""

from collections.abc import Iterable, Mapping

from loop_kit.core.agent.role import Role
from loop_kit.core.loop.outcomes import Phase
from loop_kit.core.loop.state import LoopState, RoundRecord
from loop_kit.core.loop.usage import AttemptRecord, Spent, add
from loop_kit.core.text.sanitize import one_line

MAX_ATTEMPTS = 40
"""Of one round; of more, the newest are recorded."""
_MAX_WHY = 300

Attempts = tuple[AttemptRecord, ...]


def record_attempt(
    state: LoopState,
    role: Role,
    at: str | None,
    spent: Spent | None = None,
    result: str = "reported",
    why: str = "",
) -> LoopState:
    """`state` with the record of the attempt that `role` has ended at `at`."""
    running = state.attempt
    known = running is not None and running.role is role
    used = {} if spent is None else spent.model_dump(exclude={"agent_seconds"})
    record = AttemptRecord(
        role=role,
        number=running.number if running is not None and known else 1,
        result=result,
        why=one_line(why, _MAX_WHY) or None,
        started_at=(running.started_at or None) if running is not None and known else None,
        ended_at=at,
        seconds=None if spent is None else spent.agent_seconds,
        **used,
    )
    return _add(state, record)


def _add(state: LoopState, record: AttemptRecord) -> LoopState:
    last = state.history[-1] if state.history else None
    phase = state.resume_phase or state.state
    if last is None or last.round != state.round or phase is not Phase.AWAITING_REVIEW:
        return state.model_copy(update={"attempts": join(state.attempts, (record,))})
    more = last.model_copy(update={"attempts": join(last.attempts, (record,))})
    return state.model_copy(update={"history": (*state.history[:-1], more)})


def join(earlier: Attempts, later: Attempts) -> Attempts:
    """The newest of these attempts of one round."""
    return (*earlier, *later)[-MAX_ATTEMPTS:]


def attempts_of_round(state: LoopState, round_: int) -> Attempts:
    """All recorded attempts of a round, oldest first."""
    of_round = (record.attempts for record in state.history if record.round == round_)
    recorded = next(of_round, ())
    return join(recorded, state.attempts) if round_ == state.round else recorded


def all_attempts(state: LoopState) -> Mapping[int, Attempts]:
    """The recorded attempts by round."""
    rounds = dict.fromkeys((*(record.round for record in state.history), state.round))
    found = {round_: attempts_of_round(state, round_) for round_ in rounds}
    return {round_: attempts for round_, attempts in found.items() if attempts}


def total(attempts: Iterable[AttemptRecord]) -> Spent:
    """What these attempts used together."""
    spent = Spent()
    for one in attempts:
        spent = Spent(
            agent_seconds=round(spent.agent_seconds + (one.seconds or 0), 3),
            tokens_in=add(spent.tokens_in, one.tokens_in),
            tokens_cached=add(spent.tokens_cached, one.tokens_cached),
            tokens_out=add(spent.tokens_out, one.tokens_out),
            cost_usd=add(spent.cost_usd, one.cost_usd),
            estimated_cost_usd=add(spent.estimated_cost_usd, one.estimated_cost_usd),
        )
    return spent


def recorded_earlier(state: LoopState) -> Attempts:
    """The attempts that a new record of this round takes over."""
    earlier: Iterable[RoundRecord] = (r for r in state.history if r.round == state.round)
    return join(next((r.attempts for r in earlier), ()), state.attempts)
