"""The state of one loop: everything the next process needs, and nothing it could ask git for.

`state.json` has the field names of agent-task-runner, and more beside them.
Unknown keys survive a round trip, so that an older program does not lose what a newer one wrote.
"""

import json
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from loop_kit import __version__
from loop_kit.core.agent.role import Role
from loop_kit.core.loop import seed_state
from loop_kit.core.loop.base_branch import BaseView
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.checks_status import ChecksStatus
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.outcomes import EXIT_CODES, Feature, Outcome, Phase, Reason, outcome_anchor
from loop_kit.core.loop.push_refusal import HeldWork, PushRefusal
from loop_kit.core.loop.reviewers import FurtherPass, SecondReview
from loop_kit.core.loop.rounds import GivenCommand, Growth, RoundDetail, RoundRecord, RuleNote
from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state_version import (
    SCHEMA_VERSION,
    StateCorrupt,
    StateTooNew,
    check_version,
)
from loop_kit.core.loop.usage import AttemptRecord, Spent, Usage
from loop_kit.core.loop.verification import CommandResult, Sha, Verification
from loop_kit.core.record import ExtensibleRecord, RowEncoder, explain
from loop_kit.errors import ExitCode, explanation

__all__ = [
    "EXIT_CODES",
    "SCHEMA_VERSION",
    "Attempt",
    "AttemptRecord",
    "ChecksStatus",
    "CommandResult",
    "Growth",
    "Lease",
    "Limits",
    "LoopState",
    "OutboxItem",
    "Outcome",
    "Phase",
    "Reason",
    "Role",
    "RoundDetail",
    "RoundRecord",
    "RuleNote",
    "Rules",
    "Session",
    "Sha",
    "Source",
    "Spent",
    "StateCorrupt",
    "StateTooNew",
    "Usage",
    "Verification",
    "Wip",
    "parse_state",
]

Branch = Annotated[
    str, Field(pattern=r"^([^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*)?$", max_length=244)
]
"""A branch, or ''. It is part of a refspec, where `a:b` and `*` would be others."""


class Limits(ExtensibleRecord):
    """Spending limits: the operator's, lowered by the card; a ceiling bounds what commands add."""

    max_rounds: int = 3
    dispatch_retries: int = 2
    dispatch_retry_base_sec: float = 5
    max_dispatches: int = 20
    max_minutes: float | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    max_minutes_ceiling: float | None = None
    max_tokens_ceiling: int | None = None
    max_cost_usd_ceiling: float | None = None
    evidence: Literal["lenient", "strict"] = "lenient"
    second_reviewer: str = ""
    second_reviewer_mode: Literal["optional", "required"] = "optional"
    on_approved: Literal["ready", "auto-merge"] = "ready"
    formal_reviews: bool = False
    """Whether a reviewer with a token of its own approves, and requests changes."""
    update_branch: Literal["when-needed", "never"] = "when-needed"
    checks: Literal["findings", "ignore"] = "ignore"
    checks_timeout: float = 6 * 3600
    session_rounds: int | None = None
    """Reuse a session for at most this many rounds: None never, 0 without a limit."""
    rules: Rules = Field(default_factory=Rules)


class Attempt(ExtensibleRecord):
    """The running or the last try of one agent in this round; `waits` when a pause is due.

    The pause is at least the `retry_after` seconds that the backend asked for.
    """

    role: Role
    number: int = 0
    started_at: str = ""
    retries: int = 0
    repairs: int = 0
    waits: bool = False
    retry_after: float = 0
    feedback: str = ""
    report_refused: bool = False
    """Whether all that was wrong is the report, which is kept as it was written."""
    work_sha: Sha = ""
    lost: int = 0
    """How many runs died during it."""
    claimed: bool = False
    """Whether it was recorded before its agent ran, by the run that is to run it."""


class Session(ExtensibleRecord):
    """A conversation that a backend can resume.

    The tokens are what the backend has reported for the whole of it so far; None where a backend
    reports each run by itself.
    """

    session_id: str
    backend: str
    started_round: int = 1
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None


class Wip(ExtensibleRecord):
    """Work in progress: `commits` on the work branch, up to `sha`, that are not reported yet."""

    sha: Sha
    commits: int


class OutboxItem(ExtensibleRecord):
    """One post, identified by its key; `holder` is the run that intended it.

    `ref` is what the forge calls the post, `by` the login that made it, `why` why it was refused.
    One that answers a person has its `text`, and the conversation `to` which it belongs.
    `nonce` is in the post: one that this account made otherwise is not taken for it.
    """

    key: str
    status: Literal["pending", "done", "refused"] = "pending"
    holder: str = ""
    nonce: str = ""
    ref: str = ""
    by: str = ""
    why: str = ""
    to: str = ""
    text: str = ""


class Lease(ExtensibleRecord):
    """Who may write this loop. It is fenced by the git server, not by clocks."""

    holder: str
    run_id: str = ""
    run_attempt: int = 1
    expires_at: str = ""
    deadline: str = ""
    """When the time for its round is up: a run that is cancelled later was not by a person."""


class Source(ExtensibleRecord):
    """Where the card came from; `label` is the label that asked for it, if one did."""

    kind: Literal["file", "issue", "pull_request"] = "file"
    ref: str = ""
    label: str = ""

    @property
    def issue(self) -> int | None:
        """The number of the issue, if it is one."""
        return int(self.ref) if self.kind == "issue" and self.ref.isdigit() else None

    @property
    def pull(self) -> int | None:
        """The number of the pull request, if it is one."""
        return int(self.ref) if self.kind == "pull_request" and self.ref.isdigit() else None


class LoopState(ExtensibleRecord):
    """A snapshot of one loop; `seq` grows by one per transition."""

    schema_version: int = SCHEMA_VERSION
    written_by: str = __version__
    """The version of loop-kit that can read this, for an older one that cannot."""
    seq: int = 0
    state: Phase = Phase.IDLE
    round: int = 0
    task_id: str = ""
    base_sha: Sha = ""
    start_sha: Sha = ""
    head_sha: Sha = ""
    diff_base: Sha = ""
    """The merge base with the base branch as it was last seen; '' while it is `base_sha`."""
    base: BaseView = BaseView()
    card_sha256: str = ""
    started_at: str = ""
    outcome: Outcome | None = None
    reasons: tuple[Reason, ...] = ()
    error: str = ""
    failed_at: str = ""
    refused_diff: str = ""
    """The beginning of a change that was not pushed, for out of scope; it stopped the loop."""
    sandbox: str = ""
    """How the programs of the last run were confined, in words."""
    failed_setup: CommandResult | None = None
    """The command that could not prepare a workspace; it stopped the loop."""
    resume_phase: Phase | None = None
    continue_to: int | None = None
    publishes: bool = False
    starter: str = ""
    source: Source = Source()
    base_branch: Branch = ""
    work_branch: Branch = ""
    state_branch: Branch = ""
    pull_request: int | None = None
    pull_request_url: str = ""
    limits: Limits = Field(default_factory=Limits)
    usage: Usage = Usage()
    verify: tuple[str, ...] = ()
    baseline: Verification | None = None
    verification: Verification | None = None
    checks: ChecksStatus = ChecksStatus()
    waiting_for: tuple[str, ...] = ()
    """The checks for which an approval waits."""
    attempt: Attempt | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    """Those of this round that have ended, until its work is recorded in `history`."""
    second: SecondReview | None = None
    """The approval of the first reviewer, while the second one is awaited."""
    further: FurtherPass | None = None
    """What a reviewer has reported, while a further pass of it is awaited."""
    wip: Wip | None = None
    refusal: PushRefusal | None = None
    held: HeldWork | None = None
    findings: tuple[Finding, ...] = ()
    fresh_round: bool = False
    """The next worker starts a new conversation and is given what the last ones failed at."""
    simplify: bool = False
    """The next fix list asks only to simplify the change, or to justify its size."""
    accepted_growth: Growth | None = None
    """The size of the change that a person has found right."""
    retry_with: dict[str, str] = Field(default_factory=dict)
    """The backends, by role, that a person has asked to continue with."""
    sessions: dict[str, Session] = Field(default_factory=dict)
    round_details: tuple[RoundDetail, ...] = ()
    history: tuple[RoundRecord, ...] = ()
    rule_notes: tuple[RuleNote, ...] = ()
    """What rules saw in this round before its review, which records them in `history`."""
    outbox: tuple[OutboxItem, ...] = ()
    lease: Lease | None = None
    interrupted_run: Lease | None = None
    """The lease of the run that was interrupted, until it is known who ended that run."""
    handed_over_by: str = ""
    """The run that released the lease last: when it is run again, its work is done."""
    added_rounds: int = 0
    """Rounds and dispatches that `/loop extend` has added to the operator's limits."""
    added_budget: Budget = Budget()
    """What `/loop budget` has added to them."""
    handled_commands: tuple[int, ...] = ()
    """The newest comments whose commands were handled."""
    commands: tuple[GivenCommand, ...] = ()
    """The newest commands of people; loops that older versions ran have none."""
    left_out: tuple[Feature, ...] = ()
    """What the workflow lacks an event or a permission for; it was said, and is not tried again
    until a person continues the loop."""
    seen_posts: tuple[int, ...] = ()
    """The newest texts of people in reviews that were read, by their numbers."""

    @property
    def is_running(self) -> bool:
        """Whether an agent is awaited."""
        return self.state in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}

    @property
    def tip(self) -> str:
        """The last commit that was reported, or where the work starts."""
        return self.head_sha or self.start_sha

    @property
    def compared_with(self) -> str:
        """The commit that the whole work is compared with."""
        return self.diff_base or self.base_sha

    @property
    def last_round(self) -> int:
        """The round that a person would name: out of rounds, `round` is one that never began.

        So it is where a rule stopped the loop after a review.
        """
        by_rule = bool(_AFTER_REVIEW & set(self.reasons)) and self.attempt is None
        never_began = by_rule or self.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
        return self.round_details[-1].round if never_began and self.round_details else self.round

    @property
    def branch_tip(self) -> str:
        """Where the work branch is: at the tip, or at commits in progress on top of it."""
        made = self.wip.sha if self.wip else self.tip
        return (self.held.onto or self.start_sha) if self.held else made

    @property
    def is_finished(self) -> bool:
        """Whether nothing is outstanding and nothing can be continued."""
        posted = all(item.status != "pending" for item in self.outbox)
        return self.state is Phase.DONE and self.resume_phase is None and posted

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for the outcome; a loop that is not done has none but 0."""
        return EXIT_CODES[self.outcome] if self.outcome else ExitCode.OK

    @property
    def explanation(self) -> str:
        """The address of the explanation of its outcome; that of an approval is empty."""
        if self.outcome is None or self.outcome is Outcome.APPROVED:
            return ""
        return explanation(outcome_anchor(self.outcome, self.reasons))

    @property
    def contradiction(self) -> str | None:
        """Why no run can continue from this state, or None."""
        running = (Phase.AWAITING_WORK, Phase.AWAITING_REVIEW)
        phase = self.resume_phase or self.state
        if self.state is Phase.DONE and self.outcome is None:
            return "it is done without an outcome"
        if phase not in running:
            ended = self.state is Phase.DONE and self.resume_phase is None
            return None if ended else f"nothing continues at {phase}"
        if self.round < 1 or not (self.task_id and self.base_sha and self.start_sha):
            return f"{phase} without task_id, base_sha, start_sha or round"
        recorded = [record.round for record in self.history][-1:] == [self.round]
        detailed = [detail.round for detail in self.round_details][-1:] == [self.round]
        if phase is Phase.AWAITING_REVIEW and not (self.head_sha and recorded and detailed):
            return f"{phase} without the work of round {self.round}"
        return None

    def to_json(self, encoder: RowEncoder | None = None) -> bytes:
        """The snapshot as it is written, without what is not set.

        Whoever writes one after another gives the same `encoder` each time.
        """
        return (encoder or state_encoder()).encode(self)


def state_encoder(*, in_lines: bool = False) -> RowEncoder:
    """What encodes the snapshots of one loop.

    `in_lines` is for files that no git server reads: it names a text by its line.
    """
    names = ("findings", "round_details", "history", "outbox")
    return RowEncoder(names, in_lines=in_lines)


_AFTER_REVIEW = {"stalled", "contested", "diff_growth", "bar"}
"""The reasons of rules that judge a review."""

_RENAMED = {"heeded": "handled_commands", "extended": "added_rounds"}
"""What keys of older states are called now."""


def parse_state(raw: bytes, read: seed_state.Read = seed_state.read_nothing) -> LoopState:
    """The state in `raw`; `read` gives the bus files beside one of agent-task-runner.

    Raises:
        StateCorrupt: not UTF-8, not JSON, not an object, or a field that does not fit.
        StateTooNew: a newer loop-kit wrote it.
    """
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise StateCorrupt(f"not readable as JSON: {str(error)[:120]}") from None
    if not isinstance(document, dict):
        raise StateCorrupt(f"an object is expected, this is a {type(document).__name__}")
    check_version(document.get("schema_version", SCHEMA_VERSION), document.pop("written_by", None))
    if seed_state.is_of_agent_task_runner(document):
        document = seed_state.migrate(document, read)
    document = {_RENAMED.get(key, key): value for key, value in document.items()}
    try:
        return LoopState.model_validate(document)
    except ValidationError as error:
        raise StateCorrupt(explain(error, LoopState)[0]) from None
