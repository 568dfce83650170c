"""Writes the diff between two commits, byte for byte, as `git apply` takes it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository, locate
from loop_kit.errors import LoopError


def extract_diff(
    cwd: Path, environ: Mapping[str, str], base: str, head: str, out: BinaryIO
) -> None:
    """Write the diff from `base` to `head` to `out`.

    Raises:
        LoopError: this is no repository, or it has no such commit.
    """
    git = Git(cwd, environ)
    repository = GitRepository(git.at(locate(git).root))
    older, newer = (_commit(repository, revision) for revision in (base, head))
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        patch = Path(folder) / "patch"
        repository.write_patch(older, newer, patch)
        with patch.open("rb") as stream:
            shutil.copyfileobj(stream, out)
            out.flush()


def _commit(repository: GitRepository, revision: str) -> str:
    sha = repository.resolve(revision)
    if sha is None:
        raise LoopError(
            f"invalid git ref {revision!r}.",
            "Name a commit, branch or tag.",
            anchor="revision-invalid",
        )
    return sha
