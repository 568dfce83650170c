"""What a person does next about a loop, in a post: a comment, a click, a label, a setting.

Each sentence is for the forge: it names no command of a laptop, and nothing that would fail again.
A place that nobody can comment on has the workflow's own form instead.
"""

import math
from collections.abc import Mapping

from loop_kit.core.forge.choices import choices
from loop_kit.core.loop import outbox
from loop_kit.core.loop.checking import DID_NOT_RUN, is_approval_held
from loop_kit.core.loop.policy import budget_to_continue, exceeded_budget
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.core.text.harmless import code

_CLICK = "click **Ready for review**, which this job's token may not do, and then merge."
_RETRY = "comment `/loop retry`"
_RUN = "run the workflow again with `task-id: {}`"
CARD = "edit the card, comment `/loop refresh` and then `/loop retry`"
_OTHER_TASK = "nothing: what it made is merged. Use a new task id for new work."

_FAILED: Mapping[Outcome, str] = {
    Outcome.WORKER_TIMEOUT: "raise the time limit that it names, or make the task smaller",
    Outcome.REVIEWER_TIMEOUT: "raise the time limit that it names, or make the task smaller",
    Outcome.INVALID_WORK_REPORT: "to have the worker write its report again",
    Outcome.INVALID_REVIEW_REPORT: "to have the same commit reviewed again",
    Outcome.GIT_COMPARE_FAILED: "to have the worker start again from the last recorded commit",
    Outcome.INTERRUPTED: "to continue where it was interrupted",
    Outcome.SETUP_FAILED: "correct the input `workspace-setup` in the workflow, or what it needs",
    Outcome.SANDBOX_UNAVAILABLE: "change what it names, or the input `sandbox` in the workflow",
}
"""What is done before, or by, a retry of a loop that failed; else what it says is fixed first."""

_AFTER_OTHERS = {
    True: "{}: the loop continues from the commits that are on the branch then.",
    False: "look at the checks that it names, start them if need be; then {}.",
}
"""What is done after a push of a person, and after checks that did not run or did not end."""

_PUSH_FIRST: Mapping[RefusalKind, str] = {
    RefusalKind.CONTENT: "change the rule of the repository that it names; then ",
    RefusalKind.RULE: "exempt {} from the rule that it names; then ",
    RefusalKind.RIGHTS: "give the job the permission that it names; then ",
    RefusalKind.TOKEN: "use a token that lives as long as the job; then ",
    RefusalKind.FAULT: "when the git server answers again, ",
}
"""What is done before the commits of a refused push are pushed."""

_MERGES = "GitHub merges it when its rules are satisfied; the loop never does."


def next_step(state: LoopState) -> str:
    """What happens next, or what a person can do so that something does, in one line."""
    first, *others = ways(state)
    return " ".join([first, *(f"{way[0].upper()}{way[1:]}" for way in others)])


def ways(state: LoopState) -> tuple[str, ...]:
    """What happens next, or each way in which a person has it continue, in a sentence each."""
    found = _ways(state)
    return (found,) if isinstance(found, str) else found


def _ways(state: LoopState) -> str | tuple[str, ...]:
    if state.state is Phase.PAUSED:
        return "nothing, until somebody comments `/loop resume`."
    if state.outcome is None:
        return _while_running(state)
    if state.outcome is Outcome.APPROVED:
        ready = outbox.item_of(state, outbox.READY)
        click = ready is not None and ready.status == "refused"
        merge = outbox.item_of(state, outbox.AUTO_MERGE)
        merges = merge is not None and merge.status == "done" and not merge.why
        return _CLICK if click else _MERGES if merges else _merge_it(state)
    if state.outcome is Outcome.CANCELLED:
        return _after_cancellation(state)
    if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
        return _after_rounds(state)
    by_reason = state.outcome is Outcome.NEEDS_HUMAN and state.reasons
    return _after_needs_human(state) if by_reason else _after_failure(state)


def _merge_it(state: LoopState) -> str:
    """What a person does with approved work, what it lacks first."""
    base = state.base
    lacks = {
        f"resolve its conflicts with {code(state.base_branch)}": base.conflicts,
        "update its branch": base.behind and not base.conflicts,
        "start its checks": state.checks.note.startswith(DID_NOT_RUN),
    }
    first = [words for words, is_so in lacks.items() if is_so]
    return f"{', '.join([*first, 'read it'])} and merge it; the loop never does."


def _while_running(state: LoopState) -> str:
    if is_approval_held(state):
        return "it is approved when they pass, and goes back to the worker when one fails."
    return f"round {state.round} runs in the next job." if state.history else "nothing to do."


def _again(state: LoopState) -> str:
    """How the loop is continued."""
    return _RETRY if outbox.issue_or_pull(state) else _RUN.format(state.task_id)


def _after_cancellation(state: LoopState) -> str:
    if "label_removed" in state.reasons:
        return f"nothing, until the label {code(state.source.label)} is put on again."
    if {"issue_closed", "pull_request_closed"} & set(state.reasons):
        return "nothing, until it is opened again and somebody comments `/loop retry`."
    if "pull_request_merged" in state.reasons:
        return _OTHER_TASK
    return f"nothing. To continue where it stopped, {_again(state)}."


def _after_rounds(state: LoopState) -> str:
    if outbox.issue_or_pull(state):
        return _choose(state)
    return f"raise `max-rounds` in the workflow, then {_again(state)}."


def _choose(state: LoopState) -> str:
    """The comments of which each answers a stop over findings."""
    offered = [f"`{choice.command}` ({choice.short})" for choice in choices(state)]
    first = f"comment {offered[0]}"
    return f"{', or '.join([first, *offered[1:]])}."


def _after_needs_human(state: LoopState) -> str | tuple[str, ...]:
    again = _again(state)
    if "budget" in state.reasons:
        return _after_budget(state)
    if {"human_push", "checks"} & set(state.reasons):
        return _AFTER_OTHERS["human_push" in state.reasons].format(again)
    if {"scope", "protected_path", "conflict"} & set(state.reasons):
        return _after_refused_change(state)
    if "push_refused" in state.reasons:
        return _after_refused_push(state)
    tampered = "tampered" in state.reasons
    if outbox.issue_or_pull(state) and choices(state) and not tampered:
        return _choose(state)
    room = "see to it that agents run in a room or in three jobs"
    return f"{room if tampered else 'decide what it asks'}, then {again}."


def _after_refused_change(state: LoopState) -> tuple[str, str]:
    again = _again(state)
    if "conflict" in state.reasons:
        merged = f"merge {code(state.base_branch)} into {code(state.work_branch)} and push it"
        return f"{merged}, then {again}.", f"{again} alone: the worker tries once more."
    without = f"{again}: the worker tries again without the refused change."
    if "protected_path" in state.reasons:
        return without, "make that change yourself if it is wanted: no card allows it to a worker."
    return without, f"if the card should allow it, {CARD}."


def _after_refused_push(state: LoopState) -> str | tuple[str, ...]:
    again, refusal = _again(state), state.refusal
    if refusal is not None and refusal.found_here:
        branch = code(refusal.branch)
        own = f"if it is no secret, commit it to {branch} yourself, then {again}."
        return f"say in the card how to do without it: {CARD}.", own
    unsaved = refusal is None or refusal.of_state or not refusal.kind.is_final
    if unsaved or (state.held is not None and not state.held.kept):
        pushed = f"push what the artifact holds with the command above, then {again}"
    elif state.held is None:
        pushed = again
    else:
        pushed = f"{again}: the commits are pushed, and no agent runs for them again"
    if refusal is None:
        return f"{pushed}."
    if refusal.kind is RefusalKind.SECRET:
        allowed = f"If it is none, allow it where the server says so, then {again}"
        return f"say in the card how to do without it: {CARD}. {allowed}: the work is done again."
    return f"{_PUSH_FIRST[refusal.kind].format(code(refusal.branch))}{pushed}."


def _after_budget(state: LoopState) -> str:
    again = _again(state)
    if state.usage.dispatches >= state.limits.max_dispatches:
        more = "comment `/loop extend 2` to give it two more rounds"
        raised = f"raise `max-dispatches` in the workflow, then {again}"
        return f"{more if outbox.issue_or_pull(state) else raised}."
    if exceeded_budget(state.limits, state.usage) is None:
        return f"raise the limit that it names in the workflow, then {again}."
    needed = budget_to_continue(state.limits, state.usage)
    ceiling = getattr(state.limits, f"{needed.name.replace('-', '_')}_ceiling")
    if outbox.issue_or_pull(state) and (ceiling is None or ceiling > needed.used):
        amount = f"{math.ceil(needed.amount * 100) / 100:.10g} {needed.unit}"
        return f"comment `/loop budget {amount}` to add to the limit of this loop."
    return f"raise `{needed.name}` (and `{needed.name}-ceiling`) in the workflow, then {again}."


def _after_failure(state: LoopState) -> str | tuple[str, ...]:
    again = _again(state)
    if state.outcome is Outcome.VERIFY_UNAVAILABLE:
        return _after_unavailable_verification(state)
    if state.outcome is Outcome.WORKER_NOOP:
        return f"say in the card what is missing: {CARD}.", f"to try once more as it is, {again}."
    what = _FAILED.get(state.outcome, "fix what failed") if state.outcome else ""
    if what.startswith("to "):
        return f"{again} {what}."
    return f"{what}, then {again}: it continues where it stopped."


def _after_unavailable_verification(state: LoopState) -> tuple[str, ...]:
    install = f"if its program is missing, install it in the workflow and {_again(state)}."
    if not outbox.issue_or_pull(state):
        return "correct the command in the card and run the workflow with it again.", install
    return "correct the command in the card and comment `/loop refresh`.", install
