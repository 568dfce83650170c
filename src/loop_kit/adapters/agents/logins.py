"""Whether an agent program is logged in, read from its own files: nothing is run, sent or printed.

The programs' own `login status` commands go to the network or write into their folders, so they are
only named. What cannot be told from files (a keyring, another provider) is said to be unknown.
"""

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from loop_kit.adapters.agents.known import KnownProgram
from loop_kit.adapters.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.checkup import Check, State

_MAX_FILE = 16 * 1024 * 1024
_NO_LOGINS = {"last_refresh", "auth_mode"}

Seen = Mapping[str, str]


class _Unreadable(Exception):
    """A login file is there and cannot be used; the message is a phrase."""


def login(known: KnownProgram, seen: Seen, exported: Seen) -> Check:
    """Whether the program `known` can log in with what it sees of the environment.

    Args:
        known: Which program.
        seen: The environment that a loop gives it, with its keys.
        exported: The user's environment, to say which key does not reach it.
    """
    key = next((name for name in known.keys if seen.get(name)), "")
    if key:
        return _said(known, State.OK, f"by {key}")
    try:
        found = _LOGINS[known.name](known, seen, exported)
    except _Unreadable as error:
        return _said(known, State.WRONG, str(error), known.log_in)
    return found


def _said(known: KnownProgram, state: State, detail: str, fix: str = "") -> Check:
    return Check(f"{known.name} login", state, detail, fix)


def _codex(known: KnownProgram, seen: Seen, exported: Seen) -> Check:
    home = _folder(seen, "CODEX_HOME", ".codex")
    file = home / "auth.json"
    held = _json(file)
    if any(value for name, value in held.items() if name not in _NO_LOGINS):
        return _said(known, State.OK, f"by {file}")
    config = _toml(home / "config.toml")
    provider = config.get("model_provider")
    if provider and provider != "openai":
        return _said(
            known, State.WARN, f"unknown: {home / 'config.toml'} names the provider {provider!s}"
        )
    if config.get("cli_auth_credentials_store") in {"keyring", "auto"}:
        return _said(known, State.WARN, "unknown: kept in the keyring", "codex login status")
    withheld = _withheld(known.keys, exported)
    if withheld:
        return _kept_back(known, State.MISSING, withheld)
    if exported.get("OPENAI_API_KEY"):
        return _said(
            known,
            State.MISSING,
            "OPENAI_API_KEY is exported, but codex reads CODEX_API_KEY",
            'export CODEX_API_KEY="$OPENAI_API_KEY"',
        )
    detail = f"no CODEX_API_KEY, and no login in {file}"
    return _said(known, State.MISSING, detail, "codex login, or: export CODEX_API_KEY=...")


def _claude(known: KnownProgram, seen: Seen, exported: Seen) -> Check:
    home = _folder(seen, "CLAUDE_CONFIG_DIR", ".claude")
    file = home / ".credentials.json"
    held = _json(file).get("claudeAiOauth")
    if isinstance(held, dict) and (held.get("accessToken") or held.get("refreshToken")):
        return _said(known, State.OK, f"by {file}")
    settings = _json(home / "settings.json")
    variables = settings.get("env")
    named = variables if isinstance(variables, dict) else {}
    if settings.get("apiKeyHelper") or any(named.get(name) for name in known.keys):
        return _said(known, State.OK, f"by {home / 'settings.json'}")
    beside = home if seen.get("CLAUDE_CONFIG_DIR") else _home(seen)
    if _json(beside / ".claude.json").get("primaryApiKey"):
        return _said(known, State.OK, f"by {beside / '.claude.json'}")
    withheld = _withheld(known.keys, exported)
    if withheld:
        return _kept_back(known, State.MISSING, withheld)
    if sys.platform == "darwin":
        return _said(known, State.WARN, "unknown: may be in the keychain", "claude auth status")
    detail = f"no ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, and no login in {file}"
    fix = f"{known.log_in}, or: export ANTHROPIC_API_KEY=..."
    return _said(known, State.MISSING, detail, fix)


def _opencode(known: KnownProgram, seen: Seen, exported: Seen) -> Check:
    file = _folder(seen, "XDG_DATA_HOME", ".local/share") / "opencode" / "auth.json"
    providers = [name for name, entry in _json(file).items() if entry]
    if providers:
        return _said(known, State.OK, f"to {', '.join(sorted(providers)[:8])} by {file}")
    key = next((name for name in sorted(seen) if _is_providers(name) and seen[name]), "")
    if key:
        return _said(known, State.OK, f"by {key}")
    folder = _folder(seen, "XDG_CONFIG_HOME", ".config") / "opencode"
    config = next(filter(Path.is_file, map(folder.joinpath, _OPENCODE_CONFIGS)), None)
    if config is not None:
        return _said(known, State.WARN, f"unknown: {config} may name a provider", known.log_in)
    withheld = _withheld(filter(_is_providers, sorted(exported)), exported)
    if withheld:
        return _kept_back(known, State.WARN, withheld)
    detail = f"no login in {file}: only models that need none will answer"
    return _said(known, State.WARN, detail, known.log_in)


def _is_providers(name: str) -> bool:
    """Whether a variable is named as providers name their keys, and not as ours or codex's are."""
    return name.endswith("_API_KEY") and not name.startswith(("CODEX_", "LOOP_", "INPUT_"))


_OPENCODE_CONFIGS = ("opencode.json", "opencode.jsonc", "config.json")
_LOGINS: Mapping[str, Callable[[KnownProgram, Seen, Seen], Check]] = {
    "codex": _codex,
    "claude": _claude,
    "opencode": _opencode,
}


def _withheld(names: Iterable[str], exported: Seen) -> str:
    """The first of `names` that the user exports."""
    return next((name for name in names if exported.get(name)), "")


def _kept_back(known: KnownProgram, state: State, name: str) -> Check:
    """That `name` is exported and does not reach the program, since agents see an allow-list."""
    detail = f"{name} is exported, but a loop does not hand it to {known.name}"
    return _said(known, state, detail, f"add to .loop/config.yaml: agent_env: [{name}]")


def _home(seen: Seen) -> Path:
    return Path(seen.get("HOME") or seen.get("USERPROFILE") or "~").expanduser()


def _folder(seen: Seen, variable: str, below_home: str) -> Path:
    return Path(seen[variable]) if seen.get(variable) else _home(seen) / below_home


def _read(file: Path) -> bytes | None:
    try:
        return read_plain(file.resolve(), _MAX_FILE)
    except BusFileUnreadable as error:
        raise _Unreadable(f"{file}: {error}") from None
    except (OSError, RuntimeError, ValueError):
        raise _Unreadable(f"{file} cannot be read") from None


def _json(file: Path) -> dict[str, Any]:
    raw = _read(file)
    if raw is None:
        return {}
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _Unreadable(f"{file} is not JSON") from None
    return document if isinstance(document, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    raw = _read(file)
    try:
        return tomllib.loads((raw or b"").decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _Unreadable(f"{file} is not TOML") from None
