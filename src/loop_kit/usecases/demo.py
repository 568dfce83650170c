"""The scratch repository of `loop demo`: a small library with a bug, a card and a script."""

import json
import os
import sys
from pathlib import Path

from loop_kit import defaults
from loop_kit.adapters.git.command import Git, Identity
from loop_kit.core.command_words import quoted
from loop_kit.core.loop_dir import LOOP_DIR


def make_demo_repository(root: Path) -> None:
    """Create the repository at `root`, which is missing or empty."""
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
        "verify": [f"{quoted(sys.executable, windows=sys.platform == 'win32')} -B -m unittest -q"],
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
