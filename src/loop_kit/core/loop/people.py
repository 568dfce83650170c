"""What people with write access wrote in reviews: findings under their name, remarks, commands.

Asked for, each text becomes one finding that blocks, whatever the bar says: a person has looked.
It is right by that person's decision, so agents can fix it and not talk it away; the person
withdraws it by approving, by resolving its conversation or by having the review dismissed, and any
person decides about it with `/loop waive` or `/loop dismiss`. What is written under an approval is
for later. An answer in the conversation of a finding belongs to that finding, and reaches the
agents with it; below a person's own finding that was closed, it opens it again, unless the
conversation is resolved.

Each text is read once, by its number. A comment and a review may have the same one, and so may a
comment on the issue, so each kind has numbers of its own here.
"""

from typing import Any

from loop_kit.core.loop.commands import Command, Misspelt, read_command
from loop_kit.core.loop.conversation import Conversation, PeopleRead, PersonPost
from loop_kit.core.loop.findings import VERIFICATION, Finding, Ledger, Remark
from loop_kit.core.loop.outbox import reply_key
from loop_kit.core.loop.review_only import skip_worker
from loop_kit.core.loop.state import LoopState, OutboxItem
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import visible

MAX_NEW = 50
"""The texts that are taken at once; what is more waits for the next round."""
MAX_TEXT = 4_000
MAX_REMARKS = 10

_MAX_REPLIES = 10
_MAX_SEEN = 2_000
_COMMENT_NUMBERS = 10**15
_REVIEW_NUMBERS = 2 * 10**15
_NAMES_OF_OURS = frozenset({"second", VERIFICATION, "checks"})


def read_conversation(state: LoopState, conversation: Conversation) -> PeopleRead | None:
    """What is new in the conversation; None if that is nothing."""
    seen = set(state.seen_posts)
    new = tuple(post for post in conversation.posts if post.id not in seen)[:MAX_NEW]
    dismissed = frozenset(p.review for p in conversation.posts if p.state == "dismissed")
    event = PeopleRead(new, conversation.resolved, dismissed)
    return event if new or _settled(state.findings, event, state.round) else None


def command_in(post: PersonPost) -> Command | Misspelt | None:
    """The command that the text is, if it is one."""
    number = _REVIEW_NUMBERS - post.id if post.id < 0 else _COMMENT_NUMBERS + post.id
    return read_command(post.body, number, post.by)


def record_people(state: LoopState, event: PeopleRead) -> LoopState:
    """The state after these texts were read: each is a finding, a remark on one, or an answer."""
    if event.refused:
        return state.model_copy(update={"left_out": (*state.left_out, "reviews")})
    answers = dict(event.answers)
    ledger, answered = state.findings, []
    for post in event.posts:
        text, before = answers.get(post.id), ledger
        if text is None:
            ledger = _take(ledger, post, state.round, event.resolved)
        if text is not None or (ledger is not before and not _is_approval(post)):
            answered.append(_reply(state, post, text or ""))
    settled = _settled(ledger, event, state.round)
    ledger = tuple(settled.get(finding.id, finding) for finding in ledger)
    changes: dict[str, Any] = {
        "findings": ledger if ledger != state.findings else state.findings,
        "seen_posts": (*state.seen_posts, *(post.id for post in event.posts))[-_MAX_SEEN:],
    }
    if state.publishes:
        changes["outbox"] = (*state.outbox, *answered[:_MAX_REPLIES])
    return skip_worker(state.model_copy(update=changes))


def _reply(state: LoopState, post: PersonPost, text: str) -> OutboxItem:
    holder = state.lease.holder if state.lease else ""
    return OutboxItem(key=reply_key(post.id), holder=holder, to=post.thread, text=text)


def _is_approval(post: PersonPost) -> bool:
    return post.id < 0 and post.state == "approved"


def _take(ledger: Ledger, post: PersonPost, round_: int, resolved: frozenset[int]) -> Ledger:
    """The ledger after one text; the same one where the text is nothing to act on."""
    text = visible(clean_text(post.body)).strip()[:MAX_TEXT]
    if _is_approval(post):
        return _withdraw_by(ledger, post.by, round_)
    about = _finding_about(ledger, post)
    if about is not None:
        changed = _with_remark(about, post, text, is_resolved=post.root in resolved)
        return tuple(changed if finding is about else finding for finding in ledger)
    if not text or post.state == "dismissed" or post.root in resolved:
        return ledger
    return (*ledger, _new_finding(ledger, post, text, round_))


def _finding_about(ledger: Ledger, post: PersonPost) -> Finding | None:
    """The finding whose conversation a comment continues."""
    if post.finding:
        return next((f for f in ledger if f.id == post.finding), None)
    if not post.root or post.root == post.id:
        return None
    return next((f for f in ledger if f.post == post.root), None)


def _with_remark(finding: Finding, post: PersonPost, text: str, *, is_resolved: bool) -> Finding:
    remark = Remark(post=post.id, by=_name(post.by), text=text)
    changes: dict[str, Any] = {"remarks": (*finding.remarks, remark)[-MAX_REMARKS:]}
    if finding.post and finding.status in {"fixed", "withdrawn"} and not is_resolved:
        changes |= {"status": "open", "closed_round": None, "closed_why": ""}
    return finding.model_copy(update=changes)


def _new_finding(ledger: Ledger, post: PersonPost, text: str, round_: int) -> Finding:
    approves = post.state == "approved"
    return Finding(
        id=f"F{len(ledger) + 1}",
        round=round_,
        severity="high" if post.state == "changes_requested" else "medium",
        file=visible(clean_text(post.file))[:1_000],
        line=post.line,
        reason=text,
        by=_name(post.by),
        required=not approves,
        blocking=not approves,
        below="written under an approval" if approves else "",
        post=post.id,
        review=post.review,
    )


def _name(login: str) -> str:
    """Who wrote it, as in `Finding.by`, where some names are ours."""
    return f"{login} (a person)" if login in _NAMES_OF_OURS else login


def _withdraw_by(ledger: Ledger, login: str, round_: int) -> Ledger:
    name = _name(login)
    return tuple(
        _withdraw(f, round_, f"{name} approved")
        if f.post and f.by == name and f.status == "open"
        else f
        for f in ledger
    )


def _withdraw(finding: Finding, round_: int, why: str) -> Finding:
    changes = {"status": "withdrawn", "closed_round": round_, "closed_why": why, "running": 0}
    return finding.model_copy(update={**changes, "required": False})


def _settled(ledger: Ledger, event: PeopleRead, round_: int) -> dict[str, Finding]:
    """The open findings of people that they have settled on the forge, as they are then."""
    settled = {}
    for finding in ledger:
        if not finding.post or finding.status != "open":
            continue
        if finding.post in event.resolved:
            settled[finding.id] = _withdraw(finding, round_, "its conversation was resolved")
        elif finding.review in event.dismissed:
            settled[finding.id] = _withdraw(finding, round_, "its review was dismissed")
    return settled
