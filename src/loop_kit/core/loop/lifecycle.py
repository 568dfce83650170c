"""Named events in the life of a loop, for programs of the operator: the setting `on-event`.

An event is one JSON object. Its names are ours, and those of OpenTelemetry's conventions for
generative AI where there is one (https://opentelemetry.io/docs/specs/semconv/gen-ai/).
"""

from collections.abc import Mapping

from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.outcomes import Phase
from loop_kit.core.loop.state import LoopState

Attributes = Mapping[str, object]

EVENTS = {
    "loop.started": "a loop begins",
    "loop.continued": "a loop that had stopped begins again",
    "round.started": "a worker is about to start",
    "attempt.started": "an agent starts",
    "attempt.ended": "an agent has ended, with or without a report",
    "review.reported": "the verdict on a round is recorded",
    "loop.paused": "a person has paused the loop",
    "loop.ended": "the loop is approved, or stops",
}
_OF_AGENTS = frozenset({"round.started", "attempt.started", "attempt.ended"})
_PROVIDERS = {"codex": "openai", "claude": "anthropic"}
_USAGE = {
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
    "tokens_cached": "gen_ai.usage.cache_read.input_tokens",
    "cost_usd": "loop.cost_usd",
    "estimated_cost_usd": "loop.estimated_cost_usd",
    "agent_seconds": "loop.seconds",
    "model": "gen_ai.request.model",
}


def events_of(phase: str) -> frozenset[str]:
    """The events that a job of this phase reports, so that of several jobs one reports each.

    The job `publish` does again, on paper, what the job `agents` did; only then is it saved.
    """
    if phase == "agents":
        return _OF_AGENTS
    return frozenset(EVENTS) - _OF_AGENTS if phase == "publish" else frozenset(EVENTS)


def lifecycle_event(
    name: str, state: LoopState, data: Attributes, at: str
) -> dict[str, object] | None:
    """The event that the feed's event `name` is at the time `at`; None for one that is none."""
    kind = _kind(name, data)
    if kind is None:
        return None
    event: dict[str, object] = {
        "event": kind,
        "time": at,
        "loop.task_id": state.task_id,
        "loop.round": state.round,
        "loop.max_rounds": state.limits.max_rounds,
    }
    if kind.startswith("attempt."):
        event |= _attempt(data)
    if kind == "review.reported":
        event |= {key: data[key] for key in ("decision", "verified") if data.get(key) is not None}
    if kind in {"review.reported", "loop.ended"}:
        event["findings_open"] = [finding.id for finding in open_findings(state.findings)]
    if kind == "loop.ended":
        event |= _end(state)
    if state.pull_request_url:
        event["url"] = state.pull_request_url
    return event


def _kind(name: str, data: Attributes) -> str | None:
    if name == "state_transition":
        before, after = data.get("from_state"), data.get("to_state")
        ended = {Phase.DONE.value: "loop.ended", Phase.PAUSED.value: "loop.paused"}
        begun = {Phase.IDLE.value: "loop.started", Phase.DONE.value: "loop.continued"}
        return ended.get(str(after)) or begun.get(str(before))
    return {
        "round_start": "round.started",
        "dispatch_start": "attempt.started",
        "dispatch_complete": "attempt.ended",
        "dispatch_fail": "attempt.ended",
        "review_verdict": "review.reported",
    }.get(name)


def _attempt(data: Attributes) -> dict[str, object]:
    backend = str(data.get("backend") or "")
    event: dict[str, object] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": data.get("role"),
        "loop.backend": backend,
        "loop.attempt": data.get("attempt"),
    }
    if backend in _PROVIDERS:
        event["gen_ai.provider.name"] = _PROVIDERS[backend]
    if data.get("problem"):
        event["error.type"] = data["problem"]
    if "returncode" in data:
        event["exit_code"] = data["returncode"]
    spent = data.get("spent")
    used = spent if isinstance(spent, Mapping) else {}
    return event | {ours: used[key] for key, ours in _USAGE.items() if used.get(key) is not None}


def _end(state: LoopState) -> dict[str, object]:
    outcome = state.outcome.value if state.outcome else ""
    usage = state.usage.model_dump(mode="json")
    totals = {ours: usage[key] for key, ours in _USAGE.items() if usage.get(key) is not None}
    return {"outcome": outcome, "reasons": list(state.reasons), "why": state.error, **totals}
