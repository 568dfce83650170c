"""What the model does in these tests, for every agent the same."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.harness import ISSUE
from tests.support.scripted_model_script import (
    Answer,
    Fault,
    Read,
    Scenario,
    Script,
    Shell,
    Step,
    Write,
)

VARIABLES = {
    "report": r"Write this JSON object to (\S+), filled in",
    "head": r'"head_sha": "([0-9a-f]{40})"',
}
MARKS = ("in a review loop:", "## Task card", "Write this JSON object to")
COMMIT = "git add calc.py && git commit --quiet --message 'Set the value'"
NO_COMMIT = "0" * 40
REPORTED = """printf '{"head_sha": "%%s", %%s' "$(git rev-parse HEAD)" '%s' > ${report}"""


def turn(role: str, round_: int) -> str:
    """The pattern for the prompts of this role in this round."""
    return rf"You are the {role.capitalize()} in a review loop[^\0]*?, round: {round_}\."


def worker(round_: int, *first: Step, writes: bool = True) -> Script:
    """Look, edit, commit and report, after what comes `first`; the last answer is the report too.

    With `writes` off the report is not written to its file.
    """
    edit = f"echo 'VALUE = {round_}' > calc.py && {COMMIT}"
    fixed = {"id": "F1", "action": "fixed", "evidence": "the value is set"}
    claim = {
        "task_id": "T-001",
        "round": round_,
        "notes": f"round {round_} is done",
        "files_changed": ["calc.py"],
        "tests": [],
        "responses": [fixed] if round_ > 1 else [],
    }
    written = Step(say="Reporting.", call=Shell(REPORTED % json.dumps(claim)[1:]))
    steps = (
        *first,
        Step(say="Looking.", call=Read("calc.py")),
        Step(call=Shell(edit)),
        *([written] if writes else []),
        Step(call=Answer(json.dumps({**claim, "head_sha": NO_COMMIT}))),
    )
    return Script(f"worker {round_}", turn("worker", round_), steps)


def reviewer(round_: int, *first: Step, approves: bool, writes: bool = True) -> Script:
    """Look at the commit and write the verdict, after what comes `first`; else as `worker`."""
    fixed = {"id": "F1", "status": "fixed", "note": "read it"}
    said: dict[str, Any] = {
        "task_id": "T-001",
        "round": round_,
        "head_sha": "${head}",
        "decision": "approve" if approves else "changes_required",
        "summary": "as wanted" if approves else "not yet",
        "dispositions": [fixed] if round_ > 1 else [],
        "criteria": [],
        "files_examined": ["calc.py"],
        "blocking_issues": [] if approves else [{"id": None, "criterion": None, **ISSUE}],
        "non_blocking_suggestions": [],
    }
    verdict = json.dumps(said)
    steps = (
        *first,
        Step(say="Looking at the commit.", call=Shell("git show --stat HEAD | cat")),
        *([Step(call=Write("${report}", verdict))] if writes else []),
        Step(call=Answer(verdict)),
    )
    return Script(f"reviewer {round_}", turn("reviewer", round_), steps)


def failing(role: str, fault: Fault) -> Script:
    """A role whose model fails before it has done anything."""
    return Script(f"{role} 1", turn(role, 1), (Step(say="Here.", fault=fault),))


def scenario(*scripts: Script, marks: tuple[str, ...] = ()) -> Scenario:
    """These scripts with what all have in common."""
    return Scenario(scripts, VARIABLES, (*MARKS, *marks))


TWO_ROUNDS = scenario(worker(1), worker(2), reviewer(1, approves=False), reviewer(2, approves=True))
ONE_ROUND = scenario(worker(1), reviewer(1, approves=True))
