"""Agents made for agent-task-runner in jobs: all they know is `.loop/` where they work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.conftest import APPROVED, SENT_BACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub

WORKER = """\
#!/bin/sh
cat > /dev/null
fix='s/a - b/a + b/'
if grep -q F1 .loop/fix_list.json 2> /dev/null; then fix='s/a \\* 3/a * 2/'; fi
sed -i "$fix" calc.py && git add -A && git commit -qm "$fix"
round=$(sed -n 's/.*"round": \\([0-9]*\\).*/\\1/p' .loop/state.json | head -n 1)
printf '{"task_id":"T-001","round":%s,"head_sha":"%s"}' "$round" "$(git rev-parse HEAD)" \\
  > .loop/work_report.json
"""
REVIEWER = """\
#!/bin/sh
cat > /dev/null
round=$(sed -n 's/.*"round": \\([0-9]*\\).*/\\1/p' .loop/review_request.json | head -n 1)
head=$(sed -n 's/.*"head_sha": "\\([^"]*\\)".*/\\1/p' .loop/review_request.json | head -n 1)
sed "s/HEAD/$head/" "{folder}/$round.json" > .loop/review_report.json
"""


def install(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return str(path)


def test_they_take_a_card_to_an_approved_pull_request(hub: Hub, tmp_path: Path) -> None:
    for round_, verdict in enumerate((SENT_BACK, APPROVED), 1):
        report = {"task_id": "T-001", "round": round_, "head_sha": "HEAD", **verdict}
        (tmp_path / f"{round_}.json").write_text(json.dumps(report), "utf-8")
    inputs = {
        "worker_backend": "command",
        "worker_command": install(tmp_path / "worker.sh", WORKER),
        "reviewer_backend": "command",
        "reviewer_command": install(
            tmp_path / "reviewer.sh", REVIEWER.replace("{folder}", str(tmp_path))
        ),
    }

    first = hub.job(**inputs)
    second = hub.continued(**inputs)

    assert (first.outputs["decision"], first.code) == ("changes_required", 0), first.log
    assert second.outputs["outcome"] == "approved", second.log
    assert "attempt 2" not in first.log + second.log
    changed = hub.bare.git("diff", "--name-only", "main", "loop/T-001/work")
    assert changed.split() == ["calc.py"]


def test_a_bus_file_that_is_committed_by_force_is_sent_back_by_its_name(
    hub: Hub, tmp_path: Path
) -> None:
    forced = WORKER.replace("git add -A", "git add -f . .loop/state.json")
    command = install(tmp_path / "worker.sh", forced)

    job = hub.job(worker_backend="command", worker_command=command)

    assert job.outputs["outcome"] == "needs_human"
    assert hub.state()["reasons"] == ["protected_path"]
    assert ".loop/state.json" in hub.state()["error"]
