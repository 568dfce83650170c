"""Text of agents, commands and people in a post: it can be read, and does nothing else.

A filter that looks for what acts is fooled by whatever it reads in another way than the forge. So
nothing of a text is passed on. It is parsed, and written again with the little that is known here:
paragraphs, lists, code, emphasis, links. All else is plain text in which every character that could
begin something is escaped, and what acts even so (mentions, references, addresses of issues) is
code.

A text of several lines is a quotation to its last line, and so is what a command printed: it can
neither draw our own sections nor begin a line with a command for some bot.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from loop_kit.core.text.plain_words import ACTING_PATH
from loop_kit.core.text.sanitize import MAX_BODY, fence, one_line, truncate, visible
from loop_kit.patterns import late_pattern

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

_COMMENT = late_pattern(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_LIVE = late_pattern(
    r"(?P<url>(?:https?://|www\.)[^\s<>`\"'|\\^{}]{1,2000})"
    r"|(?:(?<![A-Za-z0-9_])@[A-Za-z0-9]"
    r"|(?:(?<![\w.-])[\w.-]{1,100}(?:/[\w.-]{1,100})?)?#\d|(?<!\w)GH-\d)[\w@#/.-]*",
    re.IGNORECASE,
)
_PLAIN_URL = late_pattern(
    r"https?://[A-Za-z0-9.-]{1,255}(?::\d{1,5})?(?:/[\w./%?=&+,~-]*)?(?:#[A-Za-z][\w.-]*)?",
    re.ASCII,
)
_ACTING_URL = late_pattern(ACTING_PATH, re.IGNORECASE)
_ENDS = ".,;:!?*_~)]"
_BEGINS = late_pattern(
    r"[\\`\[\]|~$]|\*(?=\S)|(?<=\S)\*|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_"
    r"|<(?=[A-Za-z/!?])|&(?=#?\w{1,40};)"
)
_BEGINS_LINE = late_pattern(r"([ \t]*)([#>=/!]|[+*-](?=\s|$)|-(?=-)|\d{1,9}(?=[.)]))")
_MARKS = {"em": "*", "strong": "**", "s": "~~"}
_SEPARATORS = str.maketrans("\u2028\u2029", "\n\n")
_LANGUAGES = frozenset(
    {
        *("bash", "c", "cpp", "cs", "css", "diff", "go", "html", "java", "javascript", "js"),
        *("json", "kotlin", "makefile", "php", "py", "python", "rb", "ruby", "rust", "sh"),
        *("shell", "sql", "swift", "text", "toml", "ts", "typescript", "xml", "yaml", "yml"),
    }
)
"""Languages of a fence that only colour it; a forge draws others, or makes buttons of them."""


def markdown(text: str) -> str:
    """`text` as a quotation; what it is too long for is named."""
    from markdown_it.tree import SyntaxTreeNode

    source = _COMMENT.sub("", visible(truncate(text, MAX_BODY)).translate(_SEPARATORS))
    tree = SyntaxTreeNode(_parser().parse(source))
    return _quoted(_blocks(tree.children, source.split("\n")))


def inline(text: str, limit: int = 300) -> str:
    """`text` on one line, for a list item or a paragraph."""
    return _one_line(text, limit, code)


def cell(text: str, limit: int = 300) -> str:
    """`text` on one line, for a cell of a table, where a bar would end even code."""
    return _one_line(text, limit, code_in_cell)


def code(text: str) -> str:
    """`text` as a code span that it cannot end."""
    content = one_line(text, 300).replace("<!--", "<! --").replace("`", "'")
    return f"`{content}`" if content else ""


def code_in_cell(text: str) -> str:
    """`text` as a code span in a cell of a table."""
    return code(text.replace("\\|", "|")).replace("|", "\\|")


def quote(text: str) -> str:
    """`text` of an agent or a command as it is, in a fence in a quotation."""
    return _quoted(fence(text.translate(_SEPARATORS).replace("<!--", "<! --")))


def cut(text: str, limit: int, pointer: str = "", size: Callable[[str], int] = len) -> str:
    """A post of at most `limit` by `size`, cut between two lines; a note says where the rest is."""
    if size(text) <= limit:
        return text
    unit = "characters" if size is len else "bytes"
    note = f"\n\n… cut here, it had {size(text)} {unit}. {pointer}".rstrip()
    left = limit - size(note) - 64
    kept: list[str] = []
    for line in text.split("\n"):
        left -= size(line) + 1
        if left < 0:
            break
        kept.append(line)
    return "\n".join([*kept, *_ends(kept)]) + note


def size_in_bytes(text: str) -> int:
    """The bytes of `text` as UTF-8."""
    return len(text.encode(errors="replace"))


def _ends(lines: Iterable[str]) -> list[str]:
    """The lines that end what our own lines have begun."""
    open_fence, folded = "", 0
    for line in lines:
        marks = line[: len(line) - len(line.lstrip("`"))]
        if open_fence:
            open_fence = "" if line == open_fence else open_fence
        elif len(marks) >= 3:
            open_fence = marks
        folded += line.startswith("<details>") - (line == "</details>")
    return [*([open_fence] if open_fence else []), *(["", "</details>"] * folded)]


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _one_line(text: str, limit: int, as_code: Callable[[str], str]) -> str:
    from markdown_it.tree import SyntaxTreeNode

    line = one_line(_COMMENT.sub("", visible(text[: limit * 8])), limit)
    tree = SyntaxTreeNode(_parser().parseInline(line))
    words = [_words(node.children, as_code) for node in tree.children]
    return _begin_line("".join(words).replace("\n", " "))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n")) if text else ""


def _blocks(nodes: Sequence["SyntaxTreeNode"], source: Sequence[str], gap: str = "\n\n") -> str:
    written = (_block(node, source) for node in nodes)
    return gap.join(block for block in written if block)


def _block(node: "SyntaxTreeNode", source: Sequence[str]) -> str:
    if node.type in {"paragraph", "heading"}:
        words = _words([leaf for child in node.children for leaf in child.children], code)
        lines = "\n".join(_begin_line(line) for line in words.split("\n"))
        is_title = node.type == "heading" and lines and "*" not in lines
        return f"**{lines}**" if is_title else lines
    if node.type in {"fence", "code_block"}:
        language = node.info.strip().lower() if node.type == "fence" else ""
        content = node.content.replace("<!--", "<! --")
        return fence(content, language if language in _LANGUAGES else "")
    if node.type in {"bullet_list", "ordered_list"}:
        return _list(node, source)
    if node.type == "blockquote":
        return _quoted(_blocks(node.children, source))
    if node.type == "hr":
        return ""
    first, last = node.map or (0, len(source))
    return fence("\n".join(source[first:last]).replace("<!--", "<! --"))


def _list(node: "SyntaxTreeNode", source: Sequence[str]) -> str:
    items = []
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    for at, item in enumerate(node.children):
        mark = "- " if first is None else f"{first + at}. "
        is_tight = all(child.type != "paragraph" or child.hidden for child in item.children)
        lines = _blocks(item.children, source, "\n" if is_tight else "\n\n").split("\n")
        rest = (f"{' ' * len(mark)}{line}" if line else "" for line in lines[1:])
        items.append("\n".join([f"{mark}{lines[0]}", *rest]))
    return "\n".join(items)


def _words(nodes: Sequence["SyntaxTreeNode"], as_code: Callable[[str], str]) -> str:
    """The inline content of a paragraph, written again."""
    written = ""
    for piece in (piece for node in nodes for piece in _pieces(node, as_code)):
        if written.endswith("!") and piece.startswith("["):
            written = f"{written[:-1]}\\!"
        is_longer = written.endswith("`") and piece.startswith("`")
        written += f" {piece}" if is_longer else piece
    return written


def _pieces(node: "SyntaxTreeNode", as_code: Callable[[str], str]) -> Iterable[str]:
    if node.type == "text":
        yield from _text(node.content, as_code)
    elif node.type == "code_inline":
        yield as_code(node.content)
    elif node.type in _MARKS:
        yield f"{_MARKS[node.type]}{_words(node.children, as_code)}{_MARKS[node.type]}"
    elif node.type == "link":
        yield from _link(node, as_code)
    elif node.type == "image":
        alt = "".join(_text(one_line(node.content, 200), as_code))
        yield f"\\[image removed: {alt}\\]"
    elif node.type in {"softbreak", "hardbreak"}:
        yield "\n"
    else:
        yield from _text(node.content, as_code)


def _link(node: "SyntaxTreeNode", as_code: Callable[[str], str]) -> Iterable[str]:
    url = str(node.attrs.get("href", ""))
    if node.info == "auto":
        yield _address(url, as_code)
        return
    words = _words(node.children, as_code)
    if words and _is_plain(url):
        yield f"[{words}]({url})"
    else:
        yield words
        yield f" ({as_code(url)})" if url else ""


def _text(text: str, as_code: Callable[[str], str]) -> Iterable[str]:
    """Plain text, with what would act in code, and all that could begin something escaped."""
    at = 0
    for found in _LIVE.finditer(text):
        yield _escape(text[at : found.start()])
        words = found[0].rstrip(_ENDS if found["url"] else ".")
        at = found.start() + len(words)
        yield _address(words, as_code)
    yield _escape(text[at:])


def _address(words: str, as_code: Callable[[str], str]) -> str:
    """An address as a link where it only leads somewhere; what acts as code."""
    return f"<{words}>" if _is_plain(words) else as_code(words)


def _is_plain(url: str) -> bool:
    """Whether it is an address that a forge only makes a link of."""
    return bool(_PLAIN_URL.fullmatch(url)) and not _ACTING_URL.search(url)


def _escape(text: str) -> str:
    return _BEGINS.sub(lambda found: "&lt;" if found[0] == "<" else f"\\{found[0]}", text)


def _begin_line(line: str) -> str:
    """A line that begins nothing but a line."""
    found = _BEGINS_LINE.match(line)
    if found is None or found[2].isdigit():
        return line if found is None else f"{line[: found.end()]}\\{line[found.end() :]}"
    return f"{found[1]}\\{line[found.end(1) :]}"
