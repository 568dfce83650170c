"""The task packet: what a worker would look up first, collected once per round.

`task_packet.json` has the fields that agent-task-runner gave it. What is in it comes from git at
the commit that the round starts from, from the card, and from the open findings.
"""

from collections.abc import Iterable, Mapping, Sequence

from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.findings import Finding, open_findings
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen

MAX_FILES = 100
MAX_SOURCES = 20
_MAX_SYMBOLS = 120
_MAX_RISKS = 60
_MAX_ITEM = 300
_MAX_SOURCE = 100_000
_SOURCE = (".py", ".pyi")
_BUILD_FILES = (
    *("readme", "contributing", "agents.md", "makefile", "justfile", "taskfile", "dockerfile"),
    *("pyproject.toml", "setup.py", "tox.ini", "noxfile.py", "package.json", "deno.json"),
    *("cargo.toml", "go.mod", "pom.xml", "build.gradle", "cmakelists.txt", "meson.build"),
    *("gemfile", "composer.json", "mix.exs", "package.swift", "build.zig", ".pre-commit-config"),
)
_MAX_NAMES = 30


@frozen
class TaskPacket:
    """The content of the packet; paths are relative to the repository."""

    target_files: tuple[str, ...] = ()
    target_symbols: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()
    acceptance_checks: tuple[str, ...] = ()
    known_risks: tuple[str, ...] = ()
    commands_to_run: tuple[str, ...] = ()

    def document(self) -> Document:
        """The packet as it is written."""
        return {name: list(items) for name, items in vars(self).items()}

    def section(self) -> str:
        """What the packet adds to the task card in a prompt, or ''."""
        parts: list[str] = []
        for name in ("target_files", "target_symbols", "known_risks"):
            items = getattr(self, name)
            if items:
                parts.append(f"{name}:")
                parts.extend(f"- {one_line(item, _MAX_ITEM)}" for item in items)
        return "\n".join(parts)


def sources(files: Sequence[str]) -> tuple[str, ...]:
    """Which of the target files are read for their symbols."""
    return tuple(path for path in files if path.endswith(_SOURCE))[:MAX_SOURCES]


def task_packet(
    card: TaskCard,
    files: Sequence[str],
    read: Mapping[str, bytes],
    pitfalls: Sequence[str],
    findings: tuple[Finding, ...],
) -> TaskPacket:
    """The packet of one round; `files` are the card's scope at its start, `read` some of them."""
    risks = [f"[{f.severity}] {f.file}: {f.reason}" for f in open_findings(findings)]
    return TaskPacket(
        target_files=tuple(files[:MAX_FILES]),
        target_symbols=_symbols(read),
        invariants=card.constraints,
        acceptance_checks=tuple(f"{id_}: {text}" for id_, text in card.criteria),
        known_risks=(*risks, *pitfalls)[:_MAX_RISKS],
        commands_to_run=card.verify,
    )


def _symbols(read: Mapping[str, bytes]) -> tuple[str, ...]:
    from loop_kit.core.briefing.module_map import exports

    found: list[str] = []
    for path, content in read.items():
        if len(content) > _MAX_SOURCE:
            continue
        named, _ = exports(content.decode("utf-8", "replace"))
        found.extend(f"{path}: {each}" for each in named)
    return tuple(found[:_MAX_SYMBOLS])


def quickstart(top: Iterable[str]) -> str:
    """How to build and test the repository; `top` are the names in its top folder."""
    names = sorted(top)
    build = [name for name in names if name.lower().startswith(_BUILD_FILES)]
    lines = []
    if build:
        lines.append(f"How it is built and tested: {', '.join(build[:_MAX_NAMES])}")
    if names:
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        lines.append(f"At the top of the repository: {', '.join(names[:_MAX_NAMES])}{more}")
    return "\n".join(lines)
