"""The body of an issue or a pull request, as the blocks that everybody who looks at it sees.

Who labels an issue judges what the page shows, so nothing else may reach an agent: characters
without a form, HTML comments, link definitions and titles, images and the words after a fence's
language are dropped; footnotes, which are hidden until something refers to them, are set apart.
Raw HTML may fold, hide or restyle whatever follows it, and only a browser knows where that ends:
every block from there on is marked, and the card is not read from it.

The parser is a CommonMark parser, as GitHub's is; regular expressions would see other blocks.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from loop_kit.core.sanitize import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

    Cut = tuple[int, int, str]
    Rule = Callable[[StateInline, bool], bool]

_MAX_NESTING = 20
_CUTS = "loop_kit_cuts"
_HIDING = frozenset(
    {
        *("article", "aside", "audio", "blockquote", "canvas", "center", "datalist", "details"),
        *("dialog", "div", "dl", "fieldset", "figure", "footer", "form", "header", "iframe"),
        *("main", "math", "meter", "nav", "noembed", "noframes", "noscript", "object", "ol"),
        *("plaintext", "pre", "progress", "rp", "script", "section", "select", "style", "svg"),
        *("table", "template", "textarea", "title", "ul", "video", "xmp"),
    }
)
"""Elements that fold, hide or swallow what is in them, or show it as something else."""

_COMMENT = r"<!--(?:-?>|.*?--!?>)"
"""A comment as a browser reads it."""

_FOOTNOTE = re.compile(r"^[ \t]*\[\^[^\] \t\n]+\]:", re.MULTILINE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#_-]{1,20}(?![^\s])")
_BOX = re.compile(r"\[[ xX]\][ \t]+")
_LISTS = frozenset({"bullet_list_open", "ordered_list_open"})
_CONTAINERS = frozenset({"blockquote", "heading", "list_item"})


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block.

    `text` is its visible Markdown, `label` a heading's text or a fence's info string, `code` what
    is in the fence, `line` counts from 1. `level` is a heading's, 0 for one that is underlined:
    who draws a line below a paragraph makes one by accident. `entries` are its lines or list
    items, None where it is no flat list of them. `altered`: raw tags or images were taken out of
    `text`. `complete` is False for a fence that nobody closed. `below_html`: raw HTML in it or
    above it may hide it.
    """

    kind: Literal["heading", "code", "text", "footnote"]
    line: int
    text: str
    label: str = ""
    code: str = ""
    level: int = 0
    entries: tuple[str, ...] | None = None
    links: tuple[str, ...] = ()
    altered: bool = False
    complete: bool = True
    below_html: bool = False


def read_body(body: str) -> tuple[Block, ...]:
    """The blocks of `body` in their order; link targets are as the parser normalises them."""
    source = visible(body)
    parser = _parser()
    env: dict[str, Any] = {}
    lines = source.split("\n")
    found: list[Block] = []
    below_html = False
    for group in _groups(parser.parse(source, env)):
        for token in group:
            if token.type == "inline":
                _keep_visible(parser, token, env)
            html = token.content if token.type == "html_block" else token.meta.get("html", "")
            below_html = below_html or _can_hide(html)
        if group[0].type != "html_block":
            found.append(_block(group, lines, below_html=below_html))
    found.extend(_short_footnotes(env))
    return tuple(block for block in sorted(found, key=lambda block: block.line) if block.text)


def _short_footnotes(env: Mapping[str, Any]) -> Iterator[Block]:
    """Footnotes of one word, which CommonMark, where there are none, takes for definitions."""
    for label, about in env.get("references", {}).items():
        if label.startswith("^"):
            yield Block("footnote", about["map"][0] + 1, label)


def _can_hide(html: str) -> bool:
    """Whether this raw HTML may hide what follows; a `<` that begins no whole tag may."""
    from markdown_it.common.html_re import close_tag, open_tag

    for piece in re.finditer(f"{_COMMENT}|{close_tag}|({open_tag})|<", html, re.DOTALL):
        name = re.match("<([A-Za-z0-9-]+)", piece.group(1) or "")
        if piece.group() == "<" or (name and name.group(1).lower() in _HIDING):
            return True
    return False


# --- inline text -----------------------------------------------------------------------------


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import html_inline, image, link

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING})
    parser.disable(["inline", "text_join"])
    rule = parser.inline.ruler.at
    rule("html_inline", _noting(html_inline, lambda state, start, _: (start, state.pos, "")))
    rule("image", _noting(image, lambda state, start, _: (start, state.pos, "[image]")))
    rule("link", _noting(link, _hidden_of_link))
    return parser


def _noting(rule: "Rule", hidden: "Callable[[StateInline, int, int], Cut | None]") -> "Rule":
    """The parser's own rule, which also notes what of the source is not shown."""

    def noting(state: "StateInline", silent: bool) -> bool:  # noqa: FBT001 - the parser's signature
        start, first = state.pos, len(state.tokens)
        found = rule(state, silent)
        cut = hidden(state, start, first) if found and not silent else None
        # What an image holds is parsed as a text of its own.
        if cut and state.src == state.env[_CUTS][0]:
            state.env[_CUTS].append(cut)
        return found

    return noting


def _hidden_of_link(state: "StateInline", start: int, first: int) -> "Cut | None":
    from markdown_it.helpers import parseLinkLabel

    end = parseLinkLabel(state, start)
    opening = next(token for token in state.tokens[first:] if token.type == "link_open")
    if not state.src[start + 1 : end].strip():
        return start, state.pos, ""
    if opening.attrGet("title") or state.src.startswith("[", end + 1):
        return end + 1, state.pos, f"({opening.attrGet('href')})"
    return None


def _keep_visible(parser: "MarkdownIt", token: "Token", env: Mapping[str, Any]) -> None:
    """Take out of an inline token's source what is not shown; `meta` says what that was."""
    source = token.content
    children: list[Token] = []
    cuts: list[Any] = [source]
    parser.inline.parse(source, parser, {**env, _CUTS: cuts}, children)
    shown, html, at = "", "", 0
    for start, end, instead in sorted(cuts[1:]):
        shown += source[at:start] + instead
        at = max(at, end)
        html += source[start:end] if source.startswith("<", start) else ""
        token.meta["altered"] = token.meta.get("altered") or not source.startswith("<!--", start)
    links = (child.attrGet("href") for child in children if child.type == "link_open")
    token.meta |= {
        "html": html,
        "links": tuple(str(link or "") for link in links),
        "footnote": bool(_FOOTNOTE.search(source)),
    }
    token.content = (shown + source[at:]).strip()


# --- blocks ----------------------------------------------------------------------------------


def _groups(tokens: "list[Token]") -> "Iterator[list[Token]]":
    """The tokens of each top-level block."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _block(group: "list[Token]", lines: list[str], *, below_html: bool) -> Block:
    first, inlines = group[0], [token for token in group if token.type == "inline"]
    start, end = first.map or [0, 0]
    is_heading, is_fence = first.type == "heading_open", first.type == "fence"
    is_nested = first.type in {*_LISTS, "blockquote_open"}
    is_note = any(token.meta["footnote"] for token in inlines)
    return Block(
        "footnote" if is_note else "heading" if is_heading else "code" if is_fence else "text",
        start + 1,
        _prose(group),
        label=inlines[0].content if is_heading else first.info.strip() if is_fence else "",
        code=first.content if is_fence else "",
        level=len(first.markup) if is_heading and first.markup.startswith("#") else 0,
        entries=_entries(group),
        links=() if is_nested else tuple(link for t in inlines for link in t.meta["links"]),
        altered=any(token.meta.get("altered") for token in inlines),
        complete=not is_fence or _is_closed(first.markup, lines[start + 1 : end]),
        below_html=below_html,
    )


def _is_closed(marks: str, lines: list[str]) -> bool:
    closing = lines[-1].strip() if lines else ""
    return len(closing) >= len(marks) and not closing.strip(marks[0])


def _prose(group: "list[Token]") -> str:
    """The block as Markdown without what is not shown."""
    out: list[str] = []
    before: list[str] = []
    for token in group:
        name, _, side = token.type.rpartition("_")
        if name in _CONTAINERS and side == "open":
            before.append(_mark(token))
        elif name in _CONTAINERS:
            before.pop()
        for line in _lines(token):
            out.append(("".join(before) + line).rstrip())
            before = [mark if mark == "> " else " " * len(mark) for mark in before]
    return "\n".join(out).strip()


def _mark(token: "Token") -> str:
    if token.type == "blockquote_open":
        return "> "
    if token.type == "heading_open":
        return f"{'#' * int(token.tag[1:])} "
    return f"{token.info}{token.markup} " if token.info else "- "


def _lines(token: "Token") -> list[str]:
    if token.type == "inline":
        return token.content.split("\n")
    if token.type in {"fence", "code_block"}:
        marks = token.markup or "```"
        language = _LANGUAGE.match(token.info.strip())
        opening = marks + (language.group() if language else "")
        return [opening, *token.content.rstrip().split("\n"), marks]
    return ["---"] if token.type == "hr" else []


def _entries(group: "list[Token]") -> tuple[str, ...] | None:
    """The lines of a block or the items of a list, if it holds nothing but text."""
    first = group[0]
    if first.type in _LISTS:
        return _items(group[1:-1])
    if first.type == "paragraph_open":
        text = group[1].content
    elif first.type in {"fence", "code_block", "hr"}:
        text = first.content.replace("\\\n", "")
    else:
        return None
    return tuple(line.strip() for line in text.split("\n") if line.strip())


def _items(tokens: "list[Token]") -> tuple[str, ...] | None:
    items: list[str] = []
    for token in tokens:
        if token.type == "list_item_open":
            items.append("")
        elif token.type == "inline":
            items[-1] = " ".join((*items[-1].split(), *token.content.split()))
        elif token.type not in {"paragraph_open", "paragraph_close", "list_item_close"}:
            return None
    return tuple(text for item in items if (text := _BOX.sub("", item, count=1)))
