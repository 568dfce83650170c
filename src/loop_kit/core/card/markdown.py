"""The body of an issue or a pull request, as the blocks that are visible on the page.

Who labels an issue judges what the page shows, so nothing else may reach an agent: characters
without a form, HTML comments, link definitions and titles, images and the words after a fence's
language are dropped; footnotes, which are hidden until something refers to them, are set apart.
Raw HTML may fold, hide or restyle whatever follows it, and only a browser knows where that ends:
every block from there on is marked, and the card is not read from it.

The parser is a CommonMark parser, as GitHub's is; regular expressions would see other blocks.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from loop_kit.core.text.sanitize import visible
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.tree import SyntaxTreeNode as Node

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
"""Elements that fold, hide or drop their content, or display it as something else."""

_COMMENT = r"<!--(?:-?>|.*?--!?>)"
"""A comment as a browser reads it."""

_FOOTNOTE = re.compile(r"^[ \t]*\[\^[^\] \t\n]+\]:", re.MULTILINE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#_-]{1,20}(?![^\s])")
_BOX = re.compile(r"\[[ xX]\][ \t]+")
_LISTS = frozenset({"bullet_list", "ordered_list"})


@frozen
class Block:
    """One top-level block.

    `text` is its visible Markdown, `label` a heading's text or a fence's info string, `code` what
    is in the fence, `line` counts from 1. `level` is a heading's, 0 for one that is underlined:
    who draws a line below a paragraph makes one by accident. `entries` are its lines or list
    items, None where it is no flat list of them. `altered`: raw tags or images were taken out of
    `text`. `complete` is False for an unclosed fence. `below_html`: raw HTML in it or
    above it may hide it. `is_paragraph`: it is neither a list nor code.
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
    is_paragraph: bool = False


def read_body(body: str) -> tuple[Block, ...]:
    """The blocks of `body` in their order; link targets are as the parser normalises them."""
    from markdown_it.tree import SyntaxTreeNode

    source = visible(body)
    parser = _parser()
    env: dict[str, Any] = {}
    lines = source.split("\n")
    found: list[Block] = []
    below_html = False
    for block in SyntaxTreeNode(parser.parse(source, env)).children:
        for node in block.walk():
            html = node.content if node.type == "html_block" else ""
            if node.type == "inline":
                html = _remove_invisible(parser, node, env)
            below_html = below_html or _can_hide(html)
        if block.type != "html_block":
            found.append(_block(block, lines, below_html=below_html))
    found.extend(_short_footnotes(env))
    return tuple(block for block in sorted(found, key=lambda block: block.line) if block.text)


def _short_footnotes(env: Mapping[str, Any]) -> Iterator[Block]:
    """Footnotes of one word, which CommonMark, where there are none, takes for definitions."""
    for label, about in env.get("references", {}).items():
        if label.startswith("^"):
            yield Block("footnote", about["map"][0] + 1, label)


@cache
def raw_html() -> re.Pattern[str]:
    """A comment, a tag (group 1: one that opens), an unclosed comment or a bare `<`."""
    from markdown_it.common.html_re import close_tag, open_tag

    return re.compile(f"{_COMMENT}|<!--.*|{close_tag}|({open_tag})|<", re.DOTALL)


def _can_hide(html: str) -> bool:
    """Whether this raw HTML may hide what follows; a `<` that begins no whole tag may."""
    for piece in raw_html().finditer(html):
        name = re.match("<([A-Za-z0-9-]+)", piece.group(1) or "")
        if not piece.group().endswith(">") or (name and name.group(1).lower() in _HIDING):
            return True
    return False


# --- inline text -----------------------------------------------------------------------------


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import html_inline, image, link

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING})
    parser.disable(["inline", "text_join"])
    rule = parser.inline.ruler.at
    rule("html_inline", _record_hidden(html_inline, lambda state, start, _: (start, state.pos, "")))
    rule("image", _record_hidden(image, lambda state, start, _: (start, state.pos, "[image]")))
    rule("link", _record_hidden(link, _hidden_of_link))
    return parser


def _record_hidden(rule: "Rule", hidden: "Callable[[StateInline, int, int], Cut | None]") -> "Rule":
    """The parser's own rule, which also records what of the source is not displayed."""

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


def _remove_invisible(parser: "MarkdownIt", inline: "Node", env: Mapping[str, Any]) -> str:
    """Remove from an inline node's source what is not displayed; return the raw HTML in it."""
    source, token = inline.content, inline.token
    assert token is not None  # noqa: S101
    token.children = []
    cuts: list[Any] = [source]
    parser.inline.parse(source, parser, {**env, _CUTS: cuts}, token.children)
    displayed, html, at = "", "", 0
    for start, end, instead in sorted(cuts[1:]):
        displayed += source[at:start] + instead
        at = max(at, end)
        html += source[start:end] if source.startswith("<", start) else ""
        inline.meta["altered"] = inline.meta.get("altered") or not source.startswith("<!--", start)
    links = (child.attrGet("href") for child in token.children if child.type == "link_open")
    inline.meta["links"] = tuple(str(link or "") for link in links)
    inline.meta["footnote"] = bool(_FOOTNOTE.search(source))
    token.content = (displayed + source[at:]).strip()
    return html


# --- blocks ----------------------------------------------------------------------------------


def _block(node: "Node", lines: list[str], *, below_html: bool) -> Block:
    inlines = [child for child in node.walk() if child.type == "inline"]
    start, end = node.map or (0, 0)
    is_heading, is_fence = node.type == "heading", node.type == "fence"
    is_nested = node.type in {*_LISTS, "blockquote"}
    is_note = any(inline.meta["footnote"] for inline in inlines)
    return Block(
        "footnote" if is_note else "heading" if is_heading else "code" if is_fence else "text",
        start + 1,
        "\n".join(line.rstrip() for line in _prose(node)).strip(),
        label=inlines[0].content if is_heading else node.info.strip() if is_fence else "",
        code=node.content if is_fence else "",
        level=len(node.markup) if is_heading and node.markup.startswith("#") else 0,
        entries=_entries(node),
        links=() if is_nested else tuple(link for each in inlines for link in each.meta["links"]),
        altered=any(inline.meta.get("altered") for inline in inlines),
        complete=not is_fence or _is_closed(node.markup, lines[start + 1 : end]),
        below_html=below_html,
        is_paragraph=node.type == "paragraph",
    )


def _is_closed(marks: str, lines: list[str]) -> bool:
    closing = lines[-1].strip() if lines else ""
    return len(closing) >= len(marks) and not closing.strip(marks[0])


def _prose(node: "Node") -> list[str]:
    """The displayed lines of the node's Markdown."""
    if node.type == "inline":
        return node.content.split("\n")
    if node.type in {"fence", "code_block"}:
        marks = node.markup or "```"
        language = _LANGUAGE.match(node.info.strip())
        opening = marks + (language.group() if language else "")
        return [opening, *node.content.rstrip().split("\n"), marks]
    if node.type == "hr":
        return ["---"]
    lines = [line for child in node.children for line in _prose(child)]
    if node.type == "blockquote":
        return [f"> {line}" for line in lines]
    mark = ""
    if node.type == "heading":
        mark = f"{'#' * int(node.tag[1:])} "
    elif node.type == "list_item":
        mark = f"{node.info}{node.markup} " if node.info else "- "
    return [(" " * len(mark) if at else mark) + line for at, line in enumerate(lines)]


def _entries(node: "Node") -> tuple[str, ...] | None:
    """The lines of a block or the items of a list, if it holds nothing but text."""
    if node.type in _LISTS:
        if any(child.type != "paragraph" for item in node.children for child in item.children):
            return None
        found = [_BOX.sub("", _text(item), count=1) for item in node.children]
    elif node.type == "paragraph":
        found = _prose(node)
    elif node.type in {"fence", "code_block", "hr"}:
        found = node.content.replace("\\\n", "").split("\n")
    else:
        return None
    return tuple(entry.strip() for entry in found if entry.strip())


def _text(node: "Node") -> str:
    """All text in the node, on one line."""
    inlines = (child.content for child in node.walk() if child.type == "inline")
    return " ".join(" ".join(inlines).split())
