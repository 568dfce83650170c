"""How an agent reaches its model where it has no network and no key (`network: model-only`).

Its program is pointed at the bridge in its room and given a key that is none; the proxy outside
(`adapters.process.model_proxy`) has the real one. That works where the key is sent as it is. It
does not where the program renews a login at another server, or signs each request: those are
refused, before anybody is paid.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.process.model_proxy import ADDRESS, company_proxy
from loop_kit.adapters.process.room.upstream import Upstream
from loop_kit.frozen import frozen

_DUMMY = "dummy"
_KEY = "LOOP_KIT_DUMMY"
_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_ROUTES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    *("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "CODEX_ACCESS_TOKEN", "ANTHROPIC_AUTH_TOKEN"),
    *("CLAUDE_CODE_OAUTH_TOKEN", "CODEX_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"),
)
"""What leads to the model, or lets it in, and is not the agent's."""
_OPEN = "Set its key, or use `network: open`."
_PROVIDERS = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
}
"""The providers of opencode that send a key as it is: the variables of the key and the server."""


@frozen
class ModelAccess:
    """What a program gets instead of a network and a key.

    Attributes:
        upstream: What the proxy has.
        environment: The whole environment of the program.
        args: Further arguments.
    """

    upstream: Upstream
    environment: Mapping[str, str]
    args: tuple[str, ...] = ()


@frozen
class NoModel:
    """Why a backend cannot work without a network, and what to do, in two sentences."""

    why: str


@frozen
class _Way:
    """The way of one backend: its server, the variable with its key, what its program is given."""

    url: str
    key: str
    header: str
    given: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()


def model_access(
    backend: str, environment: Mapping[str, str], model: str, args: Sequence[str]
) -> ModelAccess | NoModel:
    """How `backend` reaches its model, given what it would get with a network."""
    find = _WAYS.get(backend)
    if find is None:
        return NoModel(
            f"network: model-only is not known for backend={backend}. Use codex, claude or"
            " opencode, or `network: open`."
        )
    way = find(environment, model, args)
    if isinstance(way, NoModel):
        return way
    kept = {name: value for name, value in environment.items() if name not in _ROUTES}
    given = {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    proxy = company_proxy(way.url, environment)
    upstream = Upstream(way.url, environment[way.key], way.header, proxy)
    return ModelAccess(upstream, {**given, **way.given}, way.args)


def refuse_no_network(backend: str) -> str:
    """Why `network: none` is nothing for this backend, or ''."""
    if backend not in KNOWN:
        return ""
    return f"network: none leaves {backend} without its model. Use `network: model-only` or `open`."


def _codex(environment: Mapping[str, str], model: str, args: Sequence[str]) -> _Way | NoModel:
    del model
    if not environment.get("CODEX_API_KEY"):
        return NoModel(
            f"network: model-only works for codex with an API key alone, not with a login. {_OPEN}"
        )
    if any("model_provider" in word for word in args):
        return NoModel(
            "network: model-only sets the model provider of codex itself. Take model_provider out"
            " of its arguments, and name another server by OPENAI_BASE_URL in agent-env."
        )
    provider = f'{{name="loop-kit",base_url="{ADDRESS}/v1",wire_api="responses",env_key="{_KEY}"}}'
    flags = ("-c", "model_provider=loop_kit", "-c", f"model_providers.loop_kit={provider}")
    url = environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return _Way(url, "CODEX_API_KEY", "authorization", {_KEY: _DUMMY}, flags)


def _claude(environment: Mapping[str, str], model: str, args: Sequence[str]) -> _Way | NoModel:
    del model, args
    cloud = next((name for name in _CLOUDS if environment.get(name)), None)
    if cloud:
        return NoModel(
            f"network: model-only cannot be kept with {cloud}, where each request is signed."
            " Use ANTHROPIC_API_KEY, or `network: open`."
        )
    key = next(
        (n for n in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") if environment.get(n)), None
    )
    if key is None:
        return NoModel(
            f"network: model-only works for claude with an API key alone, not with a login. {_OPEN}"
        )
    url = environment.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    header = "x-api-key" if key == "ANTHROPIC_API_KEY" else "authorization"
    given = {"ANTHROPIC_BASE_URL": ADDRESS, "ANTHROPIC_API_KEY": _DUMMY}
    return _Way(url, key, header, {**given, **KNOWN["claude"].extra})


def _opencode(environment: Mapping[str, str], model: str, args: Sequence[str]) -> _Way | NoModel:
    del args
    provider, _, name = model.partition("/")
    if provider not in _PROVIDERS or not name:
        return NoModel(
            "network: model-only needs a model of opencode that begins with anthropic/ or openai/."
            " Set it (worker-model, reviewer-model), or use `network: open`."
        )
    key, server, default = _PROVIDERS[provider]
    if not environment.get(key):
        return NoModel(
            f"network: model-only needs {key}. Add it to agent-env, or use `network: open`."
        )
    options = {"baseURL": f"{ADDRESS}/v1", "apiKey": _DUMMY}
    config = {
        "enabled_providers": [provider],
        "model": model,
        "small_model": model,
        "provider": {provider: {"options": options, "models": {name: {}}}},
    }
    given = {"OPENCODE_CONFIG_CONTENT": json.dumps(config), **KNOWN["opencode"].extra}
    header = "x-api-key" if provider == "anthropic" else "authorization"
    return _Way(environment.get(server) or default, key, header, given)


_WAYS: Mapping[str, Callable[[Mapping[str, str], str, Sequence[str]], _Way | NoModel]] = {
    "codex": _codex,
    "claude": _claude,
    "opencode": _opencode,
}
