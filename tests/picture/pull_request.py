"""The pull request of the example loop as GitHub shows it, drawn as one SVG for each theme.

The posts are the example posts of tests/core/forge, word for word, made to HTML by the renderer
that GitHub uses; around them is what GitHub shows of any pull request. An SVG that holds HTML
needs no font of ours, is sharp on every screen, and asks for nothing when it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from tests.core.forge.example_posts import APPROVED, CARD, posts
from tests.pages import ROOT

from loop_kit.core.forge.render import pull_request_title

PLACE = ROOT / "docs" / "images"
WIDTH, HEIGHT = 900, 1220
THEMES = {
    "light": {
        "page": "#ffffff",
        "soft": "#f6f8fa",
        "text": "#1f2328",
        "quiet": "#59636e",
        "line": "#d1d9e0",
        "line-soft": "#d1d9e0b3",
        "link": "#0969da",
        "open": "#1f883d",
        "link-soft": "#ddf4ff",
        "code": "#818b981f",
    },
    "dark": {
        "page": "#0d1117",
        "soft": "#151b23",
        "text": "#f0f6fc",
        "quiet": "#9198a1",
        "line": "#3d444d",
        "line-soft": "#3d444db3",
        "link": "#4493f8",
        "open": "#238636",
        "link-soft": "#388bfd1a",
        "code": "#656c7633",
    },
}
OPENED = "<summary>❌ verify"
"""What somebody who looks at the pull request has unfolded."""
MONO = "ui-monospace, SFMono-Regular, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace"
ROBOT = (
    "M8 .8a.9.9 0 0 1 .9.9v1.5H12A2 2 0 0 1 14 5.200v1.300h.6a.9.9 0 0 1 .9.9v2.200a.9.9 0 0 1"
    "-.9.9H14v1.700A2 2 0 0 1 12 14.200H4A2 2 0 0 1 2 12.200v-1.700h-.6a.9.9 0 0 1-.9-.9V7.400a.9"
    ".9 0 0 1 .9-.9H2V5.200A2 2 0 0 1 4 3.200h3.100V1.700A.9.9 0 0 1 8 .8ZM5.300 7.100a1.200 1.200"
    " 0 1 0 0 2.400 1.200 1.200 0 0 0 0-2.400Zm5.400 0a1.200 1.200 0 1 0 0 2.400 1.200 1.200 0 0"
    " 0 0-2.400Z"
)
BRANCH = (
    "M4 2.200a1.800 1.800 0 0 0-.7 3.450v4.700a1.800 1.800 0 1 0 1.400 0v-4.700A1.800 1.800 0 0 0"
    " 4 2.200Zm5.300-.5L6.900 4l2.400 2.300V4.700h1c.6 0 1 .4 1 1v4.650a1.800 1.800 0 1 0 1.400"
    " 0V5.700a2.400 2.400 0 0 0-2.400-2.400h-1Z"
)


def picture(theme: str) -> str:
    """The SVG of one theme."""
    colours = "".join(f" --{name}: {value};" for name, value in THEMES[theme].items())
    style = Path(__file__).with_name("style.css").read_text("utf-8")
    title = escape(f"Pull request: {pull_request_title(CARD)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n'
        f'<foreignObject width="{WIDTH}" height="{HEIGHT}">\n'
        f'<div xmlns="http://www.w3.org/1999/xhtml" id="all">\n'
        f"<style>\n#all {{{colours} --mono: {MONO}; }}\n{style}</style>\n"
        f'<div id="page">\n{"".join(_page())}</div>\n</div>\n</foreignObject>\n</svg>\n'
    )


def _page() -> Iterator[str]:
    """What the pull request shows, from its title to the first review."""
    examples = posts()
    bot = '<b>github-actions</b> <span class="bot">bot</span>'
    work = escape(APPROVED.work_branch)
    yield (
        f"<h1>{escape(pull_request_title(CARD))} <span>#{APPROVED.pull_request}</span></h1>\n"
        f'<div class="about"><span class="badge">{_icon(BRANCH)}Open</span> {bot} wants to merge'
        f' {APPROVED.round} commits into <span class="branch">main</span> from'
        f' <span class="branch">{work}</span></div>\n'
    )
    for name, did in (("status-approved", "commented"), ("review-1", "reviewed")):
        yield (
            f'<div class="post"><div class="avatar">{_icon(ROBOT)}</div><div class="card">'
            f'<div class="head">{bot} {did}</div>\n'
            f'<div class="text">{_html(examples[name])}</div></div></div>\n'
        )


def _html(markdown: str) -> str:
    """A post as HTML that is XML too, without the mark that nobody sees."""
    made = github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    plain = re.sub(r"<!--.*?-->\n?", "", made, flags=re.DOTALL)
    return plain.replace(f"<details>{OPENED}", f'<details open="">{OPENED}')


def _icon(path: str) -> str:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16" height="16">'
    return f'{svg}<path d="{path}"/></svg>'
