"""`loop extract-diff`: the diff between two commits, byte for byte, as `git apply` takes it."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import typer

from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import LoopError


def extract_diff(
    base: str = typer.Argument(help="The older commit."),
    head: str = typer.Argument(help="The newer commit."),
    loop_dir: str = typer.Option(LOOP_DIR, help="Taken for symmetry; not used.", hidden=True),
) -> None:
    """Print the diff between two commits."""
    del loop_dir
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.git.repository import GitRepository, locate

    git = Git(Path.cwd(), os.environ)
    git = git.at(locate(git).root)
    repository = GitRepository(git)
    resolved = [repository.resolve(revision) for revision in (base, head)]
    for revision, sha in zip((base, head), resolved, strict=True):
        if not sha:
            raise LoopError(f"invalid git ref {revision!r}.", "Name a commit, branch or tag.")
    with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
        patch = Path(folder) / "patch"
        repository.write_patch(resolved[0], resolved[1], patch)
        with patch.open("rb") as stream:
            sys.stdout.flush()
            shutil.copyfileobj(stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()
