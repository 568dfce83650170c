"""What is done before an agent is paid: room and workspace are tried, verify commands run."""

from collections.abc import Iterator
from dataclasses import replace

from loop_kit.core.loop.base_branch import BaseCompared, BaseMerged, CompareBase
from loop_kit.core.loop.base_moves import may_merge
from loop_kit.core.loop.effects import (
    Effect,
    Prepare,
    RunAgent,
    Verify,
)
from loop_kit.core.loop.messages import (
    AttemptFailed,
    BaseVerified,
    Event,
    Failure,
    Halted,
    HeadVerified,
    PreparationFailed,
    SandboxChosen,
)
from loop_kit.core.loop.state import LoopState, Outcome, Role, Verification
from loop_kit.core.loop.trailers import own_trailers
from loop_kit.core.loop.verification import PROVES_NOTHING
from loop_kit.core.text.plain_words import commit_message, title
from loop_kit.core.text.sanitize import one_line
from loop_kit.engine.options import Options
from loop_kit.errors import GitFailed, LoopError
from loop_kit.ports import (
    BaseBranch,
    Clock,
    Forge,
    Reporter,
    Sandbox,
    SandboxUnavailable,
    SetupFailed,
    Tampered,
    Verifier,
    Workspaces,
)

_SHOWN_LINES = 20
_SHOWN_CONFLICTS = 10


class Groundwork:
    """Performs what costs nothing, and returns the events."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspaces: Workspaces,
        verifier: Verifier,
        clock: Clock,
        reporter: Reporter,
        options: Options,
        base_branch: BaseBranch | None = None,
        forge: Forge | None = None,
    ) -> None:
        self._base_branch = base_branch
        self._forge = forge
        self._sandbox = sandbox
        self._workspaces = workspaces
        self._verifier = verifier
        self._clock = clock
        self._reporter = reporter
        self._options = options
        self.is_prepared = False

    def perform(self, state: LoopState, effect: Prepare | CompareBase | Verify) -> Iterator[Event]:
        """Do what `effect` says; each event is to be recorded before the next is asked for.

        Raises:
            SetupFailed: no workspace can be prepared on this machine.
        """
        if isinstance(effect, Verify):
            yield self._verify(state, effect)
            return
        if isinstance(effect, CompareBase):
            if self._base_branch is not None:
                compared = self._compare(effect, self._base_branch)
                yield replace(compared, at=self._clock.now())
            return
        try:
            yield from self._confine(state)
        except SandboxUnavailable as error:
            at, outcome = self._clock.now(), Outcome.SANDBOX_UNAVAILABLE
            yield PreparationFailed(str(error), at, outcome=outcome)
            return
        self._workspaces.prepare(effect.sha)
        self.is_prepared = True

    def look(self, state: LoopState, role: Role) -> BaseCompared | None:
        """How what `role` has approved compares with the base branch; None where nobody can look.

        Where a rule asks for it the branch is merged, once nobody else has to approve.
        """
        if self._base_branch is None or not state.base_branch:
            return None
        effect = CompareBase(state.base_branch, state.head_sha, state.compared_with)
        compared = self._compare(effect, self._base_branch)
        is_behind = compared.tip not in {"", compared.merge_base} and not compared.conflicts
        if not (is_behind and self._requires_current(state.base_branch)):
            return compared
        merges = may_merge(state, role)
        merged = self._merge(state, compared, self._base_branch) if merges else None
        return replace(compared, is_required=True, merged=merged)

    def look_again(self, state: LoopState) -> BaseCompared | None:
        """The base branch, where work that waited for its checks is behind what a rule asks for.

        It is merged where that costs no review, or takes one: not where nobody could verify it.
        """
        base, tip = self._base_branch, state.base.tip
        if base is None or tip in {"", state.diff_base} or state.base.conflicts:
            return None
        if not self._requires_current(state.base_branch):
            return None
        compared = BaseCompared(state.head_sha, tip, state.diff_base, is_required=True)
        merges = may_merge(state, Role.SECOND_REVIEWER)
        merged = self._merge(state, compared, base) if merges else None
        is_unknown = merged is not None and state.verify and merged.verification is None
        if merged is None or (is_unknown and not merged.changes_diff):
            return compared
        return replace(compared, merged=merged)

    def _requires_current(self, branch: str) -> bool:
        """Whether a rule asks for the tip of the base branch; a forge that refuses has no say."""
        try:
            return self._forge is not None and self._forge.requires_current(branch)
        except LoopError as error:
            self._reporter.note(f"Unknown whether {branch} asks for its tip: {error.sentence}")
            return False

    def _merge(
        self, state: LoopState, compared: BaseCompared, base_branch: BaseBranch
    ) -> BaseMerged | None:
        """Merge the base branch into the work, and see whether that changes what was reviewed."""
        tip, head, branch = compared.tip, state.head_sha, state.base_branch
        try:
            trailers = own_trailers(state.task_id, state.round, self._options.sign_off)
            message = commit_message(f"Merge {title(branch)}", trailers)
            sha = base_branch.merge(tip, head, message)
            theirs = base_branch.changed(compared.merge_base, tip)
            shared = theirs & base_branch.changed(compared.merge_base, head)
        except LoopError as error:
            self._reporter.warn(f"{branch} could not be merged into the work: {error.sentence}")
            return None
        self._reporter.note(f"Merged {branch} at {tip[:10]}: a rule asks for it.")
        return BaseMerged(sha, bool(shared), self._verification(state, sha))

    def _verification(self, state: LoopState, sha: str) -> Verification | None:
        """What the verify commands say of a merge; None if they could not be run."""
        if not (state.verify and self._options.runs_code):
            return None
        try:
            return self._verifier.verify(sha, state.verify, self._options.verify_timeout)
        except (GitFailed, OSError) as error:
            self._reporter.warn(f"The verify commands could not be run: {error}")
            return None

    @property
    def compares(self) -> bool:
        """Whether the base branch can be looked at."""
        return self._base_branch is not None

    def _compare(self, effect: CompareBase, base_branch: BaseBranch) -> BaseCompared:
        """Look at the base branch; where nobody can say how it is, the round begins anyway."""
        head = effect.head_sha
        try:
            tip = base_branch.tip(effect.branch)
            if tip == effect.contains:
                return BaseCompared(head, tip, tip)
            compared = base_branch.compare(tip, head) if tip else None
        except LoopError as error:
            self._reporter.warn(
                f"Unknown whether the work still merges with {effect.branch}: {error.sentence}"
            )
            return BaseCompared(head)
        if tip is None or compared is None:
            return BaseCompared(head, tip or "")
        if compared.conflicts:
            named = ", ".join(one_line(path, 200) for path in compared.conflicts[:_SHOWN_CONFLICTS])
            self._reporter.note(f"The work conflicts with {effect.branch} in {named}.")
        return BaseCompared(head, tip, compared.merge_base, compared.conflicts)

    def _confine(self, state: LoopState) -> Iterator[SandboxChosen]:
        """Say how programs are confined; a room missing in a job is red, once for each loop."""
        confinement = self._sandbox.confinement()
        if confinement is None:
            return
        self._reporter.note(f"Sandbox: {confinement.text}.")
        is_new = confinement.text != state.sandbox
        if confinement.missing and state.lease is not None and is_new:
            self._reporter.fail(confinement.missing)
        elif confinement.missing:
            self._reporter.note(confinement.missing)
        if is_new:
            yield SandboxChosen(confinement.text)

    def failure(
        self, error: SetupFailed | Tampered, effect: Effect
    ) -> PreparationFailed | AttemptFailed | Halted:
        """The event of a workspace that could not be prepared, or of a program that tampered."""
        if isinstance(error, Tampered):
            return self._tampering(error, effect)
        for line in error.result.tail.splitlines()[-_SHOWN_LINES:] if error.result else ():
            self._reporter.note(f"  {line}")
        return PreparationFailed(str(error), self._clock.now(), error.result)

    def _tampering(self, error: Tampered, effect: Effect) -> AttemptFailed | Halted:
        message, at = str(error), self._clock.now()
        if isinstance(effect, RunAgent):
            failed = AttemptFailed(effect.role, Failure.TAMPERED, message, at, error.spent)
            return replace(failed, repairable=False)
        return Halted(Outcome.NEEDS_HUMAN, message, at, ("tampered",))

    def _verify(self, state: LoopState, effect: Verify) -> BaseVerified | HeadVerified:
        """Run the verify commands at the base commit, or at a head that was not verified yet."""
        where = "the base commit" if effect.at_base else effect.sha[:10]
        self._reporter.note(f"Running the verify commands at {where}.")
        timeout = self._options.verify_timeout
        verification = self._verifier.verify(effect.sha, state.verify, timeout)
        for result in verification.results:
            if result.exit_code:
                self._reporter.note(f"It fails: {result.command} (exit code {result.exit_code})")
        if effect.at_base:
            if verification.results and verification.passed:
                self._reporter.note(PROVES_NOTHING)
            return BaseVerified(verification, self._clock.now())
        return HeadVerified(verification)
