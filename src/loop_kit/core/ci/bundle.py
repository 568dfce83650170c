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
    AttemptFailed,
    BaseVerified,
    Event,
    Failure,
    HeadVerified,
    ReviewReported,
    WorkReported,
)
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Outcome,
    Phase,
    Reason,
    Role,
    Spent,
    Usage,
    Verification,
)
from loop_kit.core.record import Record, Text, clean_text, explain
from loop_kit.core.sanitize import one_line, visible

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

_MAX_ERROR = 4_000
_MAX_REFUSED = 100
_MAX_SECONDS = 24 * 3600
_MAX_TOKENS = 10**9
_MAX_COST = 10**6

_ID = rb"[0-9a-f]{40}|[0-9a-f]{64}"
_HEADER = re.compile(
    rb"# v(?:2 git bundle|3 git bundle\n@object-format=sha(?:1|256))\n"
    rb"-(?P<parent>" + _ID + rb")(?: [^\n]*)?\n"
    rb"(?P<head>" + _ID + rb") " + REF.encode() + rb"\n\n"
)

FullSha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Seconds = Annotated[float, Field(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=_MAX_TOKENS)]
Cost = Annotated[float, Field(ge=0, le=_MAX_COST, allow_inf_nan=False)]

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
_REASONS: Mapping[tuple[Role, Reason], Failure] = {
    (Role.WORKER, "scope"): Failure.SCOPE,
    (Role.WORKER, "protected_path"): Failure.PROTECTED_PATH,
    (Role.WORKER, "budget"): Failure.BUDGET,
    (Role.REVIEWER, "budget"): Failure.BUDGET,
}


class BundleInvalid(ValueError):
    """A bundle that cannot be used; the message is a phrase without a full stop."""


class Spending(Record):
    """What all attempts of one role used together; None where its backend does not report it."""

    agent_seconds: Seconds = 0
    tokens_in: Tokens | None = None
    tokens_out: Tokens | None = None
    cost_usd: Cost | None = None


class Costs(Record):
    """What the round used."""

    worker: Spending = Spending()
    reviewer: Spending = Spending()

    def of(self, role: Role) -> Spent:
        """What the attempts of `role` used."""
        spending = self.worker if role is Role.WORKER else self.reviewer
        return Spent.model_validate(spending.model_dump())


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


class Bundle(Record):
    """One round as its agents left it, made for the claim `holder` at state number `seq`.

    A role without a report did not reach one; then `outcome`, `reasons` and `error` say why.
    """

    version: Literal[1]
    task_id: Annotated[str, Field(max_length=64)]
    round: Annotated[int, Field(ge=1, le=1_000_000)]
    holder: Annotated[str, Field(min_length=1, max_length=64)]
    seq: Annotated[int, Field(ge=0, le=2**31)]
    work: BundledWork | None = None
    review: Text | None = None
    verifications: Annotated[tuple[VerifyResults, ...], Field(max_length=4)] = ()
    spent: Costs = Costs()
    outcome: StopOutcome | None = None
    reasons: Annotated[tuple[Reason, ...], Field(max_length=8)] = ()
    error: Annotated[Text, Field(max_length=_MAX_ERROR)] = ""
    failed_setup: VerifyResult | None = None
    refused: Annotated[tuple[Refused, ...], Field(max_length=_MAX_REFUSED)] = ()

    @property
    def message(self) -> str:
        """Why it stopped early, safe to display."""
        return visible(self.error).strip()

    def to_json(self) -> bytes:
        """The record as it is written."""
        return self.model_dump_json(exclude_none=True).encode()

    def report(self, role: Role) -> str | None:
        """What `role` reported, or None."""
        if role is Role.REVIEWER:
            return self.review
        return self.work.report if self.work else None

    def failure(self, role: Role) -> tuple[Failure, str]:
        """Why there is no report of `role`: what became of it, and in words."""
        found = _FAILURES.get((role, self.outcome)) if self.outcome else None
        if self.outcome is Outcome.NEEDS_HUMAN:
            found = next((_REASONS[role, r] for r in self.reasons if (role, r) in _REASONS), None)
        if found is None or not self.message:
            return Failure.PERMANENT, f"The agents' job left no report of the {role.value}."
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


def parse_header(raw: bytes, parent: str, head: str) -> None:
    """Check the beginning of a git bundle: it holds `head`, which builds on `parent`, and no more.

    Git would take any number of refs under any name, and a filter that leaves objects out.

    Raises:
        BundleInvalid: it is another, or no bundle at all.
    """
    found = _HEADER.match(raw)
    if found is None:
        raise BundleInvalid(f"{COMMITS} is no git bundle of exactly {REF} on one known commit")
    if found["parent"].decode() != parent:
        raise BundleInvalid(f"{COMMITS} does not build on {parent[:10]}, where the work branch is")
    if found["head"].decode() != head:
        raise BundleInvalid(f"{COMMITS} does not hold the commit that {RECORD} names")


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


def build_bundle(
    recorded: LoopState,
    ended: LoopState,
    events: Iterable[Event],
    reports: Mapping[Role, bytes],
    refused: Iterable[Refused] = (),
) -> Bundle:
    """The bundle of a round that went from `recorded` to `ended` by `events`.

    `reports` are those on the bus; one counts only when an event recorded its acceptance.
    """
    usage = {role: Usage() for role in Role}
    work: BundledWork | None = None
    review, verified = None, list[VerifyResults]()
    for event in events:
        if isinstance(event, AttemptFailed):
            usage[event.role] = usage[event.role].plus(event.spent)
        elif isinstance(event, WorkReported):
            usage[Role.WORKER] = usage[Role.WORKER].plus(event.spent)
            report, done = _decode(reports.get(Role.WORKER, b"")), event.work
            work = BundledWork(head_sha=done.head_sha, report=report, notes=done.notes)
            verified += _results(event.verification)
        elif isinstance(event, ReviewReported):
            usage[Role.REVIEWER] = usage[Role.REVIEWER].plus(event.spent)
            review = _decode(reports.get(Role.REVIEWER, b""))
        elif isinstance(event, BaseVerified | HeadVerified):
            verified += _results(event.verification)
    stopped = ended.outcome not in {None, *_CONCLUDED}
    return Bundle.model_validate(
        {
            "version": VERSION,
            "task_id": recorded.task_id,
            "round": recorded.round,
            "holder": recorded.lease.holder if recorded.lease else "",
            "seq": recorded.seq,
            "work": work,
            "review": review,
            "verifications": tuple(verified[-4:]),
            "spent": Costs(
                worker=_spending(usage[Role.WORKER]), reviewer=_spending(usage[Role.REVIEWER])
            ),
            "outcome": ended.outcome if stopped else None,
            "reasons": ended.reasons if stopped else (),
            "error": clean_text(ended.error)[:_MAX_ERROR] if stopped else "",
            "failed_setup": ended.failed_setup and _result(ended.failed_setup),
            "refused": tuple(refused)[-_MAX_REFUSED:],
        }
    )


def shorten(bundle: Bundle) -> Bundle:
    """The bundle, without the reports that are more than the publishing job reads."""
    if len(bundle.to_json()) <= MAX_RECORD:
        return bundle
    accepted = bundle.model_copy(update={"refused": ()})
    return accepted if len(accepted.to_json()) <= MAX_RECORD else _without_reports(accepted)


def _without_reports(bundle: Bundle) -> Bundle:
    return bundle.model_copy(
        update={
            "work": None,
            "review": None,
            "outcome": Outcome.INVALID_WORK_REPORT,
            "reasons": (),
            "error": f"The agents' reports are longer than {MAX_RECORD} bytes.",
        }
    )


_CONCLUDED = (Outcome.APPROVED, Outcome.MAX_ROUNDS_EXHAUSTED, Outcome.CANCELLED)
"""Outcomes that follow from reports: the publishing job draws these conclusions itself."""


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _decode(raw: bytes) -> str:
    return clean_text(raw.decode("utf-8-sig", "replace"))


def _results(verification: Verification | None) -> list[VerifyResults]:
    if verification is None:
        return []
    return [VerifyResults(sha=verification.sha, results=tuple(map(_result, verification.results)))]


def _result(result: CommandResult) -> VerifyResult:
    tail, seconds = clean_text(result.tail)[-8_192:], min(result.seconds, _MAX_SECONDS)
    return VerifyResult(
        command=result.command, exit_code=result.exit_code, tail=tail, seconds=seconds
    )


def _spending(usage: Usage) -> Spending:
    return Spending(
        agent_seconds=min(usage.agent_seconds, _MAX_SECONDS),
        tokens_in=_at_most(usage.tokens_in, _MAX_TOKENS),
        tokens_out=_at_most(usage.tokens_out, _MAX_TOKENS),
        cost_usd=None if usage.cost_usd is None else min(usage.cost_usd, float(_MAX_COST)),
    )


def _at_most(count: int | None, most: int) -> int | None:
    return None if count is None else min(count, most)
