"""Which strings of a job count as secrets, since what is none must never be searched or replaced.

A key is one as it is. Of an address only the password is, or what is random in it; of a text of
several words, such as the file of a key, only its random pieces, if it has any. A path, a short
value and a word that is set where no secret is needed are none.
"""

import re

from loop_kit.patterns import late_pattern

SHORTEST = 8
"""The characters of the shortest value that counts as a secret."""
_FEWEST = 4
"""The different characters that a secret has at least."""

ORDINARY = frozenset(
    {"password", "passw0rd", "changeme", "change-me", "placeholder", "undefined", "anonymous"}
    | {"not-needed", "not_needed", "not-used", "api-key", "your-api-key", "test-key", "dummy-key"}
    | {"dummy-token", "test-token", "sk-no-key-required", "localhost", "disabled", "sandbox-key"}
    | {"github-actions", "x-access-token", "openai-api-key", "anthropic-api-key", "github-token"}
    | {"approved", "reviewer", "changes_required", "task_card.json", "work_report", "review_report"}
)
"""Values that are set where no secret is needed, and words of our own: never taken for secrets."""

_ADDRESS = late_pattern(r"[a-z][a-z0-9+.-]{1,20}://(?:([^@/\s]*)@)?\S*", re.IGNORECASE)
_PATH = late_pattern(r"(?:~|[A-Za-z]:)?(?:[/\\][a-z0-9 ._-]+){2,}", re.IGNORECASE)
_PIECE = late_pattern(r"[A-Za-z0-9_+/=-]{16,}")
_HEX = late_pattern(r"[0-9a-f]{32,}")
_MIXED = (late_pattern(r"[0-9]"), late_pattern(r"[a-z]"), late_pattern(r"[A-Z]"))


def secrets_in(value: str) -> tuple[str, ...]:
    """What of a value is a secret; nothing, if it is an ordinary one."""
    address = _ADDRESS.fullmatch(value.strip())
    if address:
        login = address[1] or ""
        password = login.partition(":")[2] or login
        found = (password,) if password else _random_pieces(value)
    elif _PATH.fullmatch(value) and not _random_pieces(value):
        found = ()
    elif len(value.split()) > 1:
        found = _random_pieces(value) or (value,)
    else:
        found = (value,)
    return tuple(each for each in found if _is_secret(each))


def _is_secret(value: str) -> bool:
    enough = len(value) >= SHORTEST and len(set(value)) >= _FEWEST
    return enough and value.lower() not in ORDINARY


def _random_pieces(value: str) -> tuple[str, ...]:
    return tuple(
        piece
        for piece in _PIECE.findall(value)
        if _HEX.fullmatch(piece) or all(kind.search(piece) for kind in _MIXED)
    )
