"""What an agent does all day works in a room: install into the project, build, test, commit."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.actions.test_start_certificates import add_wheel
from tests.adapters.process.room.test_rooms import RUNGS, Output

from loop_kit.adapters.process import process
from loop_kit.adapters.process.room.rooms import Rooms, Wishes
from loop_kit.adapters.process.room.rungs import Choice, Rung
from loop_kit.core.agent.environment import agent_environment

COMMIT = "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm x"
PROJECTS = {
    "python3": (
        "python3 -m venv .venv && .venv/bin/pip install -q --no-index ./dep-1.0-py3-none-any.whl"
        " && echo 'import dep, json, ssl, sqlite3' > test_it.py"
        " && .venv/bin/python -m unittest -q test_it 2>&1 && mktemp"
    ),
    "npm": (
        "mkdir dep && (cd dep && npm init -y) >/dev/null && npm init -y >/dev/null"
        " && npm install --offline --no-audit ./dep && ls node_modules/dep/package.json"
        ' && echo \'require("node:test")("x", () => {})\' > x.test.js && node --test'
    ),
    "go": (
        "mkdir dep && (cd dep && go mod init example.org/dep && echo 'package dep' > dep.go)"
        " && go mod init example.org/x && go mod edit -require example.org/dep@v0.0.0"
        " -replace example.org/dep=./dep"
        ' && printf \'package x\nimport (\n_ "example.org/dep"\n_ "sort"\n)\n\' > x.go'
        " && printf 'package x\nimport \"testing\"\nfunc TestX(*testing.T) {}\n' > x_test.go"
        " && go build -v ./... && go vet ./... && go test ./..."
    ),
    "cargo": (
        "cargo init -q --vcs none --lib dep && cargo init -q --vcs none --name x ."
        " && cargo add -q --offline --path dep && echo 'use dep as _;' >> src/main.rs"
        " && cargo build -q --offline && cargo test -q --offline --workspace"
    ),
}


@pytest.fixture(scope="module")
def with_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a user has who has built such a project before: Go's library in their cache."""
    if shutil.which("go"):
        folder = tmp_path_factory.mktemp("go")
        subprocess.run(["/bin/sh", "-c", PROJECTS["go"]], cwd=folder, check=True)


@pytest.mark.usefixtures("with_caches")
@pytest.mark.parametrize("tool", [name for name in PROJECTS if shutil.which(name)])
@pytest.mark.parametrize("rung", RUNGS, ids=str)
def test_a_project_is_installed_built_tested_and_committed(
    tmp_path: Path, rung: Rung, tool: str
) -> None:
    workspace, mailbox = tmp_path / "root" / "workspace", tmp_path / "mailbox"
    workspace.mkdir(parents=True)
    mailbox.mkdir()
    add_wheel(workspace, "dep", "dep.py", "")
    environment = agent_environment(os.environ)
    rooms = Rooms(Wishes("required", os.environ, private=(tmp_path / "root",)))
    rooms.__dict__["_choice"] = Choice(rung)
    argv = ["/bin/sh", "-c", f"{PROJECTS[tool]} && {COMMIT}"]
    output = Output()
    ended = process.stream(
        argv,
        cwd=workspace,
        env=environment,
        stdin=b"",
        listener=output,
        timeout=100,
        box=rooms.agent([workspace, mailbox], argv, environment),
    )
    assert ended.exit_code == 0, output.text
    assert "runtime" not in output.text.splitlines(), "Go has built its own library again"
    assert (workspace / ".git" / "HEAD").exists()
