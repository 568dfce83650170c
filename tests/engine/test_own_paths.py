"""Where a workspace was is in nothing that is stored or posted: paths are as git names them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.engine.world import BLOCKER, Act, World, two_rounds

from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.loop.state import Role
from loop_kit.ports import AgentExit, Assignment


def by_absolute_paths(job: Assignment) -> Act:
    """Agents that name every file by where it is on this machine."""
    if job.role is Role.WORKER and job.round == 1:
        return replace(two_rounds(job), report={"notes": f"see {job.workspace}/a1.py"})
    if job.role is Role.REVIEWER and job.round == 1:
        place = f"{job.workspace}/a1.py"
        issue = {**BLOCKER, "file": f"{place}:1", "reason": f"{place} is wrong"}
        return Act({"decision": "changes_required", "blocking_issues": [issue]})
    if job.role is Role.WORKER:
        problem = Problem(ProblemKind.BAD_FLAGS, f"cannot open {job.workspace}/a1.py")
        return Act(None, ended=AgentExit(exit_code=1, problem=problem))
    return two_rounds(job)


def test_paths_of_the_workspace_are_relative_in_reports_findings_errors_and_posts(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, script=by_absolute_paths)

    state = world.to_the_end()

    (finding,) = state.findings
    assert (finding.file, finding.line, finding.reason) == ("a1.py", 1, "a1.py is wrong")
    assert state.round_details[0].worker_notes == "see a1.py"
    assert "cannot open a1.py" in state.error
    files = {name: raw.decode("utf-8", "replace") for name, raw in world.server.files.items()}
    (pull,) = world.forge.pulls
    posts = [post.body for post in (*pull.posts, *pull.comments, *pull.inline)]
    for job in world.jobs:
        assert str(job.workspace) not in json.dumps([files, posts, state.to_json().decode()])
