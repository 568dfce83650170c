"""Hooks of `mkdocs build`: two pages from elsewhere, and links out of docs/ lead to GitHub.

The README is the first page, and what GitHub shows to contributors is a page too.

The pages are written to be read on GitHub, where most people meet them. So their links to files
outside docs/ stay as they are there, and are changed for the site alone. So are pictures of two
themes: GitHub shows the one of the reader's system, the site the one that is chosen on it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {"README.md": "index.md", ".github/CONTRIBUTING.md": "contributing.md"}
"""Files outside docs/ that are pages, by their names on the site."""
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>[^)]*\))")
_PICTURE = re.compile(r'(?P<before> (?:src|srcset)=")docs/')
_THEMES = re.compile(
    r'<picture>\n<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\n'
    r'<img alt="(?P<alt>[^"]*)" src="(?P<light>[^"]+)">\n</picture>'
)
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/."""
    for path, name in ELSEWHERE.items():
        markdown = _relinked((ROOT / path).read_text("utf-8"), posixpath.dirname(path), config)
        files.append(File.generated(config, name, content=markdown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Leads the links of a page that leave docs/ to GitHub."""
    generated = page.file.src_uri in ELSEWHERE.values()
    return markdown if generated else _relinked(markdown, "docs", config)


def _relinked(markdown: str, folder: str, config: MkDocsConfig) -> str:
    """`markdown` of a file in `folder`, with its links as the site needs them."""

    def relink(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists():
            raise PluginError(f"{folder or '.'}: the link {found['target']} leads nowhere.")
        if path in ELSEWHERE:
            link = ELSEWHERE[path]
        elif path.startswith("docs/") and (ROOT / path).is_file():
            link = path.removeprefix("docs/")
        else:
            link = f"{config.repo_url}/{'tree' if (ROOT / path).is_dir() else 'blob'}/v0/{path}"
        return f"{found['before']}{link}{'#' * bool(anchor)}{anchor}{found['after']}"

    if not folder:
        markdown = _PICTURE.sub(r"\g<before>", markdown)
    markdown = _THEMES.sub(_both_themes, markdown)
    parts = _FENCED.split(markdown)  # each other one is a block of code
    return "".join(_LINK.sub(relink, part) if not n % 2 else part for n, part in enumerate(parts))


def _both_themes(found: re.Match[str]) -> str:
    """The pictures of both themes, of which the site hides one."""
    pictures = (f'<img alt="{found["alt"]}" src="{found[t]}#only-{t}">' for t in ("light", "dark"))
    return f"<p>{' '.join(pictures)}</p>"
