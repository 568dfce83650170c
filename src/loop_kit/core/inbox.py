"""What a command of a person does to a loop: rows of the table in `machine`.

A command changes nothing where it makes no sense (`pause` of a loop that is done); it is noted as
carried out all the same, so that no later run reads it again.
"""

from collections.abc import Callable, Mapping

from loop_kit.core.continuing import changed, continued, done, extended
from loop_kit.core.inbox_command import Verb
from loop_kit.core.messages import Commanded
from loop_kit.core.state import LoopState, Outcome, Phase

_REMEMBERED = 200


def carried_out(state: LoopState, event: Commanded) -> LoopState:
    """The state after the command; the same command again changes nothing."""
    command = event.command
    if command.comment in state.heeded:
        return state
    after = _VERBS[command.verb](state, event)
    return changed(after, heeded=(*state.heeded, command.comment)[-_REMEMBERED:])


def _pause(state: LoopState, _event: Commanded) -> LoopState:
    if not state.is_running:
        return state
    return changed(state, state=Phase.PAUSED, resume_phase=state.state, continue_to=None)


def _stop(state: LoopState, event: Commanded) -> LoopState:
    if state.state is Phase.DONE:
        return state
    by = event.command.by or "a command"
    return done(state, Outcome.CANCELLED, f"Stopped by {by}.", event.at)


def _go_on(state: LoopState, event: Commanded) -> LoopState:
    if state.is_running or state.resume_phase is None:
        return state
    again = changed(state, starter=event.command.by or state.starter)
    limits = extended(event.limits, state.extended) if event.limits else state.limits
    return continued(again, limits, event.at)


def _extend(state: LoopState, event: Commanded) -> LoopState:
    rounds = event.command.rounds
    more = changed(state, limits=extended(state.limits, rounds), extended=state.extended + rounds)
    used_up = state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED or "budget" in state.reasons
    return _go_on(more, event) if used_up else more


def _refresh(state: LoopState, event: Commanded) -> LoopState:
    card, verify = event.command.card, event.command.verify
    if card is None or card.task_id != state.task_id:
        return state
    same = verify == state.verify
    return changed(
        state,
        card_sha256=card.sha256,
        verify=verify,
        baseline=state.baseline if same else None,
        verification=state.verification if same else None,
    )


_Rule = Callable[[LoopState, Commanded], LoopState]
_VERBS: Mapping[Verb, _Rule] = {
    "pause": _pause,
    "resume": _go_on,
    "stop": _stop,
    "retry": _go_on,
    "refresh": _refresh,
    "extend": _extend,
}
