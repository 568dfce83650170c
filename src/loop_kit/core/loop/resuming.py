"""How a loop ends, how it continues after that, and what the command of a person does to it.

A run that dies suddenly leaves its lease behind. When two of them die while the same agent
is running at the same commit, the third would die too, and be paid for: the loop ends instead, and
a person looks at the logs.

A command changes nothing where it makes no sense (`pause` of a loop that is done); it counts as
handled all the same, so that no later run reads it again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import policy
from loop_kit.core.loop.attempts import record_attempt
from loop_kit.core.loop.base_moves import look_again
from loop_kit.core.loop.commands import Command, Verb
from loop_kit.core.loop.decisions import decide, is_answered, sort_ids
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.messages import (
    Commanded,
    LoopResumed,
)
from loop_kit.core.loop.outcomes import DISPATCH_FAILED
from loop_kit.core.loop.review_only import skip_worker
from loop_kit.core.loop.second_review import record_missed
from loop_kit.core.loop.state import (
    Attempt,
    Growth,
    Limits,
    LoopState,
    Outcome,
    Phase,
    Role,
    RoundRecord,
    RuleNote,
)
from loop_kit.core.text.numbers import counted_with_verb

_MAX_LOST = 2
_MAX_HANDLED = 200
_REFUSED = {"scope", "protected_path"}
"""After these the next attempt starts without the change that was refused."""


class IllegalTransition(RuntimeError):
    """An event that cannot happen in this phase: a bug, never a user's mistake."""


def update(before: LoopState, /, **changes: Any) -> LoopState:
    """`before` with these fields replaced."""
    return before.model_copy(update=changes)


def end_loop(state: LoopState, outcome: Outcome, error: str, at: str, **changes: Any) -> LoopState:
    """End the loop; unless it is approved, a later run continues at this phase."""
    approved = outcome is Outcome.APPROVED
    outstanding = state.resume_phase if state.state is Phase.PAUSED else state.state
    return update(
        state,
        state=Phase.DONE,
        outcome=outcome,
        error=error,
        failed_at="" if approved else at,
        resume_phase=None if approved else outstanding,
        waiting_for=(),
        **changes,
    )


def end_if_rounds_used_up(state: LoopState, at: str) -> LoopState:
    """`state`, or its end when it is in a round that it may not have."""
    if state.round <= state.limits.max_rounds:
        return state
    rounds = state.limits.max_rounds
    used = "The only round is used" if rounds == 1 else f"All {rounds} rounds are used"
    still = counted_with_verb(len(open_findings(state.findings)), "finding")
    error = f"{used} and {still} open."
    return end_loop(state, Outcome.MAX_ROUNDS_EXHAUSTED, error, at)


def begin_round(state: LoopState) -> LoopState:
    """The next round, which waits for the worker."""
    return update(state, state=Phase.AWAITING_WORK, round=state.round + 1)


def resume_loop(state: LoopState, event: LoopResumed) -> LoopState:
    """Continue under the operator's limits, and what was added to them by command.

    Raises:
        IllegalTransition: nothing is outstanding, for it was approved.
    """
    if event.head_sha:
        pushed = {"head_sha": event.head_sha, "verified": None, "decision": None}
        history = update_round(state.history, state.round, **pushed)
        seen = state.base.model_copy(update={"conflicts": ()})
        again: Mapping[str, Any] = {"second": None, "further": None, "base": seen}
        fresh = {"sessions": {}, "wip": None, **again}
        state = update(state, history=history, head_sha=event.head_sha, **fresh)
    if event.card is not None:
        state = _take_card(state, event.card, event.verify)
    state = update(
        state, starter=event.starter or state.starter, verify=event.verify or state.verify
    )
    limits = extended_limits(event.limits, state)
    return continue_loop(state, limits, event.at, run_lost=event.run_lost)


def continue_loop(
    state: LoopState, limits: Limits, at: str, *, run_lost: bool = False
) -> LoopState:
    """Continue at the phase that is outstanding, under `limits`; `run_lost` as in `LoopResumed`.

    Raises:
        IllegalTransition: nothing is outstanding, for it was approved.
    """
    if state.state is Phase.DONE and state.resume_phase is None:
        raise IllegalTransition("an approved loop is resumed")
    attempt = state.attempt
    if attempt is not None:
        if run_lost and attempt.claimed:
            state = record_attempt(state, attempt.role, None, result="lost")
        lost = attempt.lost + run_lost if state.is_running or run_lost else 0
        fresh = {"retries": 0, "repairs": 0, "waits": False, "lost": lost, "claimed": False}
        refused = {"work_sha": ""} if _is_refused_here(state) else {}
        attempt = attempt.model_copy(update=fresh | refused)
    again = update(
        state,
        state=state.resume_phase or state.state,
        outcome=None,
        reasons=(),
        error="",
        failed_at="",
        refused_diff="",
        left_out=state.left_out if state.is_running else (),
        failed_setup=None,
        resume_phase=None,
        interrupted_run=None,
        continue_to=None,
        limits=limits,
        attempt=attempt,
        refusal=state.refusal if state.is_running else None,
        held=None,
        accepted_growth=_accepted_growth(state),
        base=look_again(state.base),
        baseline=None if state.outcome is Outcome.VERIFY_UNAVAILABLE else state.baseline,
    )
    if attempt is not None and run_lost:
        again = update(again, rule_notes=(*again.rule_notes, _note_of_lost_runs(again, attempt)))
    if attempt is not None and attempt.lost >= _MAX_LOST:
        return _end_after_lost_runs(again, attempt, at)
    return end_if_rounds_used_up(skip_worker(again), at)


def _is_refused_here(state: LoopState) -> bool:
    """Whether the loop stopped because of what the worker changed, before that was pushed."""
    refused = state.refusal is not None and state.refusal.found_here
    return bool(_REFUSED & set(state.reasons)) or (refused and "push_refused" in state.reasons)


def _accepted_growth(state: LoopState) -> Growth | None:
    """The size that is found right by continuing, unless the card was narrowed before."""
    if "diff_growth" not in state.reasons or state.simplify:
        return state.accepted_growth
    sizes = [record.growth for record in state.history if record.growth is not None]
    return sizes[-1] if sizes else state.accepted_growth


def _note_of_lost_runs(state: LoopState, attempt: Attempt) -> RuleNote:
    """What the rule saw that ends a loop whose runs die again and again at the same place."""
    is_last = attempt.lost >= _MAX_LOST
    ends = ", which ends the loop" if is_last else f"; {_MAX_LOST} end the loop"
    where = f"while the {attempt.role.words} was running at {state.tip[:7]}"
    text = f"Runs that died {where}, without an error of loop-kit: {attempt.lost}{ends}."
    return RuleNote(rule="lost_runs", text=text)


def _end_after_lost_runs(state: LoopState, attempt: Attempt, at: str) -> LoopState:
    error = (
        f"{attempt.lost} runs died while the {attempt.role.words} was running, without an error"
        " of loop-kit. Look at the end of their logs: out of memory or disk, or a lost runner?"
    )
    return record_missed(state, error) or end_loop(
        state, DISPATCH_FAILED[attempt.role.job], error, at
    )


def extended_limits(limits: Limits, state: LoopState) -> Limits:
    """The operator's `limits` with what commands have added to this loop."""
    return policy.add_budget(policy.add_rounds(limits, state.added_rounds), state.added_budget)


def operator_limits(state: LoopState) -> Limits:
    """The limits without what commands added."""
    fewer = policy.add_rounds(state.limits, -state.added_rounds)
    return policy.subtract_budget(fewer, state.added_budget)


def update_round(records: tuple[Any, ...], round_: int, **changes: Any) -> tuple[Any, ...]:
    """`records` with these fields of round `round_` replaced."""
    return tuple(
        record.model_copy(update=changes) if record.round == round_ else record
        for record in records
    )


# --- commands -----------------------------------------------------------------------------------


def handle_command(state: LoopState, event: Commanded) -> LoopState:
    """The state after the command; the same command again changes nothing."""
    command = event.command
    if command.comment in state.handled_commands:
        return state
    after = _COMMANDS[command.verb](state, event)
    return update(
        after, handled_commands=(*state.handled_commands, command.comment)[-_MAX_HANDLED:]
    )


def new_card(state: LoopState, command: Command) -> TaskCard | None:
    """The card that the command puts in the place of the loop's, if it does."""
    known = command.comment in state.handled_commands
    card = command.card if command.verb == "refresh" and not known else None
    return card if card is not None and card.task_id == state.task_id else None


def _pause(state: LoopState, _event: Commanded) -> LoopState:
    if not state.is_running:
        return state
    return update(state, state=Phase.PAUSED, resume_phase=state.state, continue_to=None)


def _stop(state: LoopState, event: Commanded) -> LoopState:
    if state.state is Phase.DONE:
        return state
    by = event.command.by or "a command"
    return end_loop(state, Outcome.CANCELLED, f"Stopped by {by}.", event.at)


def _continue(state: LoopState, event: Commanded) -> LoopState:
    if state.is_running or state.resume_phase is None:
        return state
    again = update(state, starter=event.command.by or state.starter)
    limits = extended_limits(event.limits, state) if event.limits else state.limits
    return continue_loop(again, limits, event.at)


def _retry(state: LoopState, event: Commanded) -> LoopState:
    """Continue, with another backend where one is named; a running job keeps the one it has."""
    backend = event.command.backend
    if not backend or (state.state is Phase.DONE and state.resume_phase is None):
        return _continue(state, event)
    role = retried_role(state, event.command)
    return _continue(update(state, retry_with={**state.retry_with, role.value: backend}), event)


def retried_role(state: LoopState, command: Command) -> Role:
    """Whose backend the command changes: the one it names, else whose turn it is."""
    if command.role is not None:
        return command.role
    if (state.resume_phase or state.state) is not Phase.AWAITING_REVIEW:
        return Role.WORKER
    return Role.REVIEWER if state.second is None else Role.SECOND_REVIEWER


def _decide(state: LoopState, event: Commanded) -> LoopState:
    """Record a decision about findings; a stop that asked for just that continues."""
    command = event.command
    nothing = not sort_ids(state.findings, command).applies
    if nothing or state.outcome is Outcome.APPROVED:
        return state
    decided = update(state, findings=decide(state.findings, command, state.round))
    if decided.is_running:
        return skip_worker(decided)
    return _continue(_with_round(decided, event), event) if is_answered(decided) else decided


def _with_round(state: LoopState, event: Commanded) -> LoopState:
    """`state` with the one round more that an answer needs when all are used."""
    limits = extended_limits(event.limits, state) if event.limits else state.limits
    missing = max(0, state.round - limits.max_rounds)
    if not missing:
        return state
    more = policy.add_rounds(state.limits, missing)
    return update(state, limits=more, added_rounds=state.added_rounds + missing)


def _extend(state: LoopState, event: Commanded) -> LoopState:
    rounds = event.command.rounds
    limits = policy.add_rounds(state.limits, rounds)
    more = update(state, limits=limits, added_rounds=state.added_rounds + rounds)
    used_up = state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED or "budget" in state.reasons
    return _continue(more, event) if used_up else more


def _add_budget(state: LoopState, event: Commanded) -> LoopState:
    """Add to the limits what their ceilings allow; a loop that they had stopped continues."""
    if state.outcome is Outcome.APPROVED or event.command.budget is None:
        return state
    current = extended_limits(event.limits, state) if event.limits else state.limits
    added = policy.allowed_addition(current, event.command.budget)
    more = update(
        state,
        limits=policy.add_budget(current, added),
        added_budget=state.added_budget.plus(added),
    )
    return _continue(more, event) if "budget" in state.reasons else more


def _refresh(state: LoopState, event: Commanded) -> LoopState:
    card = new_card(state, event.command)
    if card is None:
        return state
    refreshed = _take_card(state, card, event.command.verify)
    unavailable = state.outcome is Outcome.VERIFY_UNAVAILABLE
    return _continue(refreshed, event) if unavailable else refreshed


def _take_card(state: LoopState, card: TaskCard, verify: tuple[str, ...]) -> LoopState:
    """Let another card count from now on, and its verify commands.

    An approval that waits for its checks was one of the other card: it is reviewed again.
    """
    same = verify == state.verify
    attempt = state.attempt
    if attempt is not None:
        attempt = attempt.model_copy(update={"claimed": False})
    return update(
        state,
        card_sha256=card.sha256,
        attempt=attempt,
        second=None,
        further=None,
        verify=verify,
        baseline=state.baseline if same else None,
        verification=state.verification if same else None,
        simplify=state.simplify or "diff_growth" in state.reasons,
        history=_without_approval(state),
        waiting_for=(),
    )


def _without_approval(state: LoopState) -> tuple[RoundRecord, ...]:
    """The rounds, the last one undecided where its approval does not count yet."""
    last = state.history[-1] if state.history else None
    is_held = last is not None and (last.round, last.decision) == (state.round, "approve")
    if not is_held or state.outcome is Outcome.APPROVED:
        return state.history
    return update_round(state.history, state.round, decision=None)


_Rule = Callable[[LoopState, Commanded], LoopState]
_COMMANDS: Mapping[Verb, _Rule] = {
    "status": lambda state, _event: state,
    "pause": _pause,
    "resume": _continue,
    "stop": _stop,
    "retry": _retry,
    "refresh": _refresh,
    "extend": _extend,
    "budget": _add_budget,
    "waive": _decide,
    "dismiss": _decide,
    "require": _decide,
}
