"""What a person decides about findings: `waive` (real, does not block), `dismiss`, `require`.

A decision outlives every later review: what a person closed is not opened by a reviewer, and what
a person requires is not withdrawn or disputed any more. Only a person changes it again. The verify
commands are no opinion that a person can overrule here: they pass, or the card changes.
"""

from collections.abc import Mapping

from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.findings import (
    VERIFICATION,
    Finding,
    Ledger,
    Status,
    later_findings,
    open_findings,
)
from loop_kit.core.loop.outcomes import Outcome, Reason
from loop_kit.core.loop.state import LoopState
from loop_kit.frozen import frozen

_STATUS: Mapping[str, Status] = {"waive": "waived", "dismiss": "dismissed"}
_BY_FINDING: frozenset[Reason] = frozenset({"contested", "stalled"})
_ASKING: frozenset[Reason] = frozenset({*_BY_FINDING, "bar", "diff_growth"})
"""The stops that a decision about findings can answer."""


@frozen
class Ids:
    """The ids that a decision names: those it `applies` to, and why it leaves the others."""

    applies: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    closed: tuple[Finding, ...] = ()
    verified: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


def sort_ids(ledger: Ledger, command: Command) -> Ids:
    """What becomes of each id that `command` names, given the ledger before it."""
    found = {finding.id: finding for finding in ledger}
    sorts: dict[str, list[str]] = {key: [] for key in ("applies", "unknown", "verified", "same")}
    closed = []
    for id_ in command.findings:
        finding = found.get(id_)
        if finding is not None and finding.status in {"fixed", "withdrawn"}:
            closed.append(finding)
        else:
            sorts[_sort(finding, command)].append(id_)
    return Ids(**{key: tuple(ids) for key, ids in sorts.items()}, closed=tuple(closed))


def decide(ledger: Ledger, command: Command, round_: int) -> Ledger:
    """The ledger after the decision, which is made in round `round_`."""
    applies = sort_ids(ledger, command).applies
    return tuple(
        _decided(finding, command, round_) if finding.id in applies else finding
        for finding in ledger
    )


def asked_findings(state: LoopState) -> Ledger:
    """The findings that a stop asks a person about: those of its rule, or all that block."""
    if "bar" in state.reasons:
        return open_findings(state.findings) or later_findings(state.findings)
    return named_findings(state) or open_findings(state.findings)


def is_answered(state: LoopState) -> bool:
    """Whether what the stop waited for is decided, so that the loop can continue by itself.

    `state` has the decisions, and the outcome and the reasons of the stop still.
    """
    blocking, reasons = open_findings(state.findings), set(state.reasons)
    if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
        return not blocking
    if state.outcome is not Outcome.NEEDS_HUMAN or not reasons or not reasons <= _ASKING:
        return False
    if "bar" in reasons:
        return bool(blocking) or not later_findings(state.findings)
    undecided = not all(finding.required for finding in named_findings(state))
    return not blocking or (reasons <= _BY_FINDING and not undecided)


def named_findings(state: LoopState) -> Ledger:
    """The findings for which the loop stopped; none where it was for the fixes themselves."""
    blocking, rules = open_findings(state.findings), state.limits.rules
    if "contested" in state.reasons:
        return tuple(f for f in blocking if f.upheld >= rules.contested.upheld)
    if "stalled" in state.reasons:
        return tuple(f for f in blocking if f.running >= rules.stalled.rounds)
    return ()


def _sort(finding: Finding | None, command: Command) -> str:
    if finding is None:
        return "unknown"
    if command.verb == "require":
        return "same" if finding.required and finding.status == "open" else "applies"
    if finding.by == VERIFICATION:
        return "verified"
    return "same" if finding.status == _STATUS[command.verb] else "applies"


def _decided(finding: Finding, command: Command, round_: int) -> Finding:
    by = f"by {command.by}" if command.by else "by a person"
    why = f"{by}: {command.because}" if command.because else by
    if command.verb == "require":
        changes = {"status": "open", "required": True, "blocking": True, "below": ""}
        return finding.model_copy(update={**changes, "closed_round": None, "closed_why": why})
    status = _STATUS[command.verb]
    changes = {"status": status, "required": False, "closed_round": round_}
    return finding.model_copy(update={**changes, "closed_why": f"{status} {why}"})
