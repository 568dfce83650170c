"""People decide about findings by comments, and name another backend."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.events import commented, labelled
from tests.e2e.test_comments_in_ci import last, reactions, say, while_at_work
from tests.e2e.test_issues_in_ci import FORM, opened

if TYPE_CHECKING:
    from tests.support.github_state import Issue

UNVERIFIED = FORM[: FORM.index("### Verify")]


def begun(hub: Hub, card: str = UNVERIFIED, **inputs: str) -> Issue:
    """An issue whose loop was sent back in round 1, with finding F1."""
    issue = opened(hub, card)
    result = hub.job(event=labelled(issue), **inputs)
    assert hub.state("issue-1")["findings"][0]["id"] == "F1", result.log
    return issue


def ledger(hub: Hub) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in hub.state("issue-1")["findings"]}


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        ("/loop waive f1", "waived", "waived by mona"),
        ("/loop Dismiss F1 because it is @intended", "dismissed", "it is @intended"),
    ],
)
def test_the_last_finding_is_closed_by_a_person_and_the_reviewer_reads_the_commit_again(
    hub: Hub, text: str, status: str, why: str
) -> None:
    issue = begun(hub)
    head = hub.bare.head("loop/issue-1/work")

    result = say(hub, issue, text)

    assert result.outputs["outcome"] == "approved", result.log
    assert hub.bare.head("loop/issue-1/work") == head
    finding = ledger(hub)["F1"]
    assert (finding["status"], why in finding["closed_why"]) == (status, True)
    body = last(issue).body
    assert "Round 2 is a review of the same commit: nothing is left that blocks." in body
    assert reactions(issue) == ["+1"]
    reviews = hub.api.pull(REPOSITORY, 2).reviews
    assert "The worker had nothing to do" in reviews[-1].body


def test_a_waiver_approves_nothing_that_does_not_verify(hub: Hub) -> None:
    issue = begun(hub, FORM)

    result = say(hub, issue, "/loop waive F1")

    state = hub.state("issue-1")
    assert (state.get("outcome"), state["state"]) == (None, "awaiting_work"), result.log
    still = next(each for each in ledger(hub).values() if each.get("status", "open") == "open")
    assert "verify command failed" in still["reason"]


def test_a_decision_continues_a_loop_that_used_all_of_its_rounds(hub: Hub) -> None:
    issue = begun(hub, max_rounds="1")
    assert hub.state("issue-1")["outcome"] == "max_rounds_exhausted"

    result = say(hub, issue, "/loop dismiss F1 because it is intended", max_rounds="1")

    assert result.outputs["outcome"] == "approved", result.log


def test_a_requirement_is_recorded_and_the_loop_goes_its_way(hub: Hub) -> None:
    issue = begun(hub)

    result = say(hub, issue, "/loop require F1")

    assert result.outputs["outcome"] == "approved", result.log
    assert ledger(hub)["F1"]["required"] is True
    body = last(issue).body
    assert "F1 is required: right, and not to be disputed again. Round 2 continues." in body


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/loop waive F9", "changes nothing: F9 is no finding of this loop: open are F1."),
        ("/loop dismiss F1", "needs a reason, as in `/loop dismiss F3 because …`"),
        ("/loop waive", "needs the ids of 1 to 50 findings"),
        ("/loop retry with nobody", "`nobody` is no backend of this job. Known are `codex`"),
        ("/loop retry with manual", "`manual` is no backend of this job."),
        ("/loop retry with scripted as second", "This loop has no second reviewer"),
        ("/loop retry with command", "`command` cannot run in this job: "),
    ],
)
def test_a_decision_that_changes_nothing_is_answered_with_why(
    hub: Hub, text: str, answer: str
) -> None:
    issue = begun(hub)
    pushes = len(hub.git.pushes)

    result = say(hub, issue, text)

    assert result.code == 0, result.log
    assert answer in last(issue).body
    assert (len(hub.git.pushes), reactions(issue)) == (pushes, ["confused"])


def test_a_finding_that_is_closed_is_answered_with_how(hub: Hub) -> None:
    issue = begun(hub)
    say(hub, issue, "/loop stop")
    say(hub, issue, "/loop waive F1")
    assert "F1 is waived: real, but not blocking. It is still stopped." in last(issue).body

    say(hub, issue, "/loop waive F1 F2")

    body = last(issue).body
    assert "F2 is no finding of this loop: none is open. F1 is waived already." in body


def test_a_decision_during_a_round_is_read_before_the_reviewer_is_paid(hub: Hub) -> None:
    issue = begun(hub)
    asides = while_at_work(hub, 1, "/loop waive F1 F7")

    result = hub.continued()

    assert len(asides) == 1
    assert result.outputs["outcome"] == "approved", result.log
    assert ledger(hub)["F1"]["status"] == "waived"
    body = last(issue).body
    assert "reads it before it starts an agent. F7 is no finding of this loop" in body


def test_a_loop_is_continued_with_another_backend_and_keeps_it(make_hub: MakeHub) -> None:
    hub = make_hub(script=TWO_ROUNDS)
    issue = opened(hub)
    inputs = {"worker_backend": "command", "worker_command": "false", "dispatch_retries": "0"}
    hub.job(event=labelled(issue), **inputs)
    assert hub.state("issue-1")["outcome"] == "worker_dispatch_failed"

    first = say(hub, issue, "/loop retry with scripted", **inputs)

    assert first.outputs["continue"] == "true", first.log
    assert "the worker is `scripted` from now on. Round 1 continues again." in last(issue).body
    assert hub.continued(**inputs).outputs["outcome"] == "approved"
    assert hub.state("issue-1")["retry_with"] == {"worker": "scripted"}


def test_a_backend_without_a_key_is_refused_before_anything_is_spent(hub: Hub) -> None:
    program = hub.root / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    issue = begun(hub)

    comment = hub.api.comment(REPOSITORY, issue.number, "mona", "/loop retry with claude")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    hub.job(event=commented(issue, comment), env={"PATH": path})

    assert "`claude` has no key in this job: pass `anthropic-api-key`" in last(issue).body


def test_a_card_that_cannot_be_read_again_is_answered_where_it_was_asked_for(hub: Hub) -> None:
    issue = begun(hub)
    issue.body = json.dumps({"goal": ""})
    result = say(hub, issue, "/loop refresh")
    assert result.code == 3
    assert "`/loop refresh` changed nothing: " in last(issue).body
    assert reactions(issue) == ["confused"]


def test_a_command_that_was_carried_out_but_not_answered_is_answered_by_the_next_attempt(
    hub: Hub,
) -> None:
    issue = begun(hub)
    first = say(hub, issue, "/loop extend 2")
    asked = issue.comments[-2]
    issue.comments.pop()

    hub.rerun(commented(issue, asked), first)

    assert "This was carried out already: " in last(issue).body


DISPUTED = {
    "report": {
        "notes": "double is right",
        "files_changed": [],
        "responses": [{"id": "F1", "action": "disputed", "evidence": "nobody calls it @octocat"}],
    }
}
UPHELD = {
    "report": {
        "decision": "changes_required",
        "summary": "still",
        "dispositions": [{"id": "F1", "status": "upheld", "note": "double(2) is 6"}],
    }
}
QUARREL = {
    "scenes": [
        *TWO_ROUNDS["scenes"][:2],
        *({"role": "worker", "round": n, "steps": [DISPUTED]} for n in (2, 3)),
        *({"role": "reviewer", "round": n, "steps": [UPHELD]} for n in (2, 3)),
        {**TWO_ROUNDS["scenes"][2], "round": 4},
        {**TWO_ROUNDS["scenes"][3], "round": 4},
    ]
}


@pytest.mark.parametrize(("answer", "status"), [(1, "fixed"), (2, "dismissed"), (3, "waived")])
def test_a_contested_finding_is_decided_by_each_answer_of_the_question(
    make_hub: MakeHub, answer: int, status: str
) -> None:
    hub = make_hub(script=json.loads(json.dumps(QUARREL)))
    issue = begun(hub)
    for _ in range(2):
        stopped = hub.continued()
    state = hub.state("issue-1")
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["contested"]), stopped.log
    posts = (issue.comments[0].body, hub.api.issue(REPOSITORY, 2).comments[0].body)
    for post in posts:
        assert "**Who is right about F1? Choose one:**" in post
        assert "\n- About **F1** the reviewer says: double(2) is 6\n" in post
        assert "\n- About **F1** the worker says: nobody calls it `@octocat`\n" in post
    assert "| **F1** high `calc.py:6` | raised | disputed | disputed |" in posts[1]
    assert len(issue.comments) == 1

    line = posts[0].partition(" Choose one:**\n")[2].splitlines()[answer - 1]
    (command,) = re.findall(r"`(/loop [^`]+)`", line)
    followed = say(hub, issue, command.replace("…", "nobody calls it"))

    assert followed.outputs["outcome"] == "approved", followed.log
    assert ledger(hub)["F1"]["status"] == status
    assert hub.state("issue-1")["round"] == 4
