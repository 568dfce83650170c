"""Paths of a workspace in what agents and commands say: relative to the repository, as git's are.

Where a workspace was helps nobody who reads a post, and a path that only one machine has is no path
for the next agent either. On Windows both slashes are used, and JSON doubles one of them.
"""

import re
from collections.abc import Iterable

_SLASHES = r"[/\\]+"
_ENDS = r"(?:[/\\]+|(?![\w-]|\.\w))"


def paths_below(folder: str) -> re.Pattern[str]:
    """Finds `folder` in front of a path, or by itself."""
    place = _SLASHES.join(map(re.escape, _parts(folder)))
    return re.compile(rf"(?:file://)?(?:/private)?{place}{_ENDS}")


def _parts(folder: str) -> list[str]:
    return re.split(_SLASHES, folder) if "\\" in folder else [folder]


def without_folders(text: str, folders: Iterable[str]) -> str:
    """`text` with every path below one of `folders` relative to it; a folder itself is `.`."""
    for folder in sorted(folders, key=len, reverse=True):
        if folder.strip("/\\") and _parts(folder)[-1] in text:
            text = paths_below(folder).sub(lambda match: "" if match[0][-1] in "/\\" else ".", text)
    return text
