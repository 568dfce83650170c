"""Findings in posts: what is open, what is for later, what is settled, and what the rules saw.

Each has its id, its severity, where its line comes from, and whether it was raised again: that is
what a person needs to decide whether a further round is worth its price.
"""

from collections.abc import Collection, Iterable, Mapping

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.loop import outbox
from loop_kit.core.loop.findings import Finding, later_findings, open_findings
from loop_kit.core.loop.provenance import NOWHERE
from loop_kit.core.loop.state import LoopState, RoundRecord
from loop_kit.core.loop.wording import (
    history_words,
    joined_words,
    provenance_words,
    raised_by_words,
)
from loop_kit.core.text.harmless import cell, code, code_in_cell, inline
from loop_kit.core.text.numbers import counted

MAX_LATER = 30
MAX_OPEN = 20
_CLOSED: Mapping[str, str] = {
    "fixed": "Fixed",
    "withdrawn": "Withdrawn",
    "waived": "Does not block",
    "dismissed": "Wrong",
}


def closed_words(state: LoopState, finding: Finding) -> str:
    """How and when a finding was settled."""
    record = next((r for r in state.history if r.round == finding.closed_round), None)
    how = f"{_CLOSED[finding.status]}"
    if finding.status in {"waived", "dismissed"} and finding.closed_why:
        how = f"{how}: {inline(finding.closed_why)}"
    if finding.status == "fixed" and record is not None:
        how = f"{how} in {record.head_sha}"
    when = f" (round {finding.closed_round})" if finding.closed_round else ""
    return f"**{how}**{when}"


def place(finding: Finding) -> str:
    """The file and the line of a finding, as text."""
    return f"{finding.file}:{finding.line}" if finding.line else finding.file


def place_link(finding: Finding, sha: str, context: PostContext, *, in_cell: bool = False) -> str:
    """The place of a finding, with a link to it at a commit; '' where it has none."""
    if not finding.file:
        return ""
    line = None if finding.provenance == NOWHERE else finding.line
    text = (code_in_cell if in_cell else code)(place(finding))
    return link(text, context.file(sha, finding.file, line))


def finding_lines(
    finding: Finding, sha: str, context: PostContext, inline_ids: Collection[str] = ()
) -> list[str]:
    """A finding as an item of a list; of one in `inline_ids` what is not on its line already."""
    name = f"**{finding.id}** {finding.severity} {place_link(finding, sha, context)}".rstrip()
    lines = [f"- {name}: {inline(finding.reason)}"]
    details = (("Required: ", finding.required_change), ("Fails when: ", finding.scenario))
    if finding.id not in inline_ids:
        lines += [f"  - {label}{inline(text, 1000)}" for label, text in details if text]
    about = context_words(finding)
    return [*lines, f"  - {about}"] if about else lines


def findings_section(
    title: str,
    findings: Iterable[Finding],
    sha: str,
    context: PostContext,
    inline_ids: Collection[str] = (),
) -> list[str]:
    """The findings below a heading; nothing where there is none."""
    lines = [line for f in findings for line in finding_lines(f, sha, context, inline_ids)]
    return ["", f"### {title}", "", *lines] if lines else []


def context_words(finding: Finding) -> str:
    """Where a finding comes from and why it blocks or not, as sentences; '' if nothing is known."""
    phrases = [
        provenance_words(finding.provenance),
        f"raised {raised_by_words(finding)}" if finding.by else "",
        f"criterion {finding.criterion} is not met" if finding.criterion else "",
        *joined_words(finding),
        "a person has decided that it is right" if finding.required else "",
        "" if finding.blocking else f"it does not block: {finding.below or 'it is below the bar'}",
    ]
    return inline(" ".join(f"{each[0].upper()}{each[1:]}." for each in phrases if each), 1000)


def open_table(state: LoopState, context: PostContext) -> list[str]:
    """The findings that block, one row each; nothing where there is none."""
    found = open_findings(state.findings)
    if not found:
        return []
    more = len(found) - MAX_OPEN
    return [
        "",
        "| open | where | since | why |",
        "|---|---|---|---|",
        *(_open_row(finding, state, context) for finding in found[:MAX_OPEN]),
        *(["", f"And {more} more in `state.json`."] if more > 0 else []),
    ]


def _open_row(finding: Finding, state: LoopState, context: PostContext) -> str:
    since = ", ".join(history_words(finding)).removeprefix("raised in ")
    why = cell(finding.reason)
    if finding.criterion:
        why = f"{why} ({cell(finding.criterion, 20)} is not met)"
    where = place_link(finding, state.head_sha, context, in_cell=True)
    return f"| **{finding.id}** {finding.severity} | {where} | {cell(since)} | {why} |"


def later_section(
    findings: Iterable[Finding],
    sha: str,
    context: PostContext,
    inline_ids: Collection[str] = (),
    note: str = "",
) -> list[str]:
    """What is kept for later, folded, the newest of many; nothing where there is none."""
    found = list(findings)
    lines = [
        line for f in found[-MAX_LATER:] for line in finding_lines(f, sha, context, inline_ids)
    ]
    more = len(found) - MAX_LATER
    lines += [f"- and {more} more in `state.json`"] if more > 0 else []
    lines += ["", note] if note and lines else []
    what = "which does not block" if len(found) == 1 else "which do not block"
    return folded(f"{counted(len(found), 'finding')} for later, {what}", lines)


def folded(summary: str, lines: list[str]) -> list[str]:
    """Lines that are opened by a click; `summary` is our own text. Nothing where there is none."""
    opened = ["", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]
    return opened if lines else []


def open_after_round(state: LoopState, round_: int) -> list[Finding]:
    """The findings that were open at the end of that round, whether they block or not."""
    return [
        f
        for f in state.findings
        if f.round <= round_ and (f.closed_round is None or f.closed_round > round_)
    ]


def settled_lines(state: LoopState, round_: int) -> list[str]:
    """One struck line for each finding that the round has settled."""
    closed = [f for f in state.findings if f.closed_round == round_]
    return [f"- **{f.id}** ~~{inline(f.reason)}~~ · {inline(_how_settled(f))}" for f in closed]


def _how_settled(finding: Finding) -> str:
    """How a finding was settled, and why; what a person says begins with how."""
    why = finding.closed_why
    if not why or why.startswith(finding.status):
        return why or finding.status
    return f"{finding.status}: {why}"


def progress_words(state: LoopState, round_: int, review: ReviewReport) -> str:
    """What became of the findings since the last round; '' in the first."""
    if round_ == 1:
        return ""
    disposed = {d.id: d.status for d in review.dispositions}
    phrases = [
        f"{f.id} {f.status if f.closed_round == round_ else _still(f, disposed)}"
        for f in state.findings
        if f.round < round_ and (f.closed_round is None or f.closed_round >= round_) and f.blocking
    ]
    new = [f for f in state.findings if f.round == round_]
    blocking = sum(f.blocking for f in new)
    phrases += [f"{blocking} new"] if blocking else []
    phrases += [f"{len(new) - blocking} for later"] if len(new) > blocking else []
    return " · ".join(phrases)


def _still(finding: Finding, disposed: Mapping[str, str]) -> str:
    return "upheld" if disposed.get(finding.id) == "upheld" else "not fixed"


def rules_section(record: RoundRecord | None) -> list[str]:
    """What each rule saw in a round, folded; nothing where no rule has said anything."""
    if record is None:
        return []
    lines = [f"- **{inline(note.rule, 40)}**: {inline(note.text, 1000)}" for note in record.rules]
    return folded(f"What each rule saw in round {record.round}", lines)


def final_sections(state: LoopState, context: PostContext) -> list[str]:
    """For a loop that has ended: what is for later, and what the rules saw last."""
    if state.outcome is None:
        return []
    last = state.history[-1] if state.history else None
    issue = outbox.item_of(state, outbox.FOLLOW_UP)
    note = f"They are in #{issue.ref}." if issue is not None and issue.ref else ""
    later = later_findings(state.findings)
    return [*later_section(later, state.head_sha, context, note=note), *rules_section(last)]
