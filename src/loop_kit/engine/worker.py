"""One attempt of the worker: run it, fetch its commits, judge them, and report what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from loop_kit.core.agent.reports import (
    ReportInvalid,
    WorkReport,
    parse_work_report,
    report_document,
)
from loop_kit.core.briefing.prompts import Context, Paths, worker_prompt
from loop_kit.core.card.enforced import scope_warnings
from loop_kit.core.card.scope import Violation, judge
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import bus
from loop_kit.core.loop.base_moves import commit_to_merge, mergeable_tip
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.growth import growth
from loop_kit.core.loop.messages import (
    Failure,
    Work,
    WorkReported,
)
from loop_kit.core.loop.refused_secrets import explain_secrets
from loop_kit.core.loop.state import LoopState, Role, Verification, Wip
from loop_kit.core.text.sanitize import truncate
from loop_kit.engine.attempt import (
    AttemptResult,
    Dispatcher,
    Interrupted,
)
from loop_kit.engine.briefing import Briefer, Briefing
from loop_kit.engine.delivered import Delivered, document_of, named_head, report_files
from loop_kit.engine.options import Options
from loop_kit.engine.taking_back import taken_back
from loop_kit.errors import GitFailed
from loop_kit.ports import (
    AgentExit,
    AgentInterrupted,
    Collected,
    Diff,
    Repository,
    Span,
    Store,
    Tampered,
    Verifier,
    Workspace,
    Workspaces,
)

_MAX_REFUSED_DIFF = 16_000
_SAME_CODE = "the worker reported, but the code is the same as before."


class WorkerPass:
    """Runs worker attempts; every judgement about the code is made on what git says."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        workspaces: Workspaces,
        verifier: Verifier,
        repository: Repository,
        store: Store,
        briefer: Briefer,
        options: Options,
    ) -> None:
        self._briefer = briefer
        self._dispatcher = dispatcher
        self._workspaces = workspaces
        self._verifier = verifier
        self._repository = repository
        self._store = store
        self._options = options

    def briefing(self, state: LoopState, card: TaskCard) -> Briefing:
        """What the worker gets besides its task."""
        return self._briefer.worker(state, card)

    def warn_of_unmatched_scope(self, state: LoopState, card: TaskCard) -> None:
        """Warn in round 1 of what is enforced and matches no file: it may be misspelt."""
        if state.round == 1:
            matches = partial(self._repository.matching_files, state.start_sha, limit=1)
            for sentence in scope_warnings(card, self._options.rules, matches):
                self._dispatcher.warn(sentence)

    def run(
        self, state: LoopState, card: TaskCard, effect: RunAgent, context: Context
    ) -> AttemptResult:
        """Run one attempt and return its event with the bus files that it changes."""
        wip_sha = state.wip.sha if state.wip else ""
        merges = self._commit_to_merge(state)
        places = (state.tip, effect.work_sha, wip_sha, merges)
        workspace = self._workspaces.open(Role.WORKER, *places)
        leftovers = f"Round {state.round}: what the worker left uncommitted"
        try:
            try:
                ended, delivered = self._dispatcher.dispatch(
                    state,
                    effect,
                    workspace,
                    self._inputs(state, card),
                    lambda paths: self._prompt(state, card, effect, paths, context),
                )
            except KeyboardInterrupt as stop:
                wip, elsewhere = (
                    self._rescue(state, workspace, leftovers),
                    isinstance(stop, AgentInterrupted),
                )
                raise Interrupted(wip, elsewhere=elsewhere) from None
            attempt = (state, workspace, leftovers, ended, delivered)
            try:
                return self._conclude(*attempt, verifies=True)
            except KeyboardInterrupt:
                raise Interrupted(result=self._conclude(*attempt, verifies=False)) from None
        finally:
            workspace.close()

    def _conclude(
        self,
        state: LoopState,
        workspace: Workspace,
        message: str,
        ended: AgentExit,
        delivered: Delivered,
        *,
        verifies: bool,
    ) -> AttemptResult:
        """Judge what an agent left that has ended; without `verifies` the next run verifies it."""
        try:
            trailers = self._dispatcher.trailers(state, ended.spent)
            collected = workspace.collect(message, named_head(delivered), trailers)
        except GitFailed as error:
            return self._fail(state, ended, delivered, Failure.HISTORY, error.sentence, None)
        for note in collected.notes:
            self._dispatcher.note(note)
        try:
            return self._judge(state, ended, delivered, collected, verifies=verifies)
        except Tampered as error:
            raise Tampered(error.names, ended.spent) from None

    def _commit_to_merge(self, state: LoopState) -> str:
        """What the workspace is to hold the merge of; a person merges in their own work tree."""
        return commit_to_merge(state) if self._dispatcher.is_program(Role.WORKER) else ""

    def _rescue(self, state: LoopState, workspace: Workspace, message: str) -> Wip | None:
        """What an interrupted worker had done, as far as it can be kept."""
        try:
            trailers = self._dispatcher.trailers(state)
            return self._wip(state, workspace.collect(message, trailers=trailers))
        except GitFailed:
            return None

    def _wip(self, state: LoopState, collected: Collected) -> Wip | None:
        """The commits as work in progress, when they are new and may be pushed."""
        head = collected.own if collected.unfinished else collected.head
        if head == state.branch_tip:
            return None
        span = self._repository.span(state.tip, head, mergeable_tip(state))
        if not span.descends or self._violations(state, head, span):
            return None
        return Wip(sha=head, commits=len(span.commits))

    def _inputs(self, state: LoopState, card: TaskCard) -> Mapping[str, bytes]:
        files = {bus.TASK_CARD: card.to_json()}
        fixes = self._fix_list(state)
        if fixes is not None and "round" not in fixes:
            self._dispatcher.warn(
                f"{bus.FIX_LIST} cannot be read: the worker gets only the findings."
            )
        return files if fixes is None else {**files, bus.FIX_LIST: bus.encode(fixes)}

    def _fix_list(self, state: LoopState) -> Document | None:
        """What is to be fixed; a list that is there in round 1 is a leftover of another loop.

        The findings are in the state too: a list that somebody damaged loses none of them.
        """
        raw = self._store.read(bus.FIX_LIST) if state.round > 1 else None
        if raw is None:
            return None
        return bus.add_open_findings(_parse_fix_list(raw) or {}, state)

    def _prompt(
        self, state: LoopState, card: TaskCard, effect: RunAgent, paths: Paths, context: Context
    ) -> str:
        return worker_prompt(
            guidance=self._dispatcher.guidance(Role.WORKER),
            card=card,
            round_=state.round,
            paths=paths,
            fix_list=self._fix_list(state),
            feedback=effect.feedback,
            context=context,
            wip_sha=state.wip.sha if state.wip else "",
            conflicts=state.base.conflicts if self._commit_to_merge(state) else (),
            base_tip=state.base.tip,
            refused=self._briefer.refused_report(state, effect),
        )

    def _judge(
        self,
        state: LoopState,
        ended: AgentExit,
        delivered: Delivered,
        collected: Collected,
        *,
        verifies: bool,
    ) -> AttemptResult:
        head = collected.head
        try:
            report = self._parse_report(state, delivered)
        except ReportInvalid as error:
            failure = Failure.NO_REPORT if delivered is None else Failure.INVALID_REPORT
            return self._fail(state, ended, delivered, failure, str(error), collected)
        if collected.unfinished:
            message = collected.unfinished
            return self._fail(state, ended, delivered, Failure.UNFINISHED, message, collected)
        span = self._repository.span(state.tip, head, mergeable_tip(state))
        if not span.descends:
            message = f"the history was rewritten: {head[:10]} does not build on {state.tip[:10]}"
            return self._fail(state, ended, delivered, Failure.HISTORY, message, collected)
        if span.same_tree and not (span.merged or _has_only_disputes(state, report)):
            message = " ".join((_SAME_CODE, *collected.notes))
            return self._fail(state, ended, delivered, Failure.NOOP, message, None)
        violations = self._violations(state, head, span)
        if violations:
            return self._refuse(state, ended, delivered, violations, collected)
        work = self._measure(state, collected, span)
        verification = self._verify(state, head) if verifies else None
        return AttemptResult(
            event=WorkReported(
                report=report,
                work=work,
                at=self._dispatcher.now(),
                spent=ended.spent,
                verification=verification,
                session=self._dispatcher.session(state, Role.WORKER, ended),
            ),
            files=report_files(state, Role.WORKER, delivered),
        )

    def _refuse(
        self,
        state: LoopState,
        ended: AgentExit,
        delivered: Delivered,
        violations: Sequence[Violation],
        collected: Collected,
    ) -> AttemptResult:
        """The failure of work that may not be pushed, with the diff that nobody else will see.

        A diff with a secret in it is shown to nobody.
        """
        kinds = {violation.kind for violation in violations}
        if "secret" in kinds:
            message = explain_secrets(violations)
            return self._fail(state, ended, delivered, Failure.SECRET, message, collected)
        failure = Failure.PROTECTED_PATH if "protected_path" in kinds else Failure.SCOPE
        listed = "\n".join(f"{v.path} {v.why}" for v in violations[:20])
        message = f"These changes were refused:\n{listed}"
        patch = self._dispatcher.patch_path(state)
        diff = self._repository.diff(state.tip, collected.head, _MAX_REFUSED_DIFF, patch)
        shown = truncate(diff.text, _MAX_REFUSED_DIFF)
        return self._fail(state, ended, delivered, failure, message, collected, refused_diff=shown)

    def _violations(self, state: LoopState, head: str, span: Span) -> tuple[Violation, ...]:
        """What may not stay; where nothing is pushed, only the net change counts.

        Secrets may be in no commit, unless the worker is a person, who pushes what they want.
        """
        rules = self._options.rules
        found = judge(span.commits, rules)
        if found and not rules.per_commit and not span.merged:
            found = judge((self._repository.net_change(state.tip, head),), rules)
        if not (rules.per_commit or self._dispatcher.is_program(Role.WORKER)):
            return found
        return (*found, *self._leaks(state, head))

    def _leaks(self, state: LoopState, head: str) -> tuple[Violation, ...]:
        return self._repository.leaks(state.tip, head, self._options.secrets, mergeable_tip(state))

    def _parse_report(self, state: LoopState, delivered: Delivered) -> WorkReport:
        document = document_of(delivered, Role.WORKER)
        return parse_work_report(document, state.task_id, state.round)

    def _measure(self, state: LoopState, collected: Collected, span: Span) -> Work:
        diff_base = span.merged or state.compared_with
        back = taken_back(self._repository, state, collected.head, diff_base)
        diff = self._diff(state, diff_base, collected.head)
        return Work(
            head_sha=collected.head,
            commits=tuple(commit.subject for commit in span.commits[:100]),
            files=diff.files,
            lines_added=diff.lines_added,
            lines_deleted=diff.lines_deleted,
            notes=collected.notes,
            growth=growth(zip(diff.paths, diff.changed_lines, strict=False)),
            restores=back.files,
            restores_again=back.again,
            diff_base=diff_base,
        )

    def _verify(self, state: LoopState, head: str) -> Verification | None:
        """What the verify commands say; None if they could not be run, so that the work is saved.

        The engine tries again before the review.
        """
        if not state.verify:
            return None
        try:
            return self._verifier.verify(head, state.verify, self._options.verify_timeout)
        except (GitFailed, OSError) as error:
            self._dispatcher.warn(f"The verify commands could not be run: {error}")
            return None

    def diff(self, state: LoopState, head: str) -> Diff:
        """The whole work so far, from the base that it was compared with to `head`."""
        compared = {r.head_sha: r.diff_base for r in state.history if r.diff_base}
        diff_base = compared.get(head, state.compared_with)
        return self._diff(state, diff_base, head)

    def _diff(self, state: LoopState, diff_base: str, head: str) -> Diff:
        patch = self._dispatcher.patch_path(state)
        return self._repository.diff(diff_base, head, bus.MAX_DIFF, patch)

    def _fail(
        self,
        state: LoopState,
        ended: AgentExit,
        delivered: Delivered,
        failure: Failure,
        message: str,
        collected: Collected | None,
        *,
        refused_diff: str = "",
    ) -> AttemptResult:
        """The failure, with what the next attempt is to find; `collected` is None for nothing."""
        refused = self._dispatcher.refused_files(state, Role.WORKER, delivered, message)
        wip = self._wip(state, collected) if collected else None
        head = collected.head if collected else ""
        work_sha = "" if wip is not None and wip.sha == head else head
        event = self._dispatcher.failure_event(
            state, Role.WORKER, ended, failure, message, work_sha=work_sha, wip=wip
        )
        return AttemptResult(replace(event, refused_diff=refused_diff), refused)


def _has_only_disputes(state: LoopState, report: WorkReport) -> bool:
    """Whether the worker changed nothing because it disputes what it was sent."""
    return state.round > 1 and any(r.action == "disputed" for r in report.responses)


def _parse_fix_list(raw: bytes | None) -> Document | None:
    """The fix list, or None when it is damaged."""
    try:
        document = report_document(raw) if raw else None
    except ReportInvalid:
        return None
    return document if isinstance(document, dict) else None
