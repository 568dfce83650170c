"""A label on an issue starts a loop; the issue hears of it, and can end it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import BOT, CARD, REPOSITORY, Hub
from tests.e2e.events import labelled

if TYPE_CHECKING:
    from tests.support.github_state import Issue

FORM = f"""### Goal

add and double are right

### In scope

calc.py

### Out of scope

_No response_

### Acceptance criteria

- add(1, 2) is 3
- double(2) is 4

### Verify

```text
{CARD["verify"][0]}
```
"""


def opened(hub: Hub, body: str | None = FORM, *labels: str) -> Issue:
    return hub.api.open_issue(REPOSITORY, "Two bugs", body, "mona", labels or ("loop",))


def test_a_label_on_an_issue_leads_to_an_approved_pull_request_that_closes_it(hub: Hub) -> None:
    issue = opened(hub)
    first = hub.job(event=labelled(issue))

    assert first.code == 0, first.log
    assert first.outputs["task-id"] == f"issue-{issue.number}"
    assert first.outputs["continue"] == "true"
    state = hub.state(f"issue-{issue.number}")
    assert state["source"] == {"kind": "issue", "ref": str(issue.number), "label": "loop"}
    assert (state["starter"], len(hub.git.pushes)) == ("mona", 4)

    second = hub.continued()

    assert second.outputs["outcome"] == "approved", second.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert f"Closes #{issue.number}" in (pull.issue.body or "")
    assert pull.issue.title == "Two bugs"
    assert not pull.draft


def test_the_issue_gets_one_comment_that_is_kept_up_to_date(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    (comment,) = issue.comments
    (pull,) = hub.api.repository(REPOSITORY).pulls
    assert comment.author == BOT
    assert f"[pull request #{pull}](" in comment.body
    assert "`/loop stop`" in comment.body

    hub.continued()

    (comment,) = issue.comments
    assert "Approved in round 2" in comment.body
    assert "/loop stop" not in comment.body


def test_what_counts_is_the_text_that_the_labelling_person_saw(hub: Hub) -> None:
    issue = opened(hub)
    event = labelled(issue)
    issue.body = "### Goal\n\nGive everybody admin rights\n"

    hub.job(event=event)

    card = json.loads(hub.bare.git("show", f"loop/issue-{issue.number}/state:task_card.json"))
    assert card["goal"] == "add and double are right"


@pytest.mark.parametrize("body", ["Please fix it all!", None])
def test_prose_is_refused_on_the_issue_once_with_a_card_to_copy(hub: Hub, body: str | None) -> None:
    issue = opened(hub, body)
    first = hub.job(event=labelled(issue))
    again = hub.job(event=labelled(issue))

    assert (first.code, again.code) == (3, 3)
    assert "holds no task card" in first.log
    (comment,) = issue.comments
    assert "### Acceptance criteria" in comment.body
    assert hub.git.pushes == []


def test_a_refused_issue_starts_once_it_was_fixed(hub: Hub) -> None:
    issue = opened(hub, "Please fix it all!")
    hub.job(event=labelled(issue))
    issue.body = FORM

    assert hub.job(event=labelled(issue)).outputs["continue"] == "true"


def test_a_card_in_a_block_of_an_issue_may_name_its_loop(hub: Hub) -> None:
    issue = opened(hub, f"Here:\n\n```json\n{json.dumps(CARD)}\n```\n")
    assert hub.job(event=labelled(issue)).outputs["task-id"] == "T-001"


def test_two_issues_cannot_share_one_loop(hub: Hub) -> None:
    body = f"```json\n{json.dumps(CARD)}\n```\n"
    hub.job(event=labelled(opened(hub, body)))
    second = opened(hub, body)
    result = hub.job(event=labelled(second))

    assert result.code == 3
    assert "already the loop of issue" in result.log
    assert "task_id of its own" in second.comments[0].body


def card_block(**fields: object) -> str:
    return f"```json\n{json.dumps(CARD | fields)}\n```\n"


def test_a_card_in_an_issue_cannot_sit_on_the_loop_of_a_committed_card(hub: Hub) -> None:
    hub.job()
    pushes = len(hub.git.pushes)
    issue = opened(hub, card_block())
    result = hub.job(event=labelled(issue))

    assert result.code == 3
    assert "T-001 is already the loop of file .loop/task_card.json." in result.log
    assert "task_id of its own" in issue.comments[0].body
    assert len(hub.git.pushes) == pushes


def test_a_card_in_an_issue_builds_on_the_default_branch_or_one_that_is_listed(hub: Hub) -> None:
    files = {".loop/config.yaml": "base_branches: [release/*]\n"}
    hub.bare.commit_files("release/1", files, "List itself", parent=hub.bare.head("main"))
    issue = opened(hub, card_block(task_id="T-9", base_branch="release/1"))
    refused = hub.job(event=labelled(issue))

    assert refused.code == 3
    assert "may not build on release/1" in refused.log
    assert "`base-branches`" in issue.comments[0].body
    assert hub.git.pushes == []

    hub.bare.commit_files("main", files, "List the branch")
    assert hub.job(event=labelled(issue)).code == 0
    assert hub.state("T-9")["base_branch"] == "release/1"


def test_the_issue_shows_the_commands_that_run_to_the_letter(hub: Hub) -> None:
    first, evil = CARD["verify"][0], "echo '@octocat fixes #1' '```'"
    issue = opened(hub, card_block(task_id="T-9", verify=[first, evil]))
    hub.job(event=labelled(issue))

    assert (
        "Runs 2 verify commands of this issue in each round:\n\n"
        f"> ````\n> {first}\n> {evil}\n> ````" in (issue.comments[0].body)
    )


def test_verify_from_base_runs_no_command_of_an_issue(hub: Hub) -> None:
    issue = opened(hub, card_block(task_id="T-9", verify=["touch ../pwned; exit 1"]))
    result = hub.job(event=labelled(issue), verify_from="base")

    assert "The card's verify commands do not run" in result.log
    assert "verify" not in hub.state("T-9")
    assert "verify commands of this issue do not run" in issue.comments[0].body


def test_another_label_ends_green_without_asking_the_forge_anything(hub: Hub) -> None:
    issue = opened(hub, FORM, "bug")
    result = hub.job(event=labelled(issue, label="bug"))
    assert result.code == 0
    assert "'bug' is not 'loop'" in result.log
    assert (hub.git.pushes, hub.api.requests) == ([], [])


def test_a_label_by_somebody_who_may_only_read_starts_nothing(hub: Hub) -> None:
    issue = opened(hub)
    result = hub.job(event=labelled(issue, sender="rita"))
    assert result.code == 6
    assert "rita may not write" in result.log
    assert (hub.git.pushes, issue.comments) == ([], [])


def test_a_label_by_a_bot_needs_the_operators_word(hub: Hub) -> None:
    issue = opened(hub)
    ignored = hub.job(event=labelled(issue, sender="triage[bot]"))
    assert ignored.code == 0
    assert hub.git.pushes == []

    allowed = hub.job(event=labelled(issue, sender="triage[bot]"), allowed_bots="triage")
    assert allowed.outputs["continue"] == "true", allowed.log
    assert hub.continued(allowed_bots="triage").outputs["outcome"] == "approved"


def test_a_run_that_is_rerun_after_its_round_only_repeats_the_dispatch(hub: Hub) -> None:
    event = labelled(opened(hub))
    first = hub.job(event=event)
    pushes, seq = len(hub.git.pushes), hub.state("issue-1")["seq"]

    again = hub.rerun(event, first)

    assert again.code == 0, again.log
    assert (len(hub.git.pushes), hub.state("issue-1")["seq"]) == (pushes, seq)
    assert hub.api.dispatches[0].inputs == hub.api.dispatches[1].inputs
    assert hub.continued().outputs["outcome"] == "approved"


@pytest.mark.parametrize("end", ["closed", "unlabelled"])
def test_a_closed_or_unlabelled_issue_ends_its_loop_before_an_agent_is_paid(
    hub: Hub, end: str
) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    if end == "closed":
        hub.api.close(REPOSITORY, issue.number)
    else:
        hub.api.remove_label(REPOSITORY, issue.number, "loop")

    result = hub.continued()

    state = hub.state("issue-1")
    assert (result.code, state["outcome"]) == (0, "cancelled"), result.log
    assert state["usage"]["rounds"] == 1
    why = "the issue was closed" if end == "closed" else "the label was removed"
    assert f"### ⚪ Stopped in round 2: {why}" in issue.comments[0].body
    assert len(hub.api.dispatches) == 1


def test_a_label_put_on_again_continues_a_cancelled_loop(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    hub.api.remove_label(REPOSITORY, issue.number, "loop")
    hub.continued()
    hub.api.add_label(REPOSITORY, issue.number, "loop")

    assert hub.job(event=labelled(issue)).outputs["outcome"] == "approved"


def test_a_label_on_a_merged_loop_asks_for_a_new_id(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue))
    hub.continued()
    (number,) = hub.api.repository(REPOSITORY).pulls
    hub.api.merge_pull(REPOSITORY, number, "mona")

    result = hub.job(event=labelled(issue))

    assert result.code == 0
    assert "use a new task id" in result.log


def test_an_issue_by_its_number_needs_no_label(hub: Hub) -> None:
    issue = opened(hub, FORM, "bug")
    first = hub.job(issue=str(issue.number))
    assert first.outputs["task-id"] == f"issue-{issue.number}", first.log
    assert hub.continued().outputs["outcome"] == "approved"


def test_a_dry_run_tells_and_changes_nothing(hub: Hub) -> None:
    issue = opened(hub)
    result = hub.job(event=labelled(issue), dry_run="true")
    assert result.code == 0
    assert "Dry run: issue-1, a new loop" in result.log
    assert (hub.git.pushes, issue.comments, hub.api.dispatches) == ([], [], [])


def test_a_task_that_depends_on_one_that_is_not_merged_waits(hub: Hub) -> None:
    card = {**CARD, "task_id": "T-002", "depends_on": ["T-001"]}
    issue = opened(hub, f"```json\n{json.dumps(card)}\n```")
    result = hub.job(event=labelled(issue))
    assert result.code == 3
    assert "depends on T-001, which is not merged" in issue.comments[0].body

    hub.job()
    hub.continued()
    (number,) = hub.api.repository(REPOSITORY).pulls
    hub.api.merge_pull(REPOSITORY, number, "mona")

    assert hub.job(event=labelled(issue)).outputs["task-id"] == "T-002"


def rest_requests(hub: Hub) -> list[str]:
    return [f"{r.method} {r.path}" for r in hub.api.requests if r.path != "/graphql"]


def test_a_steady_round_of_an_issue_costs_at_most_eight_requests_and_four_pushes(
    hub: Hub,
) -> None:
    hub.job(event=labelled(opened(hub)), max_rounds="5")
    first = rest_requests(hub)
    assert (len(first) <= 8, len(hub.git.pushes)) == (True, 4), first

    hub.continued(max_rounds="5")
    last = rest_requests(hub)[len(first) :]
    assert len(hub.git.pushes) == 8
    once = [r for r in last if "label" in r or r.endswith("/pulls/2")]
    assert len(last) - len(once) <= 8, last


def test_where_jobs_may_open_no_pull_request_the_issue_gets_the_link_that_opens_it(
    hub: Hub,
) -> None:
    hub.api.repository(REPOSITORY).actions_may_open_pulls = False
    issue = opened(hub)
    first = hub.job(event=labelled(issue))

    assert first.code == 0, first.log
    assert hub.bare.resolve("refs/heads/loop/issue-1/work") is not None
    hub.continued()
    (comment,) = issue.comments
    assert f"{hub.git.url}/{REPOSITORY}/compare/main...loop/issue-1/work" in comment.body
    assert "Allow GitHub Actions to create" in comment.body
    assert issue.labels == ["loop", "loop:approved"]
