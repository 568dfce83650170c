"""What the loop intends to post: the keys of the outbox, and when each is intended (again).

Some posts are made once: the pull request, each round's review, the marks on what was settled or
opened again (the comments on its lines, and their threads), the end of the draft, the verdicts of a
reviewer with a token of its own, the request that GitHub merges, the issue with what an approved
loop leaves for later. Others show the status of the loop and are updated whenever
that changes: the status comment on the pull request and the acknowledgement on the issue (always
the same ones, found by the `ref` of their items), the commit status and the labels. Nothing is
intended that has no place: a worker that fails in the first round leaves no pull request, and its
loop's head is a commit of the base branch, which gets no status.

A refusal of the forge is final until a person starts the loop again: they may have fixed the
setting. The first post that the loop is running costs no push of its own: it waits for the push
that starts the first agent. An interrupted run intends nothing; its runner is about to kill it.
Whoever finds out who has ended it continues the loop from there, or posts why not.
"""

from collections.abc import Mapping

from loop_kit.core.loop.findings import later_findings
from loop_kit.core.loop.state import LoopState, OutboxItem, Outcome, Phase

PULL_REQUEST = "pull-request"
READY = "ready"
CHANGES_REQUESTED = "changes-requested"
APPROVAL = "approval"
AUTO_MERGE = "auto-merge"
LABELS = "labels"
COMMIT_STATUS = "commit-status"
STATUS_COMMENT = "status-comment"
REVIEW = "review"
MARKS = "marks"
RERUN = "rerun"
FOLLOW_UP = "follow-up"
REPLY = "reply"
ACKNOWLEDGEMENT = "acknowledgement"

APPROVED_LABEL = "loop:approved"
PERSON_LABEL = "loop:needs-human"
FAILED_LABEL = "loop:failed"

_ORDER = (
    *(RERUN, PULL_REQUEST, REVIEW, MARKS, CHANGES_REQUESTED, READY, APPROVAL, AUTO_MERGE),
    *(REPLY, FOLLOW_UP, LABELS, COMMIT_STATUS),
    *(STATUS_COMMENT, ACKNOWLEDGEMENT),
)
"""The comments that show the status come last: they include what the others could not do. The
commit status comes after the request to merge, which GitHub takes only while something is due."""

_GREETINGS = frozenset({STATUS_COMMENT, ACKNOWLEDGEMENT})

_Intents = dict[str, OutboxItem]


def review_key(round_: int) -> str:
    """The key of one round's review."""
    return f"{REVIEW}-r{round_}"


def marks_key(round_: int) -> str:
    """The key of the marks on inline comments of findings settled or opened again in that round."""
    return f"{MARKS}-r{round_}"


def reply_key(post: int) -> str:
    """The key of the answer to what a person wrote in a review, by its number."""
    return f"{REPLY}-b{-post}" if post < 0 else f"{REPLY}-c{post}"


def answered_post(key: str) -> int:
    """The number of what the reply `key` answers."""
    number = int(key[len(REPLY) + 2 :])
    return -number if key.startswith(f"{REPLY}-b") else number


def rerun_key(run: int) -> str:
    """The key of having a workflow run again."""
    return f"{RERUN}-r{run}"


def kind_of(key: str) -> str:
    """The key without its round, or without the number of what it answers."""
    if key.startswith(f"{REPLY}-"):
        return REPLY
    return key.partition("-r")[0] if key.partition("-r")[2].isdigit() else key


def round_of(key: str) -> int:
    """The round in the key of a review or of marks, the workflow run in that of a rerun."""
    return int(key.rpartition("-r")[2])


def label_of(outcome: Outcome | None) -> str:
    """The label that shows `outcome`, or '' when none does."""
    if outcome in {None, Outcome.CANCELLED, Outcome.INTERRUPTED}:
        return ""
    if outcome is Outcome.APPROVED:
        return APPROVED_LABEL
    by_person = outcome in {Outcome.NEEDS_HUMAN, Outcome.MAX_ROUNDS_EXHAUSTED}
    return PERSON_LABEL if by_person else FAILED_LABEL


def issue_or_pull(state: LoopState) -> int | None:
    """The number of the loop's pull request, or of the issue or pull request of its card."""
    if state.pull_request is not None:
        return state.pull_request
    return state.source.issue or state.source.pull


def item_of(state: LoopState, key: str) -> OutboxItem | None:
    """The outbox item of that key, if there is one."""
    return next((item for item in state.outbox if item.key == key), None)


def pending(state: LoopState) -> tuple[OutboxItem, ...]:
    """What is still to be posted, in the order in which it is."""
    items = (item for item in state.outbox if item.status == "pending")
    return tuple(sorted(items, key=_rank))


def is_resolving_refused(state: LoopState) -> bool:
    """Whether the forge has refused to resolve threads since a person started the loop last."""
    return any(
        kind_of(item.key) == MARKS and item.status == "done" and item.why for item in state.outbox
    )


def is_pull_request_missing(state: LoopState) -> bool:
    """Whether an approved loop has a pull request outstanding that it could not open."""
    opened = item_of(state, PULL_REQUEST)
    return state.outcome is Outcome.APPROVED and opened is not None and opened.status == "pending"


def unposted_commits(state: LoopState) -> tuple[str, ...]:
    """The commits whose review is still to be posted, on their lines, and what they change."""
    rounds = {round_of(item.key) for item in pending(state) if kind_of(item.key) == REVIEW}
    found = ((r.head_sha, r.diff_base) for r in state.history if r.round in rounds)
    return tuple(sha for shas in found for sha in shas if sha)


def posted_reviews(state: LoopState) -> tuple[str, ...]:
    """What the forge calls the reviews that were posted."""
    return tuple(i.ref for i in state.outbox if kind_of(i.key) == REVIEW and i.ref)


def greetings(state: LoopState) -> tuple[OutboxItem, ...]:
    """Those of `pending` that only say that the loop is running now."""
    if not state.is_running or state.history:
        return ()
    return tuple(i for i in pending(state) if i.key in _GREETINGS and not i.ref)


def posts_at_start(state: LoopState) -> tuple[OutboxItem, ...]:
    """Those of `pending` that wait for the push that starts an agent: they need no other one."""
    if not state.is_running:
        return ()
    replies = (item for item in pending(state) if kind_of(item.key) == REPLY)
    return (*greetings(state), *replies)


def due_posts(state: LoopState) -> tuple[OutboxItem, ...]:
    """Those of `pending` that are posted before an agent is started."""
    waiting = posts_at_start(state)
    return tuple(item for item in pending(state) if item not in waiting)


def plan_posts(before: LoopState, after: LoopState) -> tuple[OutboxItem, ...]:
    """The outbox after a transition from `before` to `after`."""
    if not after.publishes or (after.outcome is not None and _posted_outcome(after) is None):
        return after.outbox
    items = {item.key: item for item in after.outbox if not _is_answered(item)}
    reviewed = _reviewed_rounds(after) - _reviewed_rounds(before)
    approved = after.outcome is Outcome.APPROVED and before.outcome is None
    if reviewed or approved:
        _intend_review(items, after, min(reviewed, default=after.round))
    for key in map(review_key, reviewed):
        if key in items and items[key].status == "done":
            items[key] = _make_pending(items[key], after)
    for run in after.checks.rerun if after.checks.reruns > before.checks.reruns else ():
        key = rerun_key(run)
        items[key] = _make_pending(items.get(key, OutboxItem(key=key)), after)
    _intend_approval(items, before, after)
    if before.findings is not after.findings:
        _intend_marks(items, before, after)
    posted = _posted_outcome(before)
    if posted is not None and after.outcome is None:
        _retry_refused(items, after)
    changed = posted is not after.outcome or _is_pause_changed(before, after)
    changed = changed or before.state is Phase.IDLE
    changed = changed or before.waiting_for != after.waiting_for
    if reviewed or changed:
        _intend_status(items, after)
    opens = bool(reviewed) and after.pull_request is None
    if changed or opens or _acknowledged(before) != _acknowledged(after):
        _intend(items, ACKNOWLEDGEMENT, after)
    return tuple(items.values())


def _is_answered(item: OutboxItem) -> bool:
    """Whether it is a reply that was posted; what it answered is never read again."""
    return kind_of(item.key) == REPLY and item.status == "done"


def _posted_outcome(state: LoopState) -> Outcome | None:
    """The outcome as the posts show it; an interruption only once it is known who ended the run."""
    unexplained = state.outcome is Outcome.INTERRUPTED and not state.reasons
    return None if unexplained else state.outcome


def _acknowledged(state: LoopState) -> tuple[object, ...]:
    """What an acknowledgement says beside the outcome: the pull request, the verify commands."""
    opened = item_of(state, PULL_REQUEST)
    return state.pull_request, opened.why if opened else "", state.verify


def _is_pause_changed(before: LoopState, after: LoopState) -> bool:
    return Phase.PAUSED in {before.state, after.state} and before.state is not after.state


def _rank(item: OutboxItem) -> tuple[int, int]:
    kind = kind_of(item.key)
    rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return rank, round_of(item.key) if kind in {REVIEW, MARKS} else 0


def _reviewed_rounds(state: LoopState) -> set[int]:
    return {record.round for record in state.history if record.decision}


def _holder(state: LoopState) -> str:
    return state.lease.holder if state.lease else ""


def _intend_review(items: _Intents, after: LoopState, round_: int) -> None:
    own = after.source.pull is None
    wanted = [*([PULL_REQUEST] if own else []), review_key(round_)]
    refused = PULL_REQUEST in items and items[PULL_REQUEST].status == "refused"
    if not refused and own and after.outcome is Outcome.APPROVED:
        wanted.append(READY)
    if after.outcome is Outcome.APPROVED and _asks_for_follow_up(after):
        wanted.append(FOLLOW_UP)
    for key in wanted:
        items.setdefault(key, _new(key, after))


def _intend_approval(items: _Intents, before: LoopState, after: LoopState) -> None:
    """Intend what the reviewer's own token says, each verdict once, and that GitHub merges."""
    is_new = after.outcome is Outcome.APPROVED and before.outcome is not Outcome.APPROVED
    last = after.history[-1] if after.history else None
    sends_back = last is not None and last.decision == "changes_required"
    wanted: Mapping[str, bool] = {
        CHANGES_REQUESTED: after.limits.formal_reviews and sends_back,
        APPROVAL: after.limits.formal_reviews and is_new,
        AUTO_MERGE: after.limits.on_approved == "auto-merge" and is_new,
    }
    for key in (key for key, is_wanted in wanted.items() if is_wanted):
        items.setdefault(key, _new(key, after))


def _intend_marks(items: _Intents, before: LoopState, after: LoopState) -> None:
    """Intend the marks on findings that were settled, or opened again."""
    opened = items.get(PULL_REQUEST)
    if after.pull_request is None and (opened is None or opened.status == "refused"):
        return
    was_open = {f.id: f.status == "open" for f in before.findings}
    posted = (f for f in after.findings if f.file and f.line and not f.post and f.id in was_open)
    changed = (f for f in posted if was_open[f.id] != (f.status == "open"))
    for key in sorted({marks_key(f.closed_round or before.round) for f in changed}):
        _intend(items, key, after)


def _asks_for_follow_up(state: LoopState) -> bool:
    wanted = state.limits.rules.later.follow_up == "issue"
    return wanted and bool(later_findings(state.findings))


def _intend_status(items: _Intents, after: LoopState) -> None:
    opened = items.get(PULL_REQUEST)
    posted = after.pull_request is not None or (opened is not None and opened.status != "refused")
    labels = items.get(LABELS)
    relabelled = label_of(after.outcome) != (labels.ref if labels else "")
    wanted: Mapping[str, bool] = {
        LABELS: relabelled and (posted or issue_or_pull(after) is not None),
        COMMIT_STATUS: bool(after.head_sha) and after.held is None,
        STATUS_COMMENT: posted,
    }
    for key in (key for key, is_wanted in wanted.items() if is_wanted):
        _intend(items, key, after)


def _intend(items: _Intents, key: str, after: LoopState) -> None:
    """Intend a post that shows the status, unless it was refused."""
    if key == ACKNOWLEDGEMENT and after.source.issue is None:
        return
    item = items.get(key, OutboxItem(key=key, status="done"))
    if item.status == "done":
        items[key] = _make_pending(item, after)


def _retry_refused(items: _Intents, after: LoopState) -> None:
    for key, item in items.items():
        if item.status == "refused" or item.why:
            items[key] = _make_pending(item, after)


def _make_pending(item: OutboxItem, state: LoopState) -> OutboxItem:
    holder = _holder(state)
    update = {"status": "pending", "holder": holder, "nonce": holder, "why": ""}
    return item.model_copy(update=update)


def _new(key: str, state: LoopState) -> OutboxItem:
    """An intent; the id of the lease is random, and nobody can know it before it is pushed."""
    holder = _holder(state)
    return OutboxItem(key=key, holder=holder, nonce=holder)
