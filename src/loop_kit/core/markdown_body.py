"""The body of an issue or a pull request, as the blocks that everybody who looks at it sees.

Who labels an issue judges what the page shows, so nothing else may reach an agent: characters
without a form, HTML comments, link definitions and titles, images and the words after a fence's
language are dropped; footnotes, which are hidden until something refers to them, are set apart.
What is inside raw HTML (`<details>` is folded, `<blockquote>` is somebody else's word) is marked as
enclosed. Where a tag makes that uncertain, because it is never closed or its nesting is wrong, all
that follows is marked as doubtful instead of guessed at: a browser and we might disagree.

The parser is a CommonMark parser, as GitHub's is; regular expressions would see other blocks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from loop_kit.core.sanitize import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_MAX_NESTING = 20
_CUTS = "loop_kit_cuts"
_IMAGE = "[image]"
_BOX = re.compile(r"\[[ xX]\][ \t]+")
_ENCLOSING = frozenset(
    {
        *("article", "aside", "audio", "blockquote", "center", "details", "dialog", "div", "dl"),
        *("fieldset", "figure", "footer", "form", "header", "main", "math", "nav", "noscript"),
        *("object", "ol", "pre", "section", "select", "svg", "table", "template", "ul", "video"),
    }
)
_SWALLOWING = frozenset(
    {
        *("iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title"),
        "xmp",
    }
)
_FOOTNOTE = re.compile(r"^[ \t]*\[\^[^\] \t\n]+\]:", re.MULTILINE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#_-]{1,20}(?![^\s])")
_MARKED = frozenset({"blockquote_open", "heading_open", "list_item_open"})
_MARKED_ENDS = frozenset({"blockquote_close", "heading_close", "list_item_close"})
_NAME = re.compile(r"<(/?)([a-z][a-z0-9-]*)", re.IGNORECASE)
_DOUBT = "?"


class Kind(StrEnum):
    """What a block is."""

    HEADING = "heading"
    CODE = "code"
    TEXT = "text"
    NOTE = "footnote"


class Place(StrEnum):
    """Whether everybody sees a block as its author's own word."""

    PLAIN = "plain"
    ENCLOSED = "enclosed"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block.

    `text` is its visible Markdown, `label` a heading's text or a fence's info string, `code` what
    is in the fence, `line` counts from 1. `level` is a heading's, 0 for one that is underlined:
    who draws a line below a paragraph makes one by accident. `entries` are its lines or list
    items, None where it is no flat list of them. `altered` says that raw tags or images were taken
    out of `text`; `complete` is False for a fence that nobody closed.
    """

    kind: Kind
    line: int
    text: str
    label: str = ""
    code: str = ""
    level: int = 0
    entries: tuple[str, ...] | None = None
    links: tuple[str, ...] = ()
    altered: bool = False
    complete: bool = True
    place: Place = Place.PLAIN


def read_body(body: str) -> tuple[Block, ...]:
    """The blocks of `body` in their order; link targets are as the parser normalises them."""
    source = visible(body)
    parser = _parser()
    env: dict[str, Any] = {}
    tokens = parser.parse(source, env)
    lines = source.split("\n")
    tags = _Tags()
    found: list[Block] = []
    for group in _groups(tokens):
        first = group[0]
        tags.line = (first.map or [0])[0] + 1
        if first.type == "html_block":
            tags.read(first.content)
            continue
        inlines = [_inline(parser, token.content, env) for token in group if token.type == "inline"]
        block = _block(group, inlines, lines)
        found.append(replace(block, place=tags.place))
        tags.read_block(_html(group, inlines), nested=_nested(first))
    return tuple(
        replace(block, place=Place.DOUBTFUL) if 0 < tags.doubt < block.line else block
        for block in sorted([*found, *_short_footnotes(env)], key=lambda block: block.line)
        if block.text
    )


def _short_footnotes(env: Mapping[str, Any]) -> Iterator[Block]:
    """Footnotes of one word, which CommonMark, where there are none, takes for definitions."""
    known: Mapping[str, Any] = env.get("references", {})
    for label, about in known.items():
        if label.startswith("^"):
            yield Block(Kind.NOTE, about["map"][0] + 1, label)


@dataclass(frozen=True, slots=True)
class _Inline:
    """One run of inline text: what is shown of it, and the raw HTML that is not."""

    text: str
    html: tuple[str, ...]
    links: tuple[str, ...]
    altered: bool


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING})
    parser.disable(["inline", "text_join"])
    parser.inline.ruler.at("html_inline", _html_rule)
    parser.inline.ruler.at("image", _image_rule)
    parser.inline.ruler.at("link", _link_rule)
    return parser


def _html_rule(state: "StateInline", silent: bool) -> bool:  # noqa: FBT001 - the parser's signature
    """The parser's own rule, which also notes where the raw HTML is."""
    from markdown_it.rules_inline import html_inline

    start = state.pos
    found = html_inline(state, silent)
    if found and not silent:
        state.env[_CUTS].append((start, state.pos, ""))
    return found


def _image_rule(state: "StateInline", silent: bool) -> bool:  # noqa: FBT001 - the parser's signature
    """The parser's own rule, which also notes where the image is; what it holds is not shown."""
    from markdown_it.rules_inline import image

    start, outer = state.pos, state.env[_CUTS]
    state.env[_CUTS] = []
    found = image(state, silent)
    state.env[_CUTS] = outer
    if found and not silent:
        outer.append((start, state.pos, _IMAGE))
    return found


def _link_rule(state: "StateInline", silent: bool) -> bool:  # noqa: FBT001 - the parser's signature
    """The parser's own rule, which also notes what of the link is seen by nobody who reads."""
    from markdown_it.helpers import parseLinkLabel
    from markdown_it.rules_inline import link

    start, before = state.pos, len(state.tokens)
    found = link(state, silent)
    if not found or silent:
        return found
    end = parseLinkLabel(state, start)
    opening = next(token for token in state.tokens[before:] if token.type == "link_open")
    if not state.src[start + 1 : end].strip():
        state.env[_CUTS].append((start, state.pos, ""))
    elif opening.attrGet("title") or state.src.startswith("[", end + 1):
        state.env[_CUTS].append((end + 1, state.pos, f"({opening.attrGet('href')})"))
    return found


def _inline(parser: "MarkdownIt", content: str, env: Mapping[str, Any]) -> _Inline:
    children: list[Token] = []
    cuts: list[tuple[int, int, str]] = []
    parser.inline.parse(content, parser, {**env, _CUTS: cuts}, children)
    shown, html, at, altered = [], [], 0, False
    for start, end, instead in sorted(cuts):
        shown += [content[at:start], instead]
        at = max(at, end)
        altered = altered or not content.startswith("<!--", start)
        if content.startswith("<", start):
            html.append(content[start:end])
    links = (str(child.attrGet("href") or "") for child in children if child.type == "link_open")
    text = "".join((*shown, content[at:])).strip()
    return _Inline(text, tuple(html), tuple(links), altered)


def _groups(tokens: "list[Token]") -> "Iterator[list[Token]]":
    """The tokens of each top-level block."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _html(group: "list[Token]", inlines: list[_Inline]) -> list[str]:
    """The raw HTML inside a block, in its order."""
    texts = iter(inlines)
    found: list[str] = []
    for token in group:
        if token.type == "inline":
            found.extend(next(texts).html)
        elif token.type == "html_block":
            found.append(token.content)
    return found


def _nested(first: "Token") -> bool:
    return first.type in {"blockquote_open", "bullet_list_open", "ordered_list_open"}


def _block(group: "list[Token]", inlines: list[_Inline], lines: list[str]) -> Block:
    first = group[0]
    start, end = first.map or [0, 0]
    block = Block(
        Kind.TEXT,
        start + 1,
        _prose(group, inlines),
        entries=_entries(group, inlines),
        links=() if _nested(first) else tuple(link for each in inlines for link in each.links),
        altered=any(each.altered for each in inlines),
    )
    if any(_FOOTNOTE.search(token.content) for token in group if token.type == "inline"):
        return replace(block, kind=Kind.NOTE)
    if first.type == "heading_open":
        label = inlines[0].text
        return replace(block, kind=Kind.HEADING, label=label, level=_level(first))
    if first.type == "fence":
        closing = lines[end - 1].strip()
        complete = end - start > 1 and not closing.strip(first.markup[0])
        complete = complete and len(closing) >= len(first.markup)
        return replace(
            block,
            kind=Kind.CODE,
            code=first.content,
            label=first.info.strip(),
            complete=complete,
        )
    return block


def _level(heading: "Token") -> int:
    return len(heading.markup) if heading.markup.startswith("#") else 0


def _prose(group: "list[Token]", inlines: list[_Inline]) -> str:
    """The block as Markdown without what is not shown."""
    texts = iter(inlines)
    out: list[str] = []
    before: list[str] = []
    for token in group:
        if token.type in _MARKED:
            before.append(_mark(token))
        elif token.type in _MARKED_ENDS:
            before.pop()
        for line in _shown(token, texts):
            out.append(("".join(before) + line).rstrip())
            before = [mark if mark == "> " else " " * len(mark) for mark in before]
    return "\n".join(out).strip()


def _mark(token: "Token") -> str:
    if token.type == "blockquote_open":
        return "> "
    if token.type == "heading_open":
        return f"{'#' * int(token.tag[1:])} "
    return f"{token.info}{token.markup} " if token.info else "- "


def _shown(token: "Token", texts: Iterator[_Inline]) -> list[str]:
    if token.type == "inline":
        return next(texts).text.split("\n")
    if token.type in {"fence", "code_block"}:
        marks = token.markup or "```"
        language = _LANGUAGE.match(token.info.strip())
        opening = marks + (language.group() if language else "")
        return [opening, *token.content.rstrip().split("\n"), marks]
    return ["---"] if token.type == "hr" else []


def _entries(group: "list[Token]", inlines: list[_Inline]) -> tuple[str, ...] | None:
    first = group[0]
    if first.type == "hr":
        return ()
    if first.type in {"fence", "code_block"}:
        joined = first.content.replace("\\\n", "")
        return tuple(line.strip() for line in joined.split("\n") if line.strip())
    if first.type == "paragraph_open":
        return tuple(line.strip() for line in inlines[0].text.split("\n") if line.strip())
    if first.type in {"bullet_list_open", "ordered_list_open"}:
        return _items(group, inlines)
    return None


def _items(group: "list[Token]", inlines: list[_Inline]) -> tuple[str, ...] | None:
    """The items of a list that holds nothing but text."""
    texts = iter(inlines)
    items: list[list[str]] = []
    for token in group[1:-1]:
        if token.type == "list_item_open":
            items.append([])
        elif token.type == "inline":
            items[-1].extend(next(texts).text.split())
        elif token.type not in {"paragraph_open", "paragraph_close", "list_item_close"}:
            return None
    plain = (_BOX.sub("", " ".join(words), count=1) for words in items)
    return tuple(item for item in plain if item)


class _Tags:
    """Which raw HTML elements are open, read in the order of the blocks."""

    def __init__(self) -> None:
        self.line = 0
        self._open: list[tuple[str, int]] = []

    @property
    def place(self) -> Place:
        """Where a block that comes now is."""
        return Place.ENCLOSED if self._open else Place.PLAIN

    @property
    def doubt(self) -> int:
        """The line of the first tag that was never closed, or 0."""
        return self._open[0][1] if self._open else 0

    def read_block(self, pieces: list[str], *, nested: bool) -> None:
        """Follow the tags inside a block; a list or a quote has to close what it opens."""
        before = list(self._open)
        for html in pieces:
            self.read(html)
        if nested and self._open != before:
            self._doubt()

    def read(self, html: str) -> None:
        """Follow the tags in `html`; whatever a browser might read otherwise is a doubt."""
        from markdown_it.common.html_re import HTML_TAG_RE

        at = html.find("<")
        while at >= 0:
            match = HTML_TAG_RE.match(html, at)
            tag = match.group() if match else html[at:]
            if tag.startswith("<!--"):
                self._comment(tag)
            elif match is None or not self._element(tag):
                self._doubt()
            at = html.find("<", at + len(tag))

    def _comment(self, tag: str) -> None:
        # A browser ends a comment at `--!>` too, and at once when it begins with `>` or `->`.
        odd = tag[4:].startswith((">", "->")) and tag not in {"<!-->", "<!--->"}
        if odd or "--!>" in tag:
            self._doubt()

    def _element(self, tag: str) -> bool:
        named = _NAME.match(tag)
        if named is None:
            return False
        closing, name = bool(named.group(1)), named.group(2).lower()
        if name in _SWALLOWING:
            return False
        if name not in _ENCLOSING:
            return True
        if not closing:
            self._open.append((name, self.line))
        elif self._open and self._open[-1][0] == name:
            self._open.pop()
        else:
            return not self._open
        return True

    def _doubt(self) -> None:
        self._open.append((_DOUBT, self.line))
