"""People command a loop by comments, whether a run is running or not."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.e2e.conftest import CARD, REPOSITORY, TWO_ROUNDS, Hub, JobResult, MakeHub
from tests.e2e.events import commented, labelled, pull_labelled
from tests.e2e.test_issues_in_ci import FORM, opened
from tests.e2e.test_pulls_in_ci import proposed

if TYPE_CHECKING:
    from tests.support.github_state import Comment, Issue

CRASH: dict[str, Any] = {"role": "worker", "round": 2, "steps": [{"crash": 1}]}
FAILING = {"scenes": [CRASH, *TWO_ROUNDS["scenes"]]}


def say(hub: Hub, issue: Issue, text: str, author: str = "mona", **inputs: str) -> JobResult:
    """Comment on an issue and run the job of that event."""
    comment = hub.api.comment(REPOSITORY, issue.number, author, text)
    return hub.job(event=commented(issue, comment), **inputs)


def last(issue: Issue) -> Comment:
    return issue.comments[-1]


def reactions(issue: Issue) -> list[str]:
    return [reaction.content for comment in issue.comments for reaction in comment.reactions]


@pytest.fixture
def begun(hub: Hub) -> Issue:
    """An issue whose loop is between rounds one and two."""
    issue = opened(hub)
    assert hub.job(event=labelled(issue)).outputs["continue"] == "true"
    return issue


def test_a_paused_loop_waits_for_the_command_to_resume(hub: Hub, begun: Issue) -> None:
    paused = say(hub, begun, "/loop pause")

    assert paused.code == 0, paused.log
    assert (hub.state("issue-1")["state"], paused.outputs["continue"]) == ("paused", "false")
    assert "until somebody comments `/loop resume`" in begun.comments[0].body
    late = hub.continued()
    assert "nothing to do" in late.log
    assert hub.job(event=labelled(begun)).log.count("paused") == 1

    resumed = say(hub, begun, "/loop resume")
    assert resumed.outputs["outcome"] == "approved", resumed.log
    assert reactions(begun) == ["+1", "+1"]


def test_a_stopped_loop_is_shown_as_stopped_and_can_be_retried(hub: Hub, begun: Issue) -> None:
    stopped = say(hub, begun, "/loop stop")

    assert stopped.code == 0, stopped.log
    state = hub.state("issue-1")
    assert (state["outcome"], state["error"]) == ("cancelled", "Stopped by mona.")
    assert "### ⚪ Stopped in round 2" in begun.comments[0].body
    assert hub.continued().outputs == {}

    assert say(hub, begun, "/loop retry").outputs["outcome"] == "approved"


def test_a_failed_loop_continues_after_retry_and_pays_nobody_twice(make_hub: MakeHub) -> None:
    hub = make_hub(script=FAILING)
    issue = opened(hub)
    hub.job(event=labelled(issue))
    failed = hub.continued(dispatch_retries="0")
    assert hub.state("issue-1")["outcome"] == "worker_dispatch_failed", failed.log
    assert "`/loop retry`" in issue.comments[0].body
    assert "loop:failed" in hub.api.issue(REPOSITORY, 2).labels
    script = yaml.safe_dump(TWO_ROUNDS)
    hub.bare.commit_files("main", {".loop/script.yml": script}, "Fix the script")
    reviews = len(hub.api.pull(REPOSITORY, 2).reviews)

    retried = say(hub, issue, "/loop retry")

    assert retried.outputs["outcome"] == "approved", retried.log
    assert len(hub.api.pull(REPOSITORY, 2).reviews) == reviews + 1
    assert hub.api.issue(REPOSITORY, 2).labels == ["loop:approved"]


def test_extend_adds_rounds_to_a_loop_that_used_all_of_its_own(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), max_rounds="1")
    assert hub.state("issue-1")["outcome"] == "max_rounds_exhausted"
    assert "`/loop extend 2`" in issue.comments[0].body

    extended = say(hub, issue, "/loop extend 1", max_rounds="1")

    assert extended.outputs["outcome"] == "approved", extended.log
    assert hub.state("issue-1")["limits"]["max_rounds"] == 2


def test_an_edit_of_the_issue_counts_only_after_refresh(hub: Hub, begun: Issue) -> None:
    begun.body = FORM.replace("add and double are right", "everything is right")
    hub.job(event=labelled(begun), dry_run="true")
    card = json.loads(hub.bare.git("show", "loop/issue-1/state:task_card.json"))
    assert card["goal"] == "add and double are right"

    refreshed = say(hub, begun, "/loop refresh")

    assert refreshed.outputs["outcome"] == "approved", refreshed.log
    card = json.loads(hub.bare.git("show", "loop/issue-1/state:task_card.json"))
    assert card["goal"] == "everything is right"


def test_a_refresh_with_a_broken_card_changes_nothing_and_says_why(hub: Hub, begun: Issue) -> None:
    begun.body = "never mind"
    seq = hub.state("issue-1")["seq"]
    result = say(hub, begun, "/loop refresh")
    assert result.code == 3
    assert "holds no task card" in last(begun).body
    assert hub.state("issue-1")["seq"] == seq


def test_status_is_answered_once_and_changes_nothing(hub: Hub, begun: Issue) -> None:
    pushes = len(hub.git.pushes)
    result = say(hub, begun, "/loop status")
    assert result.code == 0
    assert "Round 2 of 3 · worker" in last(begun).body
    assert len(hub.git.pushes) == pushes


def test_commands_work_on_the_pull_request_too(hub: Hub, begun: Issue) -> None:
    pull = hub.api.issue(REPOSITORY, 2)
    comment = hub.api.comment(REPOSITORY, 2, "mona", "/loop stop")

    result = hub.job(event=commented(pull, comment, on_pull=True))

    assert result.outputs["outcome"] == "cancelled", result.log


@pytest.mark.parametrize("author", ["rita", "stranger"])
def test_who_may_not_write_gets_no_answer_and_the_job_stays_green(
    hub: Hub, begun: Issue, author: str
) -> None:
    hub.api.add_user("stranger")
    comments, pushes = len(begun.comments), len(hub.git.pushes)
    result = say(hub, begun, "/loop stop", author=author)
    assert result.code == 0
    assert "may not write" in result.log
    assert len(begun.comments) == comments + 1
    assert (len(hub.git.pushes), reactions(begun)) == (pushes, [])


def test_a_misspelt_command_is_answered_with_what_was_meant(hub: Hub, begun: Issue) -> None:
    result = say(hub, begun, "/loop retyr")
    assert result.code == 0
    assert "Did you mean `/loop retry`" in last(begun).body
    assert reactions(begun) == ["confused"]


def test_a_thumb_alone_never_means_understood(hub: Hub, begun: Issue) -> None:
    """Each command has one answer in words where it was written, and a thumb only if it helped."""
    commands = {
        "/loop status": ([], "Round 2 of 3 · worker"),
        "/loop waive F9": (["confused"], "changes nothing: F9 is no finding of this loop"),
        "/loop pause": (["+1"], "`/loop pause`: "),
    }
    for text, (signs, words) in commands.items():
        before = len(begun.comments)
        say(hub, begun, text)
        asked, *answers = begun.comments[before:]
        named = f"loop-kit:issue-1:command-{asked.id} "
        answered = [each for each in answers if named in each.body]

        assert [reaction.content for reaction in asked.reactions] == signs
        assert [words in each.body for each in answered] == [True], answers


def test_talk_about_the_loop_costs_no_request(hub: Hub, begun: Issue) -> None:
    before = len(hub.api.requests)
    result = say(hub, begun, "I would /loop stop it")
    assert (result.code, len(hub.api.requests)) == (0, before)


def test_a_command_where_no_loop_is_gets_a_sign(hub: Hub) -> None:
    issue = opened(hub)
    result = say(hub, issue, "/loop retry")
    assert "no loop that can be commanded" in last(issue).body
    assert (result.code, reactions(issue), hub.git.pushes) == (0, ["confused"], [])


def test_a_comment_that_is_rerun_is_carried_out_once(hub: Hub, begun: Issue) -> None:
    comment = hub.api.comment(REPOSITORY, begun.number, "mona", "/loop extend 2")
    event = commented(begun, comment)
    first = hub.job(event=event)
    again = hub.rerun(event, first)

    assert again.code == 0, again.log
    assert hub.state("issue-1")["added_rounds"] == 2


def while_at_work(hub: Hub, number: int, text: str) -> list[JobResult]:
    """Comment at the moment when push `number` from now was taken, and run that job at once."""
    results: list[JobResult] = []
    until = len(hub.git.pushes) + number

    def comment(push: object) -> None:
        if len(hub.git.pushes) == until and not results:
            issue = hub.api.issue(REPOSITORY, 1)
            said = hub.api.comment(REPOSITORY, 1, "mona", text)
            hub.api.set_run(REPOSITORY, 1000, "in_progress")
            results.append(hub.job(event=commented(issue, said)))

    hub.git.after_push.append(comment)
    return results


def test_a_command_during_a_round_is_read_before_the_reviewer_is_paid(hub: Hub) -> None:
    issue = opened(hub)
    asides = while_at_work(hub, 1, "/loop stop")

    result = hub.job(event=labelled(issue))

    (aside,) = asides
    assert (aside.code, "reads the command" in aside.log) == (0, True), aside.log
    assert result.code == 0, result.log
    state = hub.state("issue-1")
    assert (state["outcome"], state["resume_phase"]) == ("cancelled", "awaiting_review")
    assert state["usage"]["rounds"] == 0
    assert hub.bare.git("ls-tree", "--name-only", "loop/issue-1/state", "inbox/") == ""
    assert reactions(issue) == ["eyes"]
    assert hub.bare.head("loop/issue-1/work") == state["head_sha"]


@pytest.mark.parametrize("push", [1, 2, 3])
def test_a_pause_at_any_moment_of_a_round_is_read(hub: Hub, push: int) -> None:
    issue = opened(hub)
    asides = while_at_work(hub, push, "/loop pause")

    result = hub.job(event=labelled(issue))

    assert len(asides) == 1
    assert result.code == 0, result.log
    assert hub.state("issue-1")["state"] == "paused"
    assert "lease" not in hub.state("issue-1")
    assert hub.api.dispatches == []


def test_a_command_at_the_very_end_of_a_round_is_left_to_the_next_run(hub: Hub) -> None:
    issue = opened(hub)
    asides = while_at_work(hub, 4, "/loop pause")

    hub.job(event=labelled(issue))

    assert len(asides) == 1
    assert hub.state("issue-1")["state"] == "paused"
    assert "nothing to do" in hub.continued().log


@pytest.mark.parametrize(("verb", "wanted"), [("stop", "done"), ("pause", "paused")])
def test_a_loop_is_stopped_although_a_person_pushed_to_its_branch(
    hub: Hub, begun: Issue, verb: str, wanted: str
) -> None:
    hub.bare.commit_files("loop/issue-1/work", {"human.md": "x"}, "Mine")
    result = say(hub, begun, f"/loop {verb}")
    assert hub.state("issue-1")["state"] == wanted, result.log
    assert hub.bare.file("loop/issue-1/work", "human.md") == b"x"


def test_retry_uses_the_rounds_that_the_operator_allows_now(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), max_rounds="1")
    result = say(hub, issue, "/loop retry", max_rounds="3")
    assert result.outputs["outcome"] == "approved", result.log


def test_a_refresh_keeps_the_verify_commands_of_the_configuration_at_the_base(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(files={".loop/config.yaml": json.dumps({"verify": CARD["verify"]})})
    issue = opened(hub, FORM[: FORM.index("### Verify")])
    hub.job(event=labelled(issue))
    hub.bare.commit_files("main", {"later.md": "later\n"}, "Move on")

    refreshed = say(hub, issue, "/loop refresh")

    assert hub.state("issue-1")["verify"] == CARD["verify"], refreshed.log


def test_a_pull_request_whose_card_is_a_file_can_be_refreshed(hub: Hub) -> None:
    card = json.dumps({**CARD, "task_id": "T-007"})
    pull = proposed(hub, "See the card.", **{".loop/tasks/t7.json": card})
    hub.job(event=pull_labelled(pull, hub.bare.head(pull.head)))
    hub.bare.commit_files("main", {"later.md": "later\n"}, "Move on")
    comment = hub.api.comment(REPOSITORY, pull.issue.number, "mona", "/loop refresh")

    result = hub.job(event=commented(pull.issue, comment, on_pull=True))

    assert result.code == 0, result.log


def test_whoever_retries_a_loop_answers_for_its_continuation(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), worker_backend="command", worker_command="false")
    hub.api.set_role(REPOSITORY, "nina", "write")
    hub.api.set_role(REPOSITORY, "mona", "read")
    assert say(hub, issue, "/loop retry", author="nina").outputs["continue"] == "true"
    assert hub.continued().outputs["outcome"] == "approved"


def test_a_loop_whose_label_is_gone_says_which_label_brings_it_back(hub: Hub, begun: Issue) -> None:
    hub.api.remove_label(REPOSITORY, begun.number, "loop")
    say(hub, begun, "/loop retry")
    assert "until the label `loop` is put on again" in begun.comments[0].body


def test_a_retry_that_changes_nothing_is_answered_with_what_would(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), max_rounds="1")

    say(hub, issue, "/loop retry", max_rounds="1")

    assert "It is still stopped. Next: comment `/loop extend 2`" in last(issue).body


def test_a_budget_over_its_ceiling_is_answered_with_the_ceiling(hub: Hub) -> None:
    issue = opened(hub)
    inputs = {"max_cost_usd": "1", "max_cost_usd_ceiling": "1.5"}
    hub.job(event=labelled(issue), **inputs)

    say(hub, issue, "/loop budget 5 USD", **inputs)

    assert "`/loop budget`: the limit is 1.5 USD now. Round 2 continues." in last(issue).body
    assert hub.state("issue-1")["limits"]["max_cost_usd"] == 1.5


def test_a_stop_while_the_base_is_verified_is_not_lost(hub: Hub) -> None:
    go, on = hub.root / "go", hub.root / "on"
    wait = f"while [ ! -e {go} ]; do touch {on}; sleep 0.1; done"
    issue = opened(hub, f"```json\n{json.dumps({**CARD, 'verify': [wait]})}\n```\n")
    done: list[JobResult] = []
    thread = threading.Thread(target=lambda: done.append(hub.job(event=labelled(issue))))
    thread.start()
    while not on.exists():
        time.sleep(0.05)

    stopped = say(hub, issue, "/loop stop")

    go.touch()
    thread.join()
    assert hub.state("T-001")["outcome"] == "cancelled", stopped.log
    assert hub.state("T-001")["usage"]["rounds"] == 0
