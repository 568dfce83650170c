"""What of a login file may be taken over from where an agent could write to it.

A program that renews its login writes new tokens into the file, and the old ones may be used up: a
renewed login that is thrown away is a dead one. Whoever writes the file can also make it another
account's login, or another server's key. So only the tokens and their times are taken over, each
where there was one before.
"""

import json
from collections.abc import Mapping
from typing import Any

_RENEWED = frozenset(
    (
        *("id_token", "access_token", "refresh_token", "last_refresh"),
        *("accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt"),
        *("access", "refresh", "expires"),
    )
)
"""The fields that codex, claude and opencode renew."""


class _OtherLogin(Exception):
    """The file is not the same login with other tokens."""


def renewed_login(before: bytes, after: bytes) -> bytes | None:
    """The login `before` with the tokens of `after`; None if it is not renewed, or is no login."""
    try:
        old, new = json.loads(before), json.loads(after)
        if not isinstance(old, dict):
            return None
        merged = _renewed(old, new)
    except (ValueError, RecursionError, _OtherLogin):
        return None
    return None if merged == old else json.dumps(merged, indent=2).encode()


def _renewed(old: Mapping[str, Any], new: object) -> dict[str, Any]:
    if not isinstance(new, dict):
        raise _OtherLogin
    merged: dict[str, Any] = {}
    for name, value in old.items():
        if isinstance(value, dict):
            merged[name] = _renewed(value, new.get(name))
        elif name in _RENEWED and value:
            merged[name] = _token(value, new.get(name))
        else:
            merged[name] = value
    return merged


def _token(old: object, new: object) -> object:
    if type(new) is not type(old) or not new or (isinstance(new, str) and not new.isprintable()):
        raise _OtherLogin
    return new
