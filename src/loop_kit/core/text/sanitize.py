"""Text from outside, made safe for the place where it is displayed.

No filter here is a boundary (those are who may start, what a process can reach and who writes).
What these functions prevent: text that nobody can see; a log line that the runner takes for a
command; a known secret in anything that is posted. For posts see `harmless`.
"""

import re
from collections.abc import Callable

MAX_BODY = 65_536
"""The characters, not bytes, of one post on GitHub."""
MAX_SUMMARY = 1024 * 1024
"""The bytes of the job summary of one step; GitHub shows nothing of a longer one."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/]))')


def visible(text: str) -> str:
    """`text` without escape sequences, control characters and what has no visible form."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub("", _ANSI.sub("", text))


def one_line(text: str, limit: int = 120) -> str:
    """`text` on one line of at most `limit` characters, cut with an ellipsis."""
    flat = " ".join(visible(text[: limit * 8]).split())
    return flat if len(flat) <= limit else flat[: limit - 3].rstrip() + "..."


def fence(text: str, language: str = "") -> str:
    """`text` in a code fence that it cannot close itself."""
    content = visible(text)
    longest = max((len(run) for run in re.findall(r"`{3,}", content)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{content.rstrip()}\n{marks}"


def truncate(text: str, limit: int, pointer: str = "") -> str:
    """`text` of at most `limit` characters; a note names its length and where the rest is."""
    if len(text) <= limit:
        return text
    note = f"\n\n… cut here, it had {len(text)} characters. {pointer}".rstrip()
    beginning = text[: max(0, limit - len(note) - 8)]
    if beginning.count("```") % 2:
        beginning += "\n```"
    return beginning + note


def command_data(text: str) -> str:
    """`text` as the data of a workflow command, after the rules of actions/toolkit."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def redact_broken_json(redact: Callable[[str], str], text: str) -> str:
    """JSON that cannot be parsed, without secrets, also without those spelled in its escapes.

    Where one is spelled so, all escapes are resolved, and the rest is no longer as it was written.
    """
    clean = redact(text)
    resolved = _JSON_ESCAPE.sub(lambda m: m[2] or chr(int(m[1], 16)), clean)
    without = redact(resolved)
    return clean if without == resolved else without
