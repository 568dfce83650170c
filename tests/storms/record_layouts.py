"""Records what a version of loop-kit leaves behind, for the versions after it to continue.

    python -m tests.storms.record_layouts SOURCE tests/storms/layouts/VERSION

SOURCE is the folder `src` of a checkout of that version. Each layout is a bundle of git: for a loop
in CI the repository with the loop's branches, for one on a laptop the repository with the folder
`.loop` on the branch `dot-loop`. Run it for every release.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from tests.e2e.conftest import BOT, CALC, CARD, REPOSITORY, TEST, TWO_ROUNDS, Hub, hosting
from tests.e2e.events import commented
from tests.support.git_repository import BareRepository, git_environment

VERIFY = {**CARD, "verify": ["grep -q 'a [+] b' calc.py"]}
SCRIPTED = ("--worker-backend", "scripted", "--reviewer-backend", "scripted")
RUN = ("run", "--auto-dispatch", *SCRIPTED)


def gate(role: str, round_: int, *steps: dict[str, Any]) -> dict[str, Any]:
    """The two-round script, in which one agent begins with these steps."""
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    for scene in script["scenes"]:
        if (scene["role"], scene["round"]) == (role, round_):
            scene["steps"][:0] = steps
    return script


def in_inbox(hub: Hub) -> None:
    """A job that works on round 2, and a command that it has not read."""
    hub.job()
    asked = {k.replace("-", "_"): v for k, v in hub.api.dispatches[-1].inputs.items()}
    killed = hub.job(sender=BOT, kill_after_push=1, **asked)
    hub.git.after_push.clear()
    hub.api.set_run(REPOSITORY, int(killed.checkout.parent.name), "in_progress")
    say(hub, 1, "/loop extend 2")


def mid_round(hub: Hub) -> None:
    """A job that died when the work of round 1 was saved."""
    hub.job(kill_after_push=2)


def handed_over(hub: Hub) -> None:
    """Round 1 is over, and round 2 is dispatched."""
    hub.job()


def paused(hub: Hub) -> None:
    """A person paused it between two rounds."""
    hub.job()
    say(hub, 1, "/loop pause")


def needs_human(hub: Hub) -> None:
    """A person pushed to the work branch."""
    hub.job()
    hub.bare.commit_files("loop/T-001/work", {"note.txt": "mine\n"}, "A person's commit")
    hub.continued()


def done(hub: Hub) -> None:
    """It is approved."""
    hub.job()
    hub.continued()


CI: tuple[Callable[[Hub], None], ...] = (
    in_inbox,
    mid_round,
    handed_over,
    paused,
    needs_human,
    done,
)


def say(hub: Hub, number: int, text: str) -> None:
    comment = hub.api.comment(REPOSITORY, number, "mona", text)
    hub.job(event=commented(hub.api.issue(REPOSITORY, number), comment))


def record_ci(loop: Path, target: Path) -> None:
    for play in CI:
        with TemporaryDirectory() as folder, hosting(Path(folder)) as make_hub:
            hub = make_hub(card=VERIFY)
            hub.command = (loop, "action")
            play(hub)
            name = play.__name__.replace("_", "-")
            hub.bare.git("bundle", "create", "--quiet", str(target / f"ci-{name}.bundle"), "--all")


def record_laptop(loop: Path, target: Path) -> None:
    """Loops whose process was killed while an agent ran, one that failed and one that is over."""
    wait = {"run": ["sh", "-c", "touch ../reached && sleep 60"]}
    crash = {"crash": 3}
    for name, script in {
        "worker-runs": gate("worker", 2, wait),
        "reviewer-runs": gate("reviewer", 1, wait),
        "reviewer-failed": gate("reviewer", 1, crash),
        "done": TWO_ROUNDS,
    }.items():
        with TemporaryDirectory() as folder:
            root = Path(folder) / "repo"
            begin(root, script)
            play_locally(loop, root)
            (root / ".loop" / "script.yml").write_text(yaml.safe_dump(TWO_ROUNDS))
            bundle(root, target / f"laptop-{name}.bundle")


def begin(root: Path, script: dict[str, Any]) -> None:
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    for key, value in {"user.name": "Mona", "user.email": "mona@example.org"}.items():
        git(root, "config", key, value)
    for file, text in {"calc.py": CALC, "test_calc.py": TEST}.items():
        (root / file).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "A calculator with two bugs")
    (root / ".loop").mkdir()
    (root / ".loop" / "task_card.json").write_text(json.dumps(VERIFY))
    (root / ".loop" / "script.yml").write_text(yaml.safe_dump(script))


def play_locally(loop: Path, root: Path) -> None:
    """Run the loop to its end, or kill it when an agent waits."""
    env = git_environment(HOME=str(root.parent))
    process = subprocess.Popen([loop, *RUN, "--dispatch-retries", "0"], cwd=root, env=env)
    reached = root.parent / "reached"
    while process.poll() is None and not reached.exists():
        time.sleep(0.05)
    process.kill()
    process.wait()


def bundle(root: Path, path: Path) -> None:
    left = root / ".loop"
    files: dict[str, str | bytes | None] = {
        found.relative_to(left).as_posix(): found.read_bytes()
        for found in sorted(left.rglob("*"))
        if found.is_file() and found.relative_to(left).parts[0] not in {"lock", "logs", "runtime"}
    }
    card = left / "runtime" / "task_card.json"
    files["runtime/task_card.json"] = card.read_bytes()
    BareRepository(root / ".git").commit_files("dot-loop", files, "The folder .loop")
    git(root, "bundle", "create", "--quiet", str(path), "--all")


def git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, env=git_environment(), check=True)


def main(source: str, target: str) -> None:
    """Record every layout."""
    folder = Path(target).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        loop = Path(scratch) / "loop"
        python = f"PYTHONPATH='{Path(source).absolute()}' exec '{sys.executable}' -P -m loop_kit"
        loop.write_text(f'#!/bin/sh\n{python} "$@"\n')
        loop.chmod(0o755)
        record_ci(loop, folder)
        record_laptop(loop, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
