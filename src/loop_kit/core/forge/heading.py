"""The heading of a post: how the loop is doing, in words that need no glossary, and its price.

The icon says who is next: nobody (✅ ⚪), a person (🟡 🔴 ⏸️), or a program (🔵).
"""

from collections.abc import Mapping
from typing import NamedTuple

from loop_kit.core.forge.choices import asked
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.figures import spent
from loop_kit.core.loop.checking import DID_NOT_RUN, is_approval_held
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.passes import number
from loop_kit.core.loop.second_review import is_second_review_awaited
from loop_kit.core.loop.state import LoopState, Outcome, Phase, Role
from loop_kit.core.loop.wording import waiting_words
from loop_kit.core.text.harmless import inline
from loop_kit.core.text.numbers import counted

_FAILED: Mapping[Outcome, str] = {
    Outcome.WORKER_TIMEOUT: "the worker ran out of time",
    Outcome.REVIEWER_TIMEOUT: "the reviewer ran out of time",
    Outcome.WORKER_DISPATCH_FAILED: "the worker could not do its work",
    Outcome.REVIEWER_DISPATCH_FAILED: "the reviewer could not do its work",
    Outcome.INVALID_WORK_REPORT: "the worker's report cannot be used",
    Outcome.INVALID_REVIEW_REPORT: "the reviewer's report cannot be used",
    Outcome.WORKER_NOOP: "the worker changed nothing",
    Outcome.GIT_COMPARE_FAILED: "the worker's commits do not continue the branch",
    Outcome.VERIFY_UNAVAILABLE: "a verify command cannot run",
    Outcome.SETUP_FAILED: "the workspace could not be prepared",
    Outcome.SANDBOX_UNAVAILABLE: "agents cannot be confined as it is required",
}
_STOPPED: Mapping[str, str] = {
    "label_removed": "the label was removed",
    "issue_closed": "the issue was closed",
    "pull_request_closed": "the pull request was closed",
    "pull_request_merged": "the pull request was merged",
    "run_cancelled": "somebody cancelled the job",
    "run_unknown": "the job ended, and it is unknown why",
}
_NEEDS: Mapping[str, str] = {
    "stalled": "{ids} {is_} not getting fixed",
    "contested": "worker and reviewer disagree about {ids}",
    "diff_growth": "the change has grown far beyond its first round",
    "budget": "the budget is used up",
    "human_push": "somebody pushed to the branch",
    "protected_path": "the change touches protected files",
    "scope": "the change leaves its scope",
    "push_refused": "the push was refused",
    "conflict": "the work conflicts with the base branch",
    "checks": "checks did not finish",
    "tampered": "an agent changed what it must not",
}
_DOES: Mapping[Role, str] = {
    Role.WORKER: "changes the code",
    Role.REVIEWER: "reads the change",
    Role.SECOND_REVIEWER: "reads the change",
}


class Heading(NamedTuple):
    """An icon, what happened, and what it has cost so far."""

    icon: str
    words: str
    facts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, on one line."""
        return " · ".join([f"{self.icon} {self.words}", *self.facts])


def heading(state: LoopState, context: PostContext | None = None) -> Heading:
    """How the loop is doing; it is harmless in a post."""
    context = context or PostContext()
    if state.state is Phase.PAUSED:
        return Heading("⏸️", f"Paused in round {state.round}", _facts(state))
    if state.outcome is None:
        return Heading("🔵", _running(state, context), _facts(state, so_far=True))
    if state.outcome is Outcome.APPROVED:
        facts = (*spent(state.usage), *_proofs(state))
        return Heading("✅", f"Approved in round {state.round}", facts)
    if state.outcome in {Outcome.CANCELLED, Outcome.INTERRUPTED}:
        return Heading("⚪", _ended(state), _facts(state))
    failed = _FAILED.get(state.outcome)
    if failed is not None:
        return Heading("🔴", f"Failed in round {state.last_round}: {failed}", _facts(state))
    return Heading("🟡", f"Needs you: {_needs(state)}", _facts(state))


def state_words(state: LoopState, context: PostContext | None = None) -> str:
    """How the loop is doing in words, without icon and price."""
    return heading(state, context).words


def doing(state: LoopState, context: PostContext) -> str | None:
    """What an agent does now, in words; None while none runs."""
    attempt = state.attempt
    if attempt is None or not attempt.claimed or not state.is_running:
        return None
    again = f", attempt {attempt.number}" if attempt.number > 1 else ""
    again = f", pass {number(state) + 1}" if state.further else again
    return f"{_who(attempt.role, context)} {_DOES[attempt.role]}{again}"


def _who(role: Role, context: PostContext) -> str:
    named = context.agents.get(role)
    return f"{role.words} ({inline(named, 80)})" if named else role.words


def _next_role(state: LoopState) -> Role:
    if state.state is not Phase.AWAITING_REVIEW:
        return Role.WORKER
    return Role.SECOND_REVIEWER if is_second_review_awaited(state) else Role.REVIEWER


def _running(state: LoopState, context: PostContext) -> str:
    if is_approval_held(state):
        return f"Approved in round {state.round}, waiting for {inline(waiting_words(state), 500)}"
    of = f"Round {state.round} of {max(state.limits.max_rounds, state.round)}"
    now = doing(state, context)
    if now is not None:
        return f"{of} · {now}"
    return f"{of} · {_who(_next_role(state), context)} is next"


def _facts(state: LoopState, *, so_far: bool = False) -> tuple[str, ...]:
    still = len(open_findings(state.findings))
    used = [*spent(state.usage)]
    if used and so_far:
        used[-1] = f"{used[-1]} so far"
    return (*used, *([f"{counted(still, 'finding')} open"] if still else []))


def _proofs(state: LoopState) -> tuple[str, ...]:
    """What speaks for an approved commit, and what a person should know before merging it."""
    verified = state.verify and state.verification is not None and state.verification.passed
    checks, base, branch = state.checks, state.base, inline(state.base_branch, 100)
    facts = {
        "verify passed": verified,
        f"{counted(checks.passed, 'check')} passed": checks.passed,
        "checks did not run": checks.note.startswith(DID_NOT_RUN),
        "checks were not read": checks.note and not checks.note.startswith(DID_NOT_RUN),
        f"conflicts with {branch}": base.conflicts,
        f"behind {branch}": base.behind and not base.conflicts,
    }
    return tuple(fact for fact, is_so in facts.items() if is_so)


def _ended(state: LoopState) -> str:
    why = next((_STOPPED[reason] for reason in state.reasons if reason in _STOPPED), None)
    what = "Interrupted" if state.outcome is Outcome.INTERRUPTED else "Stopped"
    return f"{what} in round {state.last_round}{f': {why}' if why else ''}"


def _needs(state: LoopState) -> str:
    if state.outcome is Outcome.MAX_ROUNDS_EXHAUSTED:
        most = state.limits.max_rounds
        return f"{most} of {counted(most, 'round')} used"
    found = asked(state)
    ids = ", ".join(finding.id for finding in found[:5])
    if "bar" in state.reasons:
        return f"does {ids} have to be fixed?" if ids else "the review says too little to approve"
    words = next((_NEEDS[reason] for reason in state.reasons if reason in _NEEDS), None)
    if words is None:
        return "a decision"
    return words.format(ids=ids or "a finding", is_="is" if len(found) < 2 else "are")
