"""Further passes: a reviewer looks again, as if for the first time, at a change that is new to it.

One pass finds a part of what is wrong, and which part is luck. A further pass over the same change,
in a conversation of its own, may add only what is severe (severity `high`, or a criterion that is
not met); with small things it would cost more rounds than it is worth. It only ever adds: what the
first pass says of the findings, of the criteria and of the change stays, an approval among it
unless something that blocks is added.

What was reported so far is recorded before the next pass is paid for, and nothing follows from it
until the last. A pass that cannot be had is done without, and the review says so.
"""

from collections.abc import Iterable
from dataclasses import replace

from loop_kit.core.agent.reports import CriterionVerdict, ReportedIssue, ReviewReport
from loop_kit.core.loop.findings import ReviewContext, apply_review, open_findings
from loop_kit.core.loop.messages import Event, PassSkipped, ReviewReported
from loop_kit.core.loop.reviewers import FurtherPass
from loop_kit.core.loop.rules.approval import unmet_criteria
from loop_kit.core.loop.rules.joining import Likeness, Place
from loop_kit.core.loop.rules.settings import Join
from loop_kit.core.loop.state import Attempt, LoopState, Role, RuleNote
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.sanitize import one_line

_RULE = "passes"
_MAX_WHY = 300


def number(state: LoopState) -> int:
    """Which further pass is awaited, 0 for none."""
    return state.further.made + 1 if state.further else 0


def follows(state: LoopState, role: Role) -> bool:
    """Whether another pass of `role` is due after the one it makes now, if a program makes it."""
    is_judged = bool(state.history) and state.history[-1].decision is not None
    return not is_judged and _is_first_look(state, role) and number(state) < _wanted(state)


def is_due(state: LoopState, event: ReviewReported) -> bool:
    """Whether a further pass is due after this review, which is judged in `state`."""
    is_new = event.takes_passes and _is_first_look(state, event.role)
    return is_new and event.further < _wanted(state)


def await_pass(state: LoopState, event: ReviewReported) -> LoopState:
    """Record what is reported so far, which is never paid for again, and wait for the next pass."""
    said = FurtherPass(
        role=event.role,
        report=event.report,
        reviewer=event.reviewer,
        provenance=event.provenance,
        made=event.further,
    )
    last = state.attempt.number if state.attempt else 1
    fresh = Attempt(role=event.role, number=last)
    return state.model_copy(update={"further": said, "attempt": fresh})


def record_missed(state: LoopState, why: str) -> LoopState | None:
    """The state that does without the pass that is awaited; None where none is."""
    if state.further is None:
        return None
    missed = state.further.model_copy(update={"missed": why[:_MAX_WHY] or "It failed."})
    return state.model_copy(update={"further": missed})


def is_missed(state: LoopState) -> bool:
    """Whether the pass that is awaited cannot be had."""
    return state.further is not None and bool(state.further.missed)


def reason_to_skip(state: LoopState, exceeded: str | None) -> str | None:
    """Why the awaited pass is done without; `exceeded` is the budget that is used up."""
    if state.further is None:
        return None
    if state.further.missed or exceeded:
        return state.further.missed or exceeded
    return None if number(state) <= _wanted(state) else "None is asked for any more."


def whole_review(state: LoopState, event: Event) -> Event:
    """All passes as one review, where `event` brings the last so far; `state` is the one before."""
    held = state.further
    if held is not None and isinstance(event, PassSkipped):
        return ReviewReported(
            held.report,
            event.at,
            provenance=held.provenance,
            role=held.role,
            reviewer=held.reviewer,
            further=held.made,
        )
    if held is None or not isinstance(event, ReviewReported):
        return event
    return _join(state, held, event)


def with_note(state: LoopState, event: ReviewReported | PassSkipped) -> LoopState:
    """The state with what the pass that ended has added; `state` still awaits it."""
    held = state.further
    if held is None:
        return state
    words = held.role.words
    if isinstance(event, PassSkipped):
        text = f"A further pass of the {words} was done without: {one_line(event.why, _MAX_WHY)}"
    else:
        more = _join(state, held, event).report
        issues = len(more.blocking_issues) - len(held.report.blocking_issues)
        unmet = len(unmet_criteria(more)) - len(unmet_criteria(held.report))
        added = [counted(issues, "blocking issue")] if issues else []
        added += [f"{unmet} unmet {'criterion' if unmet == 1 else 'criteria'}"] if unmet else []
        found = f"added {' and '.join(added)}" if added else "found nothing more that is severe"
        text = f"Pass {held.made + 2} of the {words} over the same change {found}."
    note = RuleNote(rule=_RULE, text=text)
    return state.model_copy(update={"rule_notes": (*state.rule_notes, note)})


def add_pass(said: ReviewReport, further: ReviewReport, join: Join) -> ReviewReport:
    """What was said, and what a further pass adds to it; the decision stays."""
    added, aside = _sorted_issues(said, further, join)
    remarks = (*said.non_blocking, *further.non_blocking, *map(_remark, aside))
    summaries = (said.summary, further.summary and f"**Further pass:** {further.summary}")
    return said.model_copy(
        update={
            "summary": "\n\n".join(filter(None, summaries)),
            "blocking_issues": (*said.blocking_issues, *added),
            "non_blocking": tuple(dict.fromkeys(remarks)),
            "criteria": _unmet_in_any(said.criteria, further.criteria),
            "files_examined": tuple(dict.fromkeys((*said.files_examined, *further.files_examined))),
        }
    )


def _is_first_look(state: LoopState, role: Role) -> bool:
    """Whether the change is new to `role`: not once it was judged, or the base branch merged."""
    if state.base.merges:
        return False
    if role is Role.REVIEWER:
        return state.round == 1 and not any(record.reviews for record in state.history)
    return not any(r.reviews[1].decision for r in state.history if len(r.reviews) > 1)


def _wanted(state: LoopState) -> int:
    rule = state.limits.rules.passes
    return rule.with_second if state.limits.second_reviewer else rule.alone


def _join(state: LoopState, held: FurtherPass, event: ReviewReported) -> ReviewReported:
    join = state.limits.rules.join
    added, _ = _sorted_issues(held.report, event.report, join)
    places = dict(zip(map(id, event.report.blocking_issues), event.provenance, strict=False))
    missing = len(held.report.blocking_issues) - len(held.provenance)
    before = (*held.provenance, *[""] * missing)
    provenance = (*before, *(places.get(id(issue), "") for issue in added))
    report = add_pass(held.report, event.report, join)
    whole = replace(
        event,
        report=report,
        provenance=provenance,
        further=held.made + 1,
        is_repeatable=False,
        reviewer=event.reviewer or held.reviewer,
    )
    if report.decision == "approve" and _speaks_against(state, whole):
        objects = report.model_copy(update={"decision": "changes_required"})
        return replace(whole, report=objects)
    return whole


def _speaks_against(state: LoopState, event: ReviewReported) -> bool:
    """Whether anything in this approval blocks: then it is none."""
    context = ReviewContext(
        rules=state.limits.rules,
        evidence=state.limits.evidence,
        provenance=event.provenance,
        by="second" if event.role is Role.SECOND_REVIEWER else "",
    )
    after = apply_review(state.findings, event.report, context)
    return bool(open_findings(after) or unmet_criteria(event.report))


_Issues = list[ReportedIssue]


def _sorted_issues(
    said: ReviewReport, further: ReviewReport, join: Join
) -> tuple[_Issues, _Issues]:
    """The issues of a further pass that are severe and new, and those that are not severe."""
    known, added, aside = [*said.blocking_issues], [], []
    for issue in further.blocking_issues:
        if issue.severity != "high" and not issue.criterion:
            aside.append(issue)
        elif not _is_repeated(issue, known, join):
            known.append(issue)
            added.append(issue)
    return added, aside


def _is_repeated(issue: ReportedIssue, known: Iterable[ReportedIssue], join: Join) -> bool:
    likeness = Likeness(Place(issue.file, issue.line, issue.reason), join)
    return any(
        (issue.id and issue.id == other.id)
        or (issue.file, issue.reason) == (other.file, other.reason)
        or likeness.of(other.file, other.line, other.reason) is not None
        for other in known
    )


def _remark(issue: ReportedIssue) -> str:
    line = f":{issue.line}" if issue.line else ""
    return f"{issue.file}{line}: {issue.reason}" if issue.file else issue.reason


def _unmet_in_any(
    said: tuple[CriterionVerdict, ...], further: tuple[CriterionVerdict, ...]
) -> tuple[CriterionVerdict, ...]:
    unmet = {verdict.id: verdict for verdict in further if not verdict.met}
    judged = tuple(unmet.get(v.id, v) if v.met else v for v in said)
    known = {verdict.id for verdict in said}
    return (*judged, *(verdict for id_, verdict in unmet.items() if id_ not in known))
