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
