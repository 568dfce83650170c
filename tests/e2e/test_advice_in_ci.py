"""Every advice in a post works: each end is provoked, its advice is followed, the loop continues.

One table. A person does what the line says, to the letter: the commands in it are commented as
they are written, in their order, after what it says to fix first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e.conftest import CALC, CARD, REPOSITORY, TWO_ROUNDS, Hub, JobResult, MakeHub
from tests.e2e.events import labelled
from tests.e2e.test_cancelled_jobs import Cancel, hold_push, over
from tests.e2e.test_comments_in_ci import say
from tests.e2e.test_issues_in_ci import FORM, opened
from tests.e2e.test_refused_pushes_in_ci import KEY, SECRETS, SIGNATURES, SIZE
from tests.e2e.test_sweep_in_ci import sweep
from tests.support.git_policy import set_content_rules

if TYPE_CHECKING:
    from tests.support.github_state import Issue

Steps = list[dict[str, Any]]
GOOD: Steps = [
    {"write": {"path": "calc.py", "text": CALC.replace("a - b", "a + b")}},
    {"report": {"notes": "Add", "files_changed": ["calc.py"]}},
]
REPORT = {"report": {"notes": "done", "files_changed": []}}
WORK, STATE = "loop/issue-1/work", "loop/issue-1/state"
LAPTOP = ("--resume", "loop run", "loop doctor", "codex login", "setup-token", "--worker-")


def worker(*steps: dict[str, Any]) -> dict[str, Any]:
    """The script whose worker does `steps` in round 1, whatever the attempt."""
    return {"scenes": [{"role": "worker", "round": 1, "steps": list(steps)}]}


def reviewer(*steps: dict[str, Any]) -> dict[str, Any]:
    """The script whose worker works, and whose reviewer does `steps`."""
    return {"scenes": [*worker(*GOOD)["scenes"], {"role": "reviewer", "steps": list(steps)}]}


def nothing(hub: Hub, issue: Issue) -> None:
    """Nothing is to be fixed first."""


def other_script(hub: Hub, issue: Issue) -> None:
    """The agents behave from now on."""
    script = {"scenes": [*worker(*GOOD)["scenes"], *TWO_ROUNDS["scenes"][1:]]}
    hub.bare.commit_files("main", {".loop/script.yml": yaml.safe_dump(script)}, "Fix it")


def allowed(hub: Hub, issue: Issue) -> None:
    """The card allows what was refused."""
    issue.body = FORM


def corrected(hub: Hub, issue: Issue) -> None:
    """The verify command is spelt right."""
    issue.body = FORM


def clearer(hub: Hub, issue: Issue) -> None:
    """The card says more, and the worker understands it."""
    issue.body = FORM.replace("are right", "are right, which needs a change")
    other_script(hub, issue)


def push_of_a_person(hub: Hub, issue: Issue) -> JobResult:
    """Round 1, then a commit of a person on the work branch, then round 2."""
    hub.job(event=labelled(issue))
    hub.bare.commit_files(WORK, {"human.md": "x"}, "Mine")
    return hub.continued()


def spent_budget(hub: Hub, issue: Issue) -> JobResult:
    """Round 1, whose agents report more than the budget, then round 2."""
    hub.job(event=labelled(issue), max_cost_usd="1")
    state = {**hub.state("issue-1")}
    state["usage"] = {**state["usage"], "cost_usd": 1.2}
    hub.bare.commit_files(STATE, {"state.json": json.dumps(state)}, "The agents report")
    return hub.continued(max_cost_usd="1")


def round_one(hub: Hub, issue: Issue) -> JobResult:
    """Round 1."""
    return hub.job(event=labelled(issue))


def round_one_with(**inputs: str) -> Callable[[Hub, Issue], JobResult]:
    """Round 1 with other inputs."""
    return lambda hub, issue: hub.job(event=labelled(issue), **inputs)


def closed_between_rounds(hub: Hub, issue: Issue) -> JobResult:
    """Round 1, then the issue is closed, then round 2."""
    hub.job(event=labelled(issue))
    hub.api.close(REPOSITORY, issue.number)
    return hub.continued()


def opened_again(hub: Hub, issue: Issue) -> None:
    """The issue is opened again."""
    hub.api.reopen(REPOSITORY, issue.number)


def stopped_by_command(hub: Hub, issue: Issue) -> JobResult:
    hub.job(event=labelled(issue))
    return say(hub, issue, "/loop stop")


def refusing(rule: str, *, later: bool = False) -> Callable[[Hub, Issue], JobResult]:
    """Round 1, while the repository has a rule; `later` from its first push on."""

    def provoke(hub: Hub, issue: Issue) -> JobResult:
        if later:
            hub.git.after_push.append(lambda _: set_content_rules(hub.bare, rule))
        else:
            set_content_rules(hub.bare, rule)
        return hub.job(event=labelled(issue))

    return provoke


def lifted(hub: Hub, issue: Issue) -> None:
    """The rule is gone."""
    hub.git.after_push.clear()
    set_content_rules(hub.bare)


def without_secret(hub: Hub, issue: Issue) -> None:
    """The card says more, and the worker does without the secret."""
    issue.body = FORM.replace("are right", "are right, without a key in the code")
    other_script(hub, issue)


def cancelled_by_a_person(hub: Hub, issue: Issue) -> JobResult:
    """Round 1, cancelled while the work is pushed, and the sweep that finds out who did it."""
    hold_push(hub, 2, Cancel(hub), 0)
    job = hub.job(event=labelled(issue))
    over(hub, job, "cancelled", STATE)
    return sweep(hub)


@dataclass(frozen=True)
class Case:
    """How an outcome is provoked, what its post advises, and what is fixed before that."""

    outcome: str
    advice: str
    script: dict[str, Any] | None = None
    provoke: Callable[[Hub, Issue], JobResult] = round_one
    card: str = FORM
    fix: Callable[[Hub, Issue], None] = nothing
    inputs: tuple[tuple[str, str], ...] = ()
    reason: str = ""


OUT_OF_SCOPE = FORM.replace("_No response_", "test_calc.py")
TOUCHED = worker({"write": {"path": "test_calc.py", "text": "assert True\n"}}, *GOOD)
LARGE = {"write": {"path": "big.txt", "text": "x" * 400_000}}
CASES = {
    "scope": Case(
        *("needs_human", "the worker tries again without the refused change", TOUCHED),
        card=OUT_OF_SCOPE,
        fix=other_script,
        reason="scope",
    ),
    "protected path": Case(
        *("needs_human", "the worker tries again without the refused change"),
        worker({"write": {"path": ".github/workflows/x.yml", "text": "x"}}, *GOOD),
        fix=other_script,
        reason="protected_path",
    ),
    "budget": Case(
        *("needs_human", "comment `/loop budget 1 USD`", None, spent_budget),
        inputs=(("max_cost_usd", "1"),),
        reason="budget",
    ),
    "dispatches": Case(
        *("needs_human", "comment `/loop extend 2`", None, round_one_with(max_dispatches="0")),
        inputs=(("max_dispatches", "0"),),
        reason="budget",
    ),
    "human push": Case(
        *("needs_human", "continues from the commits that are on the branch"),
        *(None, push_of_a_person),
        reason="human_push",
    ),
    "max rounds": Case(
        *(
            "max_rounds_exhausted",
            "`/loop extend 2`: it has to be fixed",
            None,
            round_one_with(max_rounds="1"),
        ),
        inputs=(("max_rounds", "1"),),
    ),
    "verify unavailable": Case(
        *("verify_unavailable", "correct the command in the card and comment `/loop refresh`"),
        card=FORM.replace("-B test_calc.py", "-B -c pass && pytset -q"),
        fix=corrected,
    ),
    "setup failed": Case(
        *("setup_failed", "correct the input `workspace-setup` in the workflow"),
        *(None, round_one_with(workspace_setup="echo no lock file; exit 3")),
    ),
    "invalid work report": Case(
        *("invalid_work_report", "to have the worker write its report again"),
        worker(GOOD[0], {"raw_report": "{"}),
        fix=other_script,
    ),
    "invalid review report": Case(
        *("invalid_review_report", "to have the same commit reviewed again"),
        reviewer({"raw_report": "{"}),
        fix=other_script,
    ),
    "worker noop": Case(
        *("worker_noop", "say in the card what is missing", worker(REPORT)),
        fix=clearer,
    ),
    "rewritten history": Case(
        *("git_compare_failed", "start again from the last recorded commit"),
        worker(
            {"run": ["git", "checkout", "-q", "--orphan", "x"]},
            {"run": ["git", "commit", "-qm", "x"]},
            *GOOD,
        ),
        fix=other_script,
    ),
    "authentication": Case(
        *("worker_dispatch_failed", "fix what failed, then comment `/loop retry`"),
        worker({"complain": "401 unauthorized"}, {"crash": 1}),
        round_one_with(dispatch_retries="0"),
        fix=other_script,
    ),
    "timeout": Case(
        *("worker_timeout", "raise the time limit that it names", worker({"hang": 30})),
        round_one_with(dispatch_timeout="1"),
        fix=other_script,
    ),
    "closed": Case(
        *("cancelled", "until it is opened again and somebody comments `/loop retry`"),
        *(None, closed_between_rounds),
        fix=opened_again,
        reason="issue_closed",
    ),
    "interrupted": Case(
        *("interrupted", "comment `/loop retry` to continue where it was interrupted"),
        *(None, cancelled_by_a_person),
        reason="run_cancelled",
    ),
    "a refused secret": Case(
        *("needs_human", "say in the card how to do without it"),
        worker({"write": {"path": "key.py", "text": KEY}}, *GOOD),
        refusing(SECRETS),
        fix=without_secret,
        reason="push_refused",
    ),
    "a refused size": Case(
        *("needs_human", "change the rule of the repository that it names; then comment"),
        {"scenes": [*worker(LARGE, *GOOD)["scenes"], *TWO_ROUNDS["scenes"][1:]]},
        refusing(SIZE),
        fix=lifted,
        reason="push_refused",
    ),
    "a refused branch": Case(
        *("needs_human", "exempt `loop/issue-1/work` from the rule that it names; then comment"),
        *(None, refusing(SIGNATURES, later=True)),
        fix=lifted,
        reason="push_refused",
    ),
    "stopped by a command": Case(
        *("cancelled", "To continue where it stopped, comment `/loop retry`"),
        *(None, stopped_by_command),
    ),
}


def advice(issue: Issue) -> str:
    """The line of the first comment that says what is next, or its first answer."""
    lines = issue.comments[0].body.splitlines()
    first = [after[2:] for line, after in pairwise(lines) if line.endswith(" Choose one:**")]
    (line,) = [*first, *(line for line in lines if line.startswith("**Next:** "))]
    return f"{line[0].lower()}{line[1:]}"


def commands(line: str) -> list[str]:
    """The comments that it asks for."""
    return re.findall(r"`(/loop [^`]+)`", line)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_loop_continues_past_its_stop_when_the_advice_is_followed(
    make_hub: MakeHub, case: Case
) -> None:
    hub = make_hub(script=case.script or TWO_ROUNDS)
    issue = opened(hub, case.card)
    stopped = case.provoke(hub, issue)
    state = hub.state("issue-1")
    assert state.get("outcome") == case.outcome, stopped.log
    assert case.reason in (state.get("reasons") or [""])
    line = advice(issue)
    assert case.advice in line
    assert [word for word in LAPTOP if word in issue.comments[0].body] == []
    rounds = state["usage"].get("rounds", 0)

    case.fix(hub, issue)
    for command in commands(line):
        followed = say(hub, issue, command, **dict(case.inputs))
        if hub.state("issue-1").get("outcome") != case.outcome:
            break

    state = hub.state("issue-1")
    assert state.get("outcome") in {None, "approved"}, followed.log
    assert state["usage"]["rounds"] == rounds + 1


def test_a_refused_change_is_shown_where_the_loop_was_asked_for(make_hub: MakeHub) -> None:
    hub = make_hub(script=TOUCHED)
    issue = opened(hub, OUT_OF_SCOPE)

    hub.job(event=labelled(issue))

    body = issue.comments[0].body
    assert "<summary>The refused change, which was not pushed</summary>" in body
    assert "\n> +assert True\n" in body
    assert "test_calc.py" in body


def test_a_loop_whose_state_branch_was_deleted_starts_again_on_top_of_its_work(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    tip = hub.bare.head(WORK)
    hub.bare.delete_branch(STATE)
    assert hub.continued().code == 3
    assert "There is no loop issue-1 to continue" in issue.comments[-1].body
    assert "put the label on again" in issue.comments[-1].body
    script = worker(*TWO_ROUNDS["scenes"][2]["steps"])
    hub.bare.commit_files("main", {".loop/script.yml": yaml.safe_dump(script)}, "Go on")

    again = hub.job(event=labelled(issue))

    assert hub.bare.git("merge-base", tip, WORK).strip() == tip, again.log
    assert "a new loop begins on top of it" in again.log
    assert hub.state("issue-1")["start_sha"] == tip
    assert len(hub.api.repository(REPOSITORY).pulls) == 1


def test_a_disabled_workflow_is_said_with_the_click_that_enables_it(hub: Hub) -> None:
    disabled = hub.api.repository(REPOSITORY).disabled_workflows
    issue = opened(hub)
    disabled.add("loop.yml")

    stuck = hub.job(event=labelled(issue))

    assert stuck.code == 6, stuck.log
    pull = hub.api.issue(REPOSITORY, 2)
    (told,) = [each.body for each in pull.comments if "was not started" in each.body]
    assert "loop.yml is disabled" in told
    assert f"'Enable workflow' on <{hub.git.url}/{REPOSITORY}/actions/workflows/loop.yml>" in told
    assert len(hub.api.pull(REPOSITORY, 2).reviews) == 1

    disabled.clear()
    (command,) = commands(told)
    assert say(hub, issue, command).outputs["outcome"] == "approved"


def test_a_card_in_a_file_is_taken_again_where_nobody_can_comment(hub: Hub) -> None:
    card = {**CARD, "verify": ["pytset -q"]}
    hub.bare.commit_files("main", {".loop/task_card.json": json.dumps(card)}, "Misspell it")
    stopped = hub.job()
    assert stopped.outputs["outcome"] == "verify_unavailable", stopped.log
    hub.bare.commit_files("main", {".loop/task_card.json": json.dumps(CARD)}, "Correct it")

    again = hub.job()

    assert again.outputs["continue"] == "true", again.log


def test_the_label_that_was_removed_continues_the_loop_when_it_is_put_on_again(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    hub.api.remove_label(REPOSITORY, issue.number, "loop")
    assert hub.continued().outputs["outcome"] == "cancelled"
    assert "until the label `loop` is put on again" in advice(issue)

    hub.api.add_label(REPOSITORY, issue.number, "loop")

    assert hub.job(event=labelled(issue)).outputs["outcome"] == "approved"
