"""`loop demo`: a whole loop on a scratch repository, without a key and without the network."""

import os
import sys
import tempfile
from pathlib import Path

import typer

from loop_kit.core.command_words import quoted
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting


def demo(
    folder: str = typer.Option("", "--dir", help="Where to make the repository.  [a new folder]"),
) -> None:
    """Watch a two-round loop fix a small bug, with the embedded agent."""
    from loop_kit.cli.run import end_on_signals
    from loop_kit.usecases.demo import make_demo_repository
    from loop_kit.usecases.local_run import Request, run_local

    root = Path(folder).absolute() if folder else Path(tempfile.mkdtemp(prefix="loop-demo-"))
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadSetting(
            f"{root} is not empty.",
            "Name a folder that does not exist yet.",
            anchor="folder-in-the-way",
        )
    make_demo_repository(root)
    typer.echo(f"A repository with a bug: {root}\n")
    end_on_signals()
    flags = {
        "auto_dispatch": True,
        "worker_backend": "scripted",
        "reviewer_backend": "scripted",
        "evidence": "strict",
    }
    code = run_local(Request(cwd=root, environ=dict(os.environ), flags=flags))
    windows = sys.platform == "win32"
    pager, viewer = ("more", "more") if windows else ("less", "cat")
    review = root / LOOP_DIR / "archive" / "DEMO-1" / "r1_review_report.json"
    summary = root / LOOP_DIR / "summary.json"
    typer.echo(
        "\nLook at it:\n"
        f"  git -C {quoted(str(root), windows=windows)} log --stat --oneline\n"
        f"  {pager} {quoted(str(review), windows=windows)}\n"
        f"  {viewer} {quoted(str(summary), windows=windows)}"
    )
    raise typer.Exit(int(code))
