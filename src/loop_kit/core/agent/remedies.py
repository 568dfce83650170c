"""What a person can do about a failure of an agent: one sentence for each kind and backend."""

from collections.abc import Mapping

from loop_kit.core.agent.diagnosis import ProblemKind

_RESUME = "then continue with --resume."
_LOGIN: Mapping[str, str] = {
    "codex": "Log in to codex (`codex login`) or set its API key (CODEX_API_KEY)",
    "claude": "Log in to claude (`claude setup-token`) or set its API key (ANTHROPIC_API_KEY)",
    "opencode": "Log in to opencode (`opencode auth login`) or set its provider's API key",
}
_LIMITS: Mapping[str, str] = {"claude": " (--max-turns, --max-budget-usd)"}
_SENTENCES: Mapping[ProblemKind, str] = {
    ProblemKind.QUOTA: (
        "Wait until the account of {backend} has usage again, or choose another model or backend"
    ),
    ProblemKind.RATE_LIMIT: "Wait a while, or ask {backend}'s provider for a higher rate limit",
    ProblemKind.OVERLOAD: "Wait until the provider of {backend} has recovered",
    ProblemKind.NETWORK: "Check the network and the proxy between here and {backend}'s provider",
    ProblemKind.CONTEXT_LENGTH: (
        "Make the task smaller, or choose a model with a larger context with --{role}-model"
    ),
    ProblemKind.REFUSAL: "Reword the task card, or choose another model with --{role}-model",
    ProblemKind.TRUNCATED: (
        "Make the task smaller, or choose a model with a larger output limit with --{role}-model"
    ),
    ProblemKind.DENIED: "Allow {backend} the tools that it was denied with --{role}-args",
    ProblemKind.MISSING_TOOL: "Install {backend} and put it on PATH",
    ProblemKind.INVALID_SESSION: "Start a new conversation of {backend}",
    ProblemKind.BAD_FLAGS: (
        "Correct --{role}-model and --{role}-args, or install a version of {backend} that fits"
        " (`loop doctor` names it)"
    ),
    ProblemKind.UNKNOWN: "Check {backend}'s login and the network",
}


def remedy(kind: ProblemKind, backend: str, role: str) -> str:
    """What to do about a problem of `kind` that `backend` had as `role`."""
    if backend == "scripted":
        return f"Correct the script, {_RESUME}"
    if kind is ProblemKind.AUTHENTICATION:
        return f"{_LOGIN.get(backend, f'Log in to {backend} or set its API key')}, {_RESUME}"
    if kind is ProblemKind.LIMIT:
        named = _LIMITS.get(backend, "")
        return f"Raise the limit in --{role}-args{named} or make the task smaller, {_RESUME}"
    return f"{_SENTENCES[kind].format(backend=backend, role=role)}, {_RESUME}"
