"""Where a finding comes from: which round wrote the line that it is about.

Reviewers and workers are wrong about this in both directions, so neither is asked: git compares the
heads of the rounds, and this module names what git found. The history is that of the rounds and not
of single commits. However a worker splits, merges or rewrites what it did in one round, all of it
belongs to that round. Only what the base branch brought in is older than the loop, for nobody in
the loop can write there.

What a pull request contained before the loop began is `first-work`: it is under review too. What a
person pushed between two rounds belongs to the later one, whose review is the first to see it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from loop_kit.core.agent.reports import ReportedIssue, ReviewReport
from loop_kit.core.loop.state import LoopState

PRE_EXISTING = "pre-existing"
FIRST_WORK = "first-work"
NOWHERE = "nowhere"
UNKNOWN = ""


class Spot(NamedTuple):
    """A line of a file, or the file as a whole."""

    file: str
    line: int | None


class Lineage(NamedTuple):
    """The commits that a line can come from, oldest first, with what each of them means."""

    commits: tuple[str, ...]
    names: tuple[str, ...]


def fix_of(round_: int) -> str:
    """The provenance of what the worker wrote in `round_`; its first round is no fix."""
    return FIRST_WORK if round_ <= 1 else f"fix-of-round-{round_}"


def lineage(state: LoopState) -> Lineage:
    """The base, the commit where the work began, and the head of every round up to the last one."""
    names = {state.base_sha: PRE_EXISTING}
    for record in state.history:
        names.setdefault(record.parent_sha if record is state.history[0] else "", FIRST_WORK)
        names.setdefault(record.head_sha, fix_of(record.round))
    names.setdefault(state.head_sha, fix_of(state.round))
    names.pop("", None)
    # A person may have set the branch back to an earlier head.
    commits = list(names)[: list(names).index(state.tip) + 1]
    return Lineage(tuple(commits), tuple(names[sha] for sha in commits))


def unplaced_issues(state: LoopState, review: ReviewReport) -> tuple[ReportedIssue, ...]:
    """The issues of a review that are new: a known finding keeps its provenance."""
    known = {finding.id for finding in state.findings}
    return tuple(issue for issue in review.blocking_issues if issue.id not in known)


def spots(issues: Iterable[ReportedIssue]) -> tuple[Spot, ...]:
    """The places of those issues that name a file, each once."""
    return tuple(dict.fromkeys(Spot(i.file, i.line) for i in issues if i.file))


def provenance_of(issue: ReportedIssue, found: Mapping[Spot, str | None], line: Lineage) -> str:
    """The provenance of one issue, given the commit that git found for each place."""
    if not issue.file:
        return NOWHERE
    origin = found.get(Spot(issue.file, issue.line))
    if origin is None or origin == NOWHERE:
        return origin or UNKNOWN
    return dict(zip(line.commits, line.names, strict=True)).get(origin, UNKNOWN)
