"""The trailers of a worker's commits: which loop and round they are of, and who wrote them.

They are the last lines of a message, as `git interpret-trailers` reads them. A worker cannot write
one: lines that look like them are dropped from its own messages (see `plain_words`). A co-author is
named only for programs whose makers document a public address for that.
"""

import re
from typing import NamedTuple

from loop_kit.core.agent.role import Role
from loop_kit.core.text.plain_words import title

_BACKEND, _MODEL, _SIGNER = "Loop-Backend", "Loop-Model", "Signed-off-by"
_CO_AUTHORS = {
    "claude": "Claude <noreply@anthropic.com>",
    "codex": "Codex <noreply@openai.com>",
}
_NAME = re.compile(r"(?!gh-|www\.)\w+(?:[.:/@-]\w+)*", re.IGNORECASE)
_MAX_NAME = 100


class Origin(NamedTuple):
    """What a worker's commits come from; `model` is '' where it is not known."""

    task_id: str
    round: int
    backend: str
    model: str = ""

    def trailers(self, sign_off: str = "") -> tuple[str, ...]:
        """One line for each fact; `sign_off` is who signs, as `Name <address>`."""
        lines = {
            "Loop-Id": _name(self.task_id),
            "Loop-Round": str(self.round),
            "Loop-Role": Role.WORKER.value,
            _BACKEND: _name(self.backend),
            _MODEL: _name(self.model),
            "Co-authored-by": _CO_AUTHORS.get(self.backend),
            _SIGNER: sign_off,
        }
        return tuple(f"{key}: {value}" for key, value in lines.items() if value)


def own_trailers(task_id: str, round_: int, sign_off: str = "") -> tuple[str, ...]:
    """The trailers of a commit that the loop makes itself, in no agent's name."""
    signed = (f"{_SIGNER}: {sign_off}",) if sign_off else ()
    return (f"Loop-Id: {_name(task_id)}", f"Loop-Round: {round_}", *signed)


def trailers_in(task_id: str, round_: int, message: str, *, signer: str) -> tuple[str, ...]:
    """The trailers that `message` may have, by the backend and the model that it names.

    They are not known where commits of another job are checked: one loop may have several, and each
    attempt another model. A message of an earlier version names none and has no trailers.
    """
    lines = dict(line.partition(": ")[::2] for line in message.rstrip().splitlines())
    if _BACKEND not in lines:
        return ()
    origin = Origin(task_id, round_, lines[_BACKEND], lines.get(_MODEL, ""))
    return origin.trailers(signer if lines.get(_SIGNER) == signer else "")


def _name(text: str) -> str:
    """A name that does nothing but name: what is no plain one is written as a title is."""
    plain = text.strip()
    if not plain or (len(plain) <= _MAX_NAME and _NAME.fullmatch(plain)):
        return plain
    return title(plain, _MAX_NAME)
