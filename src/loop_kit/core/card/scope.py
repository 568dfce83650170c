"""Which changed paths a worker may push: judged per commit, before anything leaves the machine.

A later commit that takes a change back does not help: the server, the reviewer's tools and the
next round's agent see every commit that is pushed. Protected paths are compared without regard to
case, because on some disks `.LOOP` is `.loop`.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from loop_kit.core.card.globs import Patterns, match_rules
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.frozen import frozen

GITLINK = "160000"
SYMLINK = "120000"

PROTECTED_ALWAYS = (f"{LOOP_DIR}/",)
AGENT_CONFIGURATION = (
    *(".claude/", ".codex/", ".opencode/", ".agents/", ".gemini/", ".cursor/", ".windsurf/"),
    *("AGENTS.override.md", "CLAUDE.local.md", ".mcp.json", "opencode.json", "opencode.jsonc"),
    *(".aider.conf.yml", ".aider.model.settings.yml", ".aider.model.metadata.json"),
    *(".clinerules", ".roo/", ".vscode/mcp.json"),
)
"""What agents' programs run or follow when they find it; a worker must not create it."""

PROTECTED_IN_CI = (
    *(f"{LOOP_DIR}/", ".github/workflows/", ".github/actions/"),
    *AGENT_CONFIGURATION,
    *("AGENTS.md", "CLAUDE.md", "GEMINI.md", "/docs/roles/"),
    *(".cursorrules", ".windsurfrules", ".roorules", ".goosehints"),
    *(".github/copilot-instructions.md", ".github/instructions/", ".github/prompts/"),
)


@frozen
class Change:
    """One path in one commit. Modes are git's octal text; `link` is a symlink's target."""

    path: str
    old_path: str = ""
    mode: str = "100644"
    old_mode: str = "000000"
    size: int = 0
    link: str = ""


@frozen
class Commit:
    """One commit of the worker."""

    sha: str
    subject: str = ""
    parents: int = 1
    changes: tuple[Change, ...] = ()


@frozen
class ScopeRules:
    """What is enforced; patterns are gitignore style.

    `per_commit` is for commits that are pushed; where they stay local the net change is judged.
    """

    out_of_scope: tuple[str, ...] = ()
    in_scope: tuple[str, ...] = ()
    protected: tuple[str, ...] = PROTECTED_ALWAYS
    strict: bool = False
    per_commit: bool = True
    max_file_bytes: int = 50 * 1024 * 1024


@frozen
class Violation:
    """Why one path may not be pushed."""

    kind: Literal["protected_path", "scope", "secret"]
    path: str
    why: str


def patterns(entries: Iterable[str], existing: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The entries that are paths rather than prose.

    An entry is a pattern when it holds `/` or `*`, has a suffix, or exists as a path.
    """
    return tuple(
        _from_root(entry.strip())
        for entry in entries
        if is_pattern(entry.strip()) or entry in existing
    )


def _from_root(entry: str) -> str:
    """`./src/` as git writes it."""
    return entry[1:] if entry.startswith("./") else entry


def check_entry(entry: str) -> str:
    """`entry` itself, where it is prose or a pattern that can be matched.

    Raises:
        ValueError: it is neither.
    """
    if is_pattern(entry.strip()) and {"[", "\\"} & set(entry):
        match_rules([entry.strip()])
    return entry


def is_pattern(entry: str) -> bool:
    """Whether an entry is a path or pattern by its form."""
    _, dot, suffix = entry.rpartition(".")
    return "/" in entry or "*" in entry or (bool(dot) and suffix.isalnum())


def judge(commits: Iterable[Commit], rules: ScopeRules) -> tuple[Violation, ...]:
    """Every reason why these commits may not be pushed, in the order of the commits."""
    protected = _patterns(tuple(line.lower() for line in rules.protected))
    out_of_scope, in_scope = _patterns(rules.out_of_scope), _patterns(rules.in_scope)
    found: dict[tuple[str, str], Violation] = {}

    def add(kind: Literal["protected_path", "scope"], path: str, why: str) -> None:
        found.setdefault((path, why), Violation(kind=kind, path=path, why=why))

    for commit in commits:
        if commit.parents != 1:
            add("scope", commit.sha[:10], "is a merge or a root commit; commit plainly on top")
        for change in commit.changes:
            for path in filter(None, (change.path, change.old_path)):
                if protected.match_file(path.lower()) or _is_replacement(
                    change, path.lower(), rules
                ):
                    add("protected_path", path, "is protected and must stay as it is")
                elif out_of_scope.match_file(path):
                    add("scope", path, "is out of scope by the task card")
                elif rules.strict and rules.in_scope and not in_scope.match_file(path):
                    add("scope", path, "is not in scope by the task card")
            for why in _oddities(change, rules):
                add("scope", change.path, why)
    return tuple(found.values())


@lru_cache
def _patterns(lines: tuple[str, ...]) -> Patterns:
    """The patterns of one card, or of the protected paths: every round asks for the same."""
    return Patterns(lines)


def _is_replacement(change: Change, path: str, rules: ScopeRules) -> bool:
    """Whether something that is no folder takes the place of one that is protected, or holds it."""
    if change.mode not in {SYMLINK, GITLINK} and not any(
        pattern.strip("/").lower() == path for pattern in rules.protected
    ):
        return False
    return any(
        f"{pattern.strip('/').lower()}/".startswith(f"{path}/") for pattern in rules.protected
    )


def _oddities(change: Change, rules: ScopeRules) -> Iterable[str]:
    if GITLINK in {change.mode, change.old_mode}:
        yield "is a submodule; submodules are left alone"
    if change.mode == SYMLINK and _is_outside(change.path, change.link):
        yield "is a symbolic link that leaves the repository"
    if change.size > rules.max_file_bytes:
        yield f"has {change.size} bytes, over the limit of {rules.max_file_bytes}"


def _is_outside(path: str, link: str) -> bool:
    if link.startswith(("/", "~")) or "\\" in link or "\x00" in link:
        return True
    depth = path.count("/")
    for part in link.split("/"):
        depth += -1 if part == ".." else 0 if part in {"", "."} else 1
        if depth < 0:
            return True
    return False
