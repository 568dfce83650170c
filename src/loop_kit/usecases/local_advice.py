"""What continues a loop that stopped on a laptop: what to fix, and the options of the command."""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.forge.choices import Choice, asked, choices
from loop_kit.core.forge.question import asked_about
from loop_kit.core.loop.commands import Command, read_command
from loop_kit.core.loop.decisions import sort_ids
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.policy import budget_to_continue, exceeded_budget
from loop_kit.core.loop.resuming import operator_limits
from loop_kit.core.loop.state import Limits, LoopState, Outcome
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadSetting

_BUDGETS = ("max_cost_usd", "max_minutes", "max_tokens")
_FIRST: Mapping[Outcome | None, str] = {
    Outcome.VERIFY_UNAVAILABLE: "Correct the command in the task card, or install its program.",
    Outcome.SETUP_FAILED: (
        "Correct --workspace-setup, or workspace_setup in config.yaml, or what it needs."
    ),
    **dict.fromkeys(
        (Outcome.INVALID_WORK_REPORT, Outcome.INVALID_REVIEW_REPORT),
        "`loop logs` shows the report and why it was refused.",
    ),
    Outcome.SANDBOX_UNAVAILABLE: "Change what it names, or use another --sandbox.",
    Outcome.WORKER_NOOP: "To say more in the task card first, edit it and add --refresh-card.",
}


def ways_to_resume(state: LoopState) -> list[tuple[str, list[str]]]:
    """What to say before the command of each way to continue, and the options of that command."""
    way = "Continue with:"
    offered = choices(state)
    if not offered:
        return [(way, _options_to_resume(state))]
    return [(f"{choice.means}. {way}", _options_of(choice, state)) for choice in offered]


def read_decisions(given: Mapping[str, str], recorded: LoopState | None) -> tuple[Command, ...]:
    """The decisions about findings of `recorded`, by verb, as they were typed.

    Raises:
        BadSetting: one cannot be read, or changes nothing.
    """
    decisions = []
    for number, (verb, text) in enumerate(given.items(), 1 + (recorded.seq if recorded else 0)):
        command = read_command(f"/loop {verb} {text}", number)
        if not isinstance(command, Command):
            example = f"--{verb} '{'F3 because it is intended' if verb == 'dismiss' else 'F3 F4'}'"
            raise BadSetting(
                f"--{verb} {text!r} cannot be read.",
                f"Write it as {example}.",
                anchor="finding-unknown",
            )
        unknown = sort_ids(recorded.findings, command).unknown if recorded else ()
        if recorded is not None and unknown:
            still = [finding.id for finding in recorded.findings if finding.status == "open"]
            known = f"Open are {', '.join(still)}." if still else "No finding is open."
            raise BadSetting(
                f"--{verb}: {', '.join(unknown)} is no finding of this loop.",
                known,
                anchor="finding-unknown",
            )
        decisions.append(command)
    return tuple(decisions)


def _options_of(choice: Choice, state: LoopState) -> list[str]:
    if choice.act == "extend":
        return _options_to_resume(state)
    if choice.act == "retry":
        role = "reviewer" if choice.rest.endswith("reviewer") else "worker"
        return [f"--{role}-backend", "…"] if choice.rest else []
    return [f"--{choice.act}", " ".join([*choice.ids, *([choice.rest] if choice.rest else [])])]


def _options_to_resume(state: LoopState) -> list[str]:
    """The options without which `--resume` would stop again at once."""
    if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
        return ["--max-rounds", str(state.round)]
    if state.outcome is Outcome.VERIFY_UNAVAILABLE:
        return ["--refresh-card"]
    if "budget" in state.reasons and exceeded_budget(state.limits, state.usage):
        wanted = budget_to_continue(state.limits, state.usage)
        return [f"--{wanted.name}", f"{wanted.limit + wanted.amount:.10g}"]
    return []


def before_resuming(state: LoopState) -> list[str]:
    """What to decide or to do before the loop is continued, a line each."""
    if choices(state):
        return [*(_about(finding, state) for finding in asked(state)), asked_about(state)]
    if state.outcome is Outcome.SETUP_FAILED and state.failed_setup is None:
        return []
    if "protected_path" in state.reasons:
        return ["The worker tries again without that change. Make it yourself if it is wanted."]
    if "scope" in state.reasons:
        return ["To allow the change, edit the task card and add --refresh-card to the command."]
    found_here = state.refusal is not None and state.refusal.found_here
    first = Outcome.WORKER_NOOP if found_here else state.outcome
    return [_FIRST[first]] if first in _FIRST else []


def limits_to_resume(limits: Limits, flags: Mapping[str, Any], recorded: LoopState) -> Limits:
    """The limits of a loop that a person continues: what they typed now counts, over the card too.

    A budget that is not typed again stays as it was recorded.
    """
    before = operator_limits(recorded)
    typed = {name: flags[name] for name in (*_BUDGETS, "max_rounds") if name in flags}
    kept = {name: getattr(before, name) for name in _BUDGETS if getattr(limits, name) is None}
    return limits.model_copy(update={**kept, **typed})


def _about(finding: Finding, state: LoopState) -> str:
    """A finding in one line, with what the worker says about one that it disputes."""
    where = f" ({finding.file}{f':{finding.line}' if finding.line else ''})" if finding.file else ""
    about = f"{finding.id}{where}: {one_line(finding.reason, 300)}"
    if "contested" not in state.reasons or not finding.dispute:
        return about
    return f"{about} The worker says: {one_line(finding.dispute, 300)}"
