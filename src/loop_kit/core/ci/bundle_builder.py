"""Builds the bundle of a round from what happened in it, in the job of the agents."""

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from loop_kit.core.ci.bundle import (
    MAX_COST,
    MAX_ERROR,
    MAX_PASSES,
    MAX_RECORD,
    MAX_REFUSED,
    MAX_SECONDS,
    MAX_TOKENS,
    VERSION,
    Bundle,
    BundledPass,
    BundledWork,
    Costs,
    Refused,
    Spending,
    VerifyResult,
    VerifyResults,
)
from loop_kit.core.loop.base_branch import BaseCompared
from loop_kit.core.loop.messages import (
    AttemptFailed,
    BaseVerified,
    Event,
    HeadVerified,
    PassSkipped,
    ReviewReported,
    SecondReviewSkipped,
    WorkReported,
)
from loop_kit.core.loop.state import (
    CommandResult,
    LoopState,
    Outcome,
    Role,
    Spent,
    Usage,
    Verification,
)
from loop_kit.core.loop.usage import N
from loop_kit.core.record import clean_text


def build_bundle(
    recorded: LoopState,
    ended: LoopState,
    events: Iterable[Event],
    reports: Mapping[Role, bytes],
    refused: Iterable[Refused] = (),
    passes: Mapping[tuple[Role, int], bytes] | None = None,
) -> Bundle:
    """The bundle of a round that went from `recorded` to `ended` by `events`.

    `reports` are those on the bus, `passes` those of further passes by role and number; one counts
    only when an event recorded its acceptance.
    """
    happened = tuple(events)
    spent = {role.value: _spending(_spent(happened, role)) for role in Role}
    accepted: dict[str, Any] = {}
    verified: list[VerifyResults] = []
    for event in happened:
        if isinstance(event, WorkReported):
            report, done = _decode(reports.get(Role.WORKER, b"")), event.work
            accepted["work"] = BundledWork(head_sha=done.head_sha, report=report, notes=done.notes)
            verified += _results(event.verification)
        elif isinstance(event, ReviewReported):
            accepted |= _review(event, reports)
            verified += _results_of_merge(event)
        elif isinstance(event, SecondReviewSkipped):
            accepted["missed"] = clean_text(event.why)[:MAX_ERROR]
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
            **accepted,
            "passes": _passes(happened, passes or {}),
            "base_tip": _base_tip(recorded, happened),
            "sandbox": ended.sandbox[:200],
            "verifications": tuple(verified[-4:]),
            "spent": Costs(**spent),
            "outcome": ended.outcome if stopped else None,
            "reasons": ended.reasons if stopped else (),
            "error": clean_text(ended.error)[:MAX_ERROR] if stopped else "",
            "failed_setup": ended.failed_setup and _result(ended.failed_setup),
            "refused": tuple(refused)[-MAX_REFUSED:],
        }
    )


def _results_of_merge(event: ReviewReported) -> list[VerifyResults]:
    merged = event.base.merged if event.base else None
    return _results(merged.verification if merged else None)


def _review(event: ReviewReported, reports: Mapping[Role, bytes]) -> dict[str, Any]:
    """The report of a review and who gave it; nothing for a further pass."""
    if event.further:
        return {}
    key = "review" if event.role is Role.REVIEWER else "second_review"
    report = _decode(reports.get(event.role, b""))
    return {key: report, f"{event.role.value}_name": _plain(event.reviewer)}


def _passes(
    happened: tuple[Event, ...], reports: Mapping[tuple[Role, int], bytes]
) -> tuple[BundledPass, ...]:
    """The further passes that were made or done without; one that was interrupted is neither."""
    ended: list[BundledPass] = []
    for event in happened:
        if isinstance(event, PassSkipped):
            made = sum(one.role is event.role for one in ended)
            spent = _spending(_spent(happened, event.role, made + 1))
            missed = clean_text(event.why)[:MAX_ERROR]
            ended.append(BundledPass(role=event.role, missed=missed, spent=spent))
        elif isinstance(event, ReviewReported) and event.further:
            place = (event.role, event.further)
            report = _decode(reports.get(place, b""))
            spent = _spending(_spent(happened, *place))
            ended.append(BundledPass(role=event.role, report=report, spent=spent))
    return tuple(ended[-MAX_PASSES:])


def _base_tip(recorded: LoopState, happened: Iterable[Event]) -> str:
    """The base branch as it was before the worker, where the work may merge it."""
    if recorded.limits.update_branch == "never":
        return ""
    seen = (event.tip for event in happened if isinstance(event, BaseCompared))
    return next(seen, recorded.base.tip)


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
            "second_review": None,
            "passes": (),
            "outcome": Outcome.INVALID_WORK_REPORT,
            "reasons": (),
            "error": f"The agents' reports are longer than {MAX_RECORD} bytes.",
        }
    )


_CONCLUDED = (Outcome.APPROVED, Outcome.MAX_ROUNDS_EXHAUSTED, Outcome.CANCELLED)
"""Outcomes that follow from reports: the publishing job draws these conclusions itself."""


def _decode(raw: bytes) -> str:
    return clean_text(raw.decode("utf-8-sig", "replace"))


def _results(verification: Verification | None) -> list[VerifyResults]:
    if verification is None:
        return []
    return [VerifyResults(sha=verification.sha, results=tuple(map(_result, verification.results)))]


def _result(result: CommandResult) -> VerifyResult:
    tail, seconds = clean_text(result.tail)[-8_192:], min(result.seconds, MAX_SECONDS)
    return VerifyResult(
        command=result.command, exit_code=result.exit_code, tail=tail, seconds=seconds
    )


def _spent(events: Iterable[Event], role: Role, further: int = 0) -> tuple[Spent, ...]:
    """What each attempt of one role used, in its first pass or a further one."""
    of_role = (e for e in events if isinstance(e, AttemptFailed | WorkReported | ReviewReported))
    return tuple(
        e.spent
        for e in of_role
        if getattr(e, "role", Role.WORKER) is role and getattr(e, "further", 0) == further
    )


def _plain(name: str) -> str:
    return re.sub(r"[^\w.:/@ -]", "_", name)[:100]


def _spending(attempts: tuple[Spent, ...]) -> Spending:
    usage, last = reduce(Usage.plus, attempts, Usage()), attempts[-1] if attempts else Spent()
    return Spending(
        agent_seconds=min(usage.agent_seconds, MAX_SECONDS),
        tokens_in=_at_most(usage.tokens_in, MAX_TOKENS),
        tokens_cached=_at_most(usage.tokens_cached, MAX_TOKENS),
        tokens_out=_at_most(usage.tokens_out, MAX_TOKENS),
        cost_usd=_at_most(usage.cost_usd, float(MAX_COST)),
        estimated_cost_usd=_at_most(usage.estimated_cost_usd, float(MAX_COST)),
        backend=_plain(last.backend) if last.backend else None,
        model=_plain(last.model) if last.model else None,
    )


def _at_most(count: N | None, most: N) -> N | None:
    return None if count is None else min(count, most)
