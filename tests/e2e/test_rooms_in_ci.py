"""A program that takes every route out of its workspace, in a job, on every rung there is."""

from __future__ import annotations

import copy
import os
import select
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import APPROVED, BOT, CARD, TWO_ROUNDS, Hub, MakeHub, hosting
from tests.e2e.events import Event
from tests.e2e.test_files_of_the_job_in_ci import leave_a_credential
from tests.support.ordinary_user import (
    USER,
    as_ordinary_user,
    make_sudo,
    may_make_namespaces,
    without_namespaces,
)
from tests.support.programs import LOOP
from tests.support.unix_sockets import bound

SECRET = "s3kret-value"
ATTACK = r"""
mark=s3k; mark=${mark}ret-value; broken=0
open() { echo "OPEN: $1"; broken=1; }
leaks() { tr '\0' '\n' | grep -aq "$mark"; }
connects() { VENV/bin/python -I -c "$connect" "$1" 2>/dev/null; }
connect="import os, socket, sys; os.chdir(os.path.dirname(sys.argv[1]))
socket.socket(socket.AF_UNIX).connect(os.path.basename(sys.argv[1]))"
connects ~/.docker/run/docker.sock && open "the socket of Docker"

[ -e ~/.planted ] && open "the home of an earlier program"
git config --global diff.external && open "the git configuration of an earlier program"
cat /proc/[0-9]*/environ 2>/dev/null | leaks && open environment
unshare -m sh -c 'umount -l /proc; cat /proc/*/environ' 2>/dev/null | leaks && open "unshare"
umount -l /proc 2>/dev/null && cat /proc/[0-9]*/environ 2>/dev/null | leaks && open "umount"
for process in /proc/[0-9]*; do
    tr '\0' ' ' < "$process/cmdline" 2>/dev/null | grep -q "loop action" || continue
    [ "$(head -c 1 "$process/maps" 2>/dev/null)" ] && open memory
done
for start in "$PWD" "${LOOP_MAILBOX:-$PWD}"; do
    folder=$start
    while [ "$folder" != / ]; do
        folder=$(dirname "$folder")
        for file in "$folder"/temp/_runner_file_commands/*; do
            grep -q . "$file" 2>/dev/null && open "the command file $file"
            echo BASH_ENV=/tmp/x >> "$file"
        done 2>/dev/null
        grep -qs sender "$folder/event.json" && open "the event"
        connects "$folder/agent.sock" && open "the socket of the ssh agent"
        cat "$folder/temp/secret" 2>/dev/null | leaks && open "the temporary folder of the runner"
    done
done
git config -f "$(git config remote.origin.url)/config" --get-regexp extraheader &&
    open "the credential of the checkout"
cat ~/.netrc ~/.docker/config.json ~/.config/gh/hosts.yml 2>/dev/null | leaks && open "the home"
sudo -n true 2>/dev/null && open sudo
ls "$(dirname "$PWD")" | grep -vx "$(basename "$PWD")" && open "another workspace"
box=${LOOP_MAILBOX:-$PWD}
ls "$(dirname "$box")" | grep -vx "$(basename "$box")" && open "another mailbox"
{
    touch ~/.planted; mkdir -p ~/.local/bin; echo exit 1 > ~/.local/bin/git
    git config --global diff.external /bin/false
    touch "VENV/planted"
} 2>/dev/null
exit $broken
"""
SCRIPT = {
    "scenes": [
        {
            "role": "worker",
            "round": 1,
            "steps": [
                {"run": ["sh", "attack.sh"]},
                {"edit": {"path": "calc.py", "find": "a - b", "replace": "a + b"}},
                {"edit": {"path": "calc.py", "find": "a * 3", "replace": "a * 2"}},
                {"commit": "Add and double"},
                {"report": {"notes": "done", "files_changed": ["calc.py"]}},
            ],
        },
        {
            "role": "reviewer",
            "round": 1,
            "steps": [
                {"run": ["sh", "attack.sh"]},
                {"report": {**APPROVED, "dispositions": []}},
            ],
        },
    ]
}
WITHOUT_ADMIN = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--")
LANDLOCK_AS_USER = "Landlock as a user"
AS_ROOT = (
    *("namespaces", "Landlock as root", "namespaces by sudo", "user namespace"),
    LANDLOCK_AS_USER,
)


@dataclass
class Runner(Hub):
    """A machine that is laid out as a runner is, with secrets wherever a user has some.

    The sockets stand in for those of Docker and of the ssh agent; each has a server that listens.
    """

    has_sockets: bool = False
    servers: list[socket.socket] = field(default_factory=list)

    def environment(
        self, inputs: Mapping[str, str], sender: str, folder: Path, event: Event | None = None
    ) -> dict[str, str]:
        environ = super().environment(inputs, sender, folder, event)
        home, commands = folder / "home", folder / "temp" / "_runner_file_commands"
        for name in (".netrc", ".docker/config.json", ".config/gh/hosts.yml"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(f"password {SECRET}\n")
        commands.mkdir()
        (commands / "set_env").write_text("A=1\n")
        (folder / "temp" / "secret").write_text(SECRET)
        sockets = (home / ".docker" / "run" / "docker.sock", folder / "agent.sock")
        for path in sockets if self.has_sockets else ():
            path.parent.mkdir(exist_ok=True)
            self.servers.append(bound(path))
            self.servers[-1].listen()
        if os.geteuid() == 0 and self.command[0] == "unshare":
            for path in (folder, *folder.rglob("*")):
                os.chown(path, USER, USER, follow_symlinks=False)
        return {
            **environ,
            "HOME": str(home),
            "GITHUB_ENV": str(commands / "set_env"),
            "LOOP_SANDBOX": "auto",
            "SOME_SECRET": SECRET,
            "SSH_AUTH_SOCK": str(folder / "agent.sock"),
        }

    def visits(self) -> int:
        """How many connections the servers of the sockets were asked for."""
        return len(select.select(self.servers, (), (), 0)[0])


@pytest.fixture
def make_runner() -> Iterator[MakeHub]:
    """Makes a machine in a folder that every user can enter, which those of pytest are not."""
    with ExitStack() as opened, tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with hosting(Path(name)) as make:

            def runner(
                command: tuple[str | Path, ...],
                script: Mapping[str, Any] = SCRIPT,
                attack: str = ATTACK.replace("VENV", sys.prefix),
            ) -> Runner:
                card = {**CARD, "verify": [*CARD["verify"], "sh attack.sh"]}
                hub = make(script, card, {"attack.sh": attack})
                made = Runner(hub.git, hub.api, hub.root, command=command)
                opened.callback(lambda: [server.close() for server in made.servers])
                return made

            yield runner


def command_for(rung: str, loop: Path = LOOP) -> tuple[str | Path, ...]:
    """How a job is started whose best rung is this."""
    if rung == "namespaces":
        return (loop, "action")
    if rung == "Landlock as root":
        return (*WITHOUT_ADMIN, loop, "action")
    program = loop.resolve()  # a link may be in a folder that is closed to others
    argv = [str(program), "action"]
    if rung == LANDLOCK_AS_USER:
        argv = without_namespaces(argv, USER if os.geteuid() == 0 else None)
    return tuple(as_ordinary_user(argv, program) if os.geteuid() == 0 else argv)


def rungs() -> tuple[str, ...]:
    """The rungs that this machine has for us, with who takes them."""
    if os.geteuid() == 0:
        return AS_ROOT
    return ("user namespace", LANDLOCK_AS_USER) if may_make_namespaces() else ()


def is_taken(rung: str, sandbox: str) -> bool:
    """Whether `sandbox` of a state names this rung."""
    return sandbox.startswith(f"{rung.partition(' as ')[0]};")


@pytest.mark.parametrize("rung", rungs())
def test_no_program_gets_out_of_its_room(rung: str, make_runner: MakeHub) -> None:
    runner = make_runner(command_for(rung))
    runner.has_sockets = not rung.startswith("Landlock")
    env = {}
    if rung == "namespaces by sudo":
        make_sudo(runner.root / "bin")
        env["PATH"] = f"{runner.root}/bin:{os.environ['PATH']}"

    job = runner.job(env=env)

    home = job.checkout.parent / "home"
    assert "Exit code 1" not in job.log, job.log
    assert job.outputs["outcome"] == "approved", (job.log, runner.state()["verification"])
    assert is_taken(rung, runner.state()["sandbox"]), job.log
    assert not (home / ".planted").exists()
    assert not (home / ".local").exists()
    assert not (Path(sys.prefix) / "planted").exists()
    commands = job.checkout.parent / "temp" / "_runner_file_commands"
    assert (commands / "set_env").read_text() == "A=1\n"
    assert runner.visits() == 0


@pytest.mark.parametrize("rung", [each for each in rungs() if each.startswith("Landlock")])
def test_landlock_is_not_taken_where_a_socket_is_in_reach(rung: str, make_runner: MakeHub) -> None:
    runner = make_runner(command_for(rung))
    runner.has_sockets = True

    job = runner.job(env={"LOOP_SANDBOX": "required"})

    assert job.outputs["outcome"] == "sandbox_unavailable", job.log
    assert "docker.sock can be reached" in job.log


def test_without_a_room_the_same_program_gets_out(make_runner: MakeHub) -> None:
    runner = make_runner((LOOP, "action"))
    runner.has_sockets = True

    job = runner.job(env={"LOOP_SANDBOX": "off"})

    assert (job.checkout.parent / "home" / ".planted").exists()
    assert job.outputs["outcome"] != "approved"
    assert runner.visits() == 2
    (Path(sys.prefix) / "planted").unlink()


LOOK = r"""
found() { echo "$1" >> FOUND; }
[ "$(git config --global diff.external)" ] && found "the settings of another program"
[ -e ~/.planted ] && found "the home of another program"
cat ~/.netrc ~/.docker/config.json ~/.config/gh/hosts.yml 2>/dev/null && found "a login"
cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q 'TOKEN=only-in-this-job' &&
    found "an environment"
git config -f "$(git config remote.origin.url)/config" --get-regexp extraheader &&
    found "the credential of the checkout"
git config --global diff.external /bin/false; touch ~/.planted; echo tried >> FOUND
"""


def test_a_job_without_a_room_says_so_in_red_once_and_does_what_can_be_done_without(
    make_runner: MakeHub, tmp_path: Path
) -> None:
    """The socket of Docker is in reach, so Landlock is not taken either."""
    script, found = copy.deepcopy(TWO_ROUNDS), tmp_path / "found"
    for scene in script["scenes"]:
        scene["steps"].insert(0, {"run": ["sh", "attack.sh"]})
    without = command_for("Landlock as root" if os.geteuid() == 0 else LANDLOCK_AS_USER)
    runner = make_runner(without, script, LOOK.replace("FOUND", str(found)))
    runner.has_sockets = True
    runner.on_start = lambda: leave_a_credential(runner)
    env = {"SOME_TOKEN": "only-in-this-job-0123456789"}

    first = runner.job(env=env)
    asked = {k.replace("-", "_"): v for k, v in runner.api.dispatches[-1].inputs.items()}
    second = runner.job(sender=BOT, env=env, **asked)

    assert second.outputs["outcome"] == "approved", first.log + second.log
    assert runner.state()["sandbox"] == "none"
    lines = [line for job in (first, second) for line in job.log.splitlines()]
    (red,) = [line for line in lines if line.startswith("::error")]
    assert "docker.sock can be reached" in red
    assert "--cap-add SYS_ADMIN" in red
    assert found.read_text().splitlines() == ["tried"] * 5, "by four agents and one verify command"
