"""Where a stranger starts in this repository: its own files say how it is built and tested."""

from collections.abc import Iterable

_TELLING = (
    *("readme", "contributing", "agents.md", "makefile", "justfile", "taskfile", "dockerfile"),
    *("pyproject.toml", "setup.py", "tox.ini", "noxfile.py", "package.json", "deno.json"),
    *("cargo.toml", "go.mod", "pom.xml", "build.gradle", "cmakelists.txt", "meson.build"),
    *("gemfile", "composer.json", "mix.exs", "package.swift", "build.zig", ".pre-commit-config"),
)
_MOST = 30


def quickstart(top: Iterable[str]) -> str:
    """A few lines for the prompt; `top` are the names at the top of the repository."""
    names = sorted(top)
    telling = [name for name in names if name.lower().startswith(_TELLING)]
    lines = []
    if telling:
        lines.append(f"How it is built and tested: {', '.join(telling[:_MOST])}")
    if names:
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        lines.append(f"At the top of the repository: {', '.join(names[:_MOST])}{more}")
    return "\n".join(lines)
