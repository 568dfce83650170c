"""Writes docs/troubleshooting.md: every message with its reason and what helps.

The messages are read from the places in the code that raise them, so the page cannot miss one.
What to say about them is in `entries.yml`. Run by `make reference`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "loop_kit"
NAME = "docs/troubleshooting.md"
_ENTRIES = Path(__file__).parent / "entries.yml"
_BASE = "LoopError"
_SHORTEST = 12
_HEAD = """\
# Troubleshooting by message

Every error of `loop` and of the action is a sentence, a remedy, and the address of its entry here.
Each entry has the messages that lead to it (`…` is for names and numbers), why they come and what
helps. How a loop ended is [at the end](#how-a-loop-ended). What looks different from these is a
bug: please report it with the lines that were printed.

<!-- `make reference` writes this page, by the code and tests/troubleshooting/entries.yml -->
"""


@dataclass(frozen=True)
class Site:
    """A place that raises an error: its file and line, the anchor, and the message as a pattern."""

    place: str
    anchor: str
    message: str


def catalogue() -> dict[str, dict[str, Mapping[str, str]]]:
    """By section and heading: why a message comes, and what to do."""
    read: dict[str, dict[str, Mapping[str, str]]] = yaml.safe_load(_ENTRIES.read_text("utf-8"))
    return read


def anchor_of(heading: str) -> str:
    """The anchor of a heading, on GitHub and on the site."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@cache
def sites() -> list[Site]:
    """Every place in the code that makes an error for users."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    anchors = _anchors_of_classes(trees.values())
    return [
        Site(f"{path.relative_to(SOURCE)}:{call.lineno}", anchor, message)
        for path, tree in trees.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id in anchors
        for anchor in _anchors(call, anchors[call.func.id])
        for message in [_message(call)]
    ]


def _anchors_of_classes(trees: Iterable[ast.Module]) -> dict[str, str]:
    """The anchor of each class of errors, its own or the one of what it is derived from."""
    classes = {
        node.name: node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found: dict[str, str] = {}
    known = {_BASE}
    for _ in classes:  # a class may be defined before its base is looked at
        for name, node in classes.items():
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if name in known or bases & known:
                known.add(name)
                inherited = next((found[base] for base in bases if base in found), "")
                found[name] = _own_anchor(node) or inherited
    return found


def _own_anchor(node: ast.ClassDef) -> str:
    for line in node.body:
        is_anchor = isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "anchor"
        if is_anchor and isinstance(line.value, ast.Constant):
            return str(line.value.value)
    return ""


def _anchors(call: ast.Call, of_class: str) -> Iterator[str]:
    """The anchors that one raise site may have."""
    given = next((each.value for each in call.keywords if each.arg == "anchor"), None)
    if isinstance(given, ast.Constant):
        yield str(given.value)
    elif not isinstance(given, ast.Attribute):  # `error.anchor` is that of another site
        yield of_class


def _message(call: ast.Call) -> str:
    """The sentence, with `…` for what is filled in; empty where it comes from elsewhere."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant):
        return str(first.value)
    if not isinstance(first, ast.JoinedStr):
        return ""
    parts = [part.value if isinstance(part, ast.Constant) else "…" for part in first.values]
    text = re.sub(r"…(?:\W{0,2}…)*", "…", "".join(map(str, parts))).strip()
    return text if len(text.replace("…", "")) >= _SHORTEST else ""


def page() -> str:
    """The page about messages."""
    messages: defaultdict[str, list[str]] = defaultdict(list)
    for site in sites():
        if site.message and site.message not in messages[site.anchor]:
            messages[site.anchor].append(site.message)
    lines = [_HEAD]
    for section, entries in catalogue().items():
        lines.append(f"## {section}\n")
        for heading, entry in entries.items():
            lines.append(f"### {heading}\n")
            listed = [*entry.get("messages", ()), *messages[anchor_of(heading)]]
            lines += [f"- `` {' '.join(each.split())} ``" for each in listed]
            lines += [""] * bool(listed)
            lines.append(f"{entry['why']} **What helps:** {entry['do']}\n")
    return "\n".join(lines).rstrip() + "\n"
