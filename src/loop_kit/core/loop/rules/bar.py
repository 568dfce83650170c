"""The bar: which new findings block, and which are kept for later.

A reviewer finds about one more thing for as long as it looks, and from some round on most of that
is on lines that the fixes made. So round 1 takes everything, and later rounds take what is new only
where the settings say so: by where the line comes from, by severity, or because a criterion of the
card is not met. Round 2 still takes whatever the first fix broke; from the third on each fix would
bring one more small thing, and the loop would end with it open. Findings that block already are not
judged again, and where bytes are missing nothing is silenced: one of unknown origin blocks.

A finding below the bar rises only by something new: when it is raised again with a severity, a
criterion or a place that blocks, or when a person requires it. That a reviewer calls it "not fixed"
is nothing new, for no worker was asked to fix it.
"""

from typing import Literal

from loop_kit.core.agent.reports import ReportedIssue
from loop_kit.core.loop.rules.settings import Bar, Condition
from loop_kit.patterns import late_pattern

PRE_EXISTING = "pre-existing"
FIRST_WORK = "first-work"
NOWHERE = "nowhere"

_FIX = late_pattern(r"fix-of-round-([0-9]{1,6})")


def why_below(
    issue: ReportedIssue,
    provenance: str,
    round_: int,
    bar: Bar,
    evidence: Literal["lenient", "strict"],
) -> str:
    """Why a new finding of this round does not block, in words; '' when it blocks."""
    if not bar.enabled:
        return ""
    is_bare = not issue.scenario.strip() and not issue.criterion
    if is_bare and asks_for_scenario(bar, evidence):
        return f"new in round {round_}, without a scenario of how it fails"
    conditions, place = _cell(provenance, round_, bar, is_bare=is_bare)
    if any(_is_met(condition, issue) for condition in conditions):
        return ""
    return f"new in round {round_}, {place}, severity {issue.severity}"


def asks_for_scenario(bar: Bar, evidence: Literal["lenient", "strict"]) -> bool:
    """Whether a new finding needs a scenario or a criterion to block."""
    return bar.scenario == "always" or bar.scenario == evidence == "strict"


def last_fix(bar: Bar, round_: int, *, is_bare: bool = False) -> tuple[Condition, ...]:
    """What a finding on a line of the last fix needs to block in this round.

    One without a scenario and a criterion is of a reviewer that may know no severities either.
    """
    return bar.late_fix if round_ >= bar.late_from and not is_bare else bar.last_fix


def _cell(
    provenance: str, round_: int, bar: Bar, *, is_bare: bool
) -> tuple[tuple[Condition, ...], str]:
    fix = _FIX.fullmatch(provenance)
    if round_ == 1:
        return bar.first_round, "in the first round"
    if fix and int(fix[1]) >= round_:
        return last_fix(bar, round_, is_bare=is_bare), "on a line of the last fix"
    if fix or provenance == FIRST_WORK:
        return bar.older_work, "on a line older than the last fix"
    if provenance == PRE_EXISTING:
        return bar.pre_existing, "on a line that was there before the loop"
    if provenance == NOWHERE:
        return bar.nowhere, "on no line that exists"
    return bar.unknown, "on a line of unknown origin"


def _is_met(condition: Condition, issue: ReportedIssue) -> bool:
    if condition == "criterion":
        return bool(issue.criterion)
    return condition in {"any", issue.severity}
