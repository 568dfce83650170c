"""The commands of laptop.md, start.md, container.md and backends.md, run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import pages
from tests.cli.harness import LOOP, TWO_ROUNDS, Repo

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER = f"""#!{sys.executable}
import os, sys
verb, *words = sys.argv[1:]
if verb == "build":
    option, tag, context = words
    sys.exit(option != "--tag" or tag != "loop-kit" or context != ".")
assert verb == "run"
image = words.index("loop-kit")
os.execvp("loop", ["loop", *words[image + 1 :]])
"""
"""Takes the tag and the context of the image that CI builds, and runs its entry point out here."""


def typed(command: str, repo: Repo, environ: Mapping[str, str]) -> str:
    """Run what a person types; gives what it printed."""
    done = subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=repo.root,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def on_path(repo: Repo) -> dict[str, str]:
    return {**repo.environ, "PATH": f"{repo.bin}:{LOOP.parent}:{os.environ['PATH']}"}


def test_every_command_for_the_laptop_works_in_the_order_it_is_written(repo: Repo) -> None:
    subprocess.run(["rm", "-r", str(repo.folder)], check=True)
    repo.plan(TWO_ROUNDS)
    (block,) = pages.blocks("docs/laptop.md", "sh")
    commands = [line.split("  #")[0].strip() for line in block.splitlines()]
    edit = "sed -i 's/Say in one or two/What I want in two/' .loop/task_card.json"
    printed = {}
    for command in commands:
        printed[command] = typed(command, repo, on_path(repo))
        if command.startswith("cp "):
            typed(edit, repo, on_path(repo))

    assert "Outcome: approved" in printed["loop status"]
    assert "r2_review_report" in printed["loop archive --task-id T-001"]
    assert "VALUE is wrong" in printed["loop knowledge list"]
    assert "context_to_work_ms" in printed["loop dispatch-metrics"]


def test_the_commands_for_a_container_build_the_image_and_run_a_loop_in_it(repo: Repo) -> None:
    (block,) = pages.blocks("docs/container.md", "sh")
    repo.plan(TWO_ROUNDS)
    docker = repo.bin / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)

    assert "Approved in round 2." in typed(block, repo, on_path(repo))


def test_the_command_for_another_program_runs_it(repo: Repo) -> None:
    (block,) = pages.blocks("docs/backends.md", "sh")
    repo.plan(TWO_ROUNDS)
    program = repo.bin / "my-agent"
    program.write_bytes((repo.bin / "codex").read_bytes())
    program.chmod(0o755)

    typed(block, repo, on_path(repo))
    assert repo.calls[0].argv[1] == "--prompt"


def test_the_page_shows_what_the_demo_prints(repo: Repo) -> None:
    (shown,) = pages.blocks("docs/start.md", "text")
    printed = iter(repo.loop("demo").out.splitlines())

    assert [line for line in shown.splitlines() if line not in printed] == []
