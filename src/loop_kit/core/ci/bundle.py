"""What the job with the agents hands to the job with the write token, in the layout of three jobs.

The agents' job can be lost to its agents, so the publishing job takes nothing in a bundle for
granted: the record here is bounded and strict, it names the claim that it was made for, and it
holds what agents reported, never a conclusion from it. Every conclusion is drawn again
by the same engine from the same reports and commits. Two things cannot be judged again without
running code of the repository beside the token: the results of the verify commands, and the costs.
They are accepted as reported, within bounds.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from loop_kit.core.loop import bus
from loop_kit.core.loop.messages import (
    Failure,
)
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Outcome,
    Phase,
    Reason,
    Role,
    Spent,
    Verification,
)
from loop_kit.core.record import Record, Text, explain
from loop_kit.core.text.sanitize import one_line, visible

VERSION = 1
FOLDER = "loop-kit-bundle"
RECORD = "bundle.json"
COMMITS = "work.bundle"
REF = "refs/loop-kit/work"

MAX_RECORD = 4 * 1024 * 1024
MAX_COMMITS_BYTES = 200 * 1024 * 1024
MAX_COMMITS = 1_000
MAX_FILES = 10_000
MAX_HEADER = 64 * 1024

MAX_ERROR = 4_000
MAX_REFUSED = 100
MAX_PASSES = 20
MAX_SECONDS = 24 * 3600
MAX_TOKENS = 10**9
MAX_COST = 10**6

_ID = rb"[0-9a-f]{40}|[0-9a-f]{64}"
_HEADER = re.compile(
    rb"# v(?:2 git bundle|3 git bundle\n@object-format=sha(?:1|256))\n"
    rb"(?P<known>(?:-(?:" + _ID + rb")(?: [^\n]*)?\n){1,100})"
    rb"(?P<head>" + _ID + rb") " + REF.encode() + rb"\n\n"
)

FullSha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
ShaOrNone = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")]
BackendName = Annotated[str, Field(pattern=r"^[\w.:/@ -]{0,100}$")]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]
Cost = Annotated[float, Field(ge=0, le=MAX_COST, allow_inf_nan=False)]

StopOutcome = Literal[
    Outcome.WORKER_TIMEOUT,
    Outcome.REVIEWER_TIMEOUT,
    Outcome.WORKER_DISPATCH_FAILED,
    Outcome.REVIEWER_DISPATCH_FAILED,
    Outcome.INVALID_WORK_REPORT,
    Outcome.INVALID_REVIEW_REPORT,
    Outcome.WORKER_NOOP,
    Outcome.GIT_COMPARE_FAILED,
    Outcome.VERIFY_UNAVAILABLE,
    Outcome.SETUP_FAILED,
    Outcome.SANDBOX_UNAVAILABLE,
    Outcome.NEEDS_HUMAN,
    Outcome.INTERRUPTED,
]
"""How agents' work may have stopped early; their job can never report an approval."""

_FAILURES: Mapping[tuple[Role, Outcome], Failure] = {
    (Role.WORKER, Outcome.WORKER_TIMEOUT): Failure.TIMEOUT,
    (Role.WORKER, Outcome.INVALID_WORK_REPORT): Failure.INVALID_REPORT,
    (Role.WORKER, Outcome.WORKER_NOOP): Failure.NOOP,
    (Role.WORKER, Outcome.GIT_COMPARE_FAILED): Failure.HISTORY,
    (Role.WORKER, Outcome.WORKER_DISPATCH_FAILED): Failure.PERMANENT,
    (Role.REVIEWER, Outcome.REVIEWER_TIMEOUT): Failure.TIMEOUT,
    (Role.REVIEWER, Outcome.INVALID_REVIEW_REPORT): Failure.INVALID_REPORT,
    (Role.REVIEWER, Outcome.REVIEWER_DISPATCH_FAILED): Failure.PERMANENT,
}
"""By the job of the role that did not report."""
_REASONS: Mapping[tuple[Role, Reason], Failure] = {
    (Role.WORKER, "scope"): Failure.SCOPE,
    (Role.WORKER, "protected_path"): Failure.PROTECTED_PATH,
    (Role.WORKER, "push_refused"): Failure.SECRET,
    (Role.WORKER, "budget"): Failure.BUDGET,
    (Role.REVIEWER, "budget"): Failure.BUDGET,
}


class BundleInvalid(ValueError):
    """A bundle that cannot be used; the message is a phrase without a full stop."""


class Spending(Record):
    """What all attempts of one role used together; None where its backend does not report it."""

    agent_seconds: Seconds = 0
    tokens_in: Tokens | None = None
    tokens_cached: Tokens | None = None
    tokens_out: Tokens | None = None
    cost_usd: Cost | None = None
    estimated_cost_usd: Cost | None = None
    backend: BackendName | None = None
    model: BackendName | None = None

    @property
    def total(self) -> Spent:
        """It as the loop records it."""
        return Spent.model_validate(self.model_dump())


class Costs(Record):
    """What the round used."""

    worker: Spending = Spending()
    reviewer: Spending = Spending()
    second_reviewer: Spending = Spending()

    def of(self, role: Role) -> Spent:
        """What the attempts of `role` used."""
        spending: Spending = getattr(self, role.value)
        return spending.total

    @property
    def reviews(self) -> tuple[Spent, ...]:
        """What the attempts of the reviewers used, where there were any."""
        every = (self.of(role) for role in Role if role is not Role.WORKER)
        return tuple(spent for spent in every if spent != Spent())


class VerifyResult(Record):
    """One verify command, its exit code, and the end of what it printed."""

    command: Annotated[Text, Field(max_length=100_000)]
    exit_code: Annotated[int, Field(ge=-(2**31), le=2**32)]
    tail: Annotated[Text, Field(max_length=8_192)] = ""
    seconds: Seconds = 0


class VerifyResults(Record):
    """The results of the verify commands at one commit."""

    sha: FullSha
    results: Annotated[tuple[VerifyResult, ...], Field(max_length=200)] = ()


class BundledWork(Record):
    """The commits up to `head_sha`, the worker's report as it wrote it, and notes on both."""

    head_sha: FullSha
    report: Text
    notes: Annotated[tuple[Annotated[Text, Field(max_length=8_192)], ...], Field(max_length=8)] = ()


class Refused(Record):
    """A report that was refused in the agents' job, with the reason, as it is archived."""

    role: Role
    attempt: Annotated[int, Field(ge=1, le=1_000_000)]
    text: Annotated[Text, Field(max_length=2 * bus.MAX_REFUSED)]


class BundledPass(Record):
    """A further pass of a reviewer: its report, or why there is none; and what it used."""

    role: Role
    report: Text | None = None
    missed: Annotated[Text, Field(max_length=MAX_ERROR)] = ""
    spent: Spending = Spending()


class Bundle(Record):
    """One round as its agents left it, made for the claim `holder` at state number `seq`.

    A role without a report did not reach one; then `outcome`, `reasons` and `error` say why, and
    `missed` where the loop did without the second reviewer. `sandbox` says how they were confined.
    Names are those of backends. `base_tip` is the base branch as it was before the worker, which
    may have merged it; '' where it may not. `passes` are the further ones of each role, in order.
    """

    version: Literal[1]
    task_id: Annotated[str, Field(max_length=64)]
    round: Annotated[int, Field(ge=1, le=1_000_000)]
    holder: Annotated[str, Field(min_length=1, max_length=64)]
    seq: Annotated[int, Field(ge=0, le=2**31)]
    base_tip: ShaOrNone = ""
    work: BundledWork | None = None
    review: Text | None = None
    second_review: Text | None = None
    passes: Annotated[tuple[BundledPass, ...], Field(max_length=MAX_PASSES)] = ()
    reviewer_name: BackendName = ""
    second_reviewer_name: BackendName = ""
    missed: Annotated[Text, Field(max_length=MAX_ERROR)] = ""
    sandbox: Annotated[Text, Field(max_length=200)] = ""
    verifications: Annotated[tuple[VerifyResults, ...], Field(max_length=4)] = ()
    spent: Costs = Costs()
    outcome: StopOutcome | None = None
    reasons: Annotated[tuple[Reason, ...], Field(max_length=8)] = ()
    error: Annotated[Text, Field(max_length=MAX_ERROR)] = ""
    failed_setup: VerifyResult | None = None
    refused: Annotated[tuple[Refused, ...], Field(max_length=MAX_REFUSED)] = ()

    @property
    def message(self) -> str:
        """Why it stopped early, safe to display."""
        return visible(self.error).strip()

    def to_json(self) -> bytes:
        """The record as it is written."""
        return self.model_dump_json(exclude_none=True).encode()

    def report(self, role: Role) -> str | None:
        """What `role` reported, or None."""
        if role is Role.WORKER:
            return self.work.report if self.work else None
        return self.review if role is Role.REVIEWER else self.second_review

    def name(self, role: Role) -> str:
        """The backend of `role`, with its model; '' where it is not known."""
        name: str = "" if role is Role.WORKER else getattr(self, f"{role.value}_name")
        return name

    def passes_of(self, role: Role) -> tuple[BundledPass, ...]:
        """The further passes of `role`."""
        return tuple(one for one in self.passes if one.role is role)

    def failure(self, role: Role, further: int = 0) -> tuple[Failure, str]:
        """Why there is no report of `role`, or of its `further` pass: as a failure and in words.

        Agents that stopped the whole job with what they changed stop the loop here too.
        """
        if further:
            why = [visible(one.missed).strip() for one in self.passes_of(role)][further - 1 :]
            left = self.message or f"The agents' job left no report of this {role.words}'s pass."
            tampered = not why and "tampered" in self.reasons
            failure = Failure.TAMPERED if tampered else Failure.PERMANENT
            return failure, why[0] if why and why[0] else left
        if role is Role.SECOND_REVIEWER and self.missed:
            return Failure.PERMANENT, visible(self.missed).strip()
        job = role.job
        found = _FAILURES.get((job, self.outcome)) if self.outcome else None
        if self.outcome is Outcome.NEEDS_HUMAN:
            found = next((_REASONS[job, r] for r in self.reasons if (job, r) in _REASONS), None)
        if found is None or not self.message:
            return Failure.PERMANENT, f"The agents' job left no report of the {role.words}."
        return found, self.message

    def refused_files(self) -> dict[str, bytes]:
        """The refused reports as they are archived."""
        return {
            bus.refused_path(self.task_id, self.round, one.role, one.attempt): one.text.encode()
            for one in self.refused
        }

    def verification(self, sha: str, commands: Iterable[str]) -> Verification | None:
        """The results of `commands` at the commit `sha`; None unless they are complete."""
        wanted = tuple(commands)
        recorded_results = next((v for v in self.verifications if v.sha == sha), None)
        if recorded_results is None or not recorded_results.results:
            return None
        ran = tuple(result.command for result in recorded_results.results)
        failed = [result.exit_code != 0 for result in recorded_results.results]
        if ran != wanted[: len(ran)] or any(failed[:-1]) or (ran != wanted and not failed[-1]):
            return None
        results = (CommandResult.model_validate(r.model_dump()) for r in recorded_results.results)
        return Verification(sha=sha, results=tuple(results))


def parse_bundle(raw: bytes) -> Bundle:
    """The record in `raw`.

    Raises:
        BundleInvalid: it is not JSON as RFC 8259 has it, repeats a key, or a field does not fit.
    """
    try:
        json.loads(
            raw.decode(), object_pairs_hook=_require_unique_keys, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BundleInvalid(f"{RECORD} is not readable as JSON: {one_line(reason, 160)}") from None
    try:
        return Bundle.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise BundleInvalid(f"{RECORD}: {one_line(explain(error, Bundle)[0], 240)}") from None


def parse_header(raw: bytes, parent: str, head: str, *, merges: bool = False) -> frozenset[str]:
    """Check the beginning of a git bundle: it holds `head`, which builds on `parent`, and no more.

    Git would take any number of refs under any name, and a filter that leaves objects out. Where it
    may hold `merges`, the other commits that it builds on are returned.

    Raises:
        BundleInvalid: it is another, or no bundle at all.
    """
    found = _HEADER.match(raw)
    lines = found["known"].decode("utf-8", "replace").split("\n")[:-1] if found else []
    if found is None or (len(lines) > 1 and not merges):
        raise BundleInvalid(f"{COMMITS} is no git bundle of exactly {REF} on one known commit")
    others = frozenset(line[1:].partition(" ")[0] for line in lines) - {parent}
    if len(lines) != len(others) + 1:
        raise BundleInvalid(f"{COMMITS} does not build on {parent[:10]}, where the work branch is")
    if found["head"].decode() != head:
        raise BundleInvalid(f"{COMMITS} does not hold the commit that {RECORD} names")
    return others


def mismatch(bundle: Bundle, recorded: LoopState, *, rerun: bool) -> str | None:
    """Why `bundle` is not the one that the loop `recorded` waits for, as a phrase, or None.

    A `rerun` of a publishing job finds a state that it has itself advanced under the same
    claim; then only what the bundle still adds is used.
    """
    holder = recorded.lease.holder if recorded.lease else ""
    if bundle.task_id != recorded.task_id:
        return f"it is of {one_line(bundle.task_id, 64)!r}, the loop is {recorded.task_id}"
    if bundle.holder != holder:
        return "it was made for another claim of this loop"
    if (bundle.round, bundle.seq) == (recorded.round, recorded.seq):
        return None
    further = bundle.seq < recorded.seq and bundle.round <= recorded.round
    same = bundle.work is None or recorded.head_sha == bundle.work.head_sha
    if rerun and further and (same or recorded.state is Phase.AWAITING_WORK):
        return None
    return (
        f"it was made for round {bundle.round} at state {bundle.seq}, the loop is in round"
        f" {recorded.round} at state {recorded.seq}"
    )


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
