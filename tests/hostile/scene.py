"""A repository on a small GitHub, and jobs in it whose agents are hostile.

The jobs run the `loop` of an installed copy, as the user that this program is run by or, where that
is root, as an ordinary one too. Nothing outside the scene's folder can be damaged by an agent that
is not confined: what it plants, it plants in the home of the job.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e import three_jobs
from tests.e2e.conftest import BOT, Hub, JobResult, hosting
from tests.e2e.test_rooms_in_ci import command_for, rungs
from tests.support.ordinary_user import USER, make_sudo

TOKEN, KEY, LOGIN = "hostile-token-11111111", "hostile-key-22222222", "hostile-login-33333333"
SCOPES = ("contents", "pull_requests", "issues", "statuses", "actions", "checks")
ATTACK = Path(__file__).with_name("attack.py")
CARD = {
    "task_id": "T-001",
    "goal": "add and double are right",
    "out_of_scope": ["test_calc.py"],
    "acceptance_criteria": ["add(1, 2) is 3", "double(2) is 4"],
}
OTHER_LOOPS = ("T-10", "T-29")
"""Loops that an attack may end at once: on the files of the job, and by what hangs git."""
CREDENTIALS = {
    ".netrc": f"machine example.com login x password {LOGIN}\n",
    ".docker/config.json": f'{{"auths": {{"x": {{"auth": "{LOGIN}"}}}}}}\n',
    ".config/gh/hosts.yml": f"oauth_token: {LOGIN}\n",
}


NO_ROOM, NO_ROOM_AS_USER, THREE_JOBS = "none as root", "none as a user", "three jobs"
WITHOUT_ROOM = (NO_ROOM, NO_ROOM_AS_USER, THREE_JOBS)


def modes() -> tuple[str, ...]:
    """How agents can be confined here, in the words of `sandbox` in a state, with who is.

    The last are without any room: in one job, and in the three that divide the rights.
    """
    alone = (NO_ROOM, NO_ROOM_AS_USER) if os.geteuid() == 0 else (NO_ROOM_AS_USER,)
    return (*rungs(), *alone, THREE_JOBS)


@dataclass
class Scene:
    """One repository, the files around its jobs, and what the jobs left."""

    hub: Hub
    mode: str
    home: Path
    temp: Path
    evidence: Path

    def round(self, sender: str = "mona", **inputs: str) -> JobResult:
        """Run one round: one job, or three of which the result is put together."""
        if self.mode != THREE_JOBS:
            return self.job(sender, **inputs)
        three_jobs.admit_reader(self.hub)
        first = three_jobs.claim(self, sender=sender, **inputs)
        if first.outputs.get("continue") != "true":
            return first
        agents = three_jobs.later(self, "agents", first)
        bundle = self.temp / three_jobs.FOLDER
        last = three_jobs.later(self, "publish", first, bundle)
        shutil.rmtree(bundle, ignore_errors=True)
        log = "".join(job.log for job in (first, agents, last))
        return replace(last, log=log, summary=agents.summary + last.summary)

    @property
    def root(self) -> Path:
        """Where the jobs are."""
        return self.hub.root

    @property
    def jobs(self) -> list[JobResult]:
        """The jobs so far."""
        return self.hub.jobs

    def job(
        self, sender: str = "mona", env: Mapping[str, str] | None = None, **options: Any
    ) -> JobResult:
        """Run one job whose secrets are dummies."""
        given = {
            "HOME": str(self.home),
            "PATH": f"{self.home}/.local/bin:{self.hub.root}/bin:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ENV": str(self.command_file),
            "INPUT_GITHUB_TOKEN": TOKEN,
            "INPUT_OPENAI_API_KEY": KEY,
            "INPUT_WORKER_BACKEND": "command",
            "INPUT_REVIEWER_BACKEND": "command",
            "INPUT_WORKER_COMMAND": self._attack("worker", str(self.evidence), KEY[::-1]),
            "INPUT_REVIEWER_COMMAND": self._attack("reviewer", str(self.evidence)),
            "INPUT_VERIFY": self._attack("verify"),
        }
        given["LOOP_SANDBOX"] = "off" if self.mode in WITHOUT_ROOM else "auto"
        return self.hub.job(sender, env={**given, **(env or {})}, **options)

    @property
    def command_file(self) -> Path:
        return self.temp / "_runner_file_commands" / "set_env_1"

    @staticmethod
    def _attack(*words: str) -> str:
        return " ".join((sys.executable, "-I", "attack/attack.py", *words))


@contextmanager
def scene(loop: Path, folder: Path, mode: str) -> Iterator[Scene]:
    """The scene of one mode."""
    folder.chmod(0o755)
    with hosting(folder) as make:
        cards = {
            f".loop/tasks/{id_}.json": json.dumps({**CARD, "task_id": id_}) for id_ in OTHER_LOOPS
        }
        files = {"attack/attack.py": ATTACK.read_text("utf-8"), **cards}
        hub = make(card=CARD, files=files)
        hub.git.add_token(TOKEN, BOT)
        hub.api.set_permissions(TOKEN, dict.fromkeys(SCOPES, "write"))
        hub.root = folder / "jobs"
        made = Scene(hub, mode, *(hub.root / name for name in ("home", "temp", "evidence")))
        for name, text in CREDENTIALS.items():
            file = made.home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for path in (made.evidence, made.command_file.parent, made.home / ".local" / "bin"):
            path.mkdir(parents=True)
        made.command_file.touch()
        if mode == "namespaces by sudo":
            make_sudo(hub.root / "bin")
        hub.command = _command(mode, loop)
        hub.on_start = lambda: _set_the_scene(hub)
        yield made


def _command(mode: str, loop: Path) -> tuple[str | Path, ...]:
    if mode in {NO_ROOM, THREE_JOBS}:
        return command_for("namespaces", loop)
    return command_for("user namespace" if mode == NO_ROOM_AS_USER else mode, loop)


def _set_the_scene(hub: Hub) -> None:
    """Leave a credential in the newest checkout, and give everything to the user of the job."""
    numbered = (path for path in hub.root.iterdir() if path.name.isdigit())
    checkout = max(numbered, key=lambda path: int(path.name)) / "checkout"
    pair = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    key, value = f"http.{hub.git.url}/.extraheader", f"AUTHORIZATION: basic {pair}"
    subprocess.run(["git", "-C", str(checkout), "config", key, value], check=True)
    if os.geteuid() == 0 and hub.command[0] == "unshare":
        tools = hub.root / "bin"
        for path in (hub.root, *hub.root.rglob("*")):
            if tools not in (path, *path.parents):
                os.chown(path, USER, USER, follow_symlinks=False)


def clean(folder: Path) -> None:
    """Remove a scene, with programs that hang in it and folders deeper than a path may be long."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                os.kill(int(process.name), signal.SIGKILL)
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
