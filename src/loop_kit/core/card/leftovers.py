"""What a worker left uncommitted: which new files are committed for it, and which are only named.

A changed tracked file is always the worker's work. A new one may be a forgotten source file or the
output of a tool: what carries a name that tools or secrets have is never committed for a worker,
and neither are more files than a person would look through. A worker that commits such a file
itself has chosen it. A folder that holds tracked files belongs to the project, whatever its name.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import cache

from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

_FOLDERS = (
    *(".venv", "venv", ".virtualenv", "virtualenv", ".conda", ".direnv"),
    *("node_modules", "bower_components", "jspm_packages", ".pnpm-store", ".npm"),
    *("__pycache__", "__pypackages__", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
    *(".tox", ".nox", ".hypothesis", ".eggs", "*.egg-info", ".ipynb_checkpoints", "htmlcov"),
    *(".cache", ".ccache", ".gradle", ".kotlin", ".m2", ".metals", ".bloop", ".stack-work"),
    *(".next", ".nuxt", ".svelte-kit", ".angular", ".turbo", ".parcel-cache", ".vite"),
    *(".nyc_output", ".sass-cache", ".dart_tool", ".terraform", ".serverless", ".bundle"),
    *("build", "dist", "target", "out", "obj", "_build", "coverage", "cmake-build-*", "CMakeFiles"),
)
_FILES = (
    *(".env*", "*.log", "npm-debug.log*", "*.pyc", "*.pyo", ".coverage", ".coverage.*"),
    *("*.o", "*.a", "*.so", "*.dylib", "*.dll", "*.exe", "*.class", "*.tsbuildinfo"),
    *(".eslintcache", ".DS_Store", "Thumbs.db", "*.swp", "core.[0-9]*"),
)
_ENVIRONMENT_MARKERS = ("pyvenv.cfg", "conda-meta/history")
_MAX_NAMED = 20
_MAX_NAME = 200
_CONFLICT = (
    late_pattern(rb"^<<<<<<< ", re.MULTILINE),
    late_pattern(rb"^=======\r?$", re.MULTILINE),
    late_pattern(rb"^>>>>>>> ", re.MULTILINE),
)


@frozen
class Leftovers:
    """New files in three parts; a name with a slash at its end is a whole folder.

    Attributes:
        taken: The files to commit for the worker.
        excess: The files that would be taken if they were not too many.
        left: What tools, secrets or other repositories left.
    """

    taken: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def sort_leftovers(
    new: Iterable[str], tracked: Iterable[str], *, removed: int = 0, limit: int = 0
) -> Leftovers:
    """Sort the paths of `new` files; one that ends in a slash is a repository of its own.

    `tracked` are the paths in the commit. At most `limit` files are taken, not counting as many as
    were `removed`, since a file that was moved is not one more; 0 means no limit.
    """
    paths = sorted({*new})
    roots = {*_folders_with(_ENVIRONMENT_MARKERS, paths), *_repositories(paths)}
    holds_tracked = _Folders(tracked).holds
    taken: list[str] = []
    left: set[str] = set()
    for path in paths:
        name = _left_by_tools(path, roots, holds_tracked)
        if name is None:
            taken.append(path)
        else:
            left.add(name)
    too_many = bool(limit) and len(taken) - removed > limit
    return Leftovers(
        taken=() if too_many else tuple(taken),
        excess=tuple(taken) if too_many else (),
        left=tuple(sorted(left)),
    )


class _Folders:
    """Answers whether a folder holds tracked files; looks only when it is asked."""

    def __init__(self, tracked: Iterable[str]) -> None:
        self._tracked = tracked
        self._known: dict[str, bool] = {}

    def holds(self, folder: str) -> bool:
        """Whether `folder`, with a slash at its end, holds a tracked file."""
        if folder not in self._known:
            self._known[folder] = any(path.startswith(folder) for path in self._tracked)
        return self._known[folder]


def _folders_with(names: Iterable[str], paths: Iterable[str]) -> set[str]:
    """The folders that hold a file of one of these names."""
    ends = [f"/{name}" for name in names]
    return {path[: 1 - len(end)] for path in paths for end in ends if path.endswith(end)}


def _repositories(paths: Iterable[str]) -> set[str]:
    """Folders that are a repository without a work tree, or the copy of a `.git`."""
    paths = list(paths)
    return _folders_with(("HEAD",), paths) & _folders_with(("config",), paths)


def _left_by_tools(path: str, roots: set[str], holds_tracked: Callable[[str], bool]) -> str | None:
    """The outermost folder on `path`, or the file itself, that is never committed for a worker."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth]) + "/"
        is_output = folder in roots or _named(_FOLDERS).match(parts[depth - 1])
        if folder == path or (is_output and not holds_tracked(folder)):
            return folder
    return path if _named(_FILES).match(parts[-1]) else None


@cache
def _named(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Names that one of the globs fits; few runs ask."""
    return re.compile("|".join(map(translate, globs)))


def explain_left(leftovers: Leftovers, refused: Iterable[str]) -> tuple[str, ...]:
    """Sentences about what is not committed for the worker, and will not be."""
    sentences = {
        "Not committed for the worker, since tools and other repositories leave such files": (
            leftovers.left
        ),
        "Not committed, since git refuses these paths": tuple(refused),
    }
    return tuple(f"{text}: {_names(paths)}." for text, paths in sentences.items() if paths)


def explain_excess(leftovers: Leftovers, limit: int) -> str | None:
    """A sentence about the new files that are too many."""
    if not leftovers.excess:
        return None
    count = len(leftovers.excess)
    return (
        f"{count} new files are not committed, more than max-leftovers ({limit}):"
        f" {_names(leftovers.excess)}."
    )


def explain_rebase(unmerged: Iterable[str]) -> str:
    """Sentences for a worker that left a rebase in the middle."""
    paths = tuple(unmerged)
    where = f" with conflicts in {_names(paths)}" if paths else ""
    return (
        f"An unfinished rebase was left{where}. It is undone: your commits are as they were before"
        " it. Finish the work on top of them."
    )


def explain_unfinished(
    operation: str | None, unresolved: Iterable[str], excess: str | None
) -> str | None:
    """Sentences for a worker that has to finish something; None if there is nothing."""
    paths = tuple(unresolved)
    sentences = []
    if operation:
        sentences.append(
            f"An unfinished {operation} was left. Its changes are in the work tree, uncommitted:"
            " complete them and commit."
        )
    if paths:
        sentences.append(
            f"Conflicts are not resolved in {_names(paths)}:"
            " edit these files until no conflict marker is left, and commit."
        )
    if excess:
        advice = "Commit those that are your work, and list the others in .gitignore."
        sentences.append(f"{excess} {advice}")
    return " ".join(sentences) or None


def explain_merge_given_up(commit: str) -> str:
    """A sentence for a worker that did not merge what it was to merge."""
    return (
        f"The merge of {commit} is not part of your work: it was given up. Run"
        f" `git merge {commit}`, resolve every conflict, and commit."
    )


def _names(paths: Iterable[str]) -> str:
    """The paths as a phrase: the first of them, and how many more there are."""
    listed = list(paths)
    more = len(listed) - _MAX_NAMED
    shown = ", ".join(one_line(clean_text(path), _MAX_NAME) for path in listed[:_MAX_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def has_conflict(content: bytes) -> bool:
    """Whether a conflict that git wrote into a file is still in it."""
    at = 0
    for marker in _CONFLICT:
        found = marker.search(content, at)
        if found is None:
            return False
        at = found.end()
    return True
