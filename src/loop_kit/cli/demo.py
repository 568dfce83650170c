"""`loop demo`: a whole loop on a scratch repository, without a key and without the network."""

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

import typer

from loop_kit import defaults
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting


def demo(
    folder: str = typer.Option("", "--dir", help="Where to make the repository.  [a new folder]"),
) -> None:
    """Watch a two-round loop fix a small bug, with the embedded agent."""
    root = Path(folder).absolute() if folder else Path(tempfile.mkdtemp(prefix="loop-demo-"))
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadSetting(f"{root} is not empty.", "Name a folder that does not exist yet.")
    _make_repository(root)
    typer.echo(f"A repository with a bug: {root}\n")
    from loop_kit.cli.run import end_on_signals
    from loop_kit.usecases.local_run import Request, run_local

    end_on_signals()
    flags = {
        "auto_dispatch": True,
        "worker_backend": "scripted",
        "reviewer_backend": "scripted",
        "evidence": "strict",
    }
    code = run_local(Request(cwd=root, environ=dict(os.environ), flags=flags))
    here = shlex.quote(str(root))
    typer.echo(
        "\nLook at it:\n"
        f"  git -C {here} log --stat --oneline\n"
        f"  less {here}/{LOOP_DIR}/archive/DEMO-1/r1_review_report.json\n"
        f"  cat {here}/{LOOP_DIR}/summary.json"
    )
    raise typer.Exit(int(code))


def _make_repository(root: Path) -> None:
    from loop_kit.adapters.git.command import Git, Identity

    loop = root / LOOP_DIR
    loop.mkdir(parents=True)
    for name in ("stats.py", "test_stats.py"):
        (root / name).write_text(defaults.text(f"demo/{name}.txt"), "utf-8")
    (loop / "script.yml").write_text(defaults.text("demo/script.yml"), "utf-8")
    card = {
        "task_id": "DEMO-1",
        "goal": "mean() and median() in stats.py give the right answers.",
        "in_scope": ["stats.py"],
        "out_of_scope": ["test_stats.py"],
        "acceptance_criteria": [
            "mean([1, 2, 6]) is 3",
            "median([9, 1, 5]) is 5",
        ],
        "verify": [f"{shlex.quote(sys.executable)} -B -m unittest -q"],
    }
    text = json.dumps(card, indent=2) + "\n"
    (loop / "task_card.json").write_text(text, "utf-8")
    git = Git(root, os.environ)
    who = Identity("loop demo", "demo@localhost").environment()
    git.run("init", "--quiet", "--initial-branch=main")
    for name, value in (("user.name", "loop demo"), ("user.email", "demo@localhost")):
        git.run("config", name, value)
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message=A small library with a bug", env=who)
