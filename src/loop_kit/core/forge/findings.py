"""Findings in posts: what blocks, what is for later, what is settled, and what the rules saw.

Each has its id, its severity, where its line comes from, and whether it was raised again: that is
what a person needs to decide whether a further round is worth its price.
"""

from collections.abc import Collection, Iterable, Mapping

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.loop import outbox
from loop_kit.core.loop.findings import Finding, later_findings
from loop_kit.core.loop.state import LoopState, RoundRecord
from loop_kit.core.loop.wording import joined_words, provenance_words, raised_by_words
from loop_kit.core.text.harmless import code, inline

MAX_LATER = 30
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


def findings_section(
    title: str, findings: Iterable[Finding], inline_ids: Collection[str] = ()
) -> list[str]:
    """The findings below a heading; of those in `inline_ids` one line each."""
    lines = [line for finding in findings for line in _lines(finding, inline_ids)]
    return ["", f"### {title}", "", *lines] if lines else []


def _lines(finding: Finding, inline_ids: Collection[str] = ()) -> list[str]:
    line = f":{finding.line}" if finding.line else ""
    where = f" {code(finding.file + line)}" if finding.file else ""
    lines = [f"- **{finding.id}** [{finding.severity}]{where} {inline(finding.reason)}"]
    details = (
        ("Required: ", finding.required_change),
        ("Fails when: ", finding.scenario),
    )
    if finding.id not in inline_ids:
        lines += [f"  - {label}{inline(text, 1000)}" for label, text in details if text]
    context = context_words(finding)
    return [*lines, f"  - {context}"] if context else lines


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


def later_section(findings: Iterable[Finding], inline_ids: Collection[str] = ()) -> list[str]:
    """What is kept for later, the newest of many; nothing where there is none."""
    kept = list(findings)
    more = len(kept) - MAX_LATER
    earlier = [f"- and {more} more in `state.json`"] if more > 0 else []
    section = findings_section("For later (does not block)", kept[-MAX_LATER:], inline_ids)
    return [*section, *earlier]


def open_after_round(state: LoopState, round_: int) -> list[Finding]:
    """The findings that were open at the end of that round, whether they block or not."""
    return [
        f
        for f in state.findings
        if f.round <= round_ and (f.closed_round is None or f.closed_round > round_)
    ]


def settled_section(state: LoopState, round_: int) -> list[str]:
    """One struck line for each finding that the round has settled."""
    closed = [f for f in state.findings if f.closed_round == round_]
    lines = [f"- **{f.id}** ~~{inline(f.reason)}~~ · {inline(_how_settled(f))}" for f in closed]
    return ["", "### Settled", "", *lines] if lines else []


def _how_settled(finding: Finding) -> str:
    """How a finding was settled, and why; what a person says begins with how."""
    why = finding.closed_why
    if not why or why.startswith(finding.status):
        return why or finding.status
    return f"{finding.status}: {why}"


def progress_section(state: LoopState, round_: int, review: ReviewReport) -> list[str]:
    """One line on what became of the findings since the last round; none in the first."""
    if round_ == 1:
        return []
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
    since = f"**Since round {round_ - 1}:** {' · '.join(phrases)}" if phrases else ""
    return ["", since] if since else []


def _still(finding: Finding, disposed: Mapping[str, str]) -> str:
    return "upheld" if disposed.get(finding.id) == "upheld" else "not fixed"


def rules_section(record: RoundRecord | None) -> list[str]:
    """What each rule saw in a round, folded; nothing where no rule has said anything."""
    if record is None or not record.rules:
        return []
    summary = f"<details><summary>What each rule saw in round {record.round}</summary>"
    lines = [f"- **{inline(note.rule, 40)}**: {inline(note.text, 1000)}" for note in record.rules]
    return ["", summary, "", *lines, "", "</details>"]


def final_sections(state: LoopState) -> list[str]:
    """For a loop that has ended: what is for later, and what the rules saw last."""
    if state.outcome is None:
        return []
    last = state.history[-1] if state.history else None
    issue = outbox.item_of(state, outbox.FOLLOW_UP)
    kept = [f"They are in #{issue.ref}."] if issue is not None and issue.ref else []
    later = later_section(later_findings(state.findings))
    return [*later, *(["", *kept] if later and kept else []), *rules_section(last)]
