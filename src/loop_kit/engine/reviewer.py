"""One attempt of the reviewer: run it, check that it changed nothing, and check its verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from loop_kit.core.agent.places import renames, settle_places
from loop_kit.core.agent.reports import (
    ReportInvalid,
    ReviewReport,
    WorkReport,
    parse_review_report,
    parse_work_report,
    report_document,
)
from loop_kit.core.briefing.prompts import reviewer_prompt
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import bus, passes
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.evidence import objection
from loop_kit.core.loop.findings import contradiction
from loop_kit.core.loop.messages import (
    Failure,
    ReviewReported,
)
from loop_kit.core.loop.provenance import (
    UNKNOWN,
    Spot,
    lineage,
    provenance_of,
    spots,
    unplaced_issues,
)
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.text.sanitize import one_line
from loop_kit.engine.attempt import (
    AttemptResult,
    Dispatcher,
    Interrupted,
)
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.delivered import Delivered, document_of, report_files
from loop_kit.errors import GitFailed, LoopError
from loop_kit.frozen import frozen
from loop_kit.ports import (
    AgentExit,
    Diff,
    Fingerprint,
    Repository,
    Store,
    Workspace,
    WorkspaceGone,
    Workspaces,
)

_MAX_NAMES = 5
_MAX_COMMITS = 50
"""How many commits a review request lists, the newest first: it is archived in every round."""


@frozen
class _Asked:
    """What a reviewer was asked: `changed` are the files of the work, some of them `renamed`."""

    state: LoopState
    card: TaskCard
    role: Role
    changed: Sequence[str]
    renamed: Mapping[str, str]


class ReviewerPass:
    """Runs reviewer attempts; nothing is ever fetched from a reviewer's workspace."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        workspaces: Workspaces,
        repository: Repository,
        store: Store,
        briefer: Briefer,
        look: Callable[[LoopState, Role], BaseCompared | None] = lambda *_: None,
    ) -> None:
        """`look` compares what a role has approved with the base branch."""
        self._look = look
        self._dispatcher = dispatcher
        self._briefer = briefer
        self._workspaces = workspaces
        self._repository = repository
        self._store = store

    def request(self, state: LoopState, card: TaskCard) -> tuple[Document, Diff]:
        """What the reviewer is asked, built from git and from the worker's saved report."""
        diff = self._diff(state)
        shown_diff = {
            "diff": diff.text,
            "diff_truncated": diff.truncated,
            "diff_file": bus.PATCH if diff.truncated else None,
            "diff_stat": {
                "files": diff.files,
                "lines_added": diff.lines_added,
                "lines_deleted": diff.lines_deleted,
            },
        }
        subjects = [subject for r in reversed(state.history) for subject in r.commits]
        earlier = len(subjects) - _MAX_COMMITS
        more = [f"({earlier} earlier)"] if earlier > 0 else []
        commits = "\n".join([*subjects[:_MAX_COMMITS], *more])
        return bus.review_request(card, state, self.work_report(state), commits, shown_diff), diff

    def changed_files(self, state: LoopState) -> tuple[str, ...]:
        """The paths that differ between the base and the head under review."""
        return self._diff(state).paths

    def _diff(self, state: LoopState) -> Diff:
        patch = self._dispatcher.patch_path(state)
        return self._repository.diff(state.compared_with, state.head_sha, bus.MAX_DIFF, patch)

    def run(
        self, state: LoopState, card: TaskCard, effect: RunAgent, request: Document, diff: Diff
    ) -> AttemptResult:
        """Run one attempt and return its event with the bus files that it changes."""
        result = self._run(state, card, effect, request, diff)
        event, whole = result.event, passes.whole_review(state, result.event)
        approves = isinstance(whole, ReviewReported) and whole.report.decision == "approve"
        if not isinstance(event, ReviewReported) or not approves:
            return result
        try:
            compared = self._look(state, effect.role)
        except KeyboardInterrupt:
            raise Interrupted(result=result) from None
        return AttemptResult(replace(event, base=compared), result.files)

    def _run(
        self, state: LoopState, card: TaskCard, effect: RunAgent, request: Document, diff: Diff
    ) -> AttemptResult:
        workspace = self._workspaces.open(effect.role, state.head_sha)
        try:
            before = workspace.fingerprint()
            ended, delivered = self._dispatcher.dispatch(
                state,
                effect,
                workspace,
                self._inputs(card, request, diff),
                lambda paths: reviewer_prompt(
                    guidance=self._dispatcher.guidance(effect.role),
                    card=card,
                    request=request,
                    paths=paths,
                    feedback=effect.feedback,
                    handoff=self._handoff(state),
                    refused=self._briefer.refused_report(state, effect),
                ),
            )
            asked = _Asked(state, card, effect.role, diff.paths, renames(diff.text))
            attempt = (asked, workspace, before, ended, delivered)
            try:
                return self._conclude(*attempt)
            except KeyboardInterrupt:
                raise Interrupted(result=self._conclude(*attempt)) from None
        finally:
            workspace.close()

    def _handoff(self, state: LoopState) -> str:
        """What the last round left; a further pass begins without."""
        return "" if state.further else self._briefer.handoff(state, Role.REVIEWER)

    def _conclude(
        self,
        asked: "_Asked",
        workspace: Workspace,
        before: Fingerprint,
        ended: AgentExit,
        delivered: Delivered,
    ) -> AttemptResult:
        """Judge what an agent left that has ended; `before` is the workspace's fingerprint."""
        voided = _void_reason(workspace, before)
        if voided:
            return self._fail(asked, ended, delivered, Failure.VOID_VERDICT, voided)
        return self._judge(asked, ended, delivered)

    def work_report(self, state: LoopState) -> WorkReport:
        """The report of the round under review, as it was saved."""
        try:
            raw = report_document(self._store.read(bus.WORK_REPORT))
            return parse_work_report(raw, state.task_id, state.round)
        except ReportInvalid:
            return WorkReport(task_id=state.task_id, round=state.round, head_sha=state.head_sha)

    def _inputs(self, card: TaskCard, request: Document, diff: Diff) -> Mapping[str, bytes | Path]:
        files: dict[str, bytes | Path] = {
            bus.TASK_CARD: card.to_json(),
            bus.REVIEW_REQUEST: bus.encode(request),
        }
        if diff.patch is not None:
            files[bus.PATCH] = diff.patch
        return files

    def _judge(self, asked: "_Asked", ended: AgentExit, delivered: Delivered) -> AttemptResult:
        state, role = asked.state, asked.role
        try:
            report = self._parse_report(asked, delivered)
        except ReportInvalid as error:
            failure = Failure.NO_REPORT if delivered is None else Failure.INVALID_REPORT
            return self._fail(asked, ended, delivered, failure, str(error))
        return AttemptResult(
            event=ReviewReported(
                report=report,
                at=self._dispatcher.now(),
                spent=ended.spent,
                session=self._dispatcher.session(state, role, ended),
                provenance=self._provenance(state, report),
                role=role,
                reviewer=self._dispatcher.reviewer(role),
                is_repeatable=self._dispatcher.is_program(role),
                takes_passes=self._dispatcher.takes_passes(role),
                further=passes.number(state),
            ),
            files=report_files(state, role, delivered),
        )

    def _parse_report(self, asked: "_Asked", delivered: Delivered) -> ReviewReport:
        state, document = asked.state, document_of(delivered, asked.role)
        existing = partial(self._repository.existing, (state.head_sha, state.compared_with))
        written = parse_review_report(document, state.task_id, state.round)
        report = settle_places(written, existing, asked.changed, asked.renamed)
        if state.further is not None:
            return report
        evidence = state.limits.evidence
        why = contradiction(state.findings, report, evidence)
        why = why or objection(report, asked.card, state.head_sha, evidence)
        if why is None and evidence == "strict":
            from loop_kit.core.loop.claims import false_claim

            why = false_claim(report, asked.changed, existing)
        if why:
            raise ReportInvalid(why)
        return report

    def _provenance(self, state: LoopState, report: ReviewReport) -> tuple[str, ...]:
        """Where each issue comes from, asked of git only about new ones; '' where that fails."""
        fresh = unplaced_issues(state, report)
        line, places = lineage(state), spots(fresh)
        found: Mapping[Spot, str | None] = {}
        if places:
            base, *heads = line.commits
            try:
                bases = tuple(dict.fromkeys((base, state.compared_with)))
                found = self._repository.origins(bases, heads or (base,), places)
            except (LoopError, OSError) as error:
                self._dispatcher.warn(f"Unknown which round wrote the lines of findings: {error}")
        return tuple(
            provenance_of(issue, found, line) if issue in fresh else UNKNOWN
            for issue in report.blocking_issues
        )

    def _fail(
        self,
        asked: "_Asked",
        ended: AgentExit,
        delivered: Delivered,
        failure: Failure,
        message: str,
    ) -> AttemptResult:
        state, role = asked.state, asked.role
        refused = self._dispatcher.refused_files(state, role, delivered, message)
        event = self._dispatcher.failure_event(state, role, ended, failure, message)
        return AttemptResult(event, refused)


def _void_reason(workspace: Workspace, before: Fingerprint) -> str | None:
    """Why the verdict of an attempt is void, if it is: what is not as the fingerprint `before`."""
    try:
        after = workspace.fingerprint()
    except WorkspaceGone as gone:
        return f"what the reviewer changed cannot be seen: {gone.sentence}"
    except GitFailed:
        return _tampering((".git",))
    return None if after == before else _tampering(after.changed_since(before))


def _tampering(names: tuple[str, ...]) -> str:
    """What voids a verdict."""
    listed = ", ".join(one_line(name, 200) for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"the reviewer changed HEAD, a ref, the index or a tracked file: {listed}{more}"
