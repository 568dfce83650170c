"""What people read on the forge: the pull request, the reviews, the job summary, as Markdown.

Every text of an agent or a card goes through `sanitize.markdown`; what GitHub limits is cut with a
pointer to the whole. A marker names the loop and the post, so that it is found and never repeated.
It counts only as the whole first line of a post; further down it is a quotation. The caller checks
whose post it is: anybody can write a marker.
"""

import re
from collections.abc import Collection, Mapping

from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.card.task import TaskCard, check_task_id
from loop_kit.core.forge.findings import (
    closed_words,
    context_words,
    final_sections,
    findings_section,
    later_section,
    open_after_round,
    progress_section,
    rules_section,
    settled_section,
)
from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.loop.second_review import is_second_review_awaited, who_approved, who_reviewed
from loop_kit.core.loop.state import LoopState, Outcome, Phase, RoundRecord
from loop_kit.core.loop.usage import cost_text
from loop_kit.core.text.harmless import code, cut, inline, markdown, quote, size_in_bytes
from loop_kit.core.text.plain_words import squashed, title
from loop_kit.core.text.sanitize import MAX_BODY, MAX_SUMMARY, one_line
from loop_kit.frozen import frozen

MAX_TITLE = 200
_BODY = MAX_BODY - 512
_MARKER = re.compile(r"<!-- loop-kit:(?P<task>[^:\s]{1,64}):(?P<key>[^:\s]{1,100}) -->")
_MAX_MARKER_LINE = 256


@frozen
class PostMarker:
    """The loop and the key of the post that a marker names."""

    task_id: str
    key: str


def marker(task_id: str, key: str) -> str:
    """The invisible line by which one post of one loop is found again."""
    return f"<!-- loop-kit:{task_id}:{key} -->"


def first_line(body: str) -> str:
    """The first line of a post without the spaces around it; '' when it is too long to matter."""
    line = body.partition("\n")[0]
    return line.strip() if len(line) <= _MAX_MARKER_LINE else ""


def read_marker(body: str) -> PostMarker | None:
    """The marker in the first line of a post, or None if there is none with a valid task id."""
    found = _MARKER.fullmatch(first_line(body))
    if found is None:
        return None
    try:
        return PostMarker(check_task_id(found["task"]), found["key"])
    except ValueError:
        return None


def pull_request_title(card: TaskCard) -> str:
    """One line: the card's title, or its goal."""
    return title(card.title or card.goal, MAX_TITLE)


def pull_request_body(card: TaskCard, state: LoopState, key: str) -> str:
    """The text of the pull request: the task, and where it comes from."""
    issue = state.source.ref if state.source.kind == "issue" else ""
    parts = [
        marker(state.task_id, key),
        *([f"Closes #{issue}", ""] if issue.isdigit() else []),
        markdown(squashed(card.goal)),
        "",
        f"Written by agents in the review loop `{state.task_id}`, from"
        f" `{state.start_sha[:10]}` on. Each round's review is posted below.",
    ]
    if card.acceptance_criteria:
        parts += ["", "### Acceptance criteria", ""]
        parts += [f"- **{id_}** {inline(text, 500)}" for id_, text in card.criteria]
    return cut("\n".join(parts), _BODY, f"The card is `task_card.json` on `{branch(state)}`.")


def review_body(
    state: LoopState, round_: int, review: ReviewReport, key: str, inline_ids: Collection[str] = ()
) -> str:
    """One round's review report; `state` is any state after that review.

    Of the findings `inline_ids` it has one line each; the rest is in a comment on their line.
    """
    record = next(r for r in state.history if r.round == round_)
    approved = record.decision == "approve"
    verdict = "approved" if approved else "changes required"
    parts = [
        marker(state.task_id, key),
        f"## Round {round_}: {verdict}",
        "",
        f"Reviewed `{record.head_sha[:10]}`"
        f" ({record.files} files, +{record.lines_added} −{record.lines_deleted}).",
    ]
    parts += progress_section(state, round_, review)
    for note in record.notes:
        parts += ["", inline(note, 1000)]
    reviewed = who_reviewed(record)
    if reviewed:
        parts += ["", inline(reviewed, 1000)]
    elif review.decision == "approve" and not approved:
        parts.append("The reviewer approved, but the verify commands fail, so it is sent back.")
    if review.summary:
        parts += ["", markdown(review.summary)]
    still = open_after_round(state, round_)
    parts += findings_section("Blocking", [f for f in still if f.blocking], inline_ids)
    parts += settled_section(state, round_)
    parts += later_section([f for f in still if not f.blocking and f.round == round_], inline_ids)
    if review.criteria:
        parts += ["", "### Acceptance criteria", ""]
        parts += [
            f"- {'✅' if c.met else '❌'} **{inline(c.id, 20)}** {inline(c.evidence, 500)}"
            for c in review.criteria
        ]
    if review.non_blocking:
        parts += ["", "### Not blocking", ""]
        parts += [f"- {inline(text, 1000)}" for text in review.non_blocking]
    parts += _verification_section(state, record)
    parts += rules_section(record)
    pointer = f"The whole report is `archive/` on `{branch(state)}`."
    return cut("\n".join(parts), _BODY, pointer)


def finding_comment(state: LoopState, finding: Finding) -> str:
    """The comment on the line of one finding; once it is settled, with how.

    No text in it may begin a line: a fence of `suggestion` would become a button.
    """
    parts = [marker(state.task_id, finding_key(finding.id))]
    if finding.status != "open":
        parts += [f"✅ {closed_words(state, finding)}", ""]
    parts.append(f"**{finding.id}** [{finding.severity}] {inline(finding.reason, 2000)}")
    if finding.required_change:
        parts += ["", f"Required: {inline(finding.required_change, 2000)}"]
    if finding.scenario:
        parts += ["", f"Fails when: {inline(finding.scenario, 2000)}"]
    context = context_words(finding)
    return "\n".join([*parts, *(["", context] if context else [])])


def finding_key(id_: str) -> str:
    """The key in the marker of the comment on a finding's line."""
    return f"finding-{id_}"


def finding_of(key: str) -> str:
    """The finding whose comment has this key, or ''."""
    prefix = finding_key("")
    return key.removeprefix(prefix) if key.startswith(prefix) else ""


def job_summary(state: LoopState, headline: str) -> str:
    """The job summary: what happened, the rounds as a picture and as a table, what is next."""
    parts = [f"## loop-kit: `{state.task_id}`", "", inline(headline, 1000), ""]
    if state.pull_request_url:
        parts += [f"Pull request: {state.pull_request_url}", ""]
    if state.history:
        parts += ["```mermaid", "timeline", *_timeline(state), "```", ""]
        parts += rounds_table(state)
    still = open_findings(state.findings)
    if still:
        parts += findings_section("Open findings", still)
    parts += final_sections(state)
    if state.error:
        parts += ["", quote(state.error)]
    refused = [item for item in state.outbox if item.status == "refused" and item.why]
    if refused:
        parts += ["", "### Not posted", ""]
        parts += [f"- {item.key}: {inline(item.why, 1000)}" for item in refused]
    parts += ["", f"Used: {usage_text(state)}."]
    return cut("\n".join(parts) + "\n", MAX_SUMMARY, size=size_in_bytes)


def rounds_table(state: LoopState) -> list[str]:
    """The rounds so far, one row each."""
    return [
        "| round | commit | change | verified | decision | new findings |",
        "|---|---|---|---|---|---|",
        *(_row(record) for record in state.history),
    ]


def headline(state: LoopState) -> str:
    """One sentence: the status of the loop and what happens next."""
    if state.outcome is Outcome.APPROVED:
        who = who_approved(state.history[-1]) if state.history else None
        return f"Approved in round {state.round}{f' by {who}' if who else ''}".rstrip(".") + "."
    if state.outcome is not None:
        reasons = f" ({', '.join(state.reasons)})" if state.reasons else ""
        return f"Stopped in round {state.last_round}: {state.outcome.value}{reasons}. {state.error}"
    still = len(open_findings(state.findings))
    if state.state is Phase.AWAITING_WORK and state.history:
        return f"Round {state.round} is next; {still} finding(s) are open."
    awaited = " of the second reviewer" if is_second_review_awaited(state) else ""
    return f"Round {state.round}, {state.state.value}{awaited}."


def usage_text(state: LoopState) -> str:
    """The usage in words; "unknown" for what is not reported."""
    usage = state.usage
    tokens = (
        "tokens unknown"
        if usage.tokens_in is None
        else f"{usage.tokens_in} tokens in, {usage.tokens_out or 0} out"
    )
    cost = cost_text(usage.cost_usd, usage.estimated_cost_usd) or "cost unknown"
    return f"{usage.rounds} round(s), {usage.agent_seconds:.0f} agent seconds, {tokens}, {cost}"


def branch(state: LoopState) -> str:
    """The name of the state branch."""
    return state.state_branch or state.work_branch.removesuffix("/work") + "/state"


def _verification_section(state: LoopState, record: RoundRecord) -> list[str]:
    verification = state.verification
    if verification is None or verification.sha != record.head_sha:
        return []
    parts = ["", "### Verification", ""]
    for result in verification.results:
        mark = "✅" if result.exit_code == 0 else "❌"
        parts.append(f"- {mark} {code(result.command)} (exit code {result.exit_code})")
    failed = next((r for r in verification.results if r.exit_code), None)
    if failed and failed.tail:
        parts += ["", quote(failed.tail[-3000:])]
    return parts


def _timeline(state: LoopState) -> list[str]:
    """Mermaid's lines: a period per round, and in it what the worker, git and the reviewer did."""
    lines = [f"    title {state.task_id}"]
    for record in state.history:
        decision = (record.decision or "not reviewed").replace("_", " ")
        verified = {True: " : verify passed", False: " : verify failed", None: ""}[record.verified]
        new = len(record.new_findings)
        found = f" : {new} new finding{'s' if new > 1 else ''}" if new else ""
        worker = f"worker {record.head_sha[:7]}"
        lines.append(f"    Round {record.round} : {worker}{verified} : {decision}{found}")
    if state.outcome is not None:
        lines.append(f"    End : {state.outcome.value.replace('_', ' ')}")
    elif state.history:
        lines.append(f"    Next : round {state.round}")
    return lines


def _row(record: RoundRecord) -> str:
    verified = {True: "passed", False: "failed", None: "–"}[record.verified]
    change = f"+{record.lines_added} −{record.lines_deleted}"
    new = ", ".join(record.new_findings) or "–"
    decision = record.decision or "–"
    cells = (record.round, f"`{record.head_sha[:10]}`", change, verified, decision, new)
    return f"| {' | '.join(map(str, cells))} |"


def verdict_lines(data: Mapping[str, object]) -> list[str]:
    """A review verdict for a log: the decision, whether it verified, what is open or for later."""
    verified = {"True": ", verify passed", "False": ", verify FAILED"}.get(
        str(data["verified"]), ""
    )
    still, later = data["open"], data.get("later")
    findings = [one_line(str(finding)) for finding in still] if isinstance(still, list) else []
    if isinstance(later, list):
        findings += [f"for later: {one_line(str(finding))}" for finding in later]
    decision = str(data["decision"]).replace("_", " ")
    return [f"[verdict] {decision}{verified}", *(f"[verdict]   {line}" for line in findings)]
