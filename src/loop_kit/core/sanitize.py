"""Text from outside, made safe for the place where it is displayed.

No filter here is a boundary (those are who may start, what a process can reach and who writes).
What these functions prevent: a post that pings people, closes issues, loads a remote image or
carries text nobody can see; a log line that the runner takes for a command; a known secret in
anything that is posted.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

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
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\](?:\([^)\n]{0,500}\)|\[[^\]\n]{0,200}\])?")
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`)", re.DOTALL)
_MENTION = re.compile(r"(?<![\w`/@])@(?=[A-Za-z0-9])[\w-]+(?:/[\w.-]+)?")
_REFERENCE = re.compile(
    r"(?<![\w`&])(?:[\w.-]{1,100}/[\w.-]{1,100})?#\d+\b|(?<![\w`])GH-\d+\b", re.IGNORECASE
)
_PINGS = re.compile(r"(?:^|[^A-Za-z0-9_])@[A-Za-z0-9]")
_REFERS = re.compile(
    r"(?:^|[^\w&])#\d|(?<![\w.-])[\w.-]{1,100}/[\w.-]{1,100}#\d|(?:^|\W)GH-\d", re.IGNORECASE
)
_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(https?://\S{1,300}/(?:issues|pull)/\d+)",
    re.IGNORECASE,
)
_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/]))')
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def visible(text: str) -> str:
    """`text` without escape sequences, control characters and what has no visible form."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub("", _ANSI.sub("", text))


def one_line(text: str, limit: int = 120) -> str:
    """`text` on one line of at most `limit` characters, cut with an ellipsis."""
    flat = " ".join(visible(text[: limit * 8]).split())
    return flat if len(flat) <= limit else flat[: limit - 3].rstrip() + "..."


def markdown(text: str) -> str:
    """`text` as Markdown that has no effect but to be displayed.

    Comments and images are dropped, HTML is displayed as text, mentions and references become code
    so that they notify nobody and close nothing. What still has an effect when a parser reads it is
    put into a fence as it was written.
    """
    text = truncate(text, MAX_BODY)
    defused = _defuse(text)
    return defused if _is_inert(defused) else quote(text)


def inline(text: str, limit: int = 300) -> str:
    """`text` on one line, for a list item or a table cell, as harmless as `markdown`."""
    line = one_line(text, limit)
    defused = _defuse(line)
    return defused if _is_inert(defused) else code(line)


def code(text: str) -> str:
    """`text` as a code span that it cannot end."""
    content = _break_markers(one_line(text, 300)).replace("`", "'")
    return f"`{content}`" if content else ""


def quote(text: str) -> str:
    """`text` of an agent or a command in a fence, without anything that looks like our marker."""
    return fence(_break_markers(text))


def _break_markers(text: str) -> str:
    return text.replace("<!--", "<! --")


def _defuse(text: str) -> str:
    text = _IMAGE.sub(r"[image removed: \1]", _COMMENT.sub("", visible(text)))
    parts = _CODE.split(text)
    return "".join(part if n % 2 else _neutralize(part) for n, part in enumerate(parts))


def _is_inert(text: str) -> bool:
    """Whether a CommonMark parser finds nothing in `text` that acts, and nothing left open."""
    after = "what follows"
    tokens = _commonmark().parse(f"{text}\n\n{after}\n")
    if len(tokens) < 3 or tokens[-2].content != after or tokens[-3].level != 0:
        return False
    leaves = [leaf for token in tokens for leaf in (token.children or [token])]
    if any(leaf.type in {"image", "html_inline", "html_block"} for leaf in leaves):
        return False
    texts = [leaf.content for leaf in leaves if leaf.type == "text"]
    return not any(p.search(part) for part in texts for p in (_PINGS, _REFERS, _CLOSES))


@cache
def _commonmark() -> "MarkdownIt":
    """The parser, which takes longer to make than to read most texts; it keeps nothing of them."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


def _neutralize(text: str) -> str:
    text = _MENTION.sub(r"`\g<0>`", text)
    text = _REFERENCE.sub(r"`\g<0>`", text)
    text = _CLOSES.sub(lambda m: m.group(0).replace(m.group(1), f"`{m.group(1)}`"), text)
    return _TAG.sub("&lt;", text)


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


def truncate_bytes(text: str, limit: int, pointer: str = "") -> str:
    """`text` of at most `limit` bytes as UTF-8, cut between two characters as `truncate` does."""
    raw = text.encode(errors="replace")
    if len(raw) <= limit:
        return text
    note = f"\n\n… cut here, it had {len(raw)} bytes. {pointer}".rstrip()
    beginning = raw[: max(0, limit - len(note.encode()) - 8)].decode(errors="ignore")
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
