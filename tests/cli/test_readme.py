"""The commands of the README, as they are written there, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.cli.harness import LOOP, TWO_ROUNDS, Repo

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def laptop_commands() -> list[str]:
    section = README.split("\n## On your laptop\n")[1].split("\n## ")[0]
    block = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0]
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def test_every_command_for_the_laptop_works_in_the_order_it_is_written(repo: Repo) -> None:
    subprocess.run(["rm", "-r", str(repo.folder)], check=True)
    repo.plan(TWO_ROUNDS)
    env = {**repo.environ, "PATH": f"{repo.bin}:{LOOP.parent}:{os.environ['PATH']}"}
    printed = {}
    for command in laptop_commands():
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=repo.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        printed[command] = done.stdout
    assert "Outcome: approved" in printed["loop status"]
    assert "r2_review_report" in printed["loop archive --task-id T-001"]
    assert "VALUE is wrong" in printed["loop knowledge list"]
    assert "context_to_work_ms" in printed["loop dispatch-metrics"]


def test_the_readme_names_every_command(repo: Repo) -> None:
    listed = repo.loop("--help").out.split("Commands:")[1]
    commands = re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)
    missing = [name for name in commands if f"loop {name}" not in README]
    assert commands
    assert missing == []
