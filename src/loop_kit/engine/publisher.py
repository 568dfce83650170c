"""Makes posts exist: each once per key, looked up by its marker when another run may have made it.

The promise is no duplicate after a completed push of its intent. It is not exactly-once: a process
that dies between GitHub's answer and our record leaves a post that the next run finds by marker.
What only sets a value (the labels, the commit status, the marks, the end of the draft, the body of
a comment whose id is known) needs no look: doing it again changes nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial

from loop_kit.core.card.task import TaskCard
from loop_kit.core.forge import inline_comments as inline
from loop_kit.core.forge import status
from loop_kit.core.forge.acknowledgement import acknowledgement
from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.follow_up import follow_up_body, follow_up_title
from loop_kit.core.forge.render import (
    finding_key,
    marker,
    pull_request_body,
    pull_request_title,
)
from loop_kit.core.forge.replies import post_answer
from loop_kit.core.forge.review import finding_comment, review_body
from loop_kit.core.forge.verdict import verdict_body
from loop_kit.core.loop import outbox
from loop_kit.core.loop.messages import (
    Published,
)
from loop_kit.core.loop.state import LoopState, OutboxItem, Outcome, Role, RoundRecord
from loop_kit.engine.options import Options
from loop_kit.engine.saved_reviews import read_reviews
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import Diff, Forge, PullRequest, Reporter, Store
from loop_kit.ports.forge import ThreadUpdate

_Post = Callable[[LoopState, OutboxItem], Published]
_PostOfCard = Callable[[LoopState, TaskCard, OutboxItem], Published]

_UNRESOLVED = (
    "This token may not resolve review threads, so those of settled findings are only marked as"
    " such; with an App's token as `github-token` they are resolved"
)


class Publisher:
    """Turns one intent of the outbox into a post; `diff` is the whole work up to a commit."""

    def __init__(
        self,
        forge: Forge,
        store: Store,
        reporter: Reporter,
        options: Options,
        diff: Callable[[LoopState, str], Diff],
        agents: Mapping[Role, str] | None = None,
    ) -> None:
        """`agents` are the names of what works in each role, for posts."""
        self._forge = forge
        self._store = store
        self._reporter = reporter
        self._options = options
        self._diff = diff
        self._context = PostContext(forge.page, agents or {}, options.keeps_record)
        self._posts_of_card: Mapping[str, _PostOfCard] = {
            outbox.PULL_REQUEST: self._post_pull_request,
            outbox.ACKNOWLEDGEMENT: self._post_acknowledgement,
            outbox.REVIEW: self._post_review,
        }
        self._posts: Mapping[str, _Post] = {
            outbox.MARKS: self._post_marks,
            outbox.READY: self._end_draft,
            outbox.CHANGES_REQUESTED: self._submit_verdict,
            outbox.APPROVAL: self._submit_verdict,
            outbox.AUTO_MERGE: self._enable_auto_merge,
            outbox.FOLLOW_UP: self._post_follow_up,
            outbox.REPLY: self._post_reply,
            outbox.LABELS: self._set_labels,
            outbox.RERUN: self._run_again,
            outbox.COMMIT_STATUS: self._set_commit_status,
            outbox.STATUS_COMMENT: self._post_status_comment,
        }

    def publish(self, state: LoopState, card: TaskCard, item: OutboxItem) -> Published:
        """Make the post of `item` exist; a final refusal is recorded and not tried again."""
        kind = outbox.kind_of(item.key)
        of_card, post = self._posts_of_card.get(kind), self._posts.get(kind)
        try:
            if of_card is not None:
                return of_card(state, card, item)
            if post is not None:
                return post(state, item)
            return _refuse(item, "this version does not know such a post")
        except ForgeRefused as error:
            self._reporter.warn(str(error))
            return _refuse(item, str(error))

    def show_progress(self, state: LoopState) -> None:
        """Show in the status comment what an agent does now, as far as possible.

        It is no intent: when the round is over, the comment is updated anyhow.
        """
        item = outbox.item_of(state, outbox.STATUS_COMMENT)
        if item is None or not item.ref:
            return
        text = self._options.redact(status.status_comment(state, self._context))
        try:
            self._forge.edit_comment(item.ref, _signed(state, item, text))
        except (ForgeRefused, ForgeUnavailable) as error:
            self._reporter.note(f"The status comment is not updated: {error}")

    def _post_pull_request(self, state: LoopState, card: TaskCard, item: OutboxItem) -> Published:
        found: PullRequest | None = None
        if _is_inherited(state, item):
            found = self._forge.find_pull_request(state.work_branch)
        if found is None:
            found = self._forge.open_pull_request(
                head=state.work_branch,
                base=state.base_branch,
                title=self._options.redact(pull_request_title(card)),
                body=self._options.redact(pull_request_body(card, state, item.key)),
                draft=self._options.draft and state.outcome is not Outcome.APPROVED,
            )
        self._reporter.note(f"Pull request: {found.url}")
        return Published(
            _mark_done(item, str(found.number), by=found.author), found.number, found.url
        )

    def _post_review(self, state: LoopState, card: TaskCard, item: OutboxItem) -> Published:
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        mark = _mark_of(state, item)
        found = None
        if _is_inherited(state, item):
            found = self._forge.find_post(state.pull_request, mark)
        if found is None:
            record = _record(state, outbox.round_of(item.key))
            post = self._build_review(state, card, record, item)
            found = self._forge.post_review(state.pull_request, record.head_sha, post, mark)
        return Published(_mark_done(item, found))

    def _build_review(
        self, state: LoopState, card: TaskCard, record: RoundRecord, item: OutboxItem
    ) -> inline.ReviewPost:
        """The report, and on their lines the findings that this round raised."""
        redact = self._options.redact
        report = read_reviews(self._store, state, record)
        raised = [f for f in state.findings if f.id in record.new_findings]
        where: Mapping[str, inline.Position] = {}
        if any(finding.file and finding.line for finding in raised):
            where = inline.positions(raised, self._diff(state, record.head_sha).text)
        about = (state, record.round, report, item.key)
        body = partial(review_body, *about, card=card, context=self._context)
        return inline.ReviewPost(
            body=_signed(state, item, redact(body(inline_ids=where))),
            comments=tuple(
                _inline_comment(where[f.id], redact(finding_comment(state, f)))
                for f in raised
                if f.id in where
            ),
            plain=_signed(state, item, redact(body())),
        )

    def _post_marks(self, state: LoopState, item: OutboxItem) -> Published:
        """Mark the findings that a round settled or opened again, and resolve their threads.

        A token that may not resolve threads is not tried again, and that is said once.
        """
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        reviews = set(outbox.posted_reviews(state))
        round_, redact = outbox.round_of(item.key), self._options.redact
        updates = {
            marker(state.task_id, finding_key(f.id)): ThreadUpdate(
                redact(finding_comment(state, f)), resolved=f.status != "open"
            )
            for f in state.findings
            if f.status == "open" or f.closed_round == round_
        }
        may_resolve = not outbox.is_resolving_refused(state)
        why = self._forge.update_threads(state.pull_request, reviews, updates, resolves=may_resolve)
        if why is not None:
            self._reporter.warn(f"{_UNRESOLVED}: {why}")
        return Published(_mark_done(item).model_copy(update={"why": (why or "")[:1000]}))

    def _end_draft(self, state: LoopState, item: OutboxItem) -> Published:
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        self._forge.mark_ready(state.pull_request)
        return Published(_mark_done(item, str(state.pull_request)))

    def _submit_verdict(self, state: LoopState, item: OutboxItem) -> Published:
        """Approve, or request changes, by the reviewer's own token."""
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        mark, body = _mark_of(state, item), verdict_body(state, item.key)
        found = None
        if _is_inherited(state, item):
            found = self._forge.find_post(state.pull_request, mark)
        if found is None:
            approves = item.key == outbox.APPROVAL
            reviewed = state.head_sha if approves else state.history[-1].head_sha
            where = (state.pull_request, reviewed)
            signed = _signed(state, item, body)
            found = self._forge.submit_verdict(*where, signed, mark, approves=approves)
        return Published(_mark_done(item, found))

    def _enable_auto_merge(self, state: LoopState, item: OutboxItem) -> Published:
        """Have GitHub merge; where people do, the reason is recorded."""
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        where = (state.pull_request, state.head_sha, state.source.issue)
        why = self._forge.enable_auto_merge(*where)
        if why is not None:
            self._reporter.note(f"People merge it. {why}")
        return Published(_mark_done(item).model_copy(update={"why": (why or "")[:1000]}))

    def _post_follow_up(self, state: LoopState, item: OutboxItem) -> Published:
        """Open the issue that keeps what is for later."""
        mark = _mark_of(state, item)
        found = self._forge.find_issue(mark) if _is_inherited(state, item) else None
        if found is None:
            redact = self._options.redact
            title, body = (
                redact(follow_up_title(state)),
                _signed(state, item, redact(follow_up_body(state, self._context))),
            )
            found = self._forge.post_issue(title, body, mark)
        return Published(_mark_done(item, found))

    def _post_reply(self, state: LoopState, item: OutboxItem) -> Published:
        """Answer a person where they wrote."""
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        number, mark = state.pull_request, _mark_of(state, item)
        text = item.text or post_answer(state, outbox.answered_post(item.key))
        body = f"{marker(state.task_id, item.key)}\n{text}"
        if not item.to:
            return self._put_comment(state, item, number, body)
        found = self._forge.find_reply(number, mark) if _is_inherited(state, item) else None
        if found is None:
            signed = _signed(state, item, self._options.redact(body))
            found = self._forge.reply(number, item.to, signed, mark)
        return Published(_mark_done(item, found))

    def _run_again(self, _state: LoopState, item: OutboxItem) -> Published:
        """Run again what was cancelled in a workflow run."""
        self._forge.rerun(outbox.round_of(item.key))
        return Published(_mark_done(item))

    def _set_labels(self, state: LoopState, item: OutboxItem) -> Published:
        number = outbox.issue_or_pull(state)
        if number is None:
            return _refuse_without_pull_request(item)
        wanted = status.wanted_label(state)
        name = wanted.name if wanted else ""
        others = {label.name for label in status.LABELS} - {name}
        if not _is_inherited(state, item):
            others &= {item.ref}
        self._forge.set_label(number, wanted, sorted(others))
        return Published(_mark_done(item, name))

    def _set_commit_status(self, state: LoopState, item: OutboxItem) -> Published:
        result, description = status.commit_status(state)
        run_id = state.lease.run_id if state.lease else ""
        self._forge.set_status(state.head_sha, result, self._options.redact(description), run_id)
        return Published(_mark_done(item, state.head_sha))

    def _post_status_comment(self, state: LoopState, item: OutboxItem) -> Published:
        if state.pull_request is None:
            return _refuse_without_pull_request(item)
        return self._put_comment(
            state, item, state.pull_request, status.status_comment(state, self._context)
        )

    def _post_acknowledgement(
        self, state: LoopState, card: TaskCard, item: OutboxItem
    ) -> Published:
        if state.source.issue is None:
            return _refuse(item, "the card is from no issue")
        text = acknowledgement(state, card, self._context)
        return self._put_comment(state, item, state.source.issue, text)

    def _put_comment(self, state: LoopState, item: OutboxItem, number: int, text: str) -> Published:
        """One comment that is edited in place."""
        mark = _mark_of(state, item)
        known = item.ref
        if not known and _is_inherited(state, item):
            known = self._forge.find_post(number, mark) or ""
        signed = _signed(state, item, self._options.redact(text))
        posted = self._forge.put_comment(number, known, signed, mark)
        return Published(_mark_done(item, posted))


def _inline_comment(at: inline.Position, body: str) -> inline.InlineComment:
    return inline.InlineComment(at.path, at.line, body, at.side)


def _is_inherited(state: LoopState, item: OutboxItem) -> bool:
    """Whether an earlier run intended it, and may have made it and died before recording it."""
    return state.lease is None or item.holder != state.lease.holder


def _mark_of(state: LoopState, item: OutboxItem) -> str:
    return marker(state.task_id, item.key, item.nonce)


def _signed(state: LoopState, item: OutboxItem, body: str) -> str:
    """A post with the nonce of its intent beside its marker."""
    plain = marker(state.task_id, item.key)
    return _mark_of(state, item) + body.removeprefix(plain)


def _record(state: LoopState, round_: int) -> RoundRecord:
    return next(record for record in state.history if record.round == round_)


def _mark_done(item: OutboxItem, ref: str = "", by: str = "") -> OutboxItem:
    return item.model_copy(update={"status": "done", "ref": ref, "by": by})


def _refuse(item: OutboxItem, why: str) -> Published:
    return Published(item.model_copy(update={"status": "refused", "why": why[:1000]}))


def _refuse_without_pull_request(item: OutboxItem) -> Published:
    """Without a warning: there was one when the pull request was refused."""
    return _refuse(item, "there is no pull request to post to")
