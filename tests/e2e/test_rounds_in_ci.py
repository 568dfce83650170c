"""Jobs in fresh checkouts take a committed card to an approved pull request, one round each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.runner.job import read_job
from loop_kit.usecases.checkout import remote_url

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, MakeHub


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow checkout", "full checkout"])
def test_second_job_finds_the_state_on_the_branch_and_runs_round_two_to_approval(
    hub: Hub, depth: int
) -> None:
    hub.depth = depth

    first = hub.job()

    assert first.code == 0, first.log
    assert first.outputs["continue"] == "true"
    assert first.outputs["decision"] == "changes_required"
    report, run = sorted(Path(first.outputs["record-path"]).iterdir(), reverse=True)
    assert ":" not in run.name
    page = report.read_text("utf-8")
    assert "Change of round 1" in page
    assert "What the reviewer reported" in page
    kept = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    reports = {f"r1_{role}_1/report.json" for role in ("worker", "reviewer")}
    results = {f"r1_{role}_1/result.json" for role in ("worker", "reviewer")}
    about = {"run.json", "settings.json"}
    assert {name for name in kept if "verify" not in name} == {*about, *reports, *results}
    assert sum("verify" in name for name in kept) == 2
    assert hub.state()["state"] == "awaiting_work"
    assert hub.state()["continue_to"] == 2

    second = hub.continued()

    assert second.code == 0, second.log
    assert second.outputs["outcome"] == "approved"
    assert second.outputs["continue"] == "false"
    assert hub.state()["outcome"] == "approved"
    assert hub.bare.file("loop/T-001/work", "calc.py") == (
        b"def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n"
    )


def test_a_round_costs_four_pushes_and_at_most_eight_requests(hub: Hub) -> None:
    hub.job()
    assert (len(hub.git.pushes), rest_requests(hub)) == (4, 6)

    hub.continued()
    assert len(hub.git.pushes) == 8
    assert rest_requests(hub) - 6 <= 8


def rest_requests(hub: Hub) -> int:
    return len([request for request in hub.api.requests if request.path != "/graphql"])


def test_first_push_takes_the_lease_and_creates_the_work_branch_at_the_base_tip(hub: Hub) -> None:
    hub.job()

    pushed = {update.ref: update.new for update in hub.git.pushes[0].accepted}
    state = json.loads(hub.bare.git("show", f"{pushed['refs/heads/loop/T-001/state']}:state.json"))
    assert pushed["refs/heads/loop/T-001/work"] == hub.bare.head("main")
    assert state["lease"]["run_id"] == "1000"
    assert state["attempt"]["role"] == "worker"


def test_work_and_report_go_out_in_one_push_and_the_state_never_on_the_work_branch(
    hub: Hub,
) -> None:
    hub.job()

    second = hub.git.pushes[1]
    assert set(second.refs) == {"refs/heads/loop/T-001/state", "refs/heads/loop/T-001/work"}
    names = hub.bare.git("diff", "--name-only", "main", "loop/T-001/work").split()
    assert names == ["calc.py"]


def test_pull_request_is_a_draft_until_approved_and_each_round_posts_its_report_once(
    hub: Hub,
) -> None:
    hub.job()
    (pull,) = hub.api.repository("octo/demo").pulls.values()
    assert pull.draft
    hub.continued()

    assert not pull.draft
    assert pull.head == "loop/T-001/work"
    markers = [review.body.splitlines()[0] for review in pull.reviews]
    assert markers == [
        "<!-- loop-kit:T-001:review-r1 -->",
        "<!-- loop-kit:T-001:review-r2 -->",
    ]
    assert "**F1** high [`calc.py:6`](" in pull.reviews[0].body
    assert "Round 2: approved" in pull.reviews[1].body


def test_the_state_branch_holds_the_bus_and_no_diff(hub: Hub) -> None:
    hub.job()

    names = hub.bare.git("ls-tree", "-r", "--name-only", "loop/T-001/state").split()
    assert {"state.json", "task_card.json", "work_report.json", "review_report.json"} <= set(names)
    assert "archive/T-001/r1_review_report.json" in names
    request = json.loads(hub.bare.git("show", "loop/T-001/state:review_request.json"))
    assert "diff" not in request
    assert hub.bare.git("rev-list", "--max-parents=0", "loop/T-001/state").count("\n") <= 1


def test_next_round_is_dispatched_on_the_default_branch_with_the_state_it_expects(
    hub: Hub,
) -> None:
    hub.job()

    (dispatch,) = hub.api.dispatches
    assert dispatch.ref == "main"
    assert dispatch.inputs == {
        "task-id": "T-001",
        "round": "2",
        "expected-state": str(hub.state()["seq"]),
    }


def test_job_summary_begins_with_the_outcome_and_has_a_row_for_each_round(hub: Hub) -> None:
    hub.job()
    second = hub.continued()

    assert "| [2](" in second.summary
    assert second.summary.startswith("## ✅ Approved in round 2")


def test_a_stale_continuation_ends_green_and_runs_nothing(hub: Hub) -> None:
    hub.job()
    hub.continued()
    pushes = len(hub.git.pushes)

    again = hub.continued()

    assert again.code == 0, again.log
    assert "nothing to do" in again.log
    assert len(hub.git.pushes) == pushes


def test_somebody_who_may_only_read_cannot_start_a_loop(hub: Hub) -> None:
    refused = hub.job(sender="rita")

    assert refused.code == 6
    assert "rita may not write to octo/demo" in refused.log
    assert hub.git.pushes == []


def test_a_loop_whose_starter_lost_write_is_not_continued(hub: Hub) -> None:
    hub.job()
    hub.api.set_role("octo/demo", "mona", "read")

    refused = hub.continued()

    assert refused.code == 6
    assert "mona may not write" in refused.log


def test_a_job_on_a_loop_branch_is_refused(hub: Hub) -> None:
    refused = hub.job(env={"GITHUB_REF": "refs/heads/loop/T-001/work"})

    assert refused.code == 6
    assert "Run the workflow on the default branch" in refused.log


def test_an_event_that_is_not_for_us_ends_green_with_one_line(hub: Hub) -> None:
    ignored = hub.job(env={"GITHUB_EVENT_NAME": "watch"})

    assert ignored.code == 0
    assert "The event watch is not one" in ignored.log
    assert hub.api.requests == []


def test_continue_none_says_in_the_outputs_what_a_later_step_should_do(hub: Hub) -> None:
    first = hub.job(**{"continue": "none"})

    assert first.outputs["continue"] == "true"
    assert hub.api.dispatches == []
    second = hub.job(task_id="T-001")
    assert second.outputs["outcome"] == "approved", second.log


def test_a_job_without_a_checkout_says_to_add_one(hub: Hub, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    refused = hub.job(env={"GITHUB_WORKSPACE": str(empty)})

    assert refused.code == 1
    assert "Add actions/checkout before this step." in refused.log


def test_an_exported_github_token_is_as_good_as_the_input(hub: Hub) -> None:
    first = hub.job(env={"INPUT_GITHUB_TOKEN": "", "GITHUB_TOKEN": "bot"})

    assert first.code == 0, first.log
    assert first.outputs["continue"] == "true"


def test_without_a_token_the_job_says_which_input_is_missing(hub: Hub) -> None:
    refused = hub.job(env={"INPUT_GITHUB_TOKEN": ""})

    assert refused.code == 3
    assert "Pass `github-token`." in refused.log


@pytest.mark.parametrize(
    ("origin", "pushed_to"),
    [
        ("{server}/octo/demo.git", "{server}/octo/demo.git"),
        ("{bare}/octo/demo", "{server}/octo/demo"),
        ("https://elsewhere.example/octo/demo", "{server}/octo/demo"),
        ("{server}/octo/other", "{server}/octo/demo"),
    ],
)
def test_pushes_go_where_the_checkout_came_from_when_that_is_this_server(
    hub: Hub, tmp_path: Path, origin: str, pushed_to: str
) -> None:
    server = "https://mona:secret@github.example"
    names = {"server": "https://github.example", "bare": "/somewhere"}
    given = origin.replace("{server}", server).format(**names)
    git = Git(tmp_path, {"PATH": os.environ["PATH"]})
    git.run("init", "--quiet")
    git.run("config", "remote.origin.url", given)
    environ = hub.environment({}, "mona", tmp_path)
    job = read_job({**environ, "GITHUB_SERVER_URL": names["server"]})

    assert remote_url(git, job) == pushed_to.format(**names)


def test_a_workflow_that_cannot_be_continued_says_what_to_add_and_the_round_is_kept(
    make_hub: MakeHub,
) -> None:
    bare = "on:\n  workflow_dispatch:\njobs: {}\n"
    hub = make_hub(files={".github/workflows/loop.yml": bare})

    job = hub.job()

    assert job.code == 6
    assert "task-id: {type: string}" in job.log
    assert job.outputs["continue"] == "true"
    assert "Round 2 of 3 · worker" in job.summary
    assert hub.state().get("lease") is None
    assert hub.job(task_id="T-001").outputs["outcome"] == "approved"
