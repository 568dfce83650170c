"""Makes posts exist: each once per key, looked up by its marker when another run may have made it.

The promise is no duplicate after a completed push of its intent. It is not exactly-once: a process
that dies between GitHub's answer and our record leaves a post that the next run finds by marker.
"""

from loop_kit.core import bus
from loop_kit.core.machine import PULL_REQUEST
from loop_kit.core.messages import Published
from loop_kit.core.render import (
    marker,
    pull_request_body,
    pull_request_title,
    review_body,
)
from loop_kit.core.reports import ReportInvalid, ReviewReport, parse_review_report, report_document
from loop_kit.core.state import LoopState, OutboxItem
from loop_kit.core.task import TaskCard
from loop_kit.engine.options import Options
from loop_kit.errors import ForgeRefused
from loop_kit.ports import Forge, PullRequest, Reporter, Store


class Publisher:
    """Turns one intent of the outbox into a post."""

    def __init__(self, forge: Forge, store: Store, reporter: Reporter, options: Options) -> None:
        self._forge = forge
        self._store = store
        self._reporter = reporter
        self._options = options

    def publish(self, state: LoopState, card: TaskCard, item: OutboxItem) -> Published:
        """Make the post of `item` exist; a final refusal is recorded, said, and not repeated."""
        inherited = state.lease is None or item.holder != state.lease.holder
        try:
            if item.key == PULL_REQUEST:
                return self._pull_request(state, card, item, inherited=inherited)
            return self._review(state, item, inherited=inherited)
        except ForgeRefused as error:
            self._reporter.warn(str(error))
            return Published(item.model_copy(update={"status": "refused", "ref": error.sentence}))

    def _pull_request(
        self, state: LoopState, card: TaskCard, item: OutboxItem, *, inherited: bool
    ) -> Published:
        found: PullRequest | None = None
        if inherited:
            found = self._forge.find_pull_request(state.work_branch)
        if found is None:
            found = self._forge.open_pull_request(
                head=state.work_branch,
                base=state.base_branch,
                title=self._options.redact(pull_request_title(card)),
                body=self._options.redact(pull_request_body(card, state, item.key)),
                draft=self._options.draft,
            )
        self._reporter.note(f"Pull request: {found.url}")
        return Published(_done(item, str(found.number)), found.number, found.url)

    def _review(self, state: LoopState, item: OutboxItem, *, inherited: bool) -> Published:
        if state.pull_request is None:
            reason = "there is no pull request to post to"
            return Published(item.model_copy(update={"status": "refused", "ref": reason}))
        mark = marker(state.task_id, item.key)
        found = self._forge.find_review(state.pull_request, mark) if inherited else None
        if found is None:
            round_ = int(item.key.rpartition("-r")[2])
            record = next(r for r in state.history if r.round == round_)
            body = review_body(state, round_, self._reported(state, round_), item.key)
            found = self._forge.post_review(
                state.pull_request, record.head_sha, self._options.redact(body), mark
            )
        return Published(_done(item, found))

    def _reported(self, state: LoopState, round_: int) -> ReviewReport:
        name = bus.archived(state.task_id, round_, bus.REVIEW_REPORT)
        try:
            document = report_document(self._store.read(name))
            return parse_review_report(document, state.task_id, round_)
        except ReportInvalid:
            decision = next(r.decision for r in state.history if r.round == round_)
            return ReviewReport(
                task_id=state.task_id, round=round_, decision=decision or "changes_required"
            )


def _done(item: OutboxItem, ref: str) -> OutboxItem:
    return item.model_copy(update={"status": "done", "ref": ref})
