"""Files of the runner and of the checkout that a hostile agent finds from its mailbox."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import sysconfig
import threading
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import CALC, CARD, TWO_ROUNDS
from tests.e2e.events import labelled
from tests.e2e.test_issues_in_ci import opened

import loop_kit

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub


def leave_a_credential(hub: Hub) -> None:
    """What actions/checkout does unless it is told not to."""
    checkout = max(hub.root.glob("1*/checkout"))
    with (checkout / ".git" / "config").open("a") as config:
        config.write('[http "https://github.com/"]\n\textraheader = AUTHORIZATION: basic s3cret\n')


def test_a_worker_that_writes_to_a_command_file_fails_its_round_and_reads_no_credential(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    command_file, seen = tmp_path / "set_env_1", tmp_path / "seen"
    command_file.write_text("EARLIER=1\n")
    read = f'git config -f "$(git config remote.origin.url)/config" --list > {seen}'
    attack = f"{read}; echo BASH_ENV=/tmp/x >> {command_file}"
    script["scenes"][0]["steps"].insert(0, {"run": ["sh", "-c", attack]})
    hub = make_hub(script)
    hub.on_start = lambda: leave_a_credential(hub)

    job = hub.job(env={"GITHUB_ENV": str(command_file)})

    assert job.outputs["outcome"] == "needs_human", job.log
    assert hub.state()["reasons"] == ["tampered"]
    assert "An agent, or a program that it wrote, changed GITHUB_ENV." in job.log
    assert "persist-credentials: false" in job.log
    assert command_file.read_text() == "EARLIER=1\n"
    assert "core.bare" in seen.read_text()
    assert "s3cret" not in seen.read_text()
    assert "s3cret" in (job.checkout / ".git" / "config").read_text()
    assert b"a + b" not in (hub.bare.file("loop/T-001/work", "calc.py") or b"")


def kill_when(hub: Hub, started: Path) -> None:
    """Kill the job as soon as the worker has made a file."""
    end = time.monotonic() + 60
    while not started.exists() and time.monotonic() < end:
        time.sleep(0.05)
    for job in hub.running:
        os.kill(job.pid, signal.SIGKILL)


def test_in_a_room_a_credential_is_out_of_sight_and_a_killed_job_leaves_it_where_it_was(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    shared = tmp_path / "shared"
    read = f'git config -f "$(git config remote.origin.url)/config" --list > {shared}/seen'
    wait = f"{read}; touch {shared}/started; sleep 60"
    script["scenes"][0]["steps"].insert(0, {"run": ["sh", "-c", wait]})
    hub = make_hub(script)
    hub.on_start = lambda: leave_a_credential(hub)
    killer = threading.Thread(target=kill_when, args=(hub, shared / "started"))
    killer.start()

    job = hub.job(env={"LOOP_SANDBOX": "required", "LOOP_SHARED_CACHES": str(shared)})
    killer.join()

    assert job.code == -signal.SIGKILL, job.log
    assert (shared / "seen").read_text() == ""
    assert "s3cret" in (job.checkout / ".git" / "config").read_text()


def test_a_verify_command_that_writes_to_a_command_file_stops_the_loop(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    command_file = tmp_path / "add_path_1"
    command_file.touch()
    hub = make_hub(card={**CARD, "verify": [f"echo /tmp/x >> {command_file}"]})

    job = hub.job(env={"GITHUB_PATH": str(command_file)})

    assert job.outputs["outcome"] == "needs_human", job.log
    assert hub.state()["reasons"] == ["tampered"]
    assert command_file.read_text() == ""


def test_a_worker_that_removes_the_repository_of_the_job_stops_its_loop_on_the_server(
    make_hub: MakeHub,
) -> None:
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    damage = "rm -rf $(git config remote.origin.url)"
    script["scenes"][0]["steps"].insert(0, {"run": ["sh", "-c", damage]})
    hub = make_hub(script)
    issue = opened(hub)

    job = hub.job(event=labelled(issue), env={"LOOP_SANDBOX": "off"})

    assert job.outputs["outcome"] == "needs_human", job.log
    state = hub.state(job.outputs["task-id"])
    assert (state["reasons"], state.get("lease")) == (["tampered"], None)
    assert "An agent, or a program that it wrote, changed" in issue.comments[0].body
    assert hub.bare.file(job.outputs["work-branch"], "calc.py") == CALC.encode()


def test_a_pipe_in_the_checkout_is_named_at_once(make_hub: MakeHub) -> None:
    hub = make_hub()
    hub.on_start = lambda: os.mkfifo(next(hub.root.glob("1*/checkout")) / ".gitattributes")

    job = hub.job()

    assert job.code == 1
    assert ".gitattributes is a pipe, a socket or a device: git would wait for it." in job.log


def test_a_worker_that_changes_what_the_action_is_run_from_stops_its_loop(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    """As `actions.start` has installed it, with the modules of this environment."""
    source, environment = tmp_path / "src", tmp_path / "loop-kit-venv-1"
    shutil.copytree(Path(loop_kit.__file__).parent, source / "loop_kit")
    venv.create(environment, with_pip=False)
    site = next(environment.glob("lib/*/site-packages"))
    (site / "modules.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    (environment / "loop-kit-ready").touch()
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    damage = f"echo x >> {source}/loop_kit/cli/main.py; echo x >> {site}/modules.pth"
    script["scenes"][0]["steps"].insert(0, {"run": ["sh", "-c", damage]})
    hub = make_hub(script)
    hub.command = (str(environment / "bin" / "python"), "-I", "-m", "loop_kit", "action")

    job = hub.job(env={"LOOP_SANDBOX": "off"})

    assert job.outputs["outcome"] == "needs_human", job.log
    assert hub.state()["reasons"] == ["tampered"]
    assert "loop_kit/cli/main.py" in job.log
    assert not (source / "loop_kit" / "cli" / "main.py").read_text().endswith("x\n")
    assert not (environment / "loop-kit-ready").exists()
