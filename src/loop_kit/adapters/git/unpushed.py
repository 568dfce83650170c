"""Commits that could not be pushed, as a git bundle: beside the state, or as a job's artifact.

The bundle names each branch as `refs/unpushed/<branch>`, so that one command pushes all of them.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from loop_kit.adapters.git.command import CHECK_OBJECTS, FETCH, Git
from loop_kit.errors import GitFailed

_UNPUSHED = "refs/unpushed/"
_PARENT = "refs/loop-kit/unpushed-parent"
_TAKEN = "refs/loop-kit/unpushed"
_TIMEOUT = 600


def write_unpushed(
    git: Git, file: Path, tips: Mapping[str, str], known: Iterable[str] = ()
) -> None:
    """Write the commits up to `tips` (by branch) to `file`, without those the server has.

    Raises:
        GitFailed: git cannot write it.
    """
    refs = {f"{_UNPUSHED}{branch}": sha for branch, sha in tips.items()}
    try:
        for ref, sha in refs.items():
            git.run("update-ref", ref, sha)
        without = (f"^{sha}" for sha in known if sha)
        git.run("bundle", "create", "--quiet", str(file), *refs, *without, timeout=_TIMEOUT)
    finally:
        for ref in refs:
            git.run("update-ref", "-d", ref, ok=(0, 1, 128))


def pack_unpushed(git: Git, branch: str, sha: str, known: str, limit: int) -> bytes | None:
    """The bundle of one branch as bytes; None if it is over `limit`, or cannot be made."""
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        file = Path(folder) / "work.bundle"
        try:
            write_unpushed(git, file, {branch: sha}, (known,))
        except GitFailed:
            return None
        return file.read_bytes() if file.stat().st_size <= limit else None


def take_up(git: Git, bundle: bytes, known: str) -> None:
    """Fetch the commits of a bundle that builds on `known`; what it lacks stays missing."""
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        file = Path(folder) / "work.bundle"
        file.write_bytes(bundle)
        if known and git.has(known):
            git.run("update-ref", _PARENT, known)
        fetch = (*FETCH, "--no-auto-maintenance", str(file), f"+{_UNPUSHED}*:{_TAKEN}/*")
        git.run(*fetch, ok=range(256), env=CHECK_OBJECTS, timeout=_TIMEOUT)
