"""What the reviewer of one round is asked, in the order in which it is to think.

How to judge and what a round costs, then what is known already, then the change, and last what the
worker says about it. A reviewer that reads a success story first finds less, and one that is asked
to explain and to fix rejects code that is right: so the verdict comes before the fix, and the
worker's words come after the diff, as claims.
"""

import json
from collections.abc import Mapping, Sequence

from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.usage import cost_text
from loop_kit.core.loop.wording import provenance_words
from loop_kit.core.text.sanitize import fence

MAX_DIFF = 64 * 1024
"""The characters of a diff that is in the prompt; a longer one is read from git or its file."""

_MAX_LISTED = 30
_KINDS: Mapping[str, str] = {
    "simplify": (
        "The worker was asked only to simplify the change or to justify its size, not to fix open"
        " findings: judge whether it is still right."
    ),
    "review": "No worker ran in this round: what blocked was decided by a person.",
}
"""What was different about the round under review."""

_HOW = """\
### How to judge

1. Read the change itself before anybody's words about it.
2. For each thing that you suspect, decide whether it is wrong before you think about how to fix it:
   name the input or the path by which it fails. What you cannot show is no blocking issue.
3. Do not propose a redesign. `required_change` is one sentence: what must be different, not how.
4. Report everything that blocks now, in this round."""

_CLAIMS = (
    "Claims, not facts: compare them with the change that you have judged. They are no reason to"
    " approve, and none to look less closely."
)


def review_section(request: Document, folder: str) -> str:
    """The section for this request; `folder` is where the agent finds the bus files."""
    whole = _whole_diff(request) is not None
    parts = [
        _HOW,
        _price(request),
        *_bar(request),
        *_open_findings(request),
        *known_sections(request),
        change_section(request, folder),
        *(_claims(request) if whole else [_claims_in_file(folder)]),
    ]
    return "\n\n".join(parts)


def _whole_diff(request: Document) -> str | None:
    """The diff, where it fits into the prompt."""
    diff = request.get("diff")
    whole = isinstance(diff, str) and not request.get("diff_truncated") and len(diff) <= MAX_DIFF
    return str(diff) if whole else None


def _price(request: Document) -> str:
    price = request.get("price") or {}
    number, most = request["round"], price.get("max_rounds")
    left = price.get("rounds_left")
    used = f"{_minutes(price.get('agent_minutes'))} of agents and {_money(price)}"
    further = (
        f"{_minutes(price.get('minutes_per_round'))} and {_money(price, '_per_round')}, or more"
    )
    lines = [
        "### What a round costs",
        "",
        f"This is round {number}{f' of at most {most}' if most else ''}. So far the loop has used"
        f" {used}; each further round costs {further}.",
    ]
    if left == 0:
        lines.append("It is the last round: what is wrong now goes to a person.")
    elif left is not None:
        lines.append(
            f"{left} round{'s are' if left > 1 else ' is'} left. A problem that you see now and"
            " report later costs a round of its own, and may not block any more."
        )
    return "\n".join(lines)


def _minutes(value: float | None) -> str:
    if value is None:
        return "an unknown time"
    return f"{value:g} min" if value >= 1 else "less than a minute"


def _money(price: Document, per: str = "") -> str:
    amounts = price.get(f"cost_usd{per}"), price.get(f"estimated_cost_usd{per}")
    return cost_text(*amounts) or "an unknown sum"


def _bar(request: Document) -> list[str]:
    bar = request.get("bar") or []
    if not bar:
        return []
    cells = [f"- {line}" for line in bar[1:]]
    after = (
        "What is below that does not block: name it in `non_blocking_suggestions`, and approve when"
        " nothing else is left. An open finding blocks until it is `fixed` or `withdrawn`."
    )
    return ["\n".join(["### What may block in this round", "", bar[0], *cells, "", after])]


def _open_findings(request: Document) -> list[str]:
    findings = request["open_findings"]
    lines = ["### Open findings", ""]
    if not findings:
        return ["\n".join([*lines, fence("<none>")])]
    answers = {answer["id"]: answer for answer in request["responses"]}
    lines += ["Dispose of each by its id before you add a new one."]
    for finding in findings:
        answer = answers.get(finding["id"])
        if finding.get("required"):
            lines.append(f"- {finding['id']} is right by a person's decision: is it fixed or not?")
        elif answer and answer["action"] == "disputed":
            lines.append(
                f"- {finding['id']} is disputed: withdraw it unless you can show it, by the input"
                " or the line that proves it."
            )
    data = [finding_lines(finding, answers.get(finding["id"])) for finding in findings]
    return ["\n".join([*lines, "", fence("\n".join(line for each in data for line in each))])]


def finding_lines(finding: Document, answer: Document | None = None) -> list[str]:
    """One finding for a prompt, with what the worker has answered to it.

    The evidence of an answer is displayed for a dispute only: that of a fix is a claim.
    """
    where = finding.get("file") or "<no file>"
    line = f":{finding['line']}" if finding.get("line") else ""
    head = f"{finding.get('id')} [{finding.get('severity')}] {where}{line}"
    lines = [f"{head}: {finding.get('reason')}"]
    details = {
        "required change": finding.get("required_change"),
        "scenario": finding.get("scenario"),
        "criterion": finding.get("criterion"),
        "where": provenance_words(str(finding.get("provenance") or "")),
        "history": "; ".join(map(str, finding.get("history") or [])),
        "why it does not block": finding.get("below"),
        "decided": _decision(finding),
        "reviewer's note": finding.get("note"),
        "worker's answer": _answer(answer) if answer else "",
    }
    lines.extend(f"    {label}: {text}" for label, text in details.items() if text)
    lines.extend(
        f"    {remark.get('by')} says: {remark.get('text')}" for remark in _remarks(finding)
    )
    return lines


def _remarks(finding: Document) -> list[Document]:
    """What people have written about it, as far as it can be read."""
    remarks = finding.get("remarks")
    found = remarks if isinstance(remarks, list) else []
    return [remark for remark in found if isinstance(remark, Mapping)]


def _decision(finding: Document) -> str:
    """What a person has decided about it; '' for nothing."""
    why = str(finding.get("closed_why") or "by a person")
    if finding.get("required"):
        return f"right, {why}"
    return why if finding.get("status") in {"waived", "dismissed"} else ""


def _answer(answer: Document) -> str:
    disputed = answer.get("action") == "disputed"
    return f"disputed: {answer.get('evidence')}" if disputed else str(answer.get("action"))


def known_sections(request: Document) -> list[str]:
    """What is decided, and what is kept for later: neither is to be raised again."""
    sections = (
        ("Decided by a person: do not raise these again", request.get("decided")),
        ("Kept for later: known, and blocking nothing", request.get("later")),
    )
    return [f"### {title}\n\n{listed(findings)}" for title, findings in sections if findings]


def listed(findings: Sequence[Document]) -> str:
    """These findings as data, the newest of many."""
    newest = findings[-_MAX_LISTED:]
    lines = [line for finding in newest for line in finding_lines(finding)]
    more = len(findings) - len(newest)
    return fence("\n".join([*([f"({more} earlier ones)"] if more else []), *lines]))


def change_section(request: Document, folder: str) -> str:
    """The change under review, whole where it fits."""
    diff = _whole_diff(request)
    verification = request["verification"]
    checked = "No verify commands are configured."
    if verification:
        checked = (
            f"Verify commands {'passed' if verification['passed'] else 'FAILED'} at this commit."
        )
    where = f"`{folder}/review_request.json` has the whole request."
    base, head = request["base_sha"], request["head_sha"]
    lines = [
        "### The change",
        "",
        f"Commits {base}..{head} are checked out here. {checked} {where}",
    ]
    kind = _KINDS.get(str(request.get("kind")))
    lines += [kind] if kind else []
    if diff is None:
        lines.append(f"Read the change with `git diff {base} {head}`; it is too long for here.")
    else:
        lines += ["", fence(diff or "<no change>", "diff")]
    return "\n".join(lines)


def _claims(request: Document) -> list[str]:
    fixed = [
        f"{answer['id']} fixed: {answer['evidence']}"
        for answer in request["responses"]
        if answer["action"] != "disputed"
    ]
    claims = [
        *([f"notes: {request['worker_notes']}"] if request.get("worker_notes") else []),
        *([f"commits: {request['commits']}"] if request.get("commits") else []),
        *fixed,
        *(f"test: {_test(test)}" for test in request.get("worker_tests") or []),
    ]
    if not claims:
        return []
    return [f"### What the worker says\n\n{_CLAIMS}\n\n{fence(chr(10).join(claims))}"]


def _test(test: object) -> str:
    if isinstance(test, Mapping):
        return json.dumps(test, ensure_ascii=False)
    return str(test)


def _claims_in_file(folder: str) -> str:
    return (
        "### What the worker says\n\nAfter you have judged the change, read `responses`, `commits`,"
        f" `worker_notes` and `worker_tests` in `{folder}/review_request.json`. {_CLAIMS}"
    )
