"""What a run is told about the rooms of its programs."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.process.room.test_rooms import RUNGS

import loop_kit
from loop_kit.adapters.process import process
from loop_kit.adapters.process.fresh_home import FreshHome
from loop_kit.adapters.process.namespace import Bare, Namespace
from loop_kit.adapters.process.room.rooms import Rooms, Wishes
from loop_kit.adapters.process.room.rungs import Choice, Rung, candidates
from loop_kit.adapters.process.room.surroundings import secret, sockets
from loop_kit.adapters.workspaces.shell import Box, run_shell
from loop_kit.ports import SandboxUnavailable

NONE = Choice(Rung.NONE, ("namespaces: unshare: Operation not permitted",))


def rooms(choice: Choice, **wishes: Any) -> Rooms:
    made = Rooms(Wishes(**{"sandbox": "auto", "environ": dict(os.environ), **wishes}))
    made.__dict__["_choice"] = choice
    return made


def _agent_of(made: Rooms) -> Box:
    """What makes the box of an agent that writes into its workspace alone."""
    return lambda workspace, argv, environment: made.agent([workspace], argv, environment)


def exit_code(make_box: Box, workspace: Path, command: str) -> int:
    path = {"PATH": os.environ["PATH"]}
    return run_shell(command, workspace, path, process.Listener(), 60, make_box).exit_code


def test_the_way_that_is_taken_and_the_network_are_named() -> None:
    found = rooms(Choice(Rung.USER), verify_network="none").confinement()
    assert (found.text, found.missing) == (
        "user namespace; network: open; network of verify: none",
        None,
    )


def test_what_is_missing_is_said_with_the_reason_and_what_to_do() -> None:
    in_job = rooms(NONE, in_job=True).confinement()
    assert in_job.text == "none"
    assert "unshare: Operation not permitted" in str(in_job.missing)
    assert "three jobs" in str(in_job.missing)
    assert "--sandbox off" in str(rooms(NONE).confinement().missing)


@pytest.mark.parametrize("wish", [{"sandbox": "required"}, {"verify_network": "none"}])
def test_what_is_required_and_not_possible_stops_the_run(wish: dict[str, str]) -> None:
    with pytest.raises(SandboxUnavailable, match="Operation not permitted"):
        rooms(NONE, **wish).confinement()


def test_temporary_files_of_ours_are_hidden_where_the_home_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "home" / "tmp"
    temp.mkdir(parents=True)
    home = {**os.environ, "HOME": str(temp.parent)}
    as_usual = Rooms(Wishes("auto", home)).confinement().text
    monkeypatch.setattr(tempfile, "tempdir", str(temp))

    assert Rooms(Wishes("auto", {**home, "TMPDIR": str(temp)})).confinement().text == as_usual


def test_a_closed_network_needs_a_room() -> None:
    with pytest.raises(SandboxUnavailable, match="sandbox is off"):
        rooms(NONE, sandbox="off", verify_network="none").confinement()


def test_without_a_room_programs_of_a_laptop_run_as_before() -> None:
    for off in (rooms(NONE), rooms(Choice(Rung.ROOT), sandbox="off")):
        box = off.agent([], ["/bin/true"], {})
        assert type(box) is Bare


@pytest.mark.parametrize("program", ["agent", "verify", "setup"])
def test_without_a_room_root_gives_programs_a_process_namespace(
    tmp_path: Path, program: str
) -> None:
    made = rooms(NONE, in_job=True, sandbox="off")
    argv = ["/bin/true"]
    boxes = {"verify": made.verify, "setup": made.setup, "agent": _agent_of(made)}
    box = boxes[program](tmp_path, argv, {})
    assert type(box) is (Namespace if process.is_namespace_allowed() else Bare)
    box.release()
    box.close()


def test_without_a_room_each_program_of_a_job_gets_a_home() -> None:
    box = rooms(NONE, in_job=True).agent([], ["/bin/true"], {})
    assert type(box) is FreshHome
    box.release()
    box.close()


def test_nothing_is_tried_where_no_room_is_wanted() -> None:
    made = Rooms(Wishes("off", dict(os.environ)))
    assert made.confinement().text == "off"
    assert "_choice" not in made.__dict__


def test_a_program_that_a_shell_command_names_is_seen_and_a_secret_is_not(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("tool", "my tools", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").write_text("exit 0\n")
    command = f"sh {tmp_path}/tool/run && sh '{tmp_path}/my tools/run'&&! cat {tmp_path}/secret/run"
    made = rooms(Choice(candidates(in_job=False)[0]), private=(tmp_path / "secret",))
    assert exit_code(made.setup, workspace, command) == 0


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_cache_is_filled_for_good_only_where_it_is_shared(
    tmp_path: Path, *, is_shared: bool
) -> None:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    cache = home / ".cache" / "uv"
    for folder in (workspace, cache):
        folder.mkdir(parents=True)
    environ = {**os.environ, "HOME": str(home)}
    shared = (cache,) if is_shared else ()
    made = rooms(Choice(candidates(in_job=False)[0]), environ=environ, shared=shared)
    assert exit_code(made.verify, workspace, f"touch {cache}/wheel") == 0
    assert (cache / "wheel").exists() == is_shared


@pytest.mark.parametrize(
    ("wishes", "reached"),
    [
        ({}, [True, True, True]),
        ({"network": "model-only", "verify_network": "open"}, [False, True, True]),
        ({"network": "open", "verify_network": "none"}, [True, False, True]),
    ],
)
def test_the_network_is_closed_to_those_for_whom_it_is_asked(
    tmp_path: Path, wishes: dict[str, str], reached: list[bool]
) -> None:
    made = rooms(Choice(candidates(in_job=False)[0]), **wishes)
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        command = f'"{sys.executable}" -c "{code}" 2>/dev/null'
        codes = [
            exit_code(box, tmp_path, command) for box in (_agent_of(made), made.verify, made.setup)
        ]

    assert [code == 0 for code in codes] == reached


@pytest.mark.parametrize("rung", RUNGS, ids=str)
def test_what_a_runner_is_registered_by_cannot_be_read(tmp_path: Path, rung: Rung) -> None:
    workspace, runner = tmp_path / "workspace", tmp_path / "home" / "actions-runner"
    temp = runner / "_work" / "_temp"
    for folder in (workspace, temp, runner / "_diag"):
        folder.mkdir(parents=True)
    for name in (".credentials", ".credentials_rsaparams", "_diag/Worker.log"):
        (runner / name).write_text("secret\n")
    environ = {**os.environ, "HOME": str(runner.parent), "RUNNER_TEMP": str(temp)}
    made = rooms(Choice(rung), environ=environ)

    command = f"! cat {runner}/.cred* {runner}/_diag/* 2>/dev/null | grep secret"
    assert exit_code(made.verify, workspace, command) == 0


def test_a_runner_is_found_by_its_program_where_its_folders_are_elsewhere(tmp_path: Path) -> None:
    worker = tmp_path / "runner" / "bin" / "Runner.Worker"
    worker.parent.mkdir(parents=True)
    shutil.copy(shutil.which("sh") or "/bin/sh", worker)
    code = (
        "from loop_kit.adapters.process.room.surroundings import secret;"
        " print(*secret({'RUNNER_TEMP': '/elsewhere/work/_temp'}, ()))"
    )
    argv = [str(worker), "-c", f'{sys.executable} -c "{code}"; exit $?']
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert f"{tmp_path}/runner/.credentials" in done.stdout.split()
    assert "/elsewhere/.credentials" in done.stdout.split()


def test_secrets_of_a_pod_are_hidden_unless_the_agent_is_meant_to_have_them() -> None:
    environ = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/eks/token"}

    assert {"/var/run/secrets", "/eks/token"} <= {*secret(environ, ())}
    assert "/eks/token" not in {*secret(environ, environ)}


def test_sockets_that_start_programs_outside_are_known(tmp_path: Path) -> None:
    (tmp_path / f"tmux-{os.getuid()}").mkdir()
    (tmp_path / f"tmux-{os.getuid()}" / "default").touch()
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "TMUX": "/elsewhere/tmux,1,0"}

    found = set(sockets(environ))

    assert {"/run/docker.sock", f"/run/user/{os.getuid()}/bus", "/elsewhere/tmux"} <= found
    named = ("bus", "docker.sock", "systemd/private", f"tmux-{os.getuid()}/default")
    assert {f"{tmp_path}/{name}" for name in named} <= found


SLOW_TO_IMPORT = "enum functools collections contextlib dataclasses json pathlib re signal typing"


@pytest.mark.parametrize("module", ["builder", "confined"])
def test_a_room_starts_without_the_modules_that_take_long_to_import(module: str) -> None:
    packages = str(Path(loop_kit.__file__).parents[1])
    code = (
        f"import sys; sys.path.append({packages!r});"
        f" import loop_kit.adapters.process.room.{module}; print(*sys.modules)"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert set(SLOW_TO_IMPORT.split()) & set(done.stdout.split()) == set()
