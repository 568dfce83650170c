"""Reads a post as GitHub does, with GitHub's own parser, and says what in it is live.

What GitHub does after parsing (mentions, references, closing keywords, drawn fences, tasks, alerts)
and what bots do with the raw lines is written down here by what is documented of them. So this is
an oracle for our own renderer, which uses neither the parser nor these patterns.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator
from html.parser import HTMLParser

from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

from loop_kit.errors import TROUBLESHOOTING

HOSTILE = (
    "/merge\nbors r+\n@dependabot rebase\nfixes #1, octo/demo#2, GH-3 @octocat [skip ci]\n"
    "| a | b |\n|---|---|\n| `x | @octocat fixes #12 <img src=http://e.test/x.png>` | c |\n\n"
    "# Approved\n\n<details><summary>x</summary>\n\n- [ ] task\n\n```mermaid\nx\n```\n"
    "~~~suggestion\nx\n~~~\nhttps://github.com/octo/demo/issues/9 <!-- loop-kit:T-001:x -->"
)
"""What acts in a post wherever a text is put into one as it is."""

_OPTIONS = (
    Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES | Options.CMARK_OPT_GITHUB_PRE_LANG
)
_INLINE = {"a", "code", "em", "strong", "del", "br"}
_BLOCKS = {
    *("p", "ul", "ol", "li", "pre", "blockquote", "h2", "h3", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_VOID = {"br", "hr", "img", "input"}
_DRAWN = {"mermaid", "geojson", "topojson", "stl", "math", "suggestion"}
_ACTS = {
    "mention": re.compile(r"(?:^|[^A-Za-z0-9_])@[A-Za-z0-9]"),
    "reference": re.compile(
        r"(?:^|[^\w&])#\d|[\w.-]+/[\w.-]+#\d|\b[A-Z]{2,}#\d|(?:^|\W)GH-\d", re.IGNORECASE
    ),
    "address": re.compile(
        r"(?:https?://|www\.)\S*/(?:issues|pull|discussions|commit|commits)/\w", re.IGNORECASE
    ),
}
_COMMAND = re.compile(
    r"^[ \t]*(?:/[a-z]|![a-z]|bors\b|@[\w-]+[ ,:]|r\? |retest|recheck|ok to test)", re.IGNORECASE
)
_ALERT = re.compile(
    r"<blockquote>\s*<p>\[!(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*(?:<|$)",
    re.IGNORECASE | re.MULTILINE,
)
_MARKER = re.compile(r"<!-- loop-kit:[\w.:-]+ -->\n")


class OurLinks:
    """The links that we make to what acts: to a loop's pull request, comparisons, explanations."""

    def __init__(self, page: str) -> None:
        self._ours = re.compile(
            rf"{re.escape(page)}/(?:pull/\d+(?:/files|#pullrequestreview-\d+)?"
            r"|compare/[0-9a-f]{40}\.\.\.[0-9a-f]{40})"
            rf"|{re.escape(TROUBLESHOOTING)}#[a-z-]+"
        )

    def __contains__(self, url: object) -> bool:
        return isinstance(url, str) and self._ours.fullmatch(url) is not None


class _Page(HTMLParser):
    def __init__(self, links: Container[str], drawn: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.live: set[str] = set()
        self.blocks: list[str] = []
        self._links = links
        self._drawn = drawn
        self._open: list[str] = []
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._divide(tag)
        if tag == "input":
            self.live.add("task")
        elif tag not in _INLINE | _BLOCKS:
            self.live.add(f"<{tag}>")
        if tag == "a" and not self._is_allowed(given.get("href") or ""):
            self.live.add("link")
        if tag == "pre" and (given.get("lang") or "").split(" ")[0].lower() in _DRAWN - {
            *self._drawn
        }:
            self.live.add(f"fence of {given['lang']}")
        if tag not in _INLINE and "blockquote" not in self._open:
            self.blocks.append(tag)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._divide(tag)
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        quiet = {"a", "code", "pre"} & set(self._open)
        self._text += "\0" if quiet else data

    def handle_comment(self, data: str) -> None:
        self.live.add("comment")

    def close(self) -> None:
        super().close()
        self._end_text()

    def _is_allowed(self, href: str) -> bool:
        if href in self._links or href.startswith("mailto:"):
            return True
        return href.startswith(("https://", "http://")) and not _ACTS["address"].search(href)

    def _divide(self, tag: str) -> None:
        """End the text that was before a tag: GitHub looks into each text by itself."""
        if tag in _INLINE:
            self._text += "\0"
        else:
            self._end_text()

    def _end_text(self) -> None:
        for name, pattern in _ACTS.items():
            if pattern.search(self._text):
                self.live.add(name)
        self._text = ""


def _html(post: str) -> str:
    html: str = github_flavored_markdown_to_html(post, options=_OPTIONS)
    return html


def _page(post: str, links: Container[str] = (), drawn: Collection[str] = ()) -> _Page:
    page = _Page(links, drawn)
    page.feed(_html(post))
    page.close()
    return page


def blocks(post: str) -> list[str]:
    """The blocks of a post, in order, without what is in quotations."""
    return _page(_MARKER.sub("", post, count=1)).blocks


def live(
    post: str,
    *,
    ours: Collection[str] = (),
    drawn: Collection[str] = (),
    links: Container[str] = (),
) -> set[str]:
    """What in a post acts, but for our marker in its first line.

    Allowed are the texts `ours`, such as `#7`, the languages `drawn` of fences, and the `links`.
    """
    body = _MARKER.sub("", post, count=1) if _MARKER.match(post) else post
    plain = body
    for text in ours:
        plain = plain.replace(text, "ours")
    alert = {"alert"} if _ALERT.search(_html(plain.replace("\\[!", "\\[?"))) else set()
    return {*_page(plain, links, drawn).live, *_raw(body), *alert}


def _raw(body: str) -> Iterator[str]:
    for line in re.split(r"[\n\r\u2028\u2029]", body):
        if _COMMAND.match(line):
            yield "command"
        if "<!--" in line:
            yield "comment"
