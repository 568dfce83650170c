"""What the model does in these tests, for every agent the same."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.harness import ISSUE
from tests.support.scripted_model_script import Fault, Read, Scenario, Script, Shell, Step, Write

VARIABLES = {"report": r"Write this JSON object to (\S+), filled in"}
MARKS = ("in a review loop:", "## Task card", "Write this JSON object to")
COMMIT = "git add calc.py && git commit --quiet --message 'Set the value'"
REPORTED = """printf '{"head_sha": "%%s", %%s' "$(git rev-parse HEAD)" '%s' > ${report}"""


def turn(role: str, round_: int) -> str:
    """The pattern for the prompts of this role in this round."""
    return rf"You are the {role.capitalize()} in a review loop[^\0]*?, round: {round_}\."


def worker(round_: int, *first: Step, value: int | None = None) -> Script:
    """Look, edit, commit and report, after what comes `first`."""
    edit = f"echo 'VALUE = {round_ if value is None else value}' > calc.py && {COMMIT}"
    claim = {"task_id": "T-001", "round": round_, "notes": f"round {round_} is done"}
    steps = (
        *first,
        Step(say="Looking.", call=Read("calc.py")),
        Step(call=Shell(edit)),
        Step(say="Reporting.", call=Shell(REPORTED % json.dumps(claim)[1:])),
        Step(say="The work is done."),
    )
    return Script(f"worker {round_}", turn("worker", round_), steps)


def reviewer(round_: int, *first: Step, approves: bool) -> Script:
    """Look at the commit and write the verdict, after what comes `first`."""
    said: dict[str, Any] = {
        "decision": "approve" if approves else "changes_required",
        "summary": "as wanted" if approves else "not yet",
        "blocking_issues": [] if approves else [ISSUE],
    }
    if approves and round_ > 1:
        said["dispositions"] = [{"id": "F1", "status": "fixed", "note": "read it"}]
    steps = (
        *first,
        Step(say="Looking at the commit.", call=Shell("git show --stat HEAD | cat")),
        Step(call=report({"task_id": "T-001", "round": round_, **said})),
        Step(say="The verdict is written."),
    )
    return Script(f"reviewer {round_}", turn("reviewer", round_), steps)


def report(document: dict[str, Any]) -> Write:
    """Write the report to the path that the prompt names."""
    return Write("${report}", json.dumps(document))


def failing(role: str, fault: Fault) -> Script:
    """A role whose model fails before it has done anything."""
    return Script(f"{role} 1", turn(role, 1), (Step(say="Here.", fault=fault),))


def scenario(*scripts: Script, marks: tuple[str, ...] = ()) -> Scenario:
    """These scripts with what all have in common."""
    return Scenario(scripts, VARIABLES, (*MARKS, *marks))


TWO_ROUNDS = scenario(worker(1), worker(2), reviewer(1, approves=False), reviewer(2, approves=True))
ONE_ROUND = scenario(worker(1), reviewer(1, approves=True))
