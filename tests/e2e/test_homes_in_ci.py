"""In a job each role's program has a home of its own: a worker cannot configure the reviewer."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import TWO_ROUNDS

if TYPE_CHECKING:
    from tests.e2e.conftest import MakeHub

FAKE = Path(__file__).parents[1] / "cli" / "fake_agent.py"
HOMES = {"codex": "CODEX_HOME", "claude": "CLAUDE_CONFIG_DIR", "opencode": "XDG_CONFIG_HOME"}


@pytest.mark.parametrize("name", list(HOMES))
def test_what_a_worker_writes_into_its_home_is_not_the_reviewers(
    make_hub: MakeHub, tmp_path: Path, name: str
) -> None:
    fake, programs = tmp_path / "fake", tmp_path / "programs"
    fake.mkdir()
    programs.mkdir()
    program = programs / name
    program.write_text(f"#!{sys.executable} -IS\n{FAKE.read_text('utf-8')}", "utf-8")
    program.chmod(0o755)
    home = f'"${HOMES[name]}"'
    plan = {
        "worker": [
            {"sh": f"echo evil > {home}/config.toml; ls -A {home} > {fake}/worker"},
            {"write": {"more.txt": "x\n"}},
            {"report": {}},
        ],
        "reviewer": [{"sh": f"ls -A {home} > {fake}/reviewer"}, {"report": {}}],
    }
    (fake / "plan.json").write_text(json.dumps(plan))
    hub = make_hub(TWO_ROUNDS)

    done = hub.job(
        env={"PATH": f"{programs}:{os.environ['PATH']}", "FAKE_DIR": str(fake)},
        task=".loop/task_card.json",
        worker_backend=name,
        reviewer_backend=name,
        agent_env="FAKE_*",
        evidence="lenient",
    )

    assert (fake / "worker").read_text() == "config.toml\n", done.log
    assert (fake / "reviewer").read_text() == "", done.log


@pytest.mark.parametrize("sandbox", ["off", "required"])
def test_a_login_in_the_home_that_a_job_names_is_lent_and_its_new_tokens_are_kept(
    make_hub: MakeHub, tmp_path: Path, sandbox: str
) -> None:
    fake, programs, named = tmp_path / "fake", tmp_path / "programs", tmp_path / "named"
    for folder in (fake, programs, named):
        folder.mkdir()
    program = programs / "codex"
    program.write_text(f"#!{sys.executable} -IS\n{FAKE.read_text('utf-8')}", "utf-8")
    program.chmod(0o755)
    (named / "auth.json").write_text('{"tokens": {"refresh_token": "r1", "account_id": "me"}}')
    renew = 'sed -i s/r1/r2/ "$CODEX_HOME/auth.json"; touch "$CODEX_HOME/conversation"'
    look = f'cat "$CODEX_HOME/auth.json" > {fake}/seen; ls "$CODEX_HOME" >> {fake}/seen'
    work = [{"sh": renew}, {"write": {"more.txt": "x\n"}}, {"report": {}}]
    plan = {"worker": work, "reviewer": [{"sh": look}, {"report": {}}]}
    (fake / "plan.json").write_text(json.dumps(plan))
    hub = make_hub(TWO_ROUNDS)

    done = hub.job(
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "FAKE_DIR": str(fake),
            "CODEX_HOME": str(named),
            "LOOP_SANDBOX": sandbox,
            "LOOP_SHARED_CACHES": str(fake),
        },
        task=".loop/task_card.json",
        worker_backend="codex",
        reviewer_backend="codex",
        agent_env="FAKE_*",
        evidence="lenient",
    )

    login = json.loads((named / "auth.json").read_text())
    assert login == {"tokens": {"refresh_token": "r2", "account_id": "me"}}, done.log
    assert '"r2"' in (fake / "seen").read_text()
    assert "conversation" not in (fake / "seen").read_text()
    worker = named / "loop-kit" / "T-001" / "worker" / "codex_home"
    assert [path.name for path in worker.iterdir()] == ["conversation"]
