"""The pages that people read, in parts that a test can compare with the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))


def text(name: str) -> str:
    """The page `name`, a path below the repository's root."""
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(name), re.DOTALL | re.MULTILINE)


def prose(name: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text(name), flags=re.DOTALL | re.MULTILINE)


def linked(name: str) -> set[str]:
    """The files in docs/ that the page links to, by their names there."""
    return set(re.findall(r"\]\((?:docs/)?([\w-]+\.md)[)#]", prose(name)))


def code_spans(name: str) -> list[str]:
    """What the page writes between backticks in its prose."""
    return re.findall(r"`([^`\n]+)`", prose(name))


def section(name: str, heading: str) -> str:
    """What is below a heading, down to the next one of its rank."""
    return text(name).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def table(name: str, heading: str) -> dict[str, list[str]]:
    """The table below a heading whose first cells are code: each first cell and the others."""
    rows = [line.split(" | ") for line in section(name, heading).splitlines() if line[:3] == "| `"]
    return {row[0].strip("| `"): [cell.strip(" |`") for cell in row[1:]] for row in rows}


def anchors(name: str) -> set[str]:
    """The anchors that GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}
