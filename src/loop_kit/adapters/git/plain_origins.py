"""Finds which commit brought in a line where any way to compare two versions of a file says so.

A line, white space aside, that the version before has nowhere was brought in by the commit. One
that both versions have once, with all that is before it the same in both, or all that is after it,
was there before: programs that compare begin with what is the same at both ends. Of any other line
nothing is said here, nor where the last commit removed lines, for beside them its own count.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from loop_kit.adapters.git.objects import Objects, TreeEntry
from loop_kit.core.loop.provenance import Spot

FILE_MODES = frozenset({"100644", "100755"})
MAX_READ = 1024 * 1024
_MOST_VERSIONS = 8
_SPACE = b" \t\n\r"
"""What git takes for white space: no other character of a line is left out."""


class _Version(NamedTuple):
    """A file in one commit: its lines, and what each of them says without white space."""

    sha: str
    lines: list[bytes]
    words: list[bytes]


def plain_origins(
    objects: Objects,
    bases: Sequence[str],
    heads: Sequence[str],
    trees: Mapping[str, str],
    places: Sequence[Spot],
) -> dict[Spot, str | None]:
    """The commit that brought in each of those places of which that is plain."""
    found: dict[Spot, str | None] = {}
    others = [trees[sha] for sha in bases[1:] if sha in trees]
    for file in {place.file: None for place in places if place.line is not None}:
        last = _versions(objects, file, trees, [bases[0], *heads])
        versions = list(islice(last, _MOST_VERSIONS))
        merged = [_version(objects, file, "", tree) for tree in others]
        for place in places:
            if place.file == file and place.line is not None and None not in merged:
                known = {word for version in merged if version for word in version.words}
                found[place] = _origin(versions, place.line, known, bases[0])
    return {place: sha for place, sha in found.items() if sha}


def only_adds(old: Sequence[bytes], new: Sequence[bytes]) -> bool:
    """Whether `new` is `old` with lines put in at one place."""
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    rest = len(old) - same
    return len(new) >= len(old) and old[same:] == new[len(new) - rest :]


def entry_at(objects: Objects, head: str, file: str) -> TreeEntry | None:
    """What a commit has at a path."""
    folder, _, name = file.rpartition("/")
    tree = None if "\n" in folder else objects.tree(f"{head}:{folder}")
    return None if tree is None else tree.get(name)


def _versions(
    objects: Objects, file: str, trees: Mapping[str, str], commits: Sequence[str]
) -> Iterator[_Version]:
    """The versions of a file, the last first, up to one that cannot be read."""
    for sha in reversed(commits):
        version = _version(objects, file, sha, trees[sha]) if sha in trees else None
        if version is None:
            return
        yield version


def _version(objects: Objects, file: str, sha: str, tree: str) -> _Version | None:
    entry = entry_at(objects, tree, file)
    if entry is None or entry.mode not in FILE_MODES:
        return None
    content = objects.read(entry.oid, "blob", MAX_READ)
    if content is None:
        return None
    lines = content.split(b"\n")
    return _Version(sha, lines, [line.translate(None, _SPACE) for line in lines])


def _origin(
    versions: Sequence[_Version], line: int, merged: Collection[bytes], base: str
) -> str | None:
    """The commit of a line of the first of the versions; None where that is not plain."""
    at, word = line - 1, _word_at(versions, line)
    for new, old in pairwise(versions):
        if not word or word in merged:
            return None
        if word not in old.words:
            return new.sha
        at_old = old.words.index(word)
        is_last = new is versions[0]
        if not _is_kept(old.words, at_old, new.words, at) or (
            is_last and not only_adds(old.lines, new.lines)
        ):
            return None
        if old.sha == base:
            return base
        at = at_old
    return None


def _word_at(versions: Sequence[_Version], line: int) -> bytes:
    words = versions[0].words if versions else []
    return words[line - 1] if 0 < line <= len(words) else b""


def _is_kept(old: list[bytes], at_old: int, new: list[bytes], at: int) -> bool:
    """Whether a line that both have only once is there before and after for certain."""
    is_single = old.count(old[at_old]) == new.count(new[at]) == 1
    return is_single and (old[: at_old + 1] == new[: at + 1] or old[at_old:] == new[at:])
