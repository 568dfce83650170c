"""Puts the files of submodules into a workspace, from where the checkout has them.

A workspace is a clone of the repository alone. A submodule that is checked out beside it holds the
commit that is recorded, so its files are written from there, as they were committed. They are files
without a repository: to git in the workspace the submodule is one that is not checked out.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.core.card.scope import GITLINK
from loop_kit.frozen import frozen

_MAX_DEPTH = 8


@frozen
class MissingSubmodule:
    """A submodule whose recorded commit is not here."""

    path: str
    sha: str


def missing_submodules(git: Git, root: Path, links: Mapping[str, str]) -> list[MissingSubmodule]:
    """Those of the submodules `links` (path and commit) that the checkout `root` does not have."""
    return [
        MissingSubmodule(path, sha)
        for path, sha in links.items()
        if not (root / path / ".git").exists() or not git.at(root / path).has(sha)
    ]


def write_submodules(
    git: Git, root: Path, links: Mapping[str, str], workspace: Path, depth: int = 0
) -> None:
    """Write the files of the submodules of the checkout `root` that are there, and of theirs."""
    missing = {one.path for one in missing_submodules(git, root, links)}
    for path, sha in links.items():
        if path in missing:
            continue
        nested = _write(git.at(root / path), sha, workspace / path)
        if depth < _MAX_DEPTH:
            write_submodules(git, root / path, nested, workspace / path, depth + 1)


def _write(git: Git, sha: str, folder: Path) -> Mapping[str, str]:
    """Write the files of a commit below `folder`; returns the submodules in it."""
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git.run("read-tree", sha, env=index, timeout=120)
        git.run(
            *("checkout-index", "--all", "--force", "--quiet", f"--prefix={folder}/"),
            env=index,
            timeout=600,
        )
        listing = git.run("ls-files", "--stage", "-z", env=index, timeout=120).out
    entries = (
        each.partition("\t") for each in listing.decode(errors="surrogateescape").split("\0")
    )
    return {path: about.split(" ")[1] for about, _, path in entries if about.startswith(GITLINK)}
