"""The pull request, the headline of a loop in logs, and the markers of posts.

Every text of an agent or a card goes through `sanitize.markdown`; what GitHub limits is cut with a
pointer to the whole. A marker names the loop and the post, so that it is found and never repeated.
It counts only as the whole first line of a post; further down it is a quotation. The caller checks
whose post it is: anybody can write a marker.
"""

import re
from collections.abc import Mapping

from loop_kit.core.card.task import TaskCard, check_task_id
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.second_review import is_second_review_awaited, who_approved
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.core.loop.wording import waiting_words
from loop_kit.core.text.harmless import cut, inline, markdown
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.plain_words import squashed, title
from loop_kit.core.text.sanitize import MAX_BODY, one_line
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

MAX_TITLE = 200
_BODY = MAX_BODY - 512
_MARKER = late_pattern(r"<!-- loop-kit:(?P<task>[^:\s]{1,64}):(?P<key>[^:\s]{1,100}) -->")
_MAX_MARKER_LINE = 256


@frozen
class PostMarker:
    """The loop and the key of the post that a marker names."""

    task_id: str
    key: str


def marker(task_id: str, key: str, nonce: str = "") -> str:
    """The invisible line by which one post of one loop is found again.

    The `nonce` of its intent, in a second one, nobody can have copied from an earlier post.
    """
    return f"<!-- loop-kit:{task_id}:{key} -->" + (f"\n[//]: # ({nonce})\n" if nonce else "")


def first_line(body: str) -> str:
    """The first line of a post without the spaces around it; '' when it is too long to matter."""
    line = body.partition("\n")[0]
    return line.strip() if len(line) <= _MAX_MARKER_LINE else ""


def begins_with(body: str, mark: str) -> bool:
    """Whether a post begins with this marker; further down it is a quotation."""
    lines = mark.split("\n")
    begin = body[: len(mark) + _MAX_MARKER_LINE].split("\n")
    return [line.strip() for line in begin[: len(lines)]] == lines


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


def finding_key(id_: str) -> str:
    """The key in the marker of the comment on a finding's line."""
    return f"finding-{id_}"


def finding_of(key: str) -> str:
    """The finding whose comment has this key, or ''."""
    prefix = finding_key("")
    return key.removeprefix(prefix) if key.startswith(prefix) else ""


def headline(state: LoopState) -> str:
    """One sentence for a log: the status of the loop and what happens next."""
    if state.outcome is Outcome.APPROVED:
        who = who_approved(state.history[-1]) if state.history else None
        return f"Approved in round {state.round}{f' by {who}' if who else ''}".rstrip(".") + "."
    if state.outcome is not None:
        reasons = f" ({', '.join(state.reasons)})" if state.reasons else ""
        error = re.sub("^the ", "The ", state.error or "")
        return f"Stopped in round {state.last_round}: {state.outcome.value}{reasons}. {error}"
    if is_approval_held(state):
        return f"Approved in round {state.round}, waiting for {waiting_words(state)}."
    still = len(open_findings(state.findings))
    if state.state is Phase.AWAITING_WORK and state.history:
        are = "is" if still == 1 else "are"
        return f"Round {state.round} is next; {counted(still, 'finding')} {are} open."
    awaited = " of the second reviewer" if is_second_review_awaited(state) else ""
    return f"Round {state.round}, {state.state.value}{awaited}."


def branch(state: LoopState) -> str:
    """The name of the state branch."""
    return state.state_branch or state.work_branch.removesuffix("/work") + "/state"


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
