"""The review of a round, and the comment on the line of each of its findings.

It leads with what a person has to know: the verdict, what became of the findings, and what is open.
What shows how the reviewer came to it is folded.
"""

from collections.abc import Collection, Sequence

from loop_kit.core.agent.reports import CriterionVerdict, ReviewReport
from loop_kit.core.card.task import TaskCard
from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.findings import (
    closed_words,
    context_words,
    finding_lines,
    folded,
    later_section,
    open_after_round,
    progress_words,
    rules_section,
    settled_lines,
)
from loop_kit.core.forge.render import branch, finding_key, marker
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.second_review import who_reviewed
from loop_kit.core.loop.state import LoopState, RoundRecord
from loop_kit.core.text.harmless import code, cut, inline, markdown, quote
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.sanitize import MAX_BODY

_BODY = MAX_BODY - 512
_SHORT = 600
"""The characters of a summary that is not folded."""


def review_body(
    state: LoopState,
    round_: int,
    review: ReviewReport,
    key: str,
    inline_ids: Collection[str] = (),
    *,
    card: TaskCard | None = None,
    context: PostContext | None = None,
) -> str:
    """One round's review report; `state` is any state after that review.

    Of the findings `inline_ids` it has what is not in a comment on their line.
    """
    context = context or PostContext()
    record = next(r for r in state.history if r.round == round_)
    sha = record.head_sha
    still = open_after_round(state, round_)
    blocking = [f for f in still if f.blocking]
    later = [f for f in still if not f.blocking and f.round == round_]
    settled = settled_lines(state, round_)
    open_lines = [line for f in blocking for line in finding_lines(f, sha, context, inline_ids)]
    parts = [
        marker(state.task_id, key),
        f"## {_verdict(record, blocking)}",
        *_paragraph(progress_words(state, round_, review)),
        *_remarks(record, review),
        *(["", *open_lines, *settled] if open_lines or settled else []),
        *_summary(review.summary),
        *later_section(later, sha, context, inline_ids),
        *_verification_section(state, record),
        *_criteria(review.criteria, card),
        *_suggestions(review.non_blocking),
        *rules_section(record),
        *_paragraph(_about(record, context)),
    ]
    pointer = f"The whole report is `archive/` on `{branch(state)}`."
    return cut("\n".join(parts), _BODY, pointer)


def finding_comment(state: LoopState, finding: Finding) -> str:
    """The comment on the line of one finding; once it is settled, with how.

    No text in it may begin a line: a fence of `suggestion` would become a button.
    """
    parts = [marker(state.task_id, finding_key(finding.id))]
    reason = inline(finding.reason, 2000)
    if finding.status != "open":
        return "\n".join([*parts, f"✅ {closed_words(state, finding)}", "", *_struck(finding)])
    parts.append(f"**{finding.id}** {finding.severity}: {reason}")
    if finding.required_change:
        parts += ["", f"Required: {inline(finding.required_change, 2000)}"]
    if finding.scenario:
        parts += ["", f"Fails when: {inline(finding.scenario, 2000)}"]
    return "\n".join([*parts, *_paragraph(context_words(finding))])


def _struck(finding: Finding) -> list[str]:
    """What a settled finding was, so that nobody takes it for what is still true."""
    return [f"**{finding.id}** ~~{inline(finding.reason, 2000)}~~"]


def _paragraph(text: str) -> list[str]:
    return ["", text] if text else []


def _verdict(record: RoundRecord, blocking: Sequence[Finding]) -> str:
    if record.decision == "approve":
        return f"✅ Round {record.round}: approved"
    open_ = f" · {counted(len(blocking), 'finding')} open" if blocking else ""
    return f"🔁 Round {record.round}: changes required{open_}"


def _remarks(record: RoundRecord, review: ReviewReport) -> list[str]:
    """Who reviewed, why an approval does not count, and what is not in the commits."""
    reviewed = who_reviewed(record)
    lines = [reviewed] if reviewed else []
    if not reviewed and review.decision == "approve" and record.decision != "approve":
        lines = ["The reviewer approved, but the verify commands fail, so it is sent back."]
    return [part for line in (*lines, *record.notes) for part in ("", inline(line, 1000))]


def _summary(text: str) -> list[str]:
    """What the reviewer says in its own words, folded where it is long."""
    if not text.strip():
        return []
    quoted = markdown(text)
    return ["", quoted] if len(text) <= _SHORT else folded("The reviewer's summary", [quoted])


def _criteria(verdicts: Sequence[CriterionVerdict], card: TaskCard | None) -> list[str]:
    """Each criterion with its text, those first that are not met."""
    texts = dict(card.criteria) if card else {}
    known = {verdict.id for verdict in verdicts}
    lines = [
        f"- {'✅' if c.met else '❌'} **{inline(c.id, 20)}**{_text_of(c.id, texts)}"
        f" {inline(c.evidence, 500)}".rstrip()
        for c in sorted(verdicts, key=lambda verdict: verdict.met)
    ]
    unanswered = [id_ for id_ in texts if id_ not in known]
    lines += [f"- ❔ **{id_}**{_text_of(id_, texts)} not judged" for id_ in unanswered]
    met = sum(verdict.met for verdict in verdicts)
    mark = "✅" if met == len(lines) else "❌"
    summary = f"{mark} Criteria: {met} of {len(lines)} met"
    return folded(summary, lines) if verdicts else []


def _text_of(id_: str, texts: dict[str, str]) -> str:
    return f" {inline(texts[id_], 500)}:" if id_ in texts else ""


def _suggestions(texts: Sequence[str]) -> list[str]:
    lines = [f"- {inline(text, 1000)}" for text in texts]
    return folded(f"{counted(len(lines), 'suggestion')} of the reviewer", lines)


def _verification_section(state: LoopState, record: RoundRecord) -> list[str]:
    """The verify commands of the round, and what the one printed that failed.

    They are of the merge, where the base branch was merged into what the round approved.
    """
    verification = state.verification
    heads = {record.head_sha, state.head_sha} if record.round == state.round else {record.head_sha}
    if verification is None or verification.sha not in heads or not verification.results:
        return []
    results = verification.results
    lines = [
        f"- {'✅' if r.exit_code == 0 else '❌'} {code(r.command)} (exit code {r.exit_code})"
        for r in results
    ]
    failed = next((r for r in results if r.exit_code), None)
    if failed and failed.tail:
        lines += ["", quote(failed.tail[-3000:])]
    if failed is None:
        return folded(f"✅ verify: {counted(len(results), 'command')} passed", lines)
    of = max(len(state.verify), len(results))
    return folded(f"❌ verify: command {len(results)} of {of} failed", lines)


def _about(record: RoundRecord, context: PostContext) -> str:
    """What was reviewed, by whom, and where its log is."""
    size = f"+{record.lines_added} −{record.lines_deleted} in {counted(record.files, 'file')}"
    by = " and ".join(v.reviewer for v in record.reviews if v.reviewer and v.decision)
    commit = link(f"`{record.head_sha[:10]}`", context.compare(record.parent_sha, record.head_sha))
    parts = [f"Reviewed {commit} ({size})", *([f"by {inline(by, 100)}"] if by else [])]
    return " · ".join([" ".join(parts), *context.run_links(record.run_id)])
